package authorize

import (
	"net/http"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
)

// Doors are the endpoints where an app asks for an authorization by itself, without the
// browser: pushed requests, and those that are answered on another device. It is safe for
// concurrent use.
type Doors struct {
	o          Options
	references *References
}

// NewDoors makes the Doors to an Authorizer.
func NewDoors(a *Authorizer) *Doors { return &Doors{a.o, a.references} }

// requestURIPrefix starts every request_uri of ours, RFC 9126 §2.2.
const requestURIPrefix = "urn:ietf:params:oauth:request_uri:"

// PAR is the pushed authorization request endpoint, RFC 9126. The client
// authenticates as at the token endpoint; the request is checked whole, so that
// what is wrong with it is told to the app and not to the person.
func (d *Doors) PAR(w http.ResponseWriter, r *http.Request) {
	pending, err := d.push(r)
	if err != nil {
		d.o.Refusals.Write(w, r, err)
		return
	}
	protocol.WriteJSON(w, http.StatusCreated, struct {
		RequestURI string `json:"request_uri"`
		ExpiresIn  int    `json:"expires_in"`
	}{requestURIPrefix + string(pending.ID), int(d.o.Lifetimes.Pushed.Seconds())})
}

func (d *Doors) push(r *http.Request) (grant.Pending, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return grant.Pending{}, err
	}
	client, assertion, err := d.o.Clients.Authenticate(r.Context(), r, form)
	if err == nil && client.Method == authz.PublicClient {
		err = admit(d.o.Strangers, r)
	}
	if err != nil {
		return grant.Pending{}, err
	}
	if id := form.Get("client_id"); id != "" && id != string(client.ID) {
		// RFC 9126 §2.1, and docs/decisions.md F2: nobody pushes for another.
		return grant.Pending{}, authz.NewError(authz.InvalidRequest, "client_id is not the client that authenticated").At("client_id")
	}
	if form.Get("request_uri") != "" {
		return grant.Pending{}, authz.NewError(authz.InvalidRequest, "request_uri must not be pushed (RFC 9126 §2.1)").At("request_uri")
	}
	if form, err = d.o.Objects.Unwrap(r.Context(), form, client); err != nil {
		return grant.Pending{}, err
	}
	checked, err := d.o.Checker.Check(form, client.Client, client.Profile)
	if err == nil {
		err = d.references.Check(r.Context(), client, checked)
	}
	if err != nil {
		return grant.Pending{}, err
	}
	if assertion.Proof, err = d.o.Possession.CodeKey(r, client, checked.DPoPKeyThumbprint); err != nil {
		return grant.Pending{}, err
	}
	if assertion.Proof.JKT != "" {
		checked.DPoPKeyThumbprint = assertion.Proof.JKT
	}
	if err := request.KeyNamed(client.Profile, &checked); err != nil {
		return grant.Pending{}, err
	}
	if err := request.Deliverable(client.Client, client.Profile, &checked); err != nil {
		return grant.Pending{}, err
	}
	now := d.o.Now().UTC()
	pending := grant.Pending{
		ID: authz.AuthorizationID(authz.NewSecret()), Pushed: true, Request: checked,
		Created: now, Expires: now.Add(d.o.Lifetimes.Interaction),
	}
	return pending, clientauth.Refusal(d.o.Store.InsertPending(r.Context(), pending, assertion))
}

// parseRequestURI finds the pushed request of a request_uri.
func parseRequestURI(requestURI string) (authz.AuthorizationID, bool) {
	id, ok := strings.CutPrefix(requestURI, requestURIPrefix)
	return authz.AuthorizationID(id), ok && len(id) == 43
}
