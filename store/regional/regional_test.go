package regional_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

var at = time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)

const (
	danang = federation.EntityID("https://id.danang.example.vn")
	hue    = federation.EntityID("https://id.hue.example.vn")
)

func number(i int) authz.PersonalNumber { return authz.PersonalNumber(fmt.Sprintf("099000%06d", i)) }

func account(t *testing.T, db *store.DB, i int) authz.Subject {
	t.Helper()
	subject := authz.Subject(fmt.Sprintf("subject-%03d", i))
	a := identity.Account{Subject: subject, Kind: authz.Citizen, Person: authz.PersonID(subject), Name: "Mẫu", Level: 2, Created: at}
	err := db.InsertAccount(t.Context(), a, number(i),
		authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash")},
		authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: []byte("seed"), Counter: 7})
	if err != nil {
		t.Fatal(err)
	}
	return subject
}

// TestChoices: a choice is there once, until it is taken back, and leads to what is handed over.
func TestChoices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Regional
		for i := range 3 {
			subject := account(t, db, i)
			if err := book.Choose(t.Context(), subject, authz.Subject(fmt.Sprintf("person-%d", 9-i)), danang, at); err != nil {
				t.Fatal(err)
			}
			if err := book.Choose(t.Context(), subject, "another", danang, at); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("a second time: %v", err)
			}
		}
		if err := db.Lock(t.Context(), "subject-001", "operator", at); err != nil {
			t.Fatal(err)
		}
		if err := book.Handed(t.Context(), danang, []authz.Subject{"subject-002"}, at); err != nil {
			t.Fatal(err)
		}
		list, err := book.People(t.Context(), danang, "", 2)
		if err != nil || len(list) != 2 || list[0].Person != "person-7" || list[1].Person != "person-8" {
			t.Fatalf("got %v, %v", list, err)
		}
		if p := list[0]; p.Subject != "subject-002" || !p.Handed || p.Locked || p.Number != number(2) || p.Level != 2 ||
			p.Kind != authz.Citizen || string(p.Password) != "hash" || string(p.Seed) != "seed" || p.Step != 7 {
			t.Errorf("got %+v", p)
		}
		if !list[1].Locked || list[1].Handed {
			t.Errorf("got %+v", list[1])
		}
		if list, err = book.People(t.Context(), danang, "person-8", 2); err != nil || len(list) != 1 || list[0].Subject != "subject-000" {
			t.Errorf("the next page: %v, %v", list, err)
		}
		if list, err := book.People(t.Context(), hue, "", 2); err != nil || len(list) != 0 {
			t.Errorf("another province: %v, %v", list, err)
		}
		of, err := book.Of(t.Context(), "subject-000")
		if err != nil || len(of) != 1 || of[0].Provider != danang || !of[0].Chosen.Equal(at) {
			t.Errorf("of her: %v, %v", of, err)
		}
		if err := book.Withdraw(t.Context(), "subject-000", hue); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("what she did not choose: %v", err)
		}
		if err := book.Withdraw(t.Context(), "subject-000", danang); err != nil {
			t.Fatal(err)
		}
		if of, err := book.Of(t.Context(), "subject-000"); err != nil || len(of) != 0 {
			t.Errorf("after the withdrawal: %v, %v", of, err)
		}
	})
}

// TestSectors: how a sector is named is decided by its first app, once and for ever.
func TestSectors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book, domains := db.Regional, []string{"danang.example.vn"}
		app := func(id, sector string) {
			t.Helper()
			c := &authz.Client{ID: authz.ClientID(id), Profile: authz.OIDC}
			c.Sector = sector
			if err := db.SaveClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		app("old", "old.danang.example.vn")
		app("other", "land.hue.example.vn")
		since := time.Now()
		app("new", "new.danang.example.vn")
		app("old again", "old.danang.example.vn")
		for range 2 {
			for sector, want := range map[string]bool{"old.danang.example.vn": false, "new.danang.example.vn": true} {
				if got, err := book.Regional(t.Context(), sector, since); err != nil || got != want {
					t.Errorf("%s: %v, %v", sector, got, err)
				}
			}
			before, err := book.Before(t.Context(), domains, since)
			if err != nil || !slices.Equal(before, []string{"old.danang.example.vn"}) {
				t.Errorf("before: %q, %v", before, err)
			}
		}
		if got, err := book.Regional(t.Context(), "new.danang.example.vn", since.AddDate(1, 0, 0)); err != nil || !got {
			t.Errorf("another time in the file changed a name: %v, %v", got, err)
		}
		if got, err := book.Regional(t.Context(), "early.danang.example.vn", since.AddDate(1, 0, 0)); err != nil || got {
			t.Errorf("before its time: %v, %v", got, err)
		}
	})
}

// TestPeople: what was handed over is put in the place of what was there, and is deleted with its
// end, while the account stays.
func TestPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book, until := db.Regional, at.AddDate(0, 0, 7)
		put := func(person authz.Subject, number authz.PersonalNumber, digest string) error {
			a := identity.Account{Subject: person, Kind: authz.Citizen, Person: authz.PersonID(person), Level: 2, Created: at}
			return db.Tx(t.Context(), func(ctx context.Context) error {
				hash := authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte(digest)}
				return book.Put(ctx, a, number, regional.Known{Digest: digest, Version: 1}, until, hash)
			})
		}
		held := func(number authz.PersonalNumber) string {
			t.Helper()
			c, err := db.Credentials(t.Context(), number)
			if err != nil {
				t.Fatal(err)
			}
			if len(c.Factors) == 0 {
				return ""
			}
			return string(c.Factors[0].Secret)
		}
		if err := errors.Join(put("p-1", number(1), "one"), put("p-2", number(2), "two"), put("p-1", number(3), "three")); err != nil {
			t.Fatal(err)
		}
		if held(number(1)) != "" || held(number(3)) != "three" || held(number(2)) != "two" {
			t.Error("a number or a factor of before is there, or a new one is not")
		}
		if err := put("p-3", number(2), "x"); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("the number of another person: %v", err)
		}
		known, err := book.Known(t.Context(), []authz.Subject{"p-1", "p-2", "p-9"})
		if err != nil || len(known) != 2 || known["p-1"] != (regional.Known{Digest: "three", Version: 1}) {
			t.Errorf("known: %v, %v", known, err)
		}
		if err := book.Keep(t.Context(), []authz.Subject{"p-1"}, 9, at.Add(time.Minute), until.AddDate(0, 0, 1)); err != nil {
			t.Fatal(err)
		}
		if err := book.Keep(t.Context(), []authz.Subject{"p-1"}, 3, at, at); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			name string
			page regional.Page
			want []authz.Subject
		}{
			{"all, at their versions", regional.Page{Version: 9}, []authz.Subject{"p-1", "p-2"}},
			{"one with a later version", regional.Page{Version: 8}, []authz.Subject{"p-2"}},
			{"those who are named", regional.Page{Version: 8, People: []authz.Subject{"p-0", "p-2"}}, nil},
			{"a page that ends before her", regional.Page{Version: 8, Last: "p-1"}, nil},
			{"a page that ends with her", regional.Page{Version: 8, After: "p-1", Last: "p-2"}, []authz.Subject{"p-2"}},
			{"a page that begins after her", regional.Page{Version: 8, After: "p-2"}, nil},
		} {
			if gone, err := book.Unnamed(t.Context(), row.page, 9); err != nil || !slices.Equal(gone, row.want) {
				t.Errorf("unnamed, %s: %q, %v", row.name, gone, err)
			}
		}
		if over, err := book.Over(t.Context(), until, 9); err != nil || !slices.Equal(over, []authz.Subject{"p-2"}) {
			t.Errorf("over: %q, %v", over, err)
		}
		if over, err := book.Over(t.Context(), until.Add(-time.Second), 9); err != nil || len(over) != 0 {
			t.Errorf("before its day: %q, %v", over, err)
		}
		if err := errors.Join(db.Lock(t.Context(), "p-2", regional.LockReason, at), book.End(t.Context(), "p-2", 1)); err != nil {
			t.Fatal(err)
		}
		if err := book.End(t.Context(), "p-2", 1); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("a second end: %v", err)
		}
		if held(number(2)) != "" {
			t.Error("a factor outlived its end")
		}
		var left int
		if err := db.Reader(t.Context()).Raw("SELECT count(*) FROM accounts WHERE subject = 'p-2' AND length(password_hash) + length(totp_seed) > 0").
			Scan(&left).Error; err != nil || left != 0 {
			t.Errorf("the columns of the release before have a secret: %d, %v", left, err)
		}
		if known, err = book.Known(t.Context(), []authz.Subject{"p-2"}); err != nil || known["p-2"] != (regional.Known{Version: 1}) {
			t.Errorf("known: %v, %v", known, err)
		}
		if err := put("p-2", number(2), "again"); err != nil || held(number(2)) != "again" {
			t.Errorf("who chose again: %v", err)
		}
		_, _, err = book.SavedKey(t.Context(), danang)
		if !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("a key that did not come: %v", err)
		}
		rule := regional.Rule{Domains: []string{"danang.example.vn"}, Since: at, Before: []string{"a.danang.example.vn"}}
		for _, sealed := range []string{"first", "second"} {
			if err := book.SaveKey(t.Context(), danang, []byte(sealed), rule, at); err != nil {
				t.Fatal(err)
			}
		}
		sealed, got, err := book.SavedKey(t.Context(), danang)
		if err != nil || string(sealed) != "second" || !slices.Equal(got.Before, rule.Before) || !got.Since.Equal(at) {
			t.Errorf("got %q %v, %v", sealed, got, err)
		}
	})
}

// TestDays: an answer that comes when what was handed over is good no more begins nothing, also
// before the end of the days was noted.
func TestDays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		until := at.AddDate(0, 0, 7)
		factor := authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash")}
		a := identity.Account{Subject: "p-1", Kind: authz.Citizen, Person: "p-1", Level: 2, Created: at}
		if err := db.Tx(t.Context(), func(ctx context.Context) error {
			return db.Regional.Put(ctx, a, number(1), regional.Known{Digest: "one", Version: 1}, until, factor)
		}); err != nil {
			t.Fatal(err)
		}
		accepts := func(when time.Time) error {
			return db.Tx(t.Context(), func(ctx context.Context) error {
				return db.Accept(ctx, &authn.Acceptance{Subject: "p-1", Uses: []authn.Use{{Factor: factor.ID}}, At: when})
			})
		}
		begins := func(when time.Time) error {
			s := session.Session{ID: authz.SessionID(authz.NewID()), Level: 2, AuthTime: when, Created: when, Seen: when}
			s.Actor = "p-1"
			return db.Tx(t.Context(), func(ctx context.Context) error {
				by := &authn.Acceptance{Subject: "p-1", Uses: []authn.Use{{Factor: factor.ID}}, At: when}
				return db.InsertSession(ctx, s, []byte(s.ID), by)
			})
		}
		for name, do := range map[string]func(time.Time) error{"a factor": accepts, "a session": begins} {
			if err := do(until.Add(-time.Second)); err != nil {
				t.Errorf("%s on the last day: %v", name, err)
			}
			if err := do(until); !errors.Is(err, authn.ErrUsed) {
				t.Errorf("%s after the last day: %v", name, err)
			}
		}
		_, err := db.Regional.Told(t.Context(), danang)
		told := regional.Told{Version: 1}
		if err = errors.Join(err, db.Regional.SaveTold(t.Context(), danang, told, until.AddDate(0, 0, 1))); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(accepts(until), begins(until)); err != nil {
			t.Errorf("the days began anew: %v", err)
		}
		if err := accepts(until.AddDate(0, 0, 1)); !errors.Is(err, authn.ErrUsed) {
			t.Errorf("after the new last day: %v", err)
		}
	})
}
