package regional_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/federation/regional"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// now is when versions are given.
var now = time.Now()

// TestChanges: each change of what is told of a person who chose a province gives her a later
// version, and what is not told gives none.
func TestChanges(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Regional
		an, binh := account(t, db, 1), account(t, db, 2)
		err := book.Choose(t.Context(), an, "p-1", danang, at)
		if err = errors.Join(err, book.Choose(t.Context(), binh, "p-2", danang, at)); err != nil {
			t.Fatal(err)
		}
		var head int64
		if head, err = book.Number(t.Context(), danang, now); err != nil || head < time.Now().Add(-time.Hour).UnixMicro() {
			t.Fatalf("got %d, %v", head, err)
		}
		statement := func(query string, values ...any) func() error {
			return func() error { return db.Writer(t.Context()).Exec(query, append(values, string(an))...).Error }
		}
		for _, row := range []struct {
			name string
			do   func() error
			told bool
		}{
			{"nothing", func() error { return nil }, false},
			{"a lock", func() error { return db.Lock(t.Context(), an, "operator", at) }, true},
			{"the end of a lock", func() error { return db.Unlock(t.Context(), an, "operator") }, true},
			{"the level of the account", statement("UPDATE accounts SET account_level = 1 WHERE subject = ?"), true},
			{"another password", statement("UPDATE factors SET secret = ? WHERE kind = 'password' AND subject = ?", []byte("another")), true},
			{"a password of the release before", statement("UPDATE accounts SET password_hash = 'before' WHERE subject = ?"), true},
			{"a factor that is disabled", statement("UPDATE factors SET disabled_at = ? WHERE kind = 'totp' AND subject = ?", at), true},
			{"a factor that is added", statement(`INSERT INTO factors (id, kind, secret, added_at, subject)
				VALUES ('new', 'totp', ?, ?, ?)`, []byte("new"), at), true},
			{"another number", statement(`INSERT INTO identifiers (number, kind, valid_from, subject)
				VALUES ('099000000077', 'number', ?, ?)`, at.Add(time.Hour)), true},
			{"a number that is taken away", statement("DELETE FROM identifiers WHERE number = '099000000077' AND subject = ?"), true},
			{"a use of a factor", statement("UPDATE factors SET last_used_at = ?, counter = counter + 1 WHERE subject = ?", at), false},
			{"a name", statement("UPDATE accounts SET name = 'An' WHERE subject = ?"), false},
			{"the handing over", func() error { return book.Handed(t.Context(), danang, []authz.Subject{an}, at) }, false},
			{"the withdrawal", func() error { return book.Withdraw(t.Context(), an, danang) }, true},
			{"a lock of who withdrew", func() error { return db.Lock(t.Context(), an, "operator", at) }, false},
			{"another choice", func() error { return book.Choose(t.Context(), an, "p-1", danang, at) }, true},
			{"a choice of another province", func() error { return book.Choose(t.Context(), an, "p-9", hue, at) }, false},
		} {
			before := head
			if err := row.do(); err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
			if head, err = book.Number(t.Context(), danang, now); err != nil || head < before {
				t.Fatalf("%s: version %d after %d, %v", row.name, head, before, err)
			}
			list, err := book.Changes(t.Context(), danang, before, 9)
			told := len(list) == 1 && list[0].Person == "p-1" && list[0].Version == head
			if err != nil || told != row.told || !told && len(list) > 0 {
				t.Errorf("%s: told %v, %v", row.name, list, err)
			}
			if gone := row.name == "the withdrawal"; told && (list[0].Gone != gone || (list[0].Subject == "") != gone) {
				t.Errorf("%s: %+v", row.name, list[0])
			}
		}
	})
}

// TestNumbers: changes have versions of their own, in pages, and later ones than what was raised.
func TestNumbers(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Regional
		for i := range 5 {
			if err := book.Choose(t.Context(), account(t, db, i), authz.Subject(fmt.Sprintf("p-%d", i)), danang, at); err != nil {
				t.Fatal(err)
			}
		}
		later := now.Add(30 * time.Minute).UnixMicro()
		if err := errors.Join(book.Raise(t.Context(), danang, later), book.Raise(t.Context(), danang, 1)); err != nil {
			t.Fatal(err)
		}
		head, err := book.Number(t.Context(), danang, now)
		if err != nil || head <= later {
			t.Fatalf("version %d is not after %d: %v", head, later, err)
		}
		if again, err := book.Number(t.Context(), danang, now); err != nil || again != head {
			t.Errorf("nothing changed, and the version is %d, %v", again, err)
		}
		seen, since := map[authz.Subject]bool{}, int64(1)
		for page, want := range []int{2, 2, 1, 0} {
			list, err := book.Changes(t.Context(), danang, since, 2)
			if err != nil || len(list) != want {
				t.Fatalf("page %d: %v, %v", page, list, err)
			}
			for _, one := range list {
				if one.Version <= since || one.Version > head {
					t.Errorf("version %d after %d", one.Version, since)
				}
				since, seen[one.Person] = one.Version, true
			}
		}
		if len(seen) != 5 {
			t.Errorf("told of %v", seen)
		}
	})
}

