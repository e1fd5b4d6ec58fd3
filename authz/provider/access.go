package provider

import (
	"net/http"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/token"
)

// BrokerAccess checks the token of a request at the broker.
func (p *Provider) BrokerAccess(r *http.Request) (token.Access, error) {
	presented, err := token.PresentedToken(r)
	if err != nil {
		return token.Access{}, err
	}
	a, err := p.guard.Presented(r, presented, p.url.Broker, p.url.Here(clientauth.ConnectionOf(r.Context()), r.URL.Path))
	if err != nil {
		return token.Access{}, err
	}
	switch {
	case a.Grant == "":
		return token.Access{}, authz.NewError(authz.InvalidToken, "the broker takes tokens of a person's grant")
	case !a.Bound.Bound():
		return token.Access{}, authz.NewError(authz.InvalidToken,
			"the broker takes no bearer tokens: ask for one that is bound to a DPoP key (RFC 9449) or a client certificate (RFC 8705)")
	}
	if a.Act != nil {
		// The grant is read with the release; that this one token was revoked by
		// the app that acts is asked here.
		return a, p.verifier.NotRevoked(r.Context(), a.ID)
	}
	return a, nil
}

// Nonce is a fresh DPoP nonce, for answers of the broker.
func (p *Provider) Nonce() string { return p.o.Proofs.Nonce() }
