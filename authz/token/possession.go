package token

import (
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
)

// Possession checks that a caller holds what its tokens are bound to: the key of DPoP
// proofs (RFC 9449) or a client certificate (RFC 8705).
type Possession struct {
	Proofs    *clientauth.Proofs
	Directory *clientauth.Directory
	URLs      *protocol.URLs
	Now       func() time.Time
}

// Constraint finds what the tokens of a token request are to be bound to. A
// client that registered certificate-bound tokens gets no others (RFC 8705 §3.4).
// Tokens of any other client are bound to the key of its DPoP proof (RFC 9449 §5); a
// client whose registration or profile demands bound tokens is refused without one. The
// proof, if there was one, is to be spent with what the request writes.
func (p *Possession) Constraint(r *http.Request, client *clientauth.Registered) (authz.Confirmation, clientauth.Proof, error) {
	proofs, connection := r.Header.Values("DPoP"), clientauth.ConnectionOf(r.Context())
	none := clientauth.Proof{}
	switch {
	case client.CertificateBound && len(proofs) > 0:
		return authz.Confirmation{}, none, authz.NewError(authz.InvalidRequest,
			"this app registered certificate-bound tokens; send no DPoP proof")
	case client.CertificateBound:
		certificate, err := p.presentedCertificate(connection)
		if err != nil {
			return authz.Confirmation{}, none, err
		}
		return authz.Confirmation{X5T: certificate}, none, nil
	case len(proofs) > 0:
		proof, err := p.Proofs.Check(proofs, http.MethodPost, p.URLs.Here(connection, protocol.TokenPath), "")
		if err == nil && client.Method != authz.PublicClient { // see [share]
			err = p.Proofs.Use(client.ID, proof)
		}
		return authz.Confirmation{JKT: proof.JKT}, proof, err
	case client.DPoPBound:
		return authz.Confirmation{}, none, authz.NewError(authz.InvalidDPoPProof,
			"this app registered dpop_bound_access_tokens; send a DPoP proof (RFC 9449 §5.2)")
	case client.Profile.RequireConstraint:
		otherwise := ""
		if slices.Contains(client.Profile.Constraints, authz.MutualTLS) {
			otherwise = ", or register tls_client_certificate_bound_access_tokens"
		}
		return authz.Confirmation{}, none, authz.NewError(authz.InvalidDPoPProof,
			"profile %s binds tokens to their holder; send a DPoP proof (RFC 9449)%s", client.Profile.Name, otherwise)
	}
	return authz.Confirmation{}, none, nil
}

// CodeKey checks the proof of a pushed request, whose key, or that of dpop_jkt, its
// code is bound to (RFC 9449 §10, §10.1); both must be the same. A client of
// certificate-bound tokens has no use for one: it could never answer with it.
func (p *Possession) CodeKey(r *http.Request, client *clientauth.Registered, jkt string) (clientauth.Proof, error) {
	proofs, connection := r.Header.Values("DPoP"), clientauth.ConnectionOf(r.Context())
	none := clientauth.Proof{}
	switch {
	case client.CertificateBound && len(proofs) > 0:
		return none, authz.NewError(authz.InvalidRequest, "this app registered certificate-bound tokens; send no DPoP proof")
	case client.CertificateBound && jkt != "":
		return none, authz.NewError(authz.InvalidRequest, "this app registered certificate-bound tokens; send no dpop_jkt").At("dpop_jkt")
	case len(proofs) == 0:
		return none, nil
	}
	proof, err := p.Proofs.Check(proofs, http.MethodPost, p.URLs.Here(connection, protocol.PARPath), "")
	if err != nil {
		return none, err
	}
	if jkt != "" && jkt != proof.JKT {
		return none, authz.NewError(authz.InvalidRequest, "dpop_jkt is not the key of the DPoP proof").At("dpop_jkt")
	}
	if client.Method == authz.PublicClient {
		return proof, nil // spent with the write of the request: see [share]
	}
	return proof, p.Proofs.Use(client.ID, proof)
}

// presentedCertificate is the thumbprint of a certificate that a token may be
// bound to: any that is in force and strong, whoever issued it (RFC 8705 §4).
func (p *Possession) presentedCertificate(connection clientauth.Connection) (string, error) {
	certificate := connection.Certificate()
	if certificate == nil {
		return "", authz.NewError(authz.InvalidRequest,
			"this app's tokens are bound to its certificate; call the endpoint of mtls_endpoint_aliases with it (RFC 8705 §3)")
	}
	if err := clientauth.CheckCertificate(certificate, p.Now()); err != nil {
		return "", authz.NewError(authz.InvalidRequest, "the client certificate cannot be used: %s", err)
	}
	return authz.CertificateThumbprint(certificate), nil
}

// Check checks that the caller holds the key or certificate that a token is bound to
// (RFC 9449 §7.1, RFC 8705 §3), and that the authentication scheme fits the token. It
// returns a fresh DPoP nonce for the answer, or "".
func (p *Possession) Check(r *http.Request, client authz.ClientID, bound authz.Confirmation, token,
	target string,
) (nextNonce string, err error) {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	byProof := strings.EqualFold(scheme, "DPoP")
	switch {
	case bound.JKT == "" && byProof:
		return "", authz.NewError(authz.InvalidToken, "this token is not bound to a key; present it as Bearer")
	case bound.JKT != "" && !byProof:
		return "", authz.NewError(authz.InvalidToken, "this token is bound to a key; present it with scheme DPoP and a proof (RFC 9449 §7.1)")
	case bound.X5T != "":
		// RFC 8705 §3: a token presented without its certificate is invalid.
		certificate := clientauth.ConnectionOf(r.Context()).Certificate()
		if certificate == nil || subtle.ConstantTimeCompare([]byte(authz.CertificateThumbprint(certificate)), []byte(bound.X5T)) != 1 {
			return "", authz.NewError(authz.InvalidToken,
				"this token is bound to a client certificate; present it with that certificate at the host of mtls_endpoint_aliases (RFC 8705 §3)")
		}
		return "", nil
	case bound.JKT == "":
		return "", nil
	}
	proof, err := p.Proofs.Check(r.Header.Values("DPoP"), r.Method, target, token)
	if err != nil {
		return "", err
	}
	if proof.JKT != bound.JKT {
		return "", authz.NewError(authz.InvalidToken, "the proof is not by the key this token is bound to")
	}
	registered, err := p.Directory.Client(r.Context(), client)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return "", ErrRevoked().Because(err)
	}
	if err != nil {
		return "", authz.AsError(err)
	}
	// After the key, or who stole a token could use up its app's share of memory.
	return proof.NextNonce, p.Use(registered, proof)
}

// Use spends a proof, in the part of the memory for used proofs that it takes.
func (p *Possession) Use(client *clientauth.Registered, proof clientauth.Proof) error {
	return p.Proofs.Use(share(client, proof), proof)
}

// share names the owner of the part of the memory for used proofs that a proof takes.
// An app that authenticates has one part. Anyone can use the client_id of an app without
// a secret, so there each key has a part, once a grant was found that is bound to it:
// one device cannot shut out the others.
func share(client *clientauth.Registered, proof clientauth.Proof) authz.ClientID {
	if client.Method == authz.PublicClient {
		return client.ID + "\x00" + authz.ClientID(proof.JKT)
	}
	return client.ID
}
