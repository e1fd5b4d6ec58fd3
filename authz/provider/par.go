package provider

import (
	"context"
	"net/http"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
)

// requestURIPrefix starts every request_uri of ours, RFC 9126 §2.2.
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// PAR is the pushed authorization request endpoint, RFC 9126. The client
// authenticates as at the token endpoint; the request is checked whole, so that
// what is wrong with it is told to the app and not to the person.
func (p *Provider) PAR(w http.ResponseWriter, r *http.Request) {
	pending, err := p.push(r)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusCreated, struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}{requestURIPrefix + string(pending.ID), int(p.life.Pushed.Seconds())})
}

func (p *Provider) push(r *http.Request) (Pending, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return Pending{}, err
	}
	client, assertion, err := p.clients.Authenticate(r.Context(), r, form)
	if err == nil && client.Method == authz.PublicClient {
		err = p.admit(r)
	}
	if err != nil {
		return Pending{}, err
	}
	if id := form.Get("client_id"); id != "" && id != string(client.ID) {
		// RFC 9126 §2.1, and docs/decisions.md F2: nobody pushes for another.
		return Pending{}, authz.Refuse(authz.InvalidRequest, "client_id is not the client that authenticated").At("client_id")
	}
	if form.Get("request_uri") != "" {
		return Pending{}, authz.Refuse(authz.InvalidRequest, "request_uri must not be pushed (RFC 9126 §2.1)").At("request_uri")
	}
	if form, err = p.unwrapped(r.Context(), form, client); err != nil {
		return Pending{}, err
	}
	checked, err := p.checker.Check(form, client.Client, client.Profile)
	if err == nil {
		err = p.checkStanding(r.Context(), client, checked)
	}
	if err != nil {
		return Pending{}, err
	}
	if assertion.Proof, err = p.possession.CodeKey(r, client, checked.DPoPKeyThumbprint); err != nil {
		return Pending{}, err
	}
	if assertion.Proof.JKT != "" {
		checked.DPoPKeyThumbprint = assertion.Proof.JKT
	}
	if err := keyNamed(client, checked); err != nil {
		return Pending{}, err
	}
	if err := deliverable(client, &checked); err != nil {
		return Pending{}, err
	}
	now := p.now().UTC()
	pending := Pending{
		ID: authz.AuthorizationID(authz.NewSecret()), Pushed: true, Request: checked,
		Created: now, Expires: now.Add(p.life.Interaction),
	}
	return pending, grant.SpendWith(r.Context(), p.o.Grants, assertion, func(ctx context.Context) error {
		return p.o.Grants.InsertPending(ctx, pending)
	})
}

// opened finds the pushed request of a request_uri.
func opened(requestURI string) (authz.AuthorizationID, bool) {
	id, ok := strings.CutPrefix(requestURI, requestURIPrefix)
	return authz.AuthorizationID(id), ok && len(id) == 43
}
