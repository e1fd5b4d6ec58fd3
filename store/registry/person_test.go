package registry_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hopnhat/store/registry"
)

func TestAPersonIsFoundByEveryNumberSheHadOrHas(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 1500, 7)
		rows, err := db.Pool().Query("SELECT number, kind, subject, status FROM nation_identifiers WHERE kind <> 'enterprise' ORDER BY status DESC, number LIMIT 4000")
		if err != nil {
			t.Fatal(err)
		}
		type held struct{ number, kind, subject, status string }
		var list []held
		for rows.Next() {
			var h held
			if err := rows.Scan(&h.number, &h.kind, &h.subject, &h.status); err != nil {
				t.Fatal(err)
			}
			list = append(list, h)
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		reissued := 0
		for _, h := range list {
			i, err := db.Lookup(t.Context(), registry.IdentifierKind(h.kind), h.number)
			if err != nil || i.Subject != h.subject || i.Status != h.status || (i.ValidTo == "") != (h.status == "active") ||
				len(i.ValidFrom) != 10 {
				t.Fatalf("looking up a %s %s: got %s from %q to %q, %v", h.status, h.kind, i.Status, i.ValidFrom, i.ValidTo, err)
			}
			if h.kind == string(registry.OldCard) {
				continue
			}
			p, err := db.ByNumber(t.Context(), h.number)
			if err != nil || p.ID != h.subject {
				t.Fatalf("finding the holder of a %s %s: %v", h.status, h.kind, err)
			}
			if h.status == "cancelled" {
				reissued++
				chain, err := db.Identifiers(t.Context(), p.ID)
				if err != nil || !slices.ContainsFunc(
					chain, func(i registry.Identifier) bool { return i.Number == p.Number && i.Status == "active" && i.Epoch > 0 },
				) {
					t.Fatalf("the chain of a re-issued number: %d long, %v", len(chain), err)
				}
				if p.Number == h.number {
					t.Fatal("a cancelled number is shown as the one in force")
				}
			}
			if again, err := db.Person(t.Context(), p.ID); err != nil || again != p {
				t.Fatalf("the person by id: %v, differs %v", err, again != p)
			}
		}
		if reissued < 10 {
			t.Fatalf("%d re-issued numbers: the test proves nothing", reissued)
		}
	})
}

func TestNobodyIsFoundByWhatWasNeverGiven(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 7)
		for _, number := range []string{"", "099304000018", "9900000016", "990000010", "099304000017 ", "' OR '1'='1"} {
			if p, err := db.ByNumber(t.Context(), number); !errors.Is(err, registry.ErrNoPerson) || p != (registry.Person{}) {
				t.Errorf("%q: got %v, want ErrNoPerson", number, err)
			}
		}
		for _, id := range []string{"", "099304000017", "00000000-0000-8000-8000-000000000000"} {
			if _, err := db.Person(t.Context(), id); !errors.Is(err, registry.ErrNoPerson) {
				t.Errorf("person %q: got %v, want ErrNoPerson", id, err)
			}
			if _, err := db.Organisation(t.Context(), id); !errors.Is(err, registry.ErrNoOrganisation) {
				t.Errorf("organisation %q: got %v, want registry.ErrNoOrganisation", id, err)
			}
		}
		// A number is looked for in its own series only.
		if _, err := db.Lookup(t.Context(), registry.Enterprise, "099304000017"); !errors.Is(err, registry.ErrNoIdentifier) {
			t.Errorf("a personal number as an enterprise code: got %v", err)
		}
	})
}

