package resource

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/recent"
	"hopnhat/keys"
)

// Resources reads registrations. One that is not there is authz.ErrNotFound; any
// other error means that it could not be looked for.
type Resources interface {
	Resource(ctx context.Context, id string) (*authz.Resource, error)
}

// Directory keeps registrations in memory for a short time, so that a request for
// a registered resource costs no query, and one that was disabled gets no tokens
// within that time on every node.
type Directory struct {
	resources Resources
	known     *recent.Map[string, *authz.Resource]
}

// maxKnown bounds the memory of the directory.
const maxKnown = 10_000

// NewDirectory keeps a registration for life, 5 s if zero.
func NewDirectory(resources Resources, life time.Duration, now func() time.Time) *Directory {
	return &Directory{resources: resources, known: recent.New[string, *authz.Resource](maxKnown, life, now)}
}

// Resource finds an enabled resource. The error is authz.ErrNotFound, or wraps
// authz.ErrUnavailable when it could not be looked for.
func (d *Directory) Resource(ctx context.Context, id string) (*authz.Resource, error) {
	known, now, ok := d.known.Get(id)
	if ok {
		return known, nil
	}
	r, err := d.resources.Resource(ctx, id)
	switch {
	case errors.Is(err, authz.ErrNotFound), err == nil && r.Disabled:
		d.known.Forget(id)
		return nil, fmt.Errorf("resource %q: %w", id, authz.ErrNotFound)
	case err != nil:
		return nil, fmt.Errorf("looking up resource %q: %w", id, err)
	}
	d.known.Put(id, r, now)
	return r, nil
}

// Limits of a registration.
const (
	maxScopes = 64
	maxScope  = 64
)

// Check refuses a registration that is not safe or not complete. reserved are the
// scopes of ours, which mean something to our endpoints only; issuer is us.
func Check(r *authz.Resource, issuer string, reserved []string) error {
	if err := CheckID(r.ID); err != nil {
		return err
	}
	switch {
	case r.ID == issuer || strings.HasPrefix(r.ID, issuer+"/"):
		return fmt.Errorf("resource %q is one of this server itself and needs no registration", r.ID)
	case r.Name.VI == "" || r.Owner.VI == "":
		return fmt.Errorf("resource %q: name.vi and owner.vi are needed", r.ID)
	case r.SigningAlg != "" && !slices.Contains(keys.FAPI2Signatures, keys.Algorithm(r.SigningAlg)):
		return fmt.Errorf("resource %q: access tokens are signed with one of %v, not %q", r.ID, keys.FAPI2Signatures, r.SigningAlg)
	case len(r.Scopes) > maxScopes:
		return fmt.Errorf("resource %q: more than %d scopes", r.ID, maxScopes)
	}
	for _, text := range []string{r.Name.VI, r.Name.EN, r.Owner.VI, r.Owner.EN} {
		if err := authz.CheckFreeText(text); err != nil {
			return fmt.Errorf("resource %q: name and owner: %w", r.ID, err)
		}
	}
	for i, s := range r.Scopes {
		switch {
		case !scopeToken(s):
			return fmt.Errorf("resource %q: scope %q is not a scope-token of RFC 6749 §3.3 of at most %d characters", r.ID, s, maxScope)
		case slices.Contains(reserved, s):
			return fmt.Errorf("resource %q: scope %q belongs to this server", r.ID, s)
		case slices.Contains(r.Scopes[:i], s):
			return fmt.Errorf("resource %q: scope %q stands twice", r.ID, s)
		}
	}
	return nil
}

// CheckID: an absolute https URL without user, query or fragment (RFC 8707 §2
// forbids the fragment and advises against the query); http on loopback hosts is
// for development.
func CheckID(id string) error {
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(id, "#?") || len(id) > 512 ||
		u.String() != id:
		return fmt.Errorf("resource %q must be an absolute URL without user, query and fragment", id)
	case u.Scheme == "https", u.Scheme == "http" && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return nil
	}
	return fmt.Errorf("resource %q must be https", id)
}

// scopeToken is RFC 6749 §3.3, bounded.
func scopeToken(s string) bool {
	if s == "" || len(s) > maxScope {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool { return r < 0x21 || r > 0x7e || r == '"' || r == '\\' }) < 0
}
