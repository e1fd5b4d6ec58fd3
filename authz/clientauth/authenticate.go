package clientauth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// assertionType is the only client_assertion_type, RFC 7523 §2.2.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// Limits on a client assertion. FAPI 2.0 SP §5.3.2.1 asks to bear clocks that
// are up to 10 s ahead and to refuse more than 60 s.
const (
	assertionMaxLife = 10 * time.Minute
	clockAhead       = 10 * time.Second
	maxAssertion     = 8 << 10
)

// Authenticator authenticates clients by exactly one method.
type Authenticator struct {
	Directory *Directory
	// Issuer is the provider's issuer identifier, the audience of assertions.
	Issuer string
	// Endpoints are the other audiences that some profiles tolerate, of those that
	// authenticate clients, and CIBA those of CIBA Core §7.1.
	Endpoints, CIBA []string
	// ClientCAs issue the certificates of method tls_client_auth.
	ClientCAs *x509.CertPool
	Now       func() time.Time
}

// Assertion names a client assertion that must be accepted once only, and the DPoP
// proof that came with it. The endpoint spends both in the transaction of its own
// write; Digest is empty when the client did not use an assertion.
type Assertion struct {
	Digest  []byte
	Expires time.Time
	// Proof is checked and this node's; its Digest is empty when there was none.
	Proof Proof
}

// Spender remembers assertions and proofs. Of any number of calls that have one of
// them in common exactly one returns nil, the others authz.ErrConflict:
// [ErrProofUsed] when the assertion is new and the proof is not. Without either it
// does nothing.
type Spender interface {
	Spend(ctx context.Context, once Assertion) error
}

// Authenticate finds the calling client of a form request (token, PAR,
// introspection, revocation). The error is an *authz.Error: invalid_client when
// authentication failed, invalid_request when the request is malformed or more
// than one method was tried (RFC 6749 §2.3), temporarily_unavailable when the
// client could not be looked up.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, form url.Values) (*Registered, Assertion, error) {
	basicID, basicSecret, basic, err := basicCredentials(r)
	if err != nil {
		return nil, Assertion{}, err
	}
	assertion := form.Get("client_assertion")
	secret := form.Get("client_secret")
	methods := 0
	for _, used := range []bool{basic, assertion != "" || form.Get("client_assertion_type") != "", secret != ""} {
		if used {
			methods++
		}
	}
	switch {
	case methods > 1:
		return nil, Assertion{}, authz.Refuse(authz.InvalidRequest,
			"the client authenticated in more than one way; use exactly one (RFC 6749 §2.3)")
	case methods == 0 && form.Get("client_id") != "" && ConnectionOf(ctx).Certificate() != nil:
		c, err := a.byCertificate(ctx, authz.ClientID(form.Get("client_id")))
		return c, Assertion{}, err
	case methods == 0:
		c, err := a.byNothing(ctx, authz.ClientID(form.Get("client_id")))
		return c, Assertion{}, err
	case basic:
		if id := form.Get("client_id"); id != "" && id != basicID {
			return nil, Assertion{}, authz.Refuse(authz.InvalidRequest,
				"client_id and the Authorization header name different clients").At("client_id")
		}
		c, err := a.bySecret(ctx, authz.ClientID(basicID), basicSecret, authz.ClientSecretBasic)
		return c, Assertion{}, err
	case secret != "":
		c, err := a.bySecret(ctx, authz.ClientID(form.Get("client_id")), secret, authz.ClientSecretPost)
		return c, Assertion{}, err
	default:
		return a.byAssertion(ctx, form, assertion)
	}
}

// basicCredentials reads RFC 6749 §2.3.1: both parts are form-encoded first.
func basicCredentials(r *http.Request) (id, secret string, present bool, err error) {
	header := r.Header.Values("Authorization")
	if len(header) == 0 {
		return "", "", false, nil
	}
	malformed := authz.Refuse(authz.InvalidRequest, "the Authorization header is malformed; send one Basic header with form-encoded client id and secret")
	if len(header) > 1 || len(header[0]) > 2048 {
		return "", "", false, malformed
	}
	scheme, rest, _ := strings.Cut(header[0], " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false, malformed
	}
	raw, decodeErr := base64.StdEncoding.DecodeString(strings.TrimSpace(rest))
	rawID, rawSecret, found := strings.Cut(string(raw), ":")
	id, idErr := url.QueryUnescape(rawID)
	secret, secretErr := url.QueryUnescape(rawSecret)
	if decodeErr != nil || !found || idErr != nil || secretErr != nil || authz.CheckText(id) != nil {
		return "", "", false, malformed
	}
	return id, secret, true, nil
}

// refused has one text for every cause, so that an answer does not disclose whether a
// client exists.
func refused(cause error) *authz.Error {
	return authz.Refuse(authz.InvalidClient, "client authentication failed; check client_id, method and key or secret of the registration").Because(cause)
}

