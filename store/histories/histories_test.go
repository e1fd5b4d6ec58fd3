package histories_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/history"
	"hopnhat/store"
	"hopnhat/store/histories"
	"hopnhat/store/storetest"
)

const app = federation.EntityID("https://app.example.vn")

var noon = time.Date(2026, 3, 3, 2, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func row(minutes int, digest string, v history.Verdict) history.Row {
	return history.Row{Entity: app, At: at(minutes), Digest: digest, Verdict: v}
}

// keep adds a walk with verdicts.
func keep(t *testing.T, db histories.Book, node string, minutes int, rows ...history.Row) {
	t.Helper()
	if err := db.KeepWalk(t.Context(), node, history.Walk{At: at(minutes), Trusted: 1}, rows); err != nil {
		t.Fatal(err)
	}
}

// TestVerdictsAt: the newest verdict up to a time, with the walks around it, of each node.
func TestVerdictsAt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Histories
		if got, err := book.VerdictsAt(t.Context(), app, noon); err != nil || len(got) != 0 {
			t.Fatalf("of nothing: %+v, %v", got, err)
		}
		trusted := history.Verdict{Trusted: true, Anchor: "https://neo.example.vn", Chain: []history.Link{{Issuer: app, Subject: app, Keys: []string{"k"}}}}
		keep(t, book, "dc1/a", 0, row(0, "x", trusted))
		keep(t, book, "dc1/a", 10)
		keep(t, book, "dc1/a", 20, row(20, "y", history.Verdict{Rule: "unexpired", Error: "it ended"}))
		keep(t, book, "dc1/a", 90, row(90, "x", trusted))
		keep(t, book, "dc2/b", 5)
		keep(t, book, "dc1/a", 10) // once more, as after an error that was none
		for _, r := range []struct {
			name            string
			minutes         int
			looked, trusted bool
			since           time.Time
			before, after   time.Time
		}{
			{"before there was a walk", -1, false, false, time.Time{}, time.Time{}, at(0)},
			{"at a walk", 0, true, true, at(0), at(0), at(10)},
			{"between two walks", 14, true, true, at(0), at(10), at(20)},
			{"after another verdict", 21, true, false, at(20), at(20), at(90)},
			{"as long as two walks are apart at most", 40, true, false, at(20), at(20), at(90)},
			{"where nobody looked", 41, false, false, at(20), at(20), at(90)},
			{"after the last walk", 95, true, true, at(90), at(90), time.Time{}},
			{"long after the last walk", 200, false, true, at(90), at(90), time.Time{}},
		} {
			t.Run(r.name, func(t *testing.T) {
				got, err := book.VerdictsAt(t.Context(), app, at(r.minutes))
				if err != nil || len(got) != 2 || got[0].Node != "dc1/a" || got[1].Node != "dc2/b" || !got[1].Since.IsZero() {
					t.Fatalf("got %+v, %v", got, err)
				}
				a := got[0]
				if a.Looked(at(r.minutes)) != r.looked || a.Trusted != r.trusted || !a.Since.Equal(r.since) || !a.Before.Equal(r.before) ||
					!a.After.Equal(r.after) || a.Trusted && len(a.Chain) != 1 {
					t.Errorf("got %+v", a)
				}
			})
		}
		// A row of a time to come, which no node wrote, keeps no verdict from being written.
		year := 365 * 24 * 60
		keep(t, book, "dc1/a", 5*year, row(5*year, "z", trusted))
		newest, err := book.NewestVerdicts(t.Context(), "dc1/a")
		if err != nil || len(newest) != 1 || newest[app] != "x" {
			t.Errorf("the newest are %v, %v", newest, err)
		}
		if newest, err = book.NewestVerdicts(t.Context(), "dc2/b"); err != nil || len(newest) != 0 {
			t.Errorf("the newest of another node are %v, %v", newest, err)
		}
	})
}

// TestPurgeHistory: what is old is deleted, a batch at a time, but for the verdict that still
// holds.
func TestPurgeHistory(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := db.Histories
		for i := range 7 {
			keep(t, book, "dc1/a", i, row(i, fmt.Sprint(i), history.Verdict{Trusted: i%2 == 0}))
		}
		for deleted := int64(3); deleted == 3; {
			var err error
			if deleted, err = book.PurgeHistory(t.Context(), at(5), 3); err != nil {
				t.Fatal(err)
			}
		}
		for minutes, since := range map[int]time.Time{4: {}, 5: at(5), 6: at(6)} {
			got, err := book.VerdictsAt(t.Context(), app, at(minutes))
			if err != nil || len(got) != 1 || !got[0].Since.Equal(since) {
				t.Errorf("at %d: %+v, %v", minutes, got, err)
			}
		}
	})
}

// TestManyVerdicts: the first walk finds everybody.
func TestManyVerdicts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		rows := make([]history.Row, 450)
		for i := range rows {
			rows[i] = history.Row{Entity: federation.EntityID(fmt.Sprintf("https://app%d.example.vn", i)), At: noon, Digest: fmt.Sprint(i)}
		}
		keep(t, db.Histories, "dc1/a", 0, rows...)
		newest, err := db.Histories.NewestVerdicts(context.Background(), "dc1/a")
		if err != nil || len(newest) != len(rows) || newest[rows[449].Entity] != "449" {
			t.Errorf("%d are kept, %v", len(newest), err)
		}
	})
}
