package redeem

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/token"
)

// Store keeps grants and remembers what was spent.
type Store interface {
	grant.Grants
	grant.Spent
	grant.Transactions
}

// Polls finds requests that are answered on another device.
type Polls interface {
	// Polled finds a request and, once it was approved, the grant of its code: one
	// query. authz.ErrNotFound when there is no such request any more.
	Polled(ctx context.Context, id authz.AuthorizationID, codeHash []byte) (decoupled.Request, *grant.Grant, error)
}

// Parties remembers which clients are active, from where: they are who must have
// fetched a new key before it signs.
type Parties interface {
	Used(client, address string)
}

// Options is what a TokenEndpoint is made of; Parties may be nil.
type Options struct {
	Clients    *clientauth.Authenticator
	Parties    Parties
	Refusals   *protocol.Refusals
	Possession *token.Possession
	Minter     *token.Minter
	Verifier   *token.Verifier
	Store      Store
	RefreshKey grant.RefreshKey
	Engine     *engine.Engine
	Approvals  *decoupled.Engine
	Polls      Polls
	Recorder   *grant.Recorder
	// Grace is how long the same refresh token gives the same successor.
	Grace time.Duration
	Now   func() time.Time
}

// TokenEndpoint answers token requests. It is safe for concurrent use.
type TokenEndpoint struct {
	o      Options
	grants grants
}

// Request is a token request of a client that has authenticated.
type Request struct {
	Client *clientauth.Registered
	Form   url.Values
	// Confirmation is what the tokens are to be bound to.
	Confirmation authz.Confirmation
	// Assertion is spent with what the request writes.
	Assertion clientauth.Assertion
	// Resources are what the token is asked for, RFC 8707 §2.2.
	Resources []string
	Now       time.Time
}

// terms are what the tokens of the request are made for.
func (q *Request) terms(scope []string, first bool) token.Terms {
	return token.Terms{Client: q.Client, Resources: q.Resources, Scope: scope, Confirmation: q.Confirmation, First: first, Now: q.Now}
}

// New makes a TokenEndpoint.
func New(o Options) *TokenEndpoint {
	return &TokenEndpoint{o: o, grants: table(&o)}
}

// Token is the token endpoint, RFC 6749 §3.2. The order is: authenticate the client,
// check the proof, redeem the grant, answer.
func (e *TokenEndpoint) Token(w http.ResponseWriter, r *http.Request) {
	answer, nonce, err := e.token(r)
	if err != nil {
		e.o.Refusals.Write(w, r, err)
		return
	}
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	protocol.WriteJSON(w, http.StatusOK, answer)
}

func (e *TokenEndpoint) token(r *http.Request) (answer *token.Response, nonce string, err error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return nil, "", err
	}
	client, assertion, err := e.o.Clients.Authenticate(r.Context(), r, form)
	if err != nil {
		return nil, "", err
	}
	if e.o.Parties != nil {
		e.o.Parties.Used(string(client.ID), r.RemoteAddr)
	}
	row, err := e.grants.find(form, client)
	if err != nil {
		return nil, "", err
	}
	bound, proof, err := e.o.Possession.Constraint(r, client)
	if err != nil {
		return nil, "", err
	}
	assertion.Proof = proof
	answer, err = row.Redeem(r.Context(), &Request{
		Client: client, Form: form, Confirmation: bound, Assertion: assertion, Resources: form["resource"], Now: e.o.Now().UTC(),
	})
	return answer, proof.NextNonce, err
}
