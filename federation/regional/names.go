package regional

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"hopnhat/authz"
	"hopnhat/authz/identity"
	"hopnhat/federation"
	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// Deriver is the part of a keyring that the names come from.
type Deriver interface {
	Derive(ctx context.Context, use keys.Use, label string) ([]byte, error)
}

// Sectors remembers how sectors are named.
type Sectors interface {
	// Regional reports whether a sector is named under the key of its province: if its first
	// app was registered at since or later. It says the same each time.
	Regional(ctx context.Context, sector string, since time.Time) (bool, error)
	// Before lists the sectors below some domains that are named under the national key.
	Before(ctx context.Context, domains []string, since time.Time) ([]string, error)
}

// Names are by what provinces know people, and what pseudonyms in their sectors are derived
// with, as the centre knows it. It is safe for concurrent use.
type Names struct {
	Ring      Deriver
	Providers Providers
	Sectors   Sectors

	mu     sync.Mutex
	people map[federation.EntityID]seal.Key
}

var _ identity.Regions = (*Names)(nil)

// Person is by what a province knows a person: a UUID of version 8 (RFC 9562 §5.8) that is a
// MAC under a key which no province has. Two provinces know one person by two of them.
func (n *Names) Person(ctx context.Context, province federation.EntityID, subject authz.Subject) (authz.Subject, error) {
	key, err := n.peopleOf(ctx, province)
	if err != nil {
		return "", err
	}
	return personOf(key, subject), nil
}

func personOf(key seal.Key, subject authz.Subject) authz.Subject {
	var id uuid.UUID
	copy(id[:], key.MAC([]byte(subject)))
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return authz.Subject(id.String())
}

func (n *Names) peopleOf(ctx context.Context, province federation.EntityID) (seal.Key, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if key, ok := n.people[province]; ok {
		return key, nil
	}
	key, err := seal.Derive(ctx, n.Ring, seal.RegionalPeople.Version(string(province)))
	if err != nil {
		return key, err
	}
	if n.people == nil {
		n.people = map[federation.EntityID]seal.Key{}
	}
	n.people[province] = key
	return key, nil
}

// Key is that of a province, under which pseudonyms in its sectors are derived. It is made from the
// national one, never changes, and is handed over to the province.
func (n *Names) Key(ctx context.Context, province federation.EntityID) ([]byte, error) {
	key, err := n.Ring.Derive(ctx, keys.PairwiseSubject, "province:"+string(province))
	if err != nil {
		return nil, fmt.Errorf("deriving the key of a province: %w", err)
	}
	return key, nil
}

// Regional is what pseudonyms of a sector are derived with, if it is one of a province: below
// its domains, and without an app that was registered before [Providers.Since].
func (n *Names) Regional(ctx context.Context, sector string) (identity.Region, bool, error) {
	p, ok := n.Providers.Serving(sector)
	if !ok {
		return identity.Region{}, false, nil
	}
	if regional, err := n.Sectors.Regional(ctx, sector, n.Providers.Since); err != nil || !regional {
		return identity.Region{}, false, err
	}
	key, err1 := n.Key(ctx, p.Entity)
	people, err2 := n.peopleOf(ctx, p.Entity)
	err := errors.Join(err1, err2)
	return identity.Region{Key: key, Person: func(s authz.Subject) authz.Subject { return personOf(people, s) }}, err == nil, err
}