func (a *Authenticator) find(ctx context.Context, id authz.ClientID) (*Registered, error) {
	c, err := a.Directory.Client(ctx, id)
	if errors.Is(err, ErrUnknownClient) {
		return nil, refused(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return c, nil
}

// byNothing finds a public client by its client_id (RFC 6749 §3.2.1). A client that
// must authenticate and one that does not exist get the same answer.
func (a *Authenticator) byNothing(ctx context.Context, id authz.ClientID) (*Registered, error) {
	missing := authz.Refuse(authz.InvalidClient,
		"no client authentication in the request; authenticate with the registered method, for a certificate with client_id at the host of mtls_endpoint_aliases")
	if id == "" {
		return nil, missing
	}
	c, err := a.Directory.Client(ctx, id)
	switch {
	case errors.Is(err, ErrUnknownClient):
		return nil, missing.Because(err)
	case err != nil:
		return nil, authz.AsError(err)
	case c.Method != authz.PublicClient || !slices.Contains(c.Profile.AuthMethods, authz.PublicClient):
		return nil, missing
	}
	return c, nil
}

func (a *Authenticator) bySecret(ctx context.Context, id authz.ClientID, secret string, method authz.AuthMethod) (*Registered, error) {
	c, err := a.find(ctx, id)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(secret))
	right := subtle.ConstantTimeCompare(sum[:], c.SecretHash) == 1
	expired := !c.SecretExpires.IsZero() && !a.Now().Before(c.SecretExpires)
	if c.Method != method || !slices.Contains(c.Profile.AuthMethods, method) {
		return nil, refused(errors.New("the client is registered for another method"))
	}
	if !right {
		return nil, refused(errors.New("wrong secret"))
	}
	if expired { // RFC 7591 §3.2.1: client_secret_expires_at
		return nil, refused(errors.New("the secret has expired"))
	}
	return c, nil
}

// assertionClaims are the claims of RFC 7523 §3.
type assertionClaims struct {
	Issuer    string          `json:"iss"`
	Subject   string          `json:"sub"`
	Audience  json.RawMessage `json:"aud"`
	ID        string          `json:"jti"`
	Expires   float64         `json:"exp"`
	IssuedAt  float64         `json:"iat"`
	NotBefore float64         `json:"nbf"`
}

func (a *Authenticator) byAssertion(ctx context.Context, form url.Values, assertion string) (*Registered, Assertion, error) {
	if form.Get("client_assertion_type") != assertionType {
		return nil, Assertion{}, authz.Refuse(authz.InvalidRequest, "client_assertion_type must be %s", assertionType).At("client_assertion_type")
	}
	if len(assertion) > maxAssertion {
		return nil, Assertion{}, authz.Refuse(authz.InvalidRequest, "client_assertion is longer than %d bytes", maxAssertion).At("client_assertion")
	}
	claimed, err := jose.PeekIssuer(assertion)
	if err != nil {
		return nil, Assertion{}, refused(err)
	}
	if id := form.Get("client_id"); id != "" && id != claimed {
		return nil, Assertion{}, authz.Refuse(authz.InvalidRequest, "client_id and client_assertion name different clients").At("client_id")
	}
	c, err := a.find(ctx, authz.ClientID(claimed))
	if err != nil {
		return nil, Assertion{}, err
	}
	if c.Method != authz.PrivateKeyJWT {
		return nil, Assertion{}, refused(errors.New("the client is registered for another method"))
	}
	allowed := c.Profile.ClientAlgorithms
	if c.AssertionAlg != "" {
		allowed = []string{c.AssertionAlg}
	}
	verified, err := a.Directory.Verify(ctx, assertion, c, jose.Rule{Algorithms: keys.Named(allowed), MaxBytes: maxAssertion})
	if errors.Is(err, authz.ErrUnavailable) {
		return nil, Assertion{}, authz.AsError(err)
	}
	if err != nil {
		return nil, Assertion{}, refused(err)
	}
	var claims assertionClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		return nil, Assertion{}, refused(err)
	}
	if err := a.checkAssertion(claims, c); err != nil {
		return nil, Assertion{}, refused(err)
	}
	digest := sha256.Sum256([]byte(string(c.ID) + "\x00" + claims.ID))
	return c, Assertion{Digest: digest[:], Expires: time.Unix(int64(claims.Expires), 0).UTC().Add(clockAhead)}, nil
}

func (a *Authenticator) checkAssertion(claims assertionClaims, c *Registered) error {
	now := a.Now()
	at := func(seconds float64) time.Time { return time.Unix(int64(seconds), 0) }
	switch {
	case claims.Issuer != string(c.ID) || claims.Subject != string(c.ID):
		return errors.New("iss and sub must both be the client id (RFC 7523 §3)")
	case !a.audienceOK(claims.Audience, c.Profile.AssertionAudience):
		return errors.New("aud must be the issuer identifier")
	case claims.Expires == 0 || !now.Before(at(claims.Expires).Add(clockAhead)):
		return errors.New("exp is missing or past")
	case at(claims.Expires).After(now.Add(assertionMaxLife)):
		return errors.New("exp is too far ahead")
	case claims.NotBefore != 0 && at(claims.NotBefore).After(now.Add(clockAhead)):
		return errors.New("nbf is ahead of our clock")
	case claims.IssuedAt != 0 && at(claims.IssuedAt).After(now.Add(clockAhead)):
		return errors.New("iat is ahead of our clock")
	case claims.ID == "" || len(claims.ID) > 256:
		return errors.New("jti is missing or too long")
	}
	return nil
}

// audienceOK asks whether an assertion is for this provider, by the names that a
// profile lets it be called.
func (a *Authenticator) audienceOK(raw json.RawMessage, allowed authz.AssertionAudience) bool {
	names := []string{a.Issuer}
	switch allowed {
	case authz.IssuerOrCIBA:
		names = append(names, a.CIBA...)
	case authz.IssuerOrEndpoint:
		names = append(names, a.Endpoints...)
	}
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return slices.Contains(names, one)
	}
	var many []string
	if allowed == authz.IssuerAlone || json.Unmarshal(raw, &many) != nil {
		return false
	}
	return slices.ContainsFunc(many, func(aud string) bool { return slices.Contains(names, aud) })
}
