package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestOneRequestReadsOnce: a request reads what waits and its session by one statement,
// and anew after it has written; what has no reading reads each time.
func TestOneRequestReadsOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000004")
		s := started(t, db, subject)
		hash := authz.HashSecret(string(s.ID))
		waits := grant.Pending{ID: "p", Created: midday, Expires: midday.Add(time.Minute)}
		if err := db.InsertPending(t.Context(), waits, none); err != nil {
			t.Fatal(err)
		}
		read := func(ctx context.Context, live bool) (finished bool) {
			t.Helper()
			p, err := db.Pending(ctx, "p")
			if err != nil || p.ID != "p" || !p.Expires.Equal(midday.Add(time.Minute)) {
				t.Fatalf("the request that waits: %+v, %v", p, err)
			}
			found, err := db.SessionBySecret(ctx, hash)
			if err != nil || found.ID != s.ID || found.Actor != subject || found.Ended.IsZero() != live {
				t.Fatalf("the session: %+v, %v", found, err)
			}
			return !p.Finished.IsZero()
		}
		statements := func(do func()) uint64 {
			before := db.Stats().Queries
			do()
			return db.Stats().Queries - before
		}
		request := authz.WithReading(t.Context(), hash)
		for _, row := range []struct {
			name string
			want uint64
			do   func()
		}{
			{"no reading: each by itself", 4, func() { read(t.Context(), true); read(t.Context(), true) }},
			{"a request: once, together", 1, func() { read(request, true); read(request, true) }},
			{"a transaction reads for itself", 2, func() {
				if err := db.Tx(request, func(ctx context.Context) error { read(ctx, true); return nil }); err != nil {
					t.Fatal(err)
				}
			}},
			{"another request: anew", 1, func() { read(authz.WithReading(t.Context(), hash), true) }},
			{"after a write: anew", 2, func() {
				if err := db.FinishPending(request, "p", midday, ""); err != nil {
					t.Fatal(err)
				}
				if !read(request, true) {
					t.Error("the request is not finished after its end was written")
				}
			}},
			{"after a write that came too late: anew", 2, func() {
				if err := db.FinishPending(request, "p", midday, ""); !errors.Is(err, authz.ErrConflict) {
					t.Fatalf("finished twice: %v", err)
				}
				read(request, true)
			}},
			{"after a sign-out: anew", 4, func() {
				if _, err := db.EndSession(request, subject, s.ID, "test", midday); err != nil {
					t.Fatal(err)
				}
				read(request, false)
			}},
			{"a browser without its session finds what waits", 1, func() {
				stranger := authz.WithReading(t.Context(), authz.HashSecret("another"))
				if _, err := db.Pending(stranger, "p"); err != nil {
					t.Fatal(err)
				}
				if _, err := db.SessionBySecret(stranger, authz.HashSecret("another")); !errors.Is(err, authz.ErrNotFound) {
					t.Fatalf("a session that is not there: %v", err)
				}
			}},
		} {
			if got := statements(row.do); got != row.want {
				t.Errorf("%s: %d statements, want %d", row.name, got, row.want)
			}
		}
	})
}
