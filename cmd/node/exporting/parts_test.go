package exporting

import (
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestPartsAreAllOfATime: each instant is in one part, in that of its quarter, month or day.
func TestPartsAreAllOfATime(t *testing.T) {
	form := map[string]string{"month": "2006-01", "day": time.DateOnly}
	rapid.Check(t, func(t *rapid.T) {
		each := rapid.SampledFrom([]string{"quarter", "month", "day"}).Draw(t, "each")
		from := time.Unix(rapid.Int64Range(1_600_000_000, 1_900_000_000).Draw(t, "from"), 0)
		to := from.Add(time.Duration(rapid.Int64Range(1, 900*24*3600).Draw(t, "seconds")) * time.Second)
		all, err := Parts(from, to, each)
		if err != nil {
			t.Fatal(err)
		}
		at, names := from, map[string]bool{}
		for _, p := range all {
			if !p.From.Equal(at) || !p.From.Before(p.To) || names[p.Name] {
				t.Errorf("the part %+v comes behind %v", p, at)
			}
			last := p.To.Add(-1)
			if each != "quarter" && (p.From.Format(form[each]) != p.Name || last.Format(form[each]) != p.Name) {
				t.Errorf("%+v is not all of one %s", p, each)
			}
			if each == "quarter" && (p.From.Month()-1)/3 != (last.Month()-1)/3 {
				t.Errorf("%+v is of two quarters", p)
			}
			at, names[p.Name] = p.To, true
		}
		if !at.Equal(to) {
			t.Errorf("the parts end at %v, the time at %v", at, to)
		}
	})
}

// TestPartsOfNoTime: without an end or a beginning there are none, nor by what is no part, nor more
// than somebody would want.
func TestPartsOfNoTime(t *testing.T) {
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		from, to time.Time
		each     string
	}{
		"no beginning":    {time.Time{}, from, "day"},
		"no end":          {from, time.Time{}, "day"},
		"an end before":   {from, from, "day"},
		"by week":         {from, from.AddDate(1, 0, 0), "week"},
		"ten years, days": {from, from.AddDate(10, 0, 0), "day"},
	} {
		if all, err := Parts(row.from, row.to, row.each); err == nil {
			t.Errorf("%s: %d parts", name, len(all))
		}
	}
}

// TestWhatIsTooLargeIsExportedInParts: an export that would be larger than may be is refused, and
// its parts hold together what it would have held.
func TestWhatIsTooLargeIsExportedInParts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newNation(t, db)
		whole := audit.Query{From: v.clock(), To: v.clock().AddDate(0, 3, 0)}
		var want []string
		for range 4 { // days, of two quarters
			for range 30 {
				want = append(want, v.record(of(hers, audit.ReleasePermitted), true).ID)
			}
			v.turn(v.clock().AddDate(0, 0, 1))
			for _, s := range v.logs {
				if err := s.Roll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		raw, _, err := v.export(whole)
		if err != nil {
			t.Fatal(err)
		}
		// What a file of one event may have is kept for the head and the manifest.
		v.most = 256<<10 + int64(len(raw))/2
		if _, _, err := v.export(whole); !errors.Is(err, proof.ErrTooLarge) {
			t.Fatalf("got %v", err)
		}
		parts, err := Parts(whole.From, whole.To, "day")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, part := range parts {
			raw, c, err := v.export(audit.Query{From: part.From, To: part.To})
			if err != nil {
				t.Fatal(err)
			}
			r := proof.Verify(raw, v.keysOf())
			if !r.OK() || int64(len(raw)) > v.most || c.Total != len(r.Events) {
				t.Errorf("the part %s of %d bytes does not verify, or does not hold %d events", part.Name, len(raw), c.Total)
			}
			for _, e := range r.Events {
				got = append(got, e.ID)
			}
		}
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("the parts hold %d events, want %d", len(got), len(want))
		}
	})
}
