package regional_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestChangesAlone: after the first round, and once a day, all are told; else those of whom
// something changed, and those who withdrew. What all have is good anew each time.
func TestChangesAlone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var people []authz.Subject
		for i := range 120 {
			subject, _ := w.chose(t, i)
			people = append(people, subject)
		}
		size := 0
		w.spoil = func(body string) string { size += len(body); return body }
		round := func() (answers, bytes int) {
			before := w.answered
			size = 0
			w.feed(t)
			return w.answered - before, size
		}
		answers, all := round()
		if answers != 2 {
			t.Fatalf("all came in %d answers", answers)
		}
		w.now = w.now.Add(time.Hour)
		answers, none := round()
		if answers != 1 || none > 2000 {
			t.Errorf("nothing changed: %d answers, %d bytes", answers, none)
		}
		err := w.at.Lock(t.Context(), people[3], "operator", w.now)
		if err = errors.Join(err, w.choices.Withdraw(t.Context(), people[5], danang)); err != nil {
			t.Fatal(err)
		}
		if answers, bytes := round(); answers != 1 || bytes > none+1000 || w.can(t, 3) || w.can(t, 5) || !w.can(t, 4) {
			t.Errorf("two changed: %d answers, %d bytes", answers, bytes)
		}
		if err := w.at.Unlock(t.Context(), people[3], "operator"); err != nil {
			t.Fatal(err)
		}
		if round(); !w.can(t, 3) {
			t.Error("who was unlocked cannot sign in")
		}
		w.now = w.now.Add(22 * time.Hour)
		if answers, bytes := round(); answers != 1 || bytes > none+100 {
			t.Errorf("within a day: %d answers, %d bytes", answers, bytes)
		}
		w.cut = true
		w.now = w.now.AddDate(0, 0, 3).Add(-time.Second)
		if !w.can(t, 4) {
			t.Error("nobody was named, and the days ended early")
		}
		w.now = w.now.Add(time.Second)
		if w.can(t, 4) {
			t.Error("what was handed over outlived its days")
		}
		w.cut = false
		if answers, bytes := round(); answers != 2 || bytes < all/2 || !w.can(t, 4) {
			t.Errorf("after a day: %d answers, %d bytes", answers, bytes)
		}
	})
}

// TestAnOlderCentre: a centre that goes on with an older copy of its database tells all anew, and
// what it tells takes the place of what was told before.
func TestAnOlderCentre(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	an, _ := w.chose(t, 1)
	w.feed(t)
	if err := w.at.Writer(t.Context()).Exec("UPDATE regional_heads SET version = version - 1000000").Error; err != nil {
		t.Fatal(err)
	}
	if err := w.at.Writer(t.Context()).Exec("UPDATE regional_changes SET version = version - 1000000").Error; err != nil {
		t.Fatal(err)
	}
	if err := w.at.Writer(t.Context()).Exec("UPDATE accounts SET account_level = 1 WHERE subject = ?", string(an)).Error; err != nil {
		t.Fatal(err)
	}
	if err := w.at.Writer(t.Context()).Exec("UPDATE regional_changes SET version = 1").Error; err != nil { // as if of before
		t.Fatal(err)
	}
	w.feed(t)
	if account, err := w.there.AccountOf(t.Context(), number(1)); err != nil || account.Level != 1 {
		t.Errorf("the province has level %d, %v", account.Level, err)
	}
}

// faulty is a database of a province that fails when it is told to, before or after it did
// something.
type faulty struct {
	regional.PeopleStore
	fails func() error
}

func (f faulty) SaveTold(ctx context.Context, c federation.EntityID, told regional.Told, until time.Time) error {
	if err := f.fails(); err != nil {
		return err
	}
	return errors.Join(f.PeopleStore.SaveTold(ctx, c, told, until), f.fails())
}

func (f faulty) Known(ctx context.Context, people []authz.Subject) (map[authz.Subject]regional.Known, error) {
	if err := f.fails(); err != nil {
		return nil, err
	}
	return f.PeopleStore.Known(ctx, people)
}

func (f faulty) Keep(ctx context.Context, people []authz.Subject, version int64, seen, until time.Time) error {
	return errors.Join(f.PeopleStore.Keep(ctx, people, version, seen, until), f.fails())
}

func (f faulty) Put(
	ctx context.Context, a identity.Account, number authz.PersonalNumber, said regional.Known, until time.Time, factors ...authn.Held,
) error {
	if err := f.PeopleStore.Put(ctx, a, number, said, until, factors...); err != nil {
		return err
	}
	return f.fails()
}

func (f faulty) End(ctx context.Context, person authz.Subject, version int64) error {
	if err := f.PeopleStore.End(ctx, person, version); err != nil {
		return err
	}
	return f.fails()
}

