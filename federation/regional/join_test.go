package regional_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation/regional"
	"hopnhat/federation/regional/stretch"
	"hopnhat/store"
	kept "hopnhat/store/regional"
	"hopnhat/store/storetest"
)

const origin = "id.danang.example.vn/release/dc1/2026q4"

// shard is one of a province's log, in memory.
type shard struct {
	signer note.Signer
	vkey   string
	leaves [][]byte
	stored []tlog.Hash
	events []stretch.Logged
	spoil  func(s *stretch.Stretch)
}

func newShard(t *testing.T) *shard {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, origin)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return &shard{signer: signer, vkey: vkey}
}

func (l *shard) ReadHashes(at []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(at))
	for i, n := range at {
		out[i] = l.stored[n]
	}
	return out, nil
}

func (l *shard) leaf(t *testing.T, leaf []byte) {
	t.Helper()
	hashes, err := tlog.StoredHashes(int64(len(l.leaves)), leaf, l)
	if err != nil {
		t.Fatal(err)
	}
	l.leaves, l.stored = append(l.leaves, leaf), append(l.stored, hashes...)
}

// add logs an event about a person, none if she is empty.
func (l *shard) add(t *testing.T, kind audit.Type, person authz.Subject, at time.Time) {
	t.Helper()
	e := audit.Event{ID: authz.NewID(), Type: kind, When: audit.When{Decided: at, Site: "dc1"}, Decision: audit.Decision{Permit: true}}
	if person != "" {
		e.Person.Pseudonym = "pseudonym of " + string(person)
	}
	sealed, err := e.Seal(commitment.NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	if person != "" {
		l.events = append(l.events, stretch.Logged{
			Place: uint64(len(l.leaves)), Person: person, Event: sealed.Canonical, Salt: sealed.Salt[:],
		})
	}
	l.leaf(t, sealed.Leaf)
}

func (l *shard) Origins(context.Context) ([]string, error) { return []string{origin}, nil }

// most is how many entries a stretch of the tests has.
const most = 3

func (l *shard) Stretch(_ context.Context, _ string, from uint64) (s stretch.Stretch, err error) {
	s = stretch.Stretch{Origin: origin, Key: l.vkey}
	size := int64(len(l.leaves))
	if from >= uint64(size) {
		return s, nil
	}
	to := min(from+most, uint64(size))
	root, err1 := tlog.TreeHash(size, l)
	part, err2 := tlog.TreeHash(int64(to), l)
	head, err3 := tlog.ProveRecord(size, int64(from), l)
	tail, err4 := tlog.ProveRecord(size, int64(to-1), l)
	goesOn := func(n uint64) (out []proof.Hash, err error) {
		if n == 0 || n == uint64(size) {
			return nil, nil
		}
		path, err := tlog.ProveTree(size, int64(n), l)
		return hashes(path), err
	}
	before, err5 := goesOn(from)
	after, err6 := goesOn(to)
	text := fmt.Sprintf("%s\n%d\n%s\n", origin, size, proof.Hash(root))
	signed, err7 := note.Sign(&note.Note{Text: text}, l.signer)
	r := proof.Range{First: from, Leaves: l.leaves[from:to], Head: hashes(head), Tail: hashes(tail), Checkpoint: string(signed)}
	s.Prove(r, proof.Hash(part), before, after)
	for _, e := range l.events {
		if e.Place >= from && e.Place < to {
			s.Events = append(s.Events, e)
		}
	}
	if l.spoil != nil {
		l.spoil(&s)
	}
	return s, errors.Join(err1, err2, err3, err4, err5, err6, err7)
}

func hashes[T ~[]tlog.Hash](list T) (out []proof.Hash) {
	for _, h := range list {
		out = append(out, proof.Hash(h))
	}
	return out
}

// past is what the centre recorded of people.
type past []audit.Event

func (p past) Find(_ context.Context, q audit.Query) (found []audit.Recorded, err error) {
	for _, e := range slices.Backward(p) {
		if e.Person.Pseudonym == q.Pseudonym && e.Type == q.Type && (q.To.IsZero() || e.When.Decided.Before(q.To)) && len(found) < q.Limit {
			found = append(found, audit.Recorded{Event: e})
		}
	}
	return found, nil
}

type plain struct{}

func (plain) Audit(_ context.Context, who authz.Subject) (string, error) { return string(who), nil }

// joining makes the centre of a world join the log of its province.
func (w *world) joining(l *shard, events *past) (found *[]reconcile.Finding) {
	found = new([]reconcile.Finding)
	grounds := regional.Grounds{
		Events: finds{events}, Pseudonyms: plain{},
		Report: func(_ context.Context, f reconcile.Finding) error { *found = append(*found, f); return nil },
	}
	now := func() time.Time { return w.now }
	c := regional.NewCentre(centre, w.names, w.at.Regional, w.pens[centre], grounds, w.rings[centre], w, now)
	c.Joins = &regional.Joins{Grounds: grounds, Store: w.at.Regional, Evidence: w.pens[centre], Now: now}
	w.centre = c
	w.feeder.Logs = l
	return found
}

type finds struct{ *past }

func (f finds) Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error) {
	return f.past.Find(ctx, q)
}