func TestTheNamedOnes(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 7)
		an, binh, chi, duong := holder(t, db, "099304000017"), holder(t, db, "099078000112"), holder(t, db, "099180000305"), holder(
			t, db, "099317000009",
		)
		for _, row := range []struct {
			got, want registry.Person
		}{
			{an, registry.Person{Name: "Trần Thị Mẫu An", Birth: "2004-02-29", Female: true}},
			{binh, registry.Person{Name: "Lê Văn Mẫu Bình", Birth: "1978"}},
			{chi, registry.Person{Name: "Phạm Thị Mẫu Chi", Birth: "1980-11-05", Female: true}},
			{duong, registry.Person{Name: "Trần Ngọc Mẫu Dương", Birth: "2017-06-01", Female: true, Guardian: chi.ID}},
		} {
			row.want.ID, row.want.Number, row.want.Alive = row.got.ID, row.got.Number, true
			row.want.Kind, row.want.Life = "citizen", registry.LifeAlive
			if row.got != row.want {
				t.Errorf("got %+v, want %+v", row.got, row.want)
			}
		}
		for _, register := range []string{"land", "tax"} {
			if rows, err := db.Read(t.Context(), register, an.ID, all(register)); err != nil || len(rows) == 0 {
				t.Errorf("register %s of the named person: %d rows, %v", register, len(rows), err)
			}
		}
		for code, want := range map[string][]string{"9900000016": {binh.ID}, "9900000023": {binh.ID, chi.ID}} {
			i, err := db.Lookup(t.Context(), registry.Enterprise, code)
			if err != nil {
				t.Fatal(err)
			}
			o, err := db.Organisation(t.Context(), i.Subject)
			if err != nil || o.Code != code || o.Status != "đang hoạt động" {
				t.Errorf("organisation %s: %+v, %v", code, o, err)
			}
			mandates, err := db.Represents(t.Context(), i.Subject)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range mandates {
				got = append(got, m.Person)
				if m.Joint != (len(want) == 2) || m.Organisation != i.Subject || m.ValidTo != "" {
					t.Errorf("a mandate of %s: %+v", code, m)
				}
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("representatives of %s: got %d, want %d", code, len(got), len(want))
			}
		}
		if mandates, err := db.RepresentedBy(t.Context(), binh.ID); err != nil || len(mandates) != 2 {
			t.Errorf("organisations of the named representative: %d, %v", len(mandates), err)
		}
		family, err := db.Family(t.Context(), duong.ID)
		if err != nil || !slices.Equal(family, []registry.Relative{{"mẹ", chi.ID}}) {
			t.Errorf("family of the named child: %v, %v", family, err)
		}
	})
}

func TestAMandateCountsFromItsFirstDayToItsLast(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 7)
		i, err := db.Lookup(t.Context(), registry.Enterprise, "9900000016")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.Pool().Exec(db.Bind("UPDATE nation_representatives SET valid_to = '2026-06-30' WHERE organisation = ?"), i.Subject); err != nil {
			t.Fatal(err)
		}
		for _, row := range []struct {
			name, now string
			want      int
		}{
			{"the evening before", "2021-03-14T16:59:59Z", 0},
			{"midnight of the first day in Hà Nội", "2021-03-14T17:00:00Z", 1},
			{"the last moment of the last day", "2026-06-30T16:59:59Z", 1},
			{"midnight after", "2026-06-30T17:00:00Z", 0},
		} {
			now, err := time.Parse(time.RFC3339, row.now)
			if err != nil {
				t.Fatal(err)
			}
			db.Now = func() time.Time { return now }
			if got, err := db.Represents(t.Context(), i.Subject); err != nil || len(got) != row.want {
				t.Errorf("%s: got %d, %v, want %d", row.name, len(got), err, row.want)
			}
		}
	})
}

func TestAdultsAreAdultAtMidnightInTheCountry(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 7)
		an := holder(t, db, "099304000017") // born on 29 February 2004
		for _, row := range []struct {
			name, birth, now string
			adult            bool
		}{
			{"the evening before", "2008-11-24", "2026-11-23T16:59:59Z", false},
			{"midnight in Hà Nội", "2008-11-24", "2026-11-23T17:00:00Z", true},
			{"29 February, the day before 1 March", "2004-02-29", "2022-02-28T10:00:00Z", false},
			{"29 February, on 1 March", "2004-02-29", "2022-03-01T10:00:00Z", true},
			{"a year alone, in the eighteenth year", "2008", "2026-12-31T10:00:00Z", false},
			{"a year alone, in the year after", "2008", "2027-01-01T10:00:00Z", true},
		} {
			now, err := time.Parse(time.RFC3339, row.now)
			if err != nil {
				t.Fatal(err)
			}
			db.Now = func() time.Time { return now }
			if _, err := db.Pool().Exec(db.Bind("UPDATE nation_persons SET birth = ? WHERE id = ?"), row.birth, an.ID); err != nil {
				t.Fatal(err)
			}
			adults, err := db.Adults(t.Context(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			got := slices.ContainsFunc(adults, func(p registry.Person) bool { return p.ID == an.ID })
			if got != row.adult {
				t.Errorf("%s: got %v, want %v", row.name, got, row.adult)
			}
			for _, p := range adults {
				if !p.Alive || p.Kind != "citizen" || p.Number == "" {
					t.Errorf("%s: somebody dead, foreign or without a number", row.name)
				}
			}
		}
	})
}
