package store_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
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

// TestOneRequestReadsItsConsentsToo: what a person agreed to with the app, and was told, is
// read with what waits, if that asks for releases; it is what is read by itself.
func TestOneRequestReadsItsConsentsToo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000005")
		hash := authz.HashSecret(string(started(t, db, subject).ID))
		for _, id := range []authz.ClientID{"app", "other"} {
			if err := db.SaveClient(t.Context(), &authz.Client{ID: id, Name: authz.LocalizedText{VI: string(id)}}); err != nil {
				t.Fatal(err)
			}
			for _, purpose := range []authz.PurposeID{"land.mortgage", "tax.declare"} {
				approveFor(t, db, subject, id, purpose)
			}
		}
		if err := db.Announce(t.Context(), []consent.Announcement{{
			Subject: subject, Client: "app", Purpose: "tax.declare", Registry: "tax", At: midday,
			Informed: consent.Informed{TextHash: "h", Attributes: []authz.AttributeID{"tax.arrears", "tax.tax_code"}},
		}}); err != nil {
			t.Fatal(err)
		}
		for _, p := range []grant.Pending{
			{ID: "asks", Request: request.Authorization{ClientID: "app", Details: []authz.Release{{Registry: "tax"}}}},
			{ID: "asks nothing", Request: request.Authorization{ClientID: "app"}},
			{ID: "app gone", Request: request.Authorization{ClientID: "gone", Details: []authz.Release{{Registry: "tax"}}}},
		} {
			p.Created, p.Expires = midday, midday.Add(time.Minute)
			if err := db.InsertPending(t.Context(), p, none); err != nil {
				t.Fatal(err)
			}
		}
		want, err := db.Standing(t.Context(), subject, "app")
		if err != nil || len(want.Consents) != 2 || len(want.Informed) != 1 {
			t.Fatalf("%+v, %v", want, err)
		}
		for _, row := range []struct {
			name       string
			waits      authz.AuthorizationID
			secret     []byte
			subject    authz.Subject
			client     authz.ClientID
			statements uint64
		}{
			{"the request, the session and the consents by one statement", "asks", hash, subject, "app", 1},
			{"a request that asks for nothing reads none", "asks nothing", hash, subject, "app", 2},
			{"another browser's consents are not this person's", "asks", authz.HashSecret("another"), subject, "app", 2},
			{"another app's are not this one's", "asks", hash, subject, "other", 2},
			{"an app that is gone has none", "app gone", hash, subject, "gone", 2},
		} {
			ctx, before := authz.WithReading(t.Context(), row.secret), db.Stats().Queries
			p, err := db.Pending(ctx, row.waits)
			if err != nil || p.ID != row.waits {
				t.Fatalf("%s: %+v, %v", row.name, p, err)
			}
			got, err := db.Standing(ctx, row.subject, row.client)
			switch {
			case row.client == "gone":
				if !errors.Is(err, authz.ErrNotFound) {
					t.Errorf("%s: %v", row.name, err)
				}
			case err != nil || got.Client.ID != row.client || len(got.Consents) != 2, row.client == "app" && !reflect.DeepEqual(got, want):
				t.Errorf("%s: got %+v, %v, want %+v", row.name, got, err, want)
			}
			if n := db.Stats().Queries - before; n != row.statements {
				t.Errorf("%s: %d statements, want %d", row.name, n, row.statements)
			}
		}
		ctx := authz.WithReading(t.Context(), hash)
		if _, err := db.Pending(ctx, "asks"); err != nil {
			t.Fatal(err)
		}
		approveFor(t, db, subject, "app", "house.buy") // by another request
		if got, err := db.Standing(ctx, subject, "app"); err != nil || len(got.Consents) != 2 {
			t.Errorf("one request reads once: %d consents, %v", len(got.Consents), err)
		}
		if err := db.Tx(ctx, func(ctx context.Context) error {
			got, err := db.Standing(ctx, subject, "app")
			if len(got.Consents) != 3 {
				t.Errorf("what is decided is read in its transaction: %d consents", len(got.Consents))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// approveFor has a person agree to something.
func approveFor(t *testing.T, db *store.DB, subject authz.Subject, client authz.ClientID, purpose authz.PurposeID) {
	t.Helper()
	if _, err := db.Approve(t.Context(), consent.Consent{
		ID: authz.ConsentID(authz.NewID()), Subject: subject, Client: client, Purpose: purpose, Registry: "tax",
	}, consent.Version{
		State: consent.Approved, Attributes: []authz.AttributeID{"tax.arrears"}, Basis: "LB-CONSENT", ValidUntil: midday.Add(time.Hour),
		Session: "s", Principal: authz.Herself(subject), Channel: "web", At: midday.Add(time.Duration(len(purpose)) * time.Second),
	}); err != nil {
		t.Fatal(err)
	}
}
