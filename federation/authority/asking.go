package authority

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/caller"
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
	id, err := caller.Gate{Self: a.o.ID, Keys: a.keysOf, Once: a.o.Once, Now: a.o.Now}.Check(ctx, form)
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

// keysOf are the federation keys of who asks: of a subordinate, as it is enrolled, and otherwise of
// an entity that the resolver trusts, as its superior states them.
func (a *Authority) keysOf(ctx context.Context, id federation.EntityID) (*jose.Set, error) {
	if a.o.Registry != nil {
		s, err := a.o.Registry.Subordinate(ctx, id)
		switch {
		case err == nil && s.InForce(a.o.Now()):
			if err := a.o.Registry.CheckSubordinate(ctx, s); err != nil {
				return nil, err
			}
			return jose.ParseSet(s.Terms.Keys)
		case err == nil:
			return nil, caller.ErrUnknown
		case !errors.Is(err, authz.ErrNotFound):
			return nil, err
		}
	}
	if a.o.Resolver == nil {
		return nil, caller.ErrUnknown
	}
	entry, err := a.o.Resolver.Resolve(id)
	if err != nil {
		return nil, caller.ErrUnknown
	}
	return entry.Keys()
}

// challenge is how a 401 says what is wanted (RFC 9110 §11.6.1). The method has no scheme of its
// own: the name is that of the method.
func challenge(w http.ResponseWriter) { w.Header().Set("WWW-Authenticate", caller.Method) }
