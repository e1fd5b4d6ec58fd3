package redeem

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// jwtBearer is RFC 7523 §2.1: an app presents the assertion of an issuer it
// registered and gets a token for a service of its own. The token
// stands for no person: what a person allows, she allows by a grant.
type jwtBearer struct{ *Options }

func (b jwtBearer) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	presented := q.Form.Get("assertion")
	from := trusted(q.Client, presented)
	if from == nil {
		return nil, badAssertion(errNoTrust)
	}
	var scope []string
	if s := q.Form.Get("scope"); s != "" {
		scope = strings.Fields(s)
	}
	return b.token(ctx, q, presented, from, q.Resources, scope)
}

// errNoTrust means that the issuer is none that the app registered.
var errNoTrust = errors.New("no trusted issuer of this app")

// badAssertion is one text for every cause (RFC 7523 §3.1).
func badAssertion(cause error) *authz.Error {
	return authz.NewError(authz.InvalidGrant, "the assertion is not by an issuer and key that this app registered as trusted").At("assertion").Because(cause)
}

// trusted is the registered issuer that an assertion says it is of; only to know
// whose key to check it with.
func trusted(client *clientauth.Registered, presented string) *authz.TrustedIssuer {
	parts := strings.Split(presented, ".")
	if len(parts) != 3 || len(presented) > delegation.MaxAssertion {
		return nil
	}
	var claims struct {
		Issuer string `json:"iss"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil {
		return nil
	}
	for i := range client.TrustedIssuers {
		if client.TrustedIssuers[i].Issuer == claims.Issuer {
			return &client.TrustedIssuers[i]
		}
	}
	return nil
}

// token checks an assertion, spends it with its commit, and gives the
// service's token.
func (b jwtBearer) token(ctx context.Context, q *Request, presented string, from *authz.TrustedIssuer, wanted,
	scope []string,
) (*token.Response, error) {
	set, err := jose.ParseSet(from.JWKS)
	if err != nil {
		return nil, authz.AsError(err)
	}
	verified, err := jose.Verify(presented, set, jose.Rule{
		Algorithms: keys.FAPI2Signatures, MaxBytes: delegation.MaxAssertion,
	})
	if err != nil {
		return nil, badAssertion(err)
	}
	service, err := delegation.CheckAssertion(verified.Claims, *from, b.Verifier.Issuer, q.Now)
	if err != nil {
		return nil, err
	}
	to, err := b.target(ctx, q.Client, from, wanted, scope)
	if err != nil {
		return nil, err
	}
	answer, err := b.Minter.OfService(ctx, service.Principal, to, q.terms(scope, false))
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte("assertion\x00" + string(q.Client.ID) + "\x00" + from.Issuer + "\x00" + service.ID))
	err = spendInTx(ctx, b.Store, q.Assertion, func(ctx context.Context) error {
		err := b.Store.Spend(ctx, clientauth.Assertion{Digest: digest[:], Expires: service.Expires})
		if errors.Is(err, authz.ErrConflict) {
			return authz.NewError(authz.InvalidGrant,
				"the assertion was used before; make a new one with a new jti").At("assertion").Because(err)
		}
		return err
	})
	if err != nil {
		return nil, authz.AsError(err)
	}
	return answer, nil
}

// target is one resource among those the issuer is trusted for, with the
// scope it is trusted with, both the app's own as well.
func (b jwtBearer) target(ctx context.Context, client *clientauth.Registered, from *authz.TrustedIssuer, wanted,
	scope []string,
) (token.Target, error) {
	if len(wanted) == 0 && len(from.Audience) == 1 {
		wanted = from.Audience
	}
	switch {
	case len(wanted) != 1:
		return token.Target{}, authz.NewError(authz.InvalidTarget, "name the one resource the token is for").At("resource")
	case !slices.Contains(from.Audience, wanted[0]):
		return token.Target{}, token.UnknownTarget()
	}
	if scope == nil {
		scope = from.Scope
	}
	for _, s := range scope {
		if !slices.Contains(from.Scope, s) || !slices.Contains(client.Scopes, s) {
			return token.Target{}, authz.NewError(authz.InvalidScope, "the scope goes beyond what this issuer is trusted with").At("scope")
		}
	}
	return b.Minter.Targets.OfClient(ctx, client, wanted, scope)
}

// spendInTx is [grant.SpendWith] of a write that is always in a transaction.
func spendInTx(ctx context.Context, store Store, assertion clientauth.Assertion, write func(context.Context) error) error {
	return grant.SpendWith(ctx, store, assertion, func(ctx context.Context) error { return store.Tx(ctx, write) })
}
