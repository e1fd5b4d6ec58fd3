package evidence_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/web/evidence"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

var (
	now = time.Unix(1_800_000_000, 0)
	an  = &session.Session{ID: "s-an", Principal: authz.Herself("an"), Level: 2}
)

// TestOwnEvents: a person sees the events that are about her, when the law lets her, and
// of any other does not learn that it is there.
func TestOwnEvents(t *testing.T) {
	hers := audit.Person{Pseudonym: evidencetest.Pseudonym("an")}
	before, after := now.Add(-time.Hour), now.Add(time.Hour)
	for _, row := range []struct {
		name    string
		person  audit.Person
		sight   audit.Visibility
		visible bool
	}{
		{"hers", hers, audit.Visibility{}, true},
		{"hers, said to be visible", hers, audit.Visibility{Sight: audit.Visible}, true},
		{"hidden from her", hers, audit.Visibility{Sight: audit.Hidden}, false},
		{"delayed, and the time has come", hers, audit.Visibility{Sight: audit.Delayed, Until: now}, true},
		{"delayed", hers, audit.Visibility{Sight: audit.Delayed, Until: after}, false},
		{"delayed without an end", hers, audit.Visibility{Sight: audit.Delayed}, false},
		{"somebody else's", audit.Person{Pseudonym: evidencetest.Pseudonym("chi")}, audit.Visibility{}, false},
		{"somebody else's, which she did", audit.Person{Pseudonym: evidencetest.Pseudonym("chi"), Actor: hers.Pseudonym}, audit.Visibility{}, false},
		{"nobody's", audit.Person{}, audit.Visibility{}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			book := &evidencetest.Book{}
			e := book.Add(
				audit.Event{Type: audit.ReleasePermitted, Person: row.person, Visibility: row.sight, When: audit.When{Decided: before}},
			)
			b := pagetest.New()
			b.Session = an
			own := evidence.Own{Events: book, Pseudonyms: book, Now: func() time.Time { return now }}
			got := b.Get(t, "/:id", "/"+e.ID, func(v *page.Visit) error {
				if _, err := v.SignedIn(); err != nil {
					return err
				}
				found, err := own.Event(v)
				if err == nil && found.Event.ID != e.ID || err != nil && found.Event.ID != "" {
					t.Errorf("found %s beside %v", found.Event, err)
				}
				return err
			})
			if (got.Err == nil) != row.visible || got.Err != nil && !errors.Is(got.Err, authz.ErrNotFound) {
				t.Errorf("got %v, want it visible: %v", got.Err, row.visible)
			}
		})
	}
}

// TestPagination: pages cover all events once each, the newest first, whatever their
// number, and the last one leads to none.
func TestPagination(t *testing.T) {
	const size, at = 3, "/portal"
	for n := range 3*size + 2 {
		book := &evidencetest.Book{}
		for range n {
			book.Add(audit.Event{})
		}
		seen, q, pages := 0, audit.Query{Limit: size + 1, Client: "so-dat"}, 0
		for {
			found, err := book.Find(t.Context(), audit.Query{Before: q.Before, Limit: q.Limit})
			if err != nil {
				t.Fatal(err)
			}
			shown, newer, older := evidence.Paginate(found, size, q, at)
			for _, r := range shown {
				if want := book.Events[n-1-seen].Event.ID; r.Event.ID != want {
					t.Fatalf("%d events: number %d is %s, want %s", n, seen, r.Event.ID, want)
				}
				seen++
			}
			if pages++; (newer != "") != (q.Before != "") || newer != "" && newer != at || len(shown) > size || pages > n+1 {
				t.Fatalf("%d events, page %d: %d shown, newer %q", n, pages, len(shown), newer)
			}
			if older == "" {
				break
			}
			q.Before = shown[size-1].Event.ID
			if want := fmt.Sprintf("%s?app=so-dat&before=%s", at, q.Before); older != want {
				t.Fatalf("older is %q, want %q", older, want)
			}
		}
		if seen != n {
			t.Errorf("%d of %d events were shown", seen, n)
		}
	}
}

// TestProofFiles: a proof is sent once the log covers the entry; until then she is told
// to come again.
func TestProofFiles(t *testing.T) {
	for _, row := range []struct {
		name              string
		logged, proofless bool
		origin, fault     string
	}{
		{"logged", true, false, evidencetest.Origin, ""},
		{"not yet logged", false, false, "", string(view.ErrorNotAvailable)},
		{"logged, and no checkpoint covers it", true, true, evidencetest.Origin, string(view.ErrorNotAvailable)},
		{"in a shard that is not here", true, false, "elsewhere", string(view.ErrorNotAvailable)},
	} {
		t.Run(row.name, func(t *testing.T) {
			book := &evidencetest.Book{Proofless: row.proofless}
			e := book.Add(evidencetest.Release("an", "so-dat", now))
			r := book.Events[0]
			r.Logged, r.Origin = row.logged, row.origin
			proofs := evidence.Proofs{Log: book, Events: book, Now: func() time.Time { return now }}
			got := pagetest.New().Get(t, "/", "/", func(v *page.Visit) error { return proofs.Send(v, r) })
			if got.Fault() != row.fault || (row.fault == "") != (got.Err == nil) {
				t.Fatalf("got %v", got.Err)
			}
			if name := `attachment; filename="hopnhat-` + e.ID + `.proof"`; row.fault == "" &&
				(got.Header.Get("Content-Disposition") != name || !strings.Contains(got.Body, evidencetest.Key)) {
				t.Errorf("sent as %q: %.80q", got.Header.Get("Content-Disposition"), got.Body)
			}
			place := proofs.Place(t.Context(), r, "/x/proof")
			if place.Logged != row.logged || (place.Key != "") != (row.origin == evidencetest.Origin) || place.URL != "/x/proof" ||
				place.File != "hopnhat-"+e.ID+".proof" {
				t.Errorf("its place is %+v", place)
			}
		})
	}
}
