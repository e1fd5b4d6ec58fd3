package authority

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/caller"
	"hopnhat/federation/enrol"
	"hopnhat/keys/jose"
)

// asking is the name of the entity that proved in a request who it is.
type asking struct{}

// asked is the entity that asks; empty if it did not prove who it is.
func asked(ctx context.Context) federation.EntityID {
	id, _ := ctx.Value(asking{}).(federation.EntityID)
	return id
}

// authenticated proves who asks an endpoint, where that is wanted or was tried (§8.8).
func (a *Authority) authenticated(ctx context.Context, e endpoint, method string, form url.Values) (context.Context, error) {
	mode := a.o.Authentication[e.path]
	// Where nobody has to, a POST that an endpoint knows otherwise only as GET is one with a proof.
	wanted := mode == caller.Required || mode == caller.Optional && (caller.Tried(form) || method != e.method)
	switch {
	case !wanted && caller.Tried(form):
		return ctx, refuse(InvalidRequest, "Only requests without client authentication are accepted here (§8.8.1).")
	case !wanted:
		return ctx, nil
	}
	// Who names a subordinate causes no look into the evidence before a signature with the keys of
	// its record holds.
	var enrolled *enrol.Subordinate
	keys := func(ctx context.Context, id federation.EntityID) (set *jose.Set, err error) {
		set, enrolled, err = a.keysOf(ctx, id)
		return set, err
	}
	id, err := caller.Gate{Self: a.o.ID, Keys: keys, Once: a.o.Once, Now: a.o.Now}.Check(ctx, form)
	if err == nil && enrolled != nil {
		err = a.o.Registry.CheckSubordinate(ctx, *enrolled)
	}
	var refusal *caller.Refusal
	switch {
	case errors.As(err, &refusal) && refusal.Client:
		return ctx, refuse(InvalidClient, refusal.Text)
	case errors.As(err, &refusal):
		return ctx, refuse(InvalidRequest, refusal.Text)
	case err != nil:
		return ctx, err
	}
	return context.WithValue(ctx, asking{}, id), nil
}

// keysOf are the federation keys of who asks: of a subordinate, with its record, which is yet to be
// held against its evidence, and otherwise of an entity that the resolver trusts, as its superior
// states them.
func (a *Authority) keysOf(ctx context.Context, id federation.EntityID) (*jose.Set, *enrol.Subordinate, error) {
	if a.o.Registry != nil {
		s, err := a.o.Registry.Subordinate(ctx, id)
		switch {
		case err == nil && s.InForce(a.o.Now()):
			set, err := jose.ParseSet(s.Terms.Keys)
			return set, &s, err
		case err == nil:
			return nil, nil, caller.ErrUnknown
		case !errors.Is(err, authz.ErrNotFound):
			return nil, nil, err
		}
	}
	if a.o.Resolver == nil {
		return nil, nil, caller.ErrUnknown
	}
	entry, err := a.o.Resolver.Resolve(id)
	if err != nil {
		return nil, nil, caller.ErrUnknown
	}
	set, err := entry.Keys()
	return set, nil, err
}

// challenge is how a 401 says what is wanted (RFC 9110 §11.6.1). The method has no scheme of its
// own: the name is that of the method.
func challenge(w http.ResponseWriter) { w.Header().Set("WWW-Authenticate", caller.Method) }