// joined counts what the centre has of a person of the province.
func joined(t *testing.T, db *store.DB, who authz.Subject) (n int) {
	t.Helper()
	if err := db.Reader(t.Context()).Raw("SELECT count(*) FROM regional_events WHERE subject = ?", string(who)).Scan(&n).Error; err != nil {
		t.Fatal(err)
	}
	return n
}

// TestJoin: what a province logged about people comes to the centre once, however often it is
// sent, and what began after a lock or a withdrawal is listed.
func TestJoin(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorldAt(t, db, storetest.SQLite(t, nil))
		an, anThere := w.chose(t, 1)
		chi, chiThere := w.chose(t, 2)
		l, events := newShard(t), past{}
		found := w.joining(l, &events)
		centres := func(kind audit.Type, who authz.Subject, action audit.Action, hour int) {
			events = append(events, audit.Event{
				ID: authz.NewID(), Type: kind, When: audit.When{Decided: start.Add(time.Duration(hour) * time.Hour)},
				Person: audit.Person{Pseudonym: string(who)}, Detail: audit.Detail{Action: string(action), Object: string(danang)},
			})
		}
		at := func(hour int) time.Time { return start.Add(time.Duration(hour) * time.Hour) }
		centres(audit.FactorChanged, an, audit.RegionalChosen, -9)
		centres(audit.FactorChanged, chi, audit.RegionalChosen, -9)
		centres(audit.AccountLocked, an, audit.AccountLock, 2)
		centres(audit.AccountUnlocked, an, audit.AccountUnlock, 5)
		centres(audit.FactorChanged, chi, audit.RegionalWithdrawn, 3)
		if err := w.choices.Withdraw(t.Context(), chi, danang); err != nil {
			t.Fatal(err)
		}
		l.add(t, audit.SignedIn, anThere, at(1)) // before the lock
		l.add(t, audit.Administered, "", at(1))  // about nobody
		l.add(t, audit.SignedIn, anThere, at(4)) // after the lock
		l.add(t, audit.SignedOut, anThere, at(4))
		l.add(t, audit.SignedIn, chiThere, at(4))                     // after the withdrawal
		l.add(t, audit.SignedIn, anThere, at(6))                      // after the lock was taken away
		l.add(t, audit.SignedIn, authz.Subject(authz.NewID()), at(6)) // never chose the province
		for range 2 {
			w.now = w.now.Add(time.Minute)
			w.feed(t)
		}
		if joined(t, db, an) != 4 || joined(t, db, chi) != 1 || len(*found) != 0 {
			t.Errorf("%d and %d events are joined, %v found", joined(t, db, an), joined(t, db, chi), *found)
		}
		if w.pens[centre].wrote(audit.RegionalJoined, an) != 4 || w.pens[centre].wrote(audit.RegionalJoined, chi) != 1 {
			t.Errorf("they see: %v", w.pens[centre].acts)
		}
		for _, a := range w.pens[centre].acts {
			if a.Action != audit.RegionalJoined {
				continue
			}
			kind, when, ok := regional.ParseJoined(a.Detail.Text)
			if !ok || !kind.Known() || when.Before(at(1)) || a.Detail.Object != string(danang) {
				t.Errorf("she reads: %q", a.Detail.Text)
			}
		}
		list, err := kept.Conflicts(t.Context(), db.Regional, 9)
		if err != nil || len(list) != 2 {
			t.Fatalf("conflicts: %v, %v", list, err)
		}
		slices.SortFunc(list, func(a, b kept.Conflict) int { return strings.Compare(string(a.Why), string(b.Why)) })
		if c := list[0]; c.Subject != an || c.Person != anThere || c.Why != stretch.Locked || c.Place != 2 ||
			!c.Since.Equal(at(2)) || !c.Decided.Equal(at(4)) {
			t.Errorf("got %+v", c)
		}
		if c := list[1]; c.Subject != chi || c.Why != stretch.Withdrawn || !c.Since.Equal(at(3)) || c.Type != string(audit.SignedIn) {
			t.Errorf("got %+v", c)
		}
		l.add(t, audit.SignedOut, chiThere, at(7))
		w.feed(t)
		if joined(t, db, chi) != 2 {
			t.Error("what came later is not joined")
		}
	})
}

// without is the row of a sign-in whose event is not sent: what comes after does not wait for it.
const without = "a sign-in without its event"