// TestALateCommit: a change that is under way when versions are given gets one when it is
// committed, later than all that were told before.
func TestALateCommit(t *testing.T) {
	db := storetest.PostgreSQL(t, nil) // SQLite has one writer at a time
	book := db.Regional
	for i := range 2 {
		if err := book.Choose(t.Context(), account(t, db, i), authz.Subject(fmt.Sprintf("p-%d", i)), danang, at); err != nil {
			t.Fatal(err)
		}
	}
	var during int64
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if err := db.Lock(ctx, "subject-000", "operator", at); err != nil {
			return err
		}
		var err error
		during, err = book.Number(t.Context(), danang, now) // by another connection
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := book.Changes(t.Context(), danang, 1, 9)
	if err != nil || len(list) != 1 || list[0].Person != "p-1" {
		t.Errorf("before the next numbers: %v, %v", list, err)
	}
	head, err := book.Number(t.Context(), danang, now)
	if err != nil || head <= during {
		t.Fatalf("version %d after %d, %v", head, during, err)
	}
	list, err = book.Changes(t.Context(), danang, during, 9)
	if err != nil || len(list) != 1 || list[0].Person != "p-0" || !list[0].Locked {
		t.Errorf("what was committed late: %v, %v", list, err)
	}
}

// TestNamed: the people of a province are found by what its events name them, once that was noted.
func TestNamed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Regional
		for i, p := range []authz.Subject{"p-1", "p-2"} {
			a := identity.Account{Subject: p, Kind: authz.Citizen, Person: authz.PersonID(p), Level: 2, Created: at}
			if err := db.Tx(t.Context(), func(ctx context.Context) error {
				return book.Put(ctx, a, number(i), regional.Known{Digest: "one", Version: 5}, at)
			}); err != nil {
				t.Fatal(err)
			}
		}
		if list, err := book.Nameless(t.Context(), 9); err != nil || len(list) != 2 {
			t.Errorf("before: %v, %v", list, err)
		}
		if err := book.NamePerson(t.Context(), "p-1", "pseudonym"); err != nil {
			t.Fatal(err)
		}
		if list, err := book.Nameless(t.Context(), 9); err != nil || len(list) != 1 || list[0] != "p-2" {
			t.Errorf("after: %v, %v", list, err)
		}
		found, err := book.Named(t.Context(), []string{"pseudonym", "another"})
		if err != nil || len(found) != 1 || found["pseudonym"] != "p-1" {
			t.Errorf("found %v, %v", found, err)
		}
		if found, err = book.Named(t.Context(), nil); err != nil || len(found) != 0 {
			t.Errorf("nobody: %v, %v", found, err)
		}
	})
}

// TestTold: what was told is noted unless something was ended since, and what all have is good as
// long as was said last.
func TestTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book, until := db.Regional, at.AddDate(0, 0, 7)
		for _, p := range []authz.Subject{"p-1", "p-2"} {
			a := identity.Account{Subject: p, Kind: authz.Citizen, Person: authz.PersonID(p), Level: 2, Created: at}
			n := number(int(p[2] - '0'))
			if err := db.Tx(t.Context(), func(ctx context.Context) error {
				return book.Put(ctx, a, n, regional.Known{Digest: "one", Version: 5}, until, authn.Held{
					ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash"),
				})
			}); err != nil {
				t.Fatal(err)
			}
		}
		told, err := book.Told(t.Context(), danang)
		if err != nil || told != (regional.Told{}) {
			t.Fatalf("before the first round: %v, %v", told, err)
		}
		told.Version = 9
		renewed := until.AddDate(0, 0, 1)
		if err := errors.Join(book.SaveTold(t.Context(), danang, told, renewed), book.SaveTold(t.Context(), danang, told, at)); err != nil {
			t.Fatal(err)
		}
		if over, err := book.Over(t.Context(), until, 9); err != nil || len(over) != 0 {
			t.Errorf("renewed, and over: %v, %v", over, err)
		}
		end := func(do func(ctx context.Context) error) error { return db.Tx(t.Context(), do) }
		if err := end(func(ctx context.Context) error { return book.EndOver(ctx, "p-1", until) }); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("who is good was ended: %v", err)
		}
		if got, err := book.Told(t.Context(), danang); err != nil || got != told {
			t.Errorf("told: %v, %v", got, err)
		}
		if over, err := book.Over(t.Context(), renewed, 9); err != nil || len(over) != 2 {
			t.Errorf("over: %v, %v", over, err)
		}
		if err := end(func(ctx context.Context) error { return book.EndOver(ctx, "p-1", renewed) }); err != nil {
			t.Fatal(err)
		}
		if err := book.SaveTold(t.Context(), danang, told, renewed); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("something was ended, and all counts as told: %v", err)
		}
		if got, err := book.Told(t.Context(), danang); err != nil || got != (regional.Told{Generation: 1}) {
			t.Errorf("told: %v, %v", got, err)
		}
		if err := end(func(ctx context.Context) error { return book.End(ctx, "p-2", 4) }); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("what is newer was ended: %v", err)
		}
	})
}