// TestWhateverHappens: after any changes at the centre, rounds of two nodes that end in errors,
// come between each other or begin anew, and days that are over, a round of each node without an
// error leaves the province with what the centre has.
func TestWhateverHappens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		var people, there []authz.Subject
		for i := range 4 {
			people = append(people, w.person(t, i, "hash 0"))
			name, err := w.names.Person(t.Context(), danang, people[i])
			if err != nil {
				t.Fatal(err)
			}
			there = append(there, name)
		}
		made := 0
		rapid.Check(t, func(r *rapid.T) {
			failing := false
			store := faulty{db.Regional, func() error {
				if failing && rapid.IntRange(0, 3).Draw(r, "fails") == 0 {
					return authz.ErrUnavailable
				}
				return nil
			}}
			node := func() *regional.Feeder {
				return &regional.Feeder{
					Self: danang, Centre: centre, Anchor: anchor, Ring: w.rings[danang], Resolver: w, Out: w, Store: store, Accounts: w,
					Evidence: w.pens[danang], Now: func() time.Time { return w.now },
				}
			}
			nodes := []*regional.Feeder{node(), node()}
			must := func(err error) {
				if err != nil && !errors.Is(err, authz.ErrConflict) {
					r.Fatal(err)
				}
			}
			change := func() {
				i := rapid.IntRange(0, len(people)-1).Draw(r, "person")
				switch rapid.IntRange(0, 5).Draw(r, "change") {
				case 0:
					must(w.choices.Choose(t.Context(), people[i], danang))
				case 1:
					must(w.choices.Withdraw(t.Context(), people[i], danang))
				case 2:
					must(w.at.Lock(t.Context(), people[i], "operator", w.now))
				case 3:
					must(w.at.Unlock(t.Context(), people[i], "operator"))
				case 4:
					made++
					must(w.at.Writer(t.Context()).Exec("UPDATE factors SET secret = ? WHERE subject = ? AND kind = 'password'",
						[]byte(fmt.Sprintf("hash %d", made)), string(people[i])).Error)
				case 5:
					must(w.at.Writer(t.Context()).Exec("UPDATE factors SET disabled_at = CASE WHEN disabled_at IS NULL THEN ? END "+
						"WHERE subject = ? AND kind = 'totp'", w.now.UTC(), string(people[i])).Error)
				}
			}
			round := func() { _ = nodes[rapid.IntRange(0, 1).Draw(r, "node")].Feed(t.Context()) } // it may fail
			for range rapid.IntRange(1, 12).Draw(r, "steps") {
				w.now = w.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(r, "minutes")) * time.Minute)
				switch rapid.IntRange(0, 6).Draw(r, "step") {
				case 0, 1:
					change()
				case 2:
					round()
				case 3:
					failing = true
					round()
					failing = false
				case 4:
					w.meanwhile = func() {
						change()
						if rapid.Bool().Draw(r, "a round of another") {
							round()
							change()
							return
						}
						now := w.now // a clock that is ahead ends what is good
						w.now = now.AddDate(0, 0, 4)
						must(nodes[0].Sweep(t.Context()))
						w.now = now
					}
					round()
					w.meanwhile = nil
				case 5:
					nodes[rapid.IntRange(0, 1).Draw(r, "node")] = node()
				case 6:
					w.cut = true
					w.now = w.now.AddDate(0, 0, rapid.IntRange(1, 4).Draw(r, "days"))
					round()
					must(nodes[0].Sweep(t.Context()))
					w.cut = false
				}
			}
			for _, n := range nodes { // the first one may find that something was ended, and save nothing
				must(n.Feed(t.Context()))
			}
			for i := range people {
				want := state(r, w.at, people[i], true)
				if chosen, err := w.choices.Of(t.Context(), people[i]); err != nil || len(chosen) == 0 {
					want = "none"
				}
				if got := state(r, db, there[i], false); got != want {
					r.Fatalf("of person %d the province has %s, the centre %s", i, got, want)
				}
			}
		})
	})
}

// state is what a database has of a person, for a province.
func state(t *rapid.T, db *store.DB, who authz.Subject, atCentre bool) string {
	c, err := db.CredentialsOf(context.Background(), who)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		t.Fatal(err)
	}
	var hash string
	for _, f := range c.Factors {
		if f.Kind == authn.PasswordFactor {
			hash = string(f.Secret)
		}
	}
	totp := slices.ContainsFunc(c.Factors, func(f authn.Held) bool { return f.Kind == authn.TOTPFactor })
	if c.Subject == "" || c.Locked || !totp || hash == "" {
		if !atCentre && len(c.Factors) > 0 {
			return "factors without a use"
		}
		return "none"
	}
	return hash
}
