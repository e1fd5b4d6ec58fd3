package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"hopnhat/authz"
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
// [ErrAssertionUsed], or [ErrProofUsed] when the assertion is new and the proof is not.
// Without either it does nothing.
type Spender interface {
	Spend(ctx context.Context, once Assertion) error
}

// ErrAssertionUsed is returned where a client assertion comes a second time.
var ErrAssertionUsed = fmt.Errorf("a client assertion was used before: %w", authz.ErrConflict)

// Refusal is the answer to an app that spent something a second time (RFC 7523 §3, RFC
// 9449 §11.1); any other error stays as it is.
func Refusal(err error) error {
	switch {
	case errors.Is(err, ErrProofUsed):
		return UsedProof()
	case errors.Is(err, ErrAssertionUsed):
		return authz.NewError(authz.InvalidClient,
			"client authentication failed; the assertion was used before, make a new one with a new jti")
	}
	return err
}

// Authenticate finds the calling client of a form request (token, PAR, introspection,
// revocation): what it presents says which client it is, and that client's registered
// method how it must prove it. The error is an *authz.Error: invalid_client when
// authentication failed, invalid_request when the request is malformed or more than one
// method was tried (RFC 6749 §2.3), a code of OpenID Federation 1.0 §8.9 when no federation
// vouches for it, temporarily_unavailable when the client could not be
// looked up.
func (a *Authenticator) Authenticate(ctx context.Context, r *http.Request, form url.Values) (*Registered, Assertion, error) {
	p, err := read(ctx, r, form)
	if err != nil {
		return nil, Assertion{}, err
	}
	for _, signed := range []string{p.assertion, form.Get("request")} {
		if err := a.Directory.Introduced(ctx, p.id, signed); err != nil {
			return nil, Assertion{}, authz.AsError(err)
		}
	}
	c, err := a.Directory.Client(ctx, p.id)
	if refusal, ok := trusted(err); ok {
		return nil, Assertion{}, refusal
	}
	if err != nil && !errors.Is(err, ErrUnknownClient) {
		return nil, Assertion{}, authz.AsError(err)
	}
	var once Assertion
	if err == nil {
		switch p.by {
		case nothing:
			err = checkPublic(c)
		case basicHeader, secretInBody:
			err = a.checkSecret(c, p.secret, methodOf[p.by])
		case assertion:
			once, err = a.checkAssertion(ctx, c, p.assertion)
		case certificate:
			err = a.checkCertificate(ctx, c, p.chain)
		}
	}
	switch {
	case err == nil:
		return c, once, nil
	case errors.Is(err, authz.ErrUnavailable):
		return nil, Assertion{}, authz.AsError(err)
	case p.by == nothing && errors.Is(err, ErrUnknownClient), errors.Is(err, errNotPublic):
		// A client that must authenticate and one that does not exist get the same answer.
		return nil, Assertion{}, missing().Because(err)
	}
	return nil, Assertion{}, refused(err)
}

// refused has one text for every cause, so that an answer does not disclose whether a
// client exists.
func refused(cause error) *authz.Error {
	return authz.NewError(authz.InvalidClient, "client authentication failed; check client_id, method and key or secret of the registration").Because(cause)
}

// missing is the answer where nothing authenticates a client that must.
func missing() *authz.Error {
	return authz.NewError(authz.InvalidClient,
		"no client authentication in the request; authenticate with the registered method, for a certificate with client_id at the host of mtls_endpoint_aliases")
}

var errOtherMethod = errors.New("the client is registered for another method")