// chosen is the event by which somebody chose the province.
func chosen(who authz.Subject) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: audit.FactorChanged, When: audit.When{Decided: start.Add(-time.Hour)},
		Person: audit.Person{Pseudonym: string(who)}, Detail: audit.Detail{Action: string(audit.RegionalChosen), Object: string(danang)},
	}
}

// TestAChoiceThatNoEventExplains: nothing is handed over of somebody of whom the database alone
// says that she chose the province, or that something was handed over before.
func TestAChoiceThatNoEventExplains(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorldAt(t, db, storetest.SQLite(t, nil))
		an := w.person(t, 1, "hash")
		there, err := w.names.Person(t.Context(), danang, an)
		if err != nil {
			t.Fatal(err)
		}
		events := past{}
		found := w.joining(newShard(t), &events)
		if err := db.Writer(t.Context()).Exec(`INSERT INTO regional_choices (provider, person, subject, chosen_at, handed_at)
			VALUES (?, ?, ?, ?, ?)`, string(danang), string(there), string(an), start, start).Error; err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		if w.can(t, 1) || len(*found) != 1 || (*found)[0].Kind != reconcile.ChoiceUnexplained || (*found)[0].Pseudonym != string(an) {
			t.Errorf("she did not choose it, and can sign in there: %v; found %v", w.can(t, 1), *found)
		}
		events = append(events, chosen(an))
		if err := db.Writer(t.Context()).Exec("UPDATE regional_changes SET version = NULL").Error; err != nil {
			t.Fatal(err)
		}
		w.feed(t)
		if !w.can(t, 1) || w.pens[centre].wrote(audit.RegionalHanded, an) != 1 {
			t.Errorf("she chose it: %v; recorded %v", w.can(t, 1), w.pens[centre].acts)
		}
	})
}

// TestForks: a log that is not what it was is an incident, and nothing of it is kept (RFC 6962
// §2.1.2); what is no proof at all is refused.
func TestForks(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, l *shard, person authz.Subject)
		found  int
	}{
		{"as it is", func(*testing.T, *shard, authz.Subject) {}, 0},
		{"the log of another key", func(t *testing.T, l *shard, _ authz.Subject) {
			other := newShard(t)
			l.signer, l.vkey = other.signer, other.vkey
		}, 1},
		{"a tree with another beginning", func(t *testing.T, l *shard, person authz.Subject) {
			was := l.leaves
			l.leaves, l.stored, l.events = nil, nil, nil
			l.add(t, audit.SignedIn, person, start)
			for _, leaf := range was[1:] {
				l.leaf(t, leaf)
			}
		}, 1},
		{"a leaf that is not in the tree", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Leaves[0] = append(slices.Clone(s.Leaves[0]), 'x') }
		}, 1},
		{"a leaf that was left out", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Leaves = append(slices.Clone(s.Leaves[:1]), s.Leaves[2:]...) }
		}, 1},
		{"a shard with a long name", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Origin = strings.Repeat("x", 1000) }
		}, 0},
		{without, func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Events = s.Events[1:] }
		}, 1},
		{"an event that is not of its leaf", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Events[0].Salt = make([]byte, 32) }
		}, 1},
		{"an event that is there twice", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Events = append(s.Events, s.Events[0]) }
		}, 0},
		{"a checkpoint that nobody signed", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) {
				s.Checkpoint = bytes.Replace(s.Checkpoint, []byte("\n8\n"), []byte("\n9\n"), 1)
			}
		}, 0},
		{"another root up to the end", func(_ *testing.T, l *shard, _ authz.Subject) {
			l.spoil = func(s *stretch.Stretch) { s.Root = make([]byte, 32) }
		}, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t, storetest.SQLite(t, nil))
			an, there := w.chose(t, 1)
			l, events := newShard(t), past{chosen(an)}
			found := w.joining(l, &events)
			l.add(t, audit.SignedIn, there, start)
			l.add(t, audit.SignedIn, there, start)
			for range 2 { // the keys of the centre come with the first
				w.feed(t)
			}
			for range 6 {
				l.add(t, audit.SignedIn, there, start)
			}
			row.change(t, l, there)
			err := w.feeder.Feed(t.Context())
			bad, want := row.name != "as it is" && row.name != without, 8
			switch {
			case bad:
				want = 2
			case row.name == without: // two stretches, each without its first
				want, row.found = 6, 2
			}
			if (err != nil) != bad || joined(t, w.at, an) != want || len(*found) != row.found {
				t.Errorf("got %v, %d joined, %v found", err, joined(t, w.at, an), *found)
			}
			for _, f := range *found {
				if f.Kind != reconcile.ProvinceLog || f.Origin != origin || f.Index != 2 && bad || f.Object != string(danang) {
					t.Errorf("found %+v", f)
				}
			}
		})
	}
}
