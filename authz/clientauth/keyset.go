package clientauth

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"hopnhat/authz"
	"hopnhat/authz/clientauth/signedset"
	"hopnhat/authz/recent"
	"hopnhat/keys/jose"
)

// Fetcher gets a document from a URL that a client registered: public addresses
// only, no redirect, at most limit bytes.
type Fetcher interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
}

// The life of a key set that was fetched from a jwks_uri.
const (
	// fresh is how long it is used without another look. After it, a look happens
	// beside the request that found it old.
	fresh = 5 * time.Minute
	// stale is how long it is used while the app's server does not answer.
	stale = 24 * time.Hour
	// An unknown kid makes us look at once, so many times and then once an interval:
	// anybody can send one.
	looks         = 3
	looksInterval = time.Minute
	// fetchTime bounds one fetch.
	fetchTime   = 5 * time.Second
	maxJWKS     = 64 << 10
	maxKeySets  = 10_000
	maxFetching = 64 // at one time
)

// keySets are the key sets of clients that registered a jwks_uri (OpenID Connect
// Core §10.1.1). A client's set is fetched once at a time, for all who want it, and
// never in the way of a request that has one.
type keySets struct {
	mu      sync.Mutex
	sets    *recent.Map[authz.ClientID, *keySet]
	fetches *semaphore.Weighted // of all clients
}

type keySet struct {
	uri      string
	signedBy []byte    // who signs what is there; nil for a set that is not signed
	set      *jose.Set // nil until the first fetch that worked
	fetched  time.Time
	end      time.Time // of a signed set, zero without
	issued   time.Time // of the newest signed set, zero without
	failed   error
	looks    *rate.Limiter
	fetch    *fetch // under way, nil if none
}

// fetch is one under way, or its outcome.
type fetch struct {
	done chan struct{}
	got  signedset.Signed // only the keys, of a set that is not signed
	err  error
}

// errBusy means that too many key sets are being fetched.
var errBusy = fmt.Errorf("too many key sets are being fetched: %w", authz.ErrUnavailable)

// keysOf is the key set of a client: the one at hand, or one fetched now. The error
// wraps authz.ErrUnavailable when there is none and none could be fetched.
func (d *Directory) keysOf(ctx context.Context, c *authz.Client) (*jose.Set, error) {
	now := d.now()
	d.keys.mu.Lock()
	k := d.keys.entry(c, now)
	if k.set != nil && now.Sub(k.fetched) < stale && (k.end.IsZero() || now.Before(k.end)) {
		set := k.set
		if now.Sub(k.fetched) >= fresh && k.looks.AllowN(now, 1) {
			d.begin(k, c) // beside this request
		}
		d.keys.mu.Unlock()
		return set, nil
	}
	if k.fetch == nil && !k.looks.AllowN(now, 1) {
		err := k.failed
		d.keys.mu.Unlock()
		return nil, fmt.Errorf("the keys at the jwks_uri of client %q could not be fetched: %w: %w", c.ID, authz.ErrUnavailable, err)
	}
	f := d.begin(k, c)
	d.keys.mu.Unlock()
	return f.wait(ctx)
}

// newer looks whether a client has put other keys at its jwks_uri; ok is false
// when it was looked lately.
func (d *Directory) newer(ctx context.Context, c *authz.Client) (set *jose.Set, ok bool) {
	now := d.now()
	d.keys.mu.Lock()
	k := d.keys.entry(c, now)
	if k.fetch == nil && !k.looks.AllowN(now, 1) {
		d.keys.mu.Unlock()
		return nil, false
	}
	f := d.begin(k, c)
	d.keys.mu.Unlock()
	set, err := f.wait(ctx)
	return set, err == nil
}

// entry is called with the lock held.
func (s *keySets) entry(c *authz.Client, now time.Time) *keySet {
	k, _, ok := s.sets.Get(c.ID)
	if !ok || k.uri != c.JWKSURI || !bytes.Equal(k.signedBy, c.JWKSSignedBy) {
		k = &keySet{uri: c.JWKSURI, signedBy: c.JWKSSignedBy, looks: rate.NewLimiter(rate.Every(looksInterval), looks)}
		s.sets.Put(c.ID, k, now)
	}
	return k
}

// begin joins the fetch that is under way for a client, or begins one. It is called
// with the lock held.
func (d *Directory) begin(k *keySet, c *authz.Client) *fetch {
	if k.fetch != nil {
		return k.fetch
	}
	f := &fetch{done: make(chan struct{})}
	if !d.keys.fetches.TryAcquire(1) {
		f.err = errBusy
		close(f.done)
		return f
	}
	k.fetch = f
	id, issued := c.ID, k.issued
	go func() {
		// Not the request's context: others wait for this too.
		ctx, cancel := context.WithTimeout(context.Background(), fetchTime)
		defer cancel()
		f.got, f.err = d.fetchSet(ctx, id, k.uri, k.signedBy, issued)
		d.keys.mu.Lock()
		k.fetch = nil
		if f.err == nil {
			k.set, k.end, k.issued, k.fetched, k.failed = f.got.Keys, f.got.End, f.got.Issued, d.now(), nil
			if current, _, ok := d.keys.sets.Get(id); ok && current == k {
				d.keys.sets.Put(id, k, k.fetched) // a set in use is fetched anew, so it is not the oldest
			}
		} else {
			k.failed = f.err
		}
		d.keys.mu.Unlock()
		d.keys.fetches.Release(1)
		if f.err != nil {
			slog.Info("the keys of an app could not be fetched", "client", id, "error", f.err)
		}
		close(f.done)
	}()
	return f
}

// errOlderSet means that a newer signed JWK Set of the app was taken before.
var errOlderSet = errors.New("a signed JWK Set that is older than one that was taken before")

// fetchSet gets a client's key set. A signed one is not older than the newest that was taken, here
// after issued and at other nodes: keys that an app took out do not come back by a set of before.
func (d *Directory) fetchSet(
	ctx context.Context, id authz.ClientID, uri string, signedBy []byte, issued time.Time,
) (got signedset.Signed, err error) {
	if d.Fetcher == nil {
		return got, errors.New("nothing is fetched here")
	}
	raw, err := d.Fetcher.Fetch(ctx, uri, maxJWKS)
	if err != nil {
		return got, err
	}
	if signedBy == nil {
		got.Keys, err = jose.ParseSet(raw)
		return got, err
	}
	signers, err := jose.ParseSet(signedBy)
	if err != nil {
		return got, fmt.Errorf("reading the federation keys of client %q: %w", id, err)
	}
	if got, err = signedset.Read(raw, signers, id, d.now()); err != nil {
		return got, err
	}
	newest := !got.Issued.Before(issued)
	if newest && d.Sets != nil {
		newest, err = d.Sets.RaiseSignedSet(ctx, id, got.Issued)
	}
	if err == nil && !newest {
		err = errOlderSet
	}
	return got, err
}

// wait is for the fetch or the caller's end, whichever is first.
func (f *fetch) wait(ctx context.Context) (*jose.Set, error) {
	select {
	case <-f.done:
		if f.err != nil {
			return nil, fmt.Errorf("fetching keys from a jwks_uri: %w: %w", authz.ErrUnavailable, f.err)
		}
		return f.got.Keys, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("fetching keys from a jwks_uri: %w: %w", authz.ErrUnavailable, ctx.Err())
	}
}

// Verify checks what a client signed against its keys. When none made the
// signature and the keys are at a jwks_uri, it looks there once more: the client
// may have changed them (OpenID Connect Core §10.1.1). Errors wrap
// jose.ErrInvalid, or authz.ErrUnavailable when there are no keys to check with.
func (d *Directory) Verify(ctx context.Context, token string, c *Registered, rule jose.Rule) (jose.Verified, error) {
	set, err := d.Keys(ctx, c)
	if err != nil {
		return jose.Verified{}, err
	}
	verified, err := jose.Verify(token, set, rule)
	if err == nil || c.JWKSURI == "" || !errors.Is(err, jose.ErrNoKey) {
		return verified, err
	}
	newer, ok := d.newer(ctx, c.Client)
	if !ok {
		return verified, err
	}
	return jose.Verify(token, newer, rule)
}

// hasCertificate looks for a certificate among a client's keys, and once more at
// its jwks_uri.
func (d *Directory) hasCertificate(ctx context.Context, c *Registered, presented *x509.Certificate) (bool, error) {
	set, err := d.Keys(ctx, c)
	if err != nil || set.HasCertificate(presented) || c.JWKSURI == "" {
		return err == nil && set.HasCertificate(presented), err
	}
	newer, ok := d.newer(ctx, c.Client)
	return ok && newer.HasCertificate(presented), nil
}

// Keys is the key set of a client: registered, or from its jwks_uri.
func (d *Directory) Keys(ctx context.Context, c *Registered) (*jose.Set, error) {
	if c.JWKSURI != "" {
		return d.keysOf(ctx, c.Client)
	}
	if c.jwks == nil {
		return &jose.Set{}, nil
	}
	return c.jwks, nil
}

// KeyState describes the key set that this node holds of a client's jwks_uri: how many
// keys, when they were fetched, and whether the last fetch failed.
func (d *Directory) KeyState(id authz.ClientID) (n int, fetched time.Time, failed bool) {
	d.keys.mu.Lock()
	defer d.keys.mu.Unlock()
	k, _, ok := d.keys.sets.Get(id)
	if !ok || k.set == nil {
		return 0, time.Time{}, ok && k.failed != nil
	}
	return k.set.Len(), k.fetched, k.failed != nil
}
