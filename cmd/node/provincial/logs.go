package provincial

import (
	"context"
	"sync"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/tiles"
	"hopnhat/federation/regional/stretch"
	"hopnhat/store"
	"hopnhat/store/evidence"
	"hopnhat/store/tlog"
)

// Log reads the shards of the log of this server.
type Log interface {
	Reader(ctx context.Context, origin string) (*tlog.Reader, error)
}

// logs is the log of a province with the events of its people. It is safe for concurrent use.
type logs struct {
	db         *store.DB
	log        func() Log
	pseudonyms audit.Pseudonyms

	mu sync.Mutex
	// missing is the place in a shard of an event about somebody that has no row yet, and how
	// often it was looked for.
	missing map[string]missing
}

type missing struct {
	place uint64
	times int
}

// looks is how often a place is looked at for the row of its event: after that it goes without.
// The row is noted within a second or so; the rounds are minutes apart.
const looks = 3

// Origins are the shards that events of this server stand in.
func (l *logs) Origins(ctx context.Context) ([]string, error) {
	return evidence.Exports{Book: l.db.Evidence}.Origins(ctx)
}

// Stretch is what a shard has from a place on.
func (l *logs) Stretch(ctx context.Context, origin string, from uint64) (stretch.Stretch, error) {
	s := stretch.Stretch{Origin: origin, Events: []stretch.Logged{}}
	r, err := l.log().Reader(ctx, origin)
	if err != nil {
		return s, err
	}
	raw, err := r.Checkpoint(ctx)
	if err != nil {
		return s, err
	}
	tree, err := proof.ParseCheckpoint(raw)
	if err != nil || tree.Size <= from {
		return s, err
	}
	leaves, err := r.Entries(ctx, from, int(min(tree.Size-from, stretch.MaxStretch)))
	if err != nil {
		return s, err
	}
	rows, err := l.rows(ctx, origin, from, len(leaves))
	if err != nil {
		return s, err
	}
	n := l.whole(origin, from, leaves, rows)
	if n == 0 {
		return s, nil
	}
	if err := l.name(ctx); err != nil { // also of who came since
		return s, err
	}
	events, err := l.events(ctx, rows, from+uint64(n))
	if err != nil {
		return s, err
	}
	n, s.Events = fits(from, leaves[:n], events)
	to := from + uint64(n)
	proved, err := r.RangeProof(ctx, from, to-1)
	if err != nil {
		return s, err
	}
	if tree, err = proof.ParseCheckpoint([]byte(proved.Checkpoint)); err != nil {
		return s, err
	}
	root, err := tiles.Root(ctx, r.File, to, tree)
	if err != nil {
		return s, err
	}
	before, err := tiles.Consistency(ctx, r.File, from, tree)
	if err != nil {
		return s, err
	}
	after, err := tiles.Consistency(ctx, r.File, to, tree)
	if err != nil {
		return s, err
	}
	s.Prove(proved, root, before, after)
	s.Key = r.VerifierKey()
	return s, nil
}

// most is how many bytes of leaves and events a stretch has: what becomes of them, in base64 three
// times over, is less than a route takes.
const most = 40 << 10

// fits is how many leaves go at one time, one at least, and the events of them.
func fits(from uint64, leaves [][]byte, events []stretch.Logged) (n int, some []stretch.Logged) {
	size, some := 0, []stretch.Logged{}
	for i, leaf := range leaves {
		size += len(leaf) + 4
		with := some
		for _, e := range events {
			if e.Place == from+uint64(i) {
				size += len(e.Event) + 200
				with = append(with, e)
			}
		}
		if i > 0 && size > most {
			return i, some
		}
		some = with
	}
	return len(leaves), some
}

// name notes by what events name the people who came since.
func (l *logs) name(ctx context.Context) error {
	const some = 500
	for {
		people, err := l.db.Regional.Nameless(ctx, some)
		if err != nil {
			return err
		}
		for _, who := range people {
			pseudonym, err := l.pseudonyms.Audit(ctx, who)
			if err != nil {
				return err
			}
			if err := l.db.Regional.NamePerson(ctx, who, pseudonym); err != nil {
				return err
			}
		}
		if len(people) < some {
			return nil
		}
	}
}

// rows are the events that stand in a piece of a shard.
func (l *logs) rows(ctx context.Context, origin string, from uint64, n int) ([]audit.Recorded, error) {
	exports, after := evidence.Exports{Book: l.db.Evidence}, evidence.After{Index: from}
	var rows []audit.Recorded
	for more := true; more && after.Index < from+uint64(n); {
		found, next, some, err := exports.PlacedIn(ctx, audit.Query{}, "~", origin, after, 2*stretch.MaxStretch)
		if err != nil {
			return nil, err
		}
		for _, r := range found {
			if r.Index < from+uint64(n) && r.Fault == "" {
				rows = append(rows, r)
			}
		}
		after, more = next, some
	}
	return rows, nil
}

// whole is how many leaves go now: those before a sign-in whose row is not there yet.
func (l *logs) whole(origin string, from uint64, leaves [][]byte, rows []audit.Recorded) int {
	there := map[uint64]bool{}
	for _, r := range rows {
		there[r.Index] = true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, leaf := range leaves {
		kind, _, err := commitment.ParseLeaf(leaf)
		place := from + uint64(i)
		if err != nil || audit.Type(kind) != audit.SignedIn || there[place] {
			continue
		}
		m := l.missing[origin]
		if m.place != place {
			m = missing{place: place}
		}
		m.times++
		if l.missing == nil {
			l.missing = map[string]missing{}
		}
		if l.missing[origin] = m; m.times <= looks {
			return i
		}
	}
	return len(leaves)
}

// events are those about people who chose the province, before a place.
func (l *logs) events(ctx context.Context, rows []audit.Recorded, before uint64) ([]stretch.Logged, error) {
	list := []stretch.Logged{}
	var names []string
	for _, r := range rows {
		if name := r.Event.Person.Pseudonym; name != "" {
			names = append(names, name)
		}
	}
	people, err := l.db.Regional.Named(ctx, names)
	if err != nil {
		return list, err
	}
	there := map[uint64]bool{}
	for _, r := range rows {
		who := people[r.Event.Person.Pseudonym]
		if who == "" || r.Index >= before || there[r.Index] {
			continue
		}
		sealed, err := r.Sealed()
		if err != nil {
			return list, err
		}
		there[r.Index] = true
		list = append(list, stretch.Logged{Place: r.Index, Person: who, Event: sealed.Canonical, Salt: sealed.Salt[:]})
	}
	return list, nil
}
