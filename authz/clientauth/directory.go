package clientauth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"hopnhat/authz"
	"hopnhat/authz/recent"
	"hopnhat/keys/jose"
)

// Clients reads registrations. A client that is not there is authz.ErrNotFound;
// any other error means that it could not be looked for.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// Registered is a client as the hot path wants it: with its keys parsed once. They
// are reached by [Directory.Keys] and [Directory.Verify], since they may be at a
// jwks_uri.
type Registered struct {
	*authz.Client
	Profile authz.Profile
	jwks    *jose.Set
	// Certificate is what the app's certificate must be named (tls_client_auth).
	Certificate CertificateName
}

// Directory keeps registrations in memory for a short time, so that a request
// costs no query for its client and a disabled client is refused within that
// time on every node.
type Directory struct {
	clients Clients
	now     func() time.Time
	known   *recent.Map[authz.ClientID, *Registered]

	// Fetcher gets key sets from a jwks_uri; nil gets none.
	Fetcher Fetcher
	// Introducer takes up apps of federations; nil takes none.
	Introducer Introducer
	// Sets remembers how new the signed JWK Sets are that were taken; nil: this process alone.
	Sets SignedSets
	keys keySets
}

// SignedSets remembers, for all nodes, when the newest signed JWK Set of an app was issued (OpenID
// Federation 1.0 §5.2.1).
type SignedSets interface {
	// RaiseSignedSet makes a time that of the newest, zero for a set that has none, and reports
	// whether it is now: false, and nothing changes, where a later one is known.
	RaiseSignedSet(ctx context.Context, id authz.ClientID, issued time.Time) (bool, error)
}

// Introducer takes up an app that shows a trust chain from itself to a trust anchor, and
// maybe one from this provider (OpenID Federation 1.0 §12.1.1.1). Errors are *authz.Error. It
// sends no request to anybody but for an app whose chain is good.
type Introducer interface {
	Introduce(ctx context.Context, id authz.ClientID, chain, peer []string) error
}

// Introduced takes up the app by the trust chain in the header of a JWT that it signed, if
// there is one. Errors are *authz.Error: the signature is not checked here.
func (d *Directory) Introduced(ctx context.Context, id authz.ClientID, token string) error {
	if d.Introducer == nil || token == "" {
		return nil
	}
	chain, peer, err := jose.PeekTrustChains(token)
	if err != nil {
		return authz.NewError(authz.InvalidTrustChain, "%v", err).Under("OpenID Federation 1.0 §4.3")
	}
	if len(chain) == 0 {
		return nil
	}
	return d.Introducer.Introduce(ctx, id, chain, peer)
}

// trusted reports whether an error is a refusal of trust, which says itself what to do.
func trusted(err error) (*authz.Error, bool) {
	var refusal *authz.Error
	ok := errors.As(err, &refusal)
	return refusal, ok
}

// maxKnown bounds the memory of the directory.
const maxKnown = 50_000

// NewDirectory keeps a registration for life, 5 s if zero.
func NewDirectory(clients Clients, life time.Duration, now func() time.Time) *Directory {
	if now == nil {
		now = time.Now
	}
	return &Directory{
		clients: clients, now: now, known: recent.New[authz.ClientID, *Registered](maxKnown, life, now),
		keys: keySets{
			sets:    recent.New[authz.ClientID, *keySet](maxKeySets, recent.Forever, now),
			fetches: semaphore.NewWeighted(maxFetching),
		},
	}
}

// ErrUnknownClient means that no enabled client has this identifier.
var ErrUnknownClient = errors.New("unknown or disabled client")

// Client finds an enabled client. The error wraps ErrUnknownClient, beside an *authz.Error
// where a federation does not vouch for it, or authz.ErrUnavailable when it could not be
// looked for and no recent copy is at hand.
func (d *Directory) Client(ctx context.Context, id authz.ClientID) (*Registered, error) {
	known, now, ok := d.known.Get(id)
	if ok && !known.Membership.Lapsed(now) {
		return known, nil
	}
	if id == "" || len(id) > 256 || authz.CheckText(string(id)) != nil {
		return nil, ErrUnknownClient
	}
	c, err := d.clients.Client(ctx, id)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		d.known.Forget(id)
		return nil, ErrUnknownClient
	case errors.Is(err, ErrUnknownClient): // which says why a federation does not vouch for it
		d.known.Forget(id)
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("looking up client %q: %w", id, err)
	case c.Disabled, c.Membership.Lapsed(now):
		d.known.Forget(id)
		return nil, ErrUnknownClient
	}
	registered, err := register(c)
	if err != nil {
		return nil, err
	}
	d.known.Put(id, registered, now)
	return registered, nil
}

// Forget drops a client from memory, after a change made by this node.
func (d *Directory) Forget(id authz.ClientID) { d.known.Forget(id) }

func register(c *authz.Client) (*Registered, error) {
	profile, ok := authz.Profiles[c.Profile]
	if !ok {
		return nil, fmt.Errorf("client %q is pinned to profile %q, which this program does not know", c.ID, c.Profile)
	}
	r := &Registered{Client: c, Profile: profile}
	if len(c.JWKS) > 0 {
		set, err := jose.ParseSet(c.JWKS)
		if err != nil {
			return nil, fmt.Errorf("reading the keys of client %q: %w", c.ID, err)
		}
		r.jwks = set
	}
	if c.Method == authz.TLSClientAuth {
		var err error
		if r.Certificate, err = ParseCertificateName(c.Certificate); err != nil {
			return nil, fmt.Errorf("reading the certificate's name of client %q: %w", c.ID, err)
		}
	}
	return r, nil
}
