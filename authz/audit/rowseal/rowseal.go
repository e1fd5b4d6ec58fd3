// Package rowseal proves that the row of an event is as it was written. Each row carries a
// MAC over its canonical bytes, its salt and what is searched, under a key that is derived
// from the keyring and that the database does not hold. Who can write to the database alone
// cannot alter a row, invent one, or give one's content to another unseen. The places of
// leaves, and the tables that say what became of the evidence, carry MACs in the same way.
//
// A row that was deleted leaves nothing to check: that is seen by its leaf in the log and by
// the running numbers of the person.
package rowseal

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/keys/seal"
)

// Row is the row of an event as it is kept. Times are in UTC and whole microseconds.
type Row struct {
	ID        string
	At        time.Time
	Type      string
	Client    string
	Pseudonym string
	Purpose   string
	Registry  string
	Permit    bool
	Consent   string
	// VisibleFrom is when the person may see the event, nil for never.
	VisibleFrom *time.Time
	// Sequence is the running number of the person, zero for none.
	Sequence  int64
	Canonical []byte
	Salt      []byte
	// MAC is empty in rows of a release that made none; Key is the version of its key.
	MAC []byte
	Key string
}

// Of is the row of an event that is about to be written, without its MAC.
func Of(s audit.Sealed) Row {
	return of(s.Event, s.Canonical, s.Salt[:])
}

// of derives from an event what is searched.
func of(e audit.Event, canonical, salt []byte) Row {
	r := Row{
		ID: e.ID, At: e.When.Decided.UTC(), Type: string(e.Type), Client: string(e.Asked.Client), Pseudonym: e.Person.Pseudonym,
		Purpose: string(e.Reason.Purpose), Registry: string(e.Data.Registry), Permit: e.Decision.Permit, Consent: string(e.Consent.ID),
		Sequence: e.Person.Sequence, Canonical: canonical, Salt: salt,
	}
	if from, ok := e.Visibility.SeenFrom(e.When.Decided); ok {
		from = from.UTC()
		r.VisibleFrom = &from
	}
	return r
}

// Keys make and check the MACs of rows. They are safe for concurrent use. The key of a
// year is asked of the keyring once, so a row costs it nothing.
type Keys struct {
	ring seal.Deriver
	mu   sync.RWMutex
	of   map[string]seal.Key
}

// New makes the keys of a keyring.
func New(ring seal.Deriver) *Keys { return &Keys{ring: ring, of: map[string]seal.Key{}} }

// The years that have keys: a row that names another was not written here.
const (
	firstYear = 2000
	lastYear  = 2199
)

// version names the key of a row: the year of the decision, UTC. So who learns the key of
// one year alters no row of another, and a row is checked as long as it is kept.
func version(at time.Time) (name string, ok bool) {
	year := at.UTC().Year()
	return strconv.Itoa(year), firstYear <= year && year <= lastYear
}

// key is the key of a use.
func (k *Keys) key(ctx context.Context, use seal.Use) (seal.Key, error) {
	k.mu.RLock()
	key, ok := k.of[use.Label]
	k.mu.RUnlock()
	if ok {
		return key, nil
	}
	key, err := seal.Derive(ctx, k.ring, use)
	if err != nil {
		return seal.Key{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of[use.Label] = key
	return key, nil
}

// Ready asks the keyring for the key of places, and for those of a time and of half a year
// later, so that no row waits for it then.
func (k *Keys) Ready(ctx context.Context, now time.Time) error {
	if _, err := k.SealPlace(ctx, Place{}); err != nil {
		return err
	}
	for _, at := range []time.Time{now, now.AddDate(0, 6, 0)} {
		if name, ok := version(at); ok {
			if _, err := k.key(ctx, seal.EventRows.Version(name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Seal makes the MAC of a row that is about to be written.
func (k *Keys) Seal(ctx context.Context, r *Row) error {
	name, ok := version(r.At)
	if !ok {
		return fmt.Errorf("event %s is of a time that no key is for", r.ID)
	}
	key, err := k.key(ctx, seal.EventRows.Version(name))
	if err != nil {
		return err
	}
	r.Key, r.MAC = name, key.MAC(r.append(nil))
	return nil
}

// domain begins what is under the MAC; another form of it has another domain.
const domain = "hopnhat event row v1"

// scratch is memory for what is under a MAC, to be used again: a row that is looked at makes none.
var scratch = sync.Pool{New: func() any { return new([]byte) }}

// append adds what is under the MAC, each part with its length before it.
func (r *Row) append(b []byte) []byte {
	b = slices.Grow(b, 256+len(r.Canonical))
	part := func(p []byte) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	number := func(n int64) { b = binary.BigEndian.AppendUint64(b, uint64(n)) }
	text(domain)
	text(r.ID)
	part(r.Canonical)
	part(r.Salt)
	number(r.At.UnixMicro())
	for _, s := range []string{r.Type, r.Client, r.Pseudonym, r.Purpose, r.Registry, r.Consent} {
		text(s)
	}
	flags := byte(0)
	if r.Permit {
		flags |= 1
	}
	if r.VisibleFrom != nil {
		flags |= 2
	}
	b = append(b, flags)
	if r.VisibleFrom != nil {
		number(r.VisibleFrom.UnixMicro())
	}
	number(r.Sequence)
	return b
}

// genuine reports whether the MAC of a row holds.
func (k *Keys) genuine(ctx context.Context, r Row) (bool, error) {
	name, ok := version(r.At)
	if !ok || name != r.Key {
		return false, nil
	}
	key, err := k.key(ctx, seal.EventRows.Version(name))
	if err != nil {
		return false, err
	}
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	*b = r.append((*b)[:0])
	return key.Genuine(r.MAC, *b), nil
}

// Fault says what is wrong with a row. A row whose MAC holds is not read further, so this
// is cheap where most rows are genuine. An error is of the keyring.
func (k *Keys) Fault(ctx context.Context, r Row) (audit.Fault, error) {
	if holds, err := k.genuine(ctx, r); err != nil || holds {
		return "", err
	}
	read, err := k.Read(ctx, r)
	return read.Fault, err
}

// Read reads a row, and says what is wrong with it. Of one that is unreadable the event has
// an id and a kind alone. An error is of the keyring, and never of the row. With nil keys no
// MAC can be checked, and every row is [audit.FaultUnsealed].
func (k *Keys) Read(ctx context.Context, r Row) (audit.Recorded, error) {
	e, err := audit.Parse(r.Canonical)
	if err != nil || len(r.Salt) != len(audit.Salt{}) {
		return audit.Recorded{Event: audit.Event{ID: r.ID, Type: audit.Type(r.Type)}, Fault: audit.FaultUnreadable}, nil
	}
	out := audit.Recorded{Event: e, Salt: audit.Salt(r.Salt)}
	derived := of(e, r.Canonical, r.Salt)
	derived.MAC, derived.Key = r.MAC, r.Key
	same := string(derived.append(nil)) == string(r.append(nil))
	if k == nil || len(r.MAC) == 0 {
		if out.Fault = audit.FaultUnsealed; !same {
			out.Fault = audit.FaultAltered
			out.Event.ID = r.ID
		}
		return out, nil
	}
	holds, err := k.genuine(ctx, derived)
	switch {
	case err != nil:
		return audit.Recorded{}, err
	case !holds || r.ID != e.ID:
		out.Fault = audit.FaultAltered
		out.Event.ID = r.ID // by which it is found
	case !same:
		out.Fault = audit.FaultColumns
	}
	return out, nil
}
