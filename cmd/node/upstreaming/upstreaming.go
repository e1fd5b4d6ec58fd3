// Package upstreaming reads by which other providers people sign in, and makes what does it.
package upstreaming

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/outbound"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/client"
	"hopnhat/federation/upstream/flow"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	web "hopnhat/web/upstream"
)

// Read reads the file of the configuration key upstreams, with the certificates that it names;
// none if there is no file. issuer is this server's; loopback lets providers be on this machine.
func Read(path, issuer string, loopback bool) ([]*upstream.Provider, error) {
	list, _, err := read(path, issuer, loopback)
	return list, err
}

// Reach is Read, with how each provider is reached.
func Reach(path, issuer string, loopback bool) ([]*upstream.Provider, map[upstream.Alias]outbound.Bounds, error) {
	list, roots, err := read(path, issuer, loopback)
	bounds := map[upstream.Alias]outbound.Bounds{}
	for _, p := range list {
		bounds[p.Alias] = outbound.Bounds{Loopback: loopback, Networks: p.Networks, Roots: roots[p.Alias]}
	}
	return list, bounds, err
}

func read(path, issuer string, loopback bool) ([]*upstream.Provider, map[upstream.Alias]*x509.CertPool, error) {
	if path == "" {
		return nil, nil, nil
	}
	wrap := func(err error) error { return fmt.Errorf("reading upstreams %s: %w", path, err) }
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, fmt.Errorf("reading upstreams: %w", err)
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, upstream.MaxFile+1))
	if err != nil {
		return nil, nil, wrap(err)
	}
	list, err := upstream.Parse(raw, loopback)
	if err == nil {
		err = upstream.As(issuer, list)
	}
	if err != nil {
		return nil, nil, wrap(err)
	}
	roots := map[upstream.Alias]*x509.CertPool{}
	for _, p := range list {
		if p.Roots == "" {
			continue
		}
		name := p.Roots
		if !filepath.IsAbs(name) {
			name = filepath.Join(filepath.Dir(path), name)
		}
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, wrap(fmt.Errorf("provider %q: ca: %w", p.Alias, err))
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, nil, wrap(fmt.Errorf("provider %q: ca: %s has no certificate in PEM", p.Alias, name))
		}
		roots[p.Alias] = pool
	}
	return list, roots, nil
}

// Parts are what a server has that sign-in by another provider needs.
type Parts struct {
	// File is that of the configuration key upstreams, Issuer this server's.
	File, Issuer string
	// Loopback lets providers be on this machine.
	Loopback bool
	Ring     keys.Ring
	Store    flow.Store
	Sessions flow.Sessions
	Clients  session.Clients
	Evidence flow.Evidence
	// Pseudonyms names persons as the evidence does.
	Pseudonyms audit.Pseudonyms
	// Resolver knows entities of the federation; nil where there are no anchors.
	Resolver client.Resolver
	// Burst is how many sign-ins one address may begin at once.
	Burst int
	// Queued is called when logout tokens were queued for apps.
	Queued func()
}

// Upstreams is sign-in by other providers. Its zero value is that of a server without them.
type Upstreams struct {
	// Pages are what the pages need; its Engine is nil where there are no providers.
	Pages web.Options
	// Logout takes the logout tokens of providers; nil where there are none.
	Logout http.HandlerFunc
}

// New makes what the file says.
func New(p Parts) (u Upstreams, err error) {
	list, bounds, err := Reach(p.File, p.Issuer, p.Loopback)
	if err != nil || len(list) == 0 {
		return u, err
	}
	if _, err := p.Ring.Active(keys.TokenSigning, keys.ES256); errors.Is(err, keys.ErrNoKey) {
		return u, errors.New("upstreams is set, and this server shows itself to providers by an ES256 key: name ES256 in signing_algs")
	}
	for _, one := range list {
		if one.Registration == upstream.Automatic && p.Resolver == nil {
			return u, fmt.Errorf("upstreams: provider %q: registration is %s, and federation_entity names no anchors", one.Alias, one.Registration)
		}
	}
	engine := flow.New(flow.Options{
		Issuer: p.Issuer, List: list, Store: p.Store, Sessions: p.Sessions, Clients: p.Clients, Evidence: p.Evidence,
		Pseudonyms: p.Pseudonyms, Now: time.Now,
		Providers: client.New(client.Options{
			Out:  func(one *upstream.Provider) client.Outbound { return outbound.NewWithin(bounds[one.Alias]) },
			Ring: p.Ring, Resolver: p.Resolver, Loopback: p.Loopback, Now: time.Now,
		}),
	})
	u.Pages = web.Options{Engine: engine, Addresses: authn.NewAddresses(p.Burst, 2*time.Second, time.Now)}
	u.Logout = engine.ServeLogout(authn.NewAddresses(20*p.Burst, 50*time.Millisecond, time.Now), p.Queued)
	return u, nil
}

// Party gives what this server is as a relying party of its federation, by a name that people read:
// the metadata of OpenID Federation 1.0 §5.1.2, nil where no provider of the file is one at which
// it registers automatically. The ring gives the keys of which it shows one.
func Party(path, issuer string, loopback bool, ring interface {
	Published(use keys.Use) ([]keys.PublicKey, error)
},
) func(name string) (json.RawMessage, error) {
	return func(name string) (json.RawMessage, error) {
		list, err := Read(path, issuer, loopback)
		if err != nil {
			return nil, err
		}
		published, err := ring.Published(keys.TokenSigning)
		if err != nil {
			return nil, err
		}
		others := func(k keys.PublicKey) bool { return k.Algorithm != keys.ES256 }
		set, err := jose.MarshalSet(slices.DeleteFunc(slices.Clone(published), others))
		if err != nil {
			return nil, err
		}
		e := flow.New(flow.Options{Issuer: issuer})
		return upstream.Party(list, name, e.Callback, e.Backchannel, issuer+flow.SignedOutPath, set)
	}
}
