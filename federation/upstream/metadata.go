package upstream

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// MaxMetadata bounds the configuration of a provider, in bytes.
const MaxMetadata = 128 << 10

// Metadata are what is used of the configuration of a provider.
type Metadata struct {
	AuthorizationEndpoint string
	TokenEndpoint         string
	// JWKSURI is where its keys are; empty where Keys are with the metadata.
	JWKSURI string
	Keys    *jose.Set
	// EndSessionEndpoint is where a browser is signed out (RP-Initiated Logout
	// §2.1); empty if there is none.
	EndSessionEndpoint string
	// NamesIssuer says that every response carries iss (RFC 9207 §3).
	NamesIssuer bool
	// PushEndpoint takes pushed requests (RFC 9126 §5); empty if there is none, and where this
	// server pushes none.
	PushEndpoint string
}

// ErrMetadata means that the metadata of a provider cannot be used.
var ErrMetadata = errors.New("the metadata of the provider cannot be used")

type document struct {
	Issuer       string          `json:"issuer"`
	Authorize    string          `json:"authorization_endpoint"`
	Token        string          `json:"token_endpoint"`
	JWKSURI      string          `json:"jwks_uri"`
	JWKS         json.RawMessage `json:"jwks"`
	EndSession   string          `json:"end_session_endpoint"`
	NamesIssuer  bool            `json:"authorization_response_iss_parameter_supported"`
	Challenges   []string        `json:"code_challenge_methods_supported"`
	Types        []string        `json:"response_types_supported"`
	TokenAuth    []string        `json:"token_endpoint_auth_methods_supported"`
	TokenSigning []string        `json:"token_endpoint_auth_signing_alg_values_supported"`
	Push         string          `json:"pushed_authorization_request_endpoint"`
	Registers    []string        `json:"client_registration_types_supported"`
	Requests     []string        `json:"request_object_signing_alg_values_supported"`
}

// Metadata reads the configuration of the provider: of its own and no other issuer, with
// secure endpoints, PKCE with S256 and client authentication by private_key_jwt with ES256.
// The error wraps [ErrMetadata].
func (p *Provider) Metadata(raw []byte, loopback bool) (Metadata, error) {
	m, err := p.metadata(raw, loopback)
	if err != nil {
		return Metadata{}, fmt.Errorf("%w: %s: %w", ErrMetadata, p.Issuer, err)
	}
	return m, nil
}

func (p *Provider) metadata(raw []byte, loopback bool) (m Metadata, err error) {
	if len(raw) > MaxMetadata {
		return m, fmt.Errorf("longer than %d bytes", MaxMetadata)
	}
	if err := jose.CheckJSON(raw); err != nil {
		return m, err
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return m, errors.New("a member is of a wrong type")
	}
	// OpenID Connect Discovery §4.3: the issuer must be exactly the one that was asked. In a
	// federation it is the name of the entity (OpenID Federation 1.0 §5.1.3).
	if d.Issuer != p.Issuer {
		return m, fmt.Errorf("its issuer is %q", d.Issuer)
	}
	for name, address := range map[string]string{"authorization_endpoint": d.Authorize, "token_endpoint": d.Token} {
		if err := secure(address, loopback); err != nil {
			return m, fmt.Errorf("%s: %w", name, err)
		}
	}
	if d.EndSession != "" {
		if err := secure(d.EndSession, loopback); err != nil {
			return m, fmt.Errorf("end_session_endpoint: %w", err)
		}
	}
	if p.Registration != Automatic {
		d.Push = ""
	}
	if d.Push != "" {
		if err := secure(d.Push, loopback); err != nil {
			return m, fmt.Errorf("pushed_authorization_request_endpoint: %w", err)
		}
	}
	switch {
	// OpenID Federation 1.0 §5.1.3.
	case p.Registration == Automatic && !slices.Contains(d.Registers, string(Automatic)):
		return m, errors.New("client_registration_types_supported lacks automatic")
	case p.Registration == Automatic && d.Requests != nil && !slices.Contains(d.Requests, string(keys.ES256)):
		return m, errors.New("request_object_signing_alg_values_supported lacks ES256")
	case !slices.Contains(d.Types, "code"):
		return m, errors.New("response_types_supported lacks code")
	// RFC 8414 §2: left out means that PKCE is not supported. RFC 9700 §2.1.1 wants it.
	case !slices.Contains(d.Challenges, "S256"):
		return m, errors.New("code_challenge_methods_supported lacks S256")
	// OpenID Connect Discovery §3: left out stands for client_secret_basic.
	case !slices.Contains(d.TokenAuth, "private_key_jwt"):
		return m, errors.New("token_endpoint_auth_methods_supported lacks private_key_jwt")
	case d.TokenSigning != nil && !slices.Contains(d.TokenSigning, string(keys.ES256)):
		return m, errors.New("token_endpoint_auth_signing_alg_values_supported lacks ES256")
	}
	m = Metadata{
		AuthorizationEndpoint: d.Authorize, TokenEndpoint: d.Token, JWKSURI: d.JWKSURI, EndSessionEndpoint: d.EndSession,
		NamesIssuer: d.NamesIssuer, PushEndpoint: d.Push,
	}
	if d.JWKS != nil {
		if m.Keys, err = jose.ParseSet(d.JWKS); err != nil {
			return Metadata{}, fmt.Errorf("jwks: %w", err)
		}
		m.JWKSURI = ""
		return m, nil
	}
	if err := secure(d.JWKSURI, loopback); err != nil {
		return Metadata{}, fmt.Errorf("jwks_uri: %w", err)
	}
	return m, nil
}
