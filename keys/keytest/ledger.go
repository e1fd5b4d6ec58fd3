package keytest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

// Ledger is a lifecycle.Ledger in memory. Err, when set, is what every call answers:
// the database is down.
type Ledger struct {
	mu      sync.Mutex
	err     error
	keyring lifecycle.KeyringID
	states  []lifecycle.VersionState
	nodes   map[string]lifecycle.Node
	holder  string
	until   time.Time
	parties map[string]*party
	counts  map[lifecycle.Count]int64
}

// errDatabase is a statement that the database refused.
var errDatabase = errors.New("the database refused it")

type party struct {
	lifecycle.Party
	address string
}

var _ lifecycle.Ledger = (*Ledger)(nil)

// Fail makes every call fail with err from now on; nil ends that.
func (b *Ledger) Fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

func (b *Ledger) lock() error {
	b.mu.Lock()
	if b.err != nil {
		b.mu.Unlock()
		return b.err
	}
	return nil
}

// Keyring is the one recorded.
func (b *Ledger) Keyring(context.Context) (lifecycle.KeyringID, error) {
	if err := b.lock(); err != nil {
		return "", err
	}
	defer b.mu.Unlock()
	return b.keyring, nil
}

// RecordKeyring records one, once.
func (b *Ledger) RecordKeyring(_ context.Context, id lifecycle.KeyringID) (lifecycle.KeyringID, error) {
	if err := b.lock(); err != nil {
		return "", err
	}
	defer b.mu.Unlock()
	b.keyring = cmp.Or(b.keyring, id)
	return b.keyring, nil
}

// KeyVersions lists all versions.
func (b *Ledger) KeyVersions(context.Context) ([]lifecycle.VersionState, error) {
	if err := b.lock(); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	return slices.Clone(b.states), nil
}

// AnnounceKey adds a version.
func (b *Ledger) AnnounceKey(_ context.Context, l lifecycle.VersionState) (bool, error) {
	if err := b.lock(); err != nil {
		return false, err
	}
	defer b.mu.Unlock()
	for _, have := range b.states {
		if have.KeyID == l.KeyID ||
			l.State == keys.Active && have.State == keys.Active && have.Use == l.Use && have.Algorithm == l.Algorithm {
			return false, nil
		}
	}
	b.states = append(b.states, l)
	return true, nil
}

// MoveKey makes one transition.
func (b *Ledger) MoveKey(_ context.Context, s lifecycle.Step, at time.Time) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	for i := range b.states {
		l := &b.states[i]
		if s.To == keys.Active && l.Use == s.Use && l.Algorithm == s.Algorithm && l.State == keys.Active && l.KeyID != s.KeyID {
			l.State, l.Retiring = keys.Retiring, at
		}
	}
	for i := range b.states {
		l := &b.states[i]
		if l.KeyID != s.KeyID {
			continue
		}
		if l.State == s.To {
			return nil
		}
		if l.State != s.From {
			return lifecycle.ErrMoved
		}
		l.State = s.To
		switch s.To {
		case keys.Published:
			l.Published = at
		case keys.Active:
			l.Activated = at
		case keys.Retiring:
			l.Retiring = at
		default:
			l.Ended = at
		}
		return nil
	}
	return lifecycle.ErrMoved
}

// ExpediteKey makes a version urgent.
func (b *Ledger) ExpediteKey(_ context.Context, id keys.KeyID) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	for i := range b.states {
		if b.states[i].KeyID == id {
			b.states[i].Urgent = true
			return nil
		}
	}
	return errors.New("no such version")
}

// RecordHeartbeat says that a node lives.
func (b *Ledger) RecordHeartbeat(_ context.Context, n lifecycle.Node) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	if b.nodes == nil {
		b.nodes = map[string]lifecycle.Node{}
	}
	b.nodes[n.ID] = n
	return nil
}

// KeyNodes lists the live nodes.
func (b *Ledger) KeyNodes(_ context.Context, since time.Time) ([]lifecycle.Node, error) {
	if err := b.lock(); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	var out []lifecycle.Node
	for _, n := range b.nodes {
		if !n.Seen.Before(since) {
			out = append(out, n)
		}
	}
	return out, nil
}

// DropKeyNode forgets a node.
func (b *Ledger) DropKeyNode(_ context.Context, id string) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	delete(b.nodes, id)
	return nil
}

// LeaseKeys takes or keeps the lease.
func (b *Ledger) LeaseKeys(_ context.Context, node string, now, until time.Time) (bool, error) {
	if err := b.lock(); err != nil {
		return false, err
	}
	defer b.mu.Unlock()
	if b.holder != node && b.holder != "" && !b.until.Before(now) {
		return false, nil
	}
	b.holder, b.until = node, until
	return true, nil
}

// NoteKeyParties remembers who was active and who fetched.
func (b *Ledger) NoteKeyParties(_ context.Context, seen []lifecycle.Observation) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	if b.parties == nil {
		b.parties = map[string]*party{}
	}
	for _, s := range seen {
		if !utf8.ValidString(s.Party) || strings.Contains(s.Party, "\x00") {
			return fmt.Errorf("noting a relying party: %q is no text: %w", s.Party, errDatabase) // as PostgreSQL answers
		}
		p := b.parties[s.Party]
		switch {
		case s.Active && p == nil:
			b.parties[s.Party] = &party{lifecycle.Party{ID: s.Party, Active: s.At}, s.Address}
		case s.Active:
			p.Active, p.address = s.At, s.Address
		case s.Party != "" && p != nil:
			p.Fetched = s.At
		case s.Party == "":
			b.fetchedFrom(s.Address, s.At)
		}
	}
	return nil
}

func (b *Ledger) fetchedFrom(address string, at time.Time) {
	var found []*party
	for _, p := range b.parties {
		if p.address == address {
			found = append(found, p)
		}
	}
	if len(found) == 1 {
		found[0].Fetched = at
	}
}

// KeyParties lists the active parties.
func (b *Ledger) KeyParties(_ context.Context, since time.Time) ([]lifecycle.Party, error) {
	if err := b.lock(); err != nil {
		return nil, err
	}
	defer b.mu.Unlock()
	var out []lifecycle.Party
	for _, p := range b.parties {
		if !p.Active.Before(since) {
			out = append(out, p.Party)
		}
	}
	return out, nil
}

// AddKeySignatures adds to the counts.
func (b *Ledger) AddKeySignatures(_ context.Context, counts []lifecycle.Count) error {
	if err := b.lock(); err != nil {
		return err
	}
	defer b.mu.Unlock()
	if b.counts == nil {
		b.counts = map[lifecycle.Count]int64{}
	}
	for _, c := range counts {
		n := c.N
		c.N = 0
		b.counts[c] += n
	}
	return nil
}

// KeySignatures sums up.
func (b *Ledger) KeySignatures(_ context.Context, id keys.KeyID, since time.Time) (int64, error) {
	if err := b.lock(); err != nil {
		return 0, err
	}
	defer b.mu.Unlock()
	var sum int64
	for c, n := range b.counts {
		if c.KeyID == id && !c.Minute.Before(since.Truncate(time.Minute)) {
			sum += n
		}
	}
	return sum, nil
}

// Tx runs fn; nothing is undone, as no test here needs it.
func (b *Ledger) Tx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }
