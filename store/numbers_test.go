package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/numbers"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// person is the one that a standing's numbered releases are about.
func (s standing) person() string { return "pseudonym-of-the-person-of-" + string(s.app) }

// numbered writes a release with the person's next number as a scribe does.
func (s standing) numbered(ctx context.Context, rows audit.Rows, h audit.Hold) error {
	return rows.Tx(ctx, func(ctx context.Context) error {
		e := release(1, audit.Visible)
		e.Asked.Client, e.Person.Pseudonym = s.app, s.person()
		var err error
		if e.Person.Sequence, err = rows.NextNumber(ctx, s.person(), &h); err != nil {
			return err
		}
		sealed, err := e.Seal(audit.NewSalt())
		if err != nil {
			return err
		}
		return rows.Record(ctx, sealed)
	})
}

// given are the numbers of the events about the person, in their order, and the last one given.
func (s standing) given(t *testing.T) (given []int64, last int64) {
	t.Helper()
	if err := s.db.Row(t.Context(), &given, "SELECT sequence FROM events WHERE pseudonym = ? ORDER BY sequence", s.person()); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Row(t.Context(), &last, "SELECT last FROM event_numbers WHERE pseudonym = ?", s.person()); err != nil {
		t.Fatal(err)
	}
	return given, last
}

// upTo are the numbers from 1 on.
func upTo(last int64) (all []int64) {
	for n := range last {
		all = append(all, n+1)
	}
	return all
}

// TestANumberThatIsExpected: a second release costs one commit, on PostgreSQL of one statement; a
// number that another node gave meanwhile is seen, and one of what has ended is not given.
func TestANumberThatIsExpected(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := stand(t, db, 0)
		one, other := numbers.Expect(db, nil), numbers.Expect(db, nil)
		for _, row := range []struct {
			name             string
			by               audit.Rows
			postgres, sqlite uint64
		}{
			{"the first is asked for", one, 2, 2},
			{"the second is known", one, 1, 2},
			{"to another node it is not", other, 2, 2},
			{"what it gave is noticed", one, 3, 3},
			{"and known from then on", one, 1, 2},
		} {
			before := db.Stats()
			if err := s.numbered(t.Context(), row.by, s.hold); err != nil {
				t.Fatalf("%s: %v", row.name, err)
			}
			after := db.Stats()
			if n := after.Queries - before.Queries; n != onlyOn(db, row.postgres, row.sqlite) {
				t.Errorf("%s: %d statements", row.name, n)
			}
		}
		for name, change := range map[string]func(h *audit.Hold){
			"no such grant":                  func(h *audit.Hold) { h.Grant = "none" },
			"another version of the consent": func(h *audit.Hold) { h.Version = 2 },
			"no such consent":                func(h *audit.Hold) { h.Consent = "none" },
			"an app that is not there":       func(h *audit.Hold) { h.Clients = []authz.ClientID{h.Clients[0], "none"} },
		} {
			h := s.hold
			change(&h)
			if err := s.numbered(t.Context(), one, h); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("%s: got %v, want ErrConflict", name, err)
			}
		}
		if given, last := s.given(t); !slices.Equal(given, upTo(5)) || last != 5 {
			t.Errorf("given %d, the last %d", given, last)
		}
	})
}

// TestExpectedNumbersHaveNoGap: however many nodes give a person numbers while what her releases
// rest on ends, each is given once, and none after the end.
func TestExpectedNumbersHaveNoGap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for n, row := range ends {
			t.Run(row.name, func(t *testing.T) {
				s := stand(t, db, n)
				nodes := [2]*numbers.Expecting{numbers.Expect(db, nil), numbers.Expect(db, nil)}
				if err := s.numbered(t.Context(), nodes[0], s.hold); err != nil {
					t.Fatal(err)
				}
				var racing sync.WaitGroup
				for i := range 6 {
					racing.Go(func() {
						for {
							err := s.numbered(context.Background(), nodes[i/3], s.hold)
							if errors.Is(err, authz.ErrConflict) {
								return
							}
							if err != nil {
								t.Error(err)
								return
							}
						}
					})
				}
				if err := row.do(context.Background(), s); err != nil {
					t.Error(err)
				}
				_, atEnd := s.given(t)
				racing.Wait()
				if given, last := s.given(t); !slices.Equal(given, upTo(last)) || last != atEnd {
					t.Errorf("given %d, the last %d; %d when the end was acknowledged", given, last, atEnd)
				}
			})
		}
	})
}
