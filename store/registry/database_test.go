package registry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
)

// both runs a test on each database, empty.
func both(t *testing.T, test func(t *testing.T, db *registry.DB)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) { test(t, empty(t, kind)) })
	}
}

func empty(t testing.TB, kind string) *registry.DB {
	t.Helper()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "sổ đăng ký 100%?.db")
	if kind == "postgres" {
		dsn = pgtest.Database(t)
	}
	db, err := registry.Create(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	db.Now = func() time.Time { return time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC) }
	t.Cleanup(func() { db.Close() })
	return db
}

func filled(t testing.TB, db *registry.DB, persons int, seed int64) {
	t.Helper()
	if err := nation.Generate(t.Context(), db, nation.Options{Persons: persons, Seed: seed}); err != nil {
		t.Fatal(err)
	}
}

func holder(t testing.TB, db *registry.DB, number string) registry.Person {
	t.Helper()
	p, err := db.ByNumber(t.Context(), number)
	if err != nil {
		t.Fatalf("finding a named person: %v", err)
	}
	return p
}

func attributesOf(register string) []registry.Attribute {
	for _, r := range registry.Registers() {
		if r.ID == register {
			return r.Attributes
		}
	}
	return nil
}

func all(register string) []string {
	var ids []string
	for _, a := range attributesOf(register) {
		ids = append(ids, a.ID)
	}
	return ids
}

func TestANationIsGeneratedOnceAndReplacedOnlyOnRequest(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		ctx := t.Context()
		if _, err := db.Status(ctx); !errors.Is(err, registry.ErrEmpty) {
			t.Fatalf("before: got %v, want ErrEmpty", err)
		}
		for _, persons := range []int{-1, 0, nation.MinPersons - 1, nation.MaxPersons + 1} {
			if err := nation.Generate(ctx, db, nation.Options{Persons: persons}); err == nil {
				t.Fatalf("%d persons were accepted", persons)
			}
		}
		filled(t, db, 600, 7)
		want := registry.Status{
			Persons: 600, Organisations: 60, Seed: 7, Schema: registry.SchemaVersion, Generator: nation.GeneratorVersion, Complete: true,
		}
		if got, err := db.Status(ctx); err != nil || got != want {
			t.Fatalf("status: got %+v, %v, want %+v", got, err, want)
		}
		if err := nation.Generate(ctx, db, nation.Options{Persons: 600, Seed: 8}); err == nil || !strings.Contains(err.Error(), "--reset") {
			t.Fatalf("without reset: got %v", err)
		}
		if err := nation.Generate(ctx, db, nation.Options{Persons: 100, Seed: 8, Reset: true}); err != nil {
			t.Fatal(err)
		}
		if got, err := db.Status(ctx); err != nil || got.Persons != 100 || got.Seed != 8 {
			t.Fatalf("after reset: got %+v, %v", got, err)
		}
		// Statements prepared before a reset must not outlive their tables.
		holder(t, db, "099304000017")
		if err := db.Reset(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Status(ctx); !errors.Is(err, registry.ErrEmpty) {
			t.Fatalf("after reset: got %v, want ErrEmpty", err)
		}
		filled(t, db, 100, 9)
		holder(t, db, "099304000017")
	})
}

func TestALoadThatWasCutShortIsKnown(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := nation.Generate(ctx, db, nation.Options{Persons: 9000, Seed: 1, Progress: func(done, _ int) {
			if done > 2000 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a cancelled load: got %v", err)
		}
		if _, err := db.Status(t.Context()); !errors.Is(err, registry.ErrHalf) || !strings.Contains(err.Error(), "--reset") {
			t.Fatalf("status: got %v, want ErrHalf", err)
		}
		if err := nation.Generate(t.Context(), db, nation.Options{Persons: 50}); !errors.Is(err, registry.ErrHalf) {
			t.Fatalf("generating over it: got %v, want ErrHalf", err)
		}
		if err := nation.Generate(t.Context(), db, nation.Options{Persons: 50, Reset: true}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestADatabaseOfAnotherVersionIsNamedAsSuch(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 30, 1)
		if _, err := db.Pool().Exec("UPDATE nation SET schema_version = 1"); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Status(t.Context()); !errors.Is(err, registry.ErrVersion) {
			t.Fatalf("got %v, want ErrVersion", err)
		}
	})
}

// TestANationIsNotReplacedUnderAServer: whoever may is told to stop it first.
func TestANationIsNotReplacedUnderAServer(t *testing.T) {
	for kind, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "registry.db"), "postgres": pgtest.Database(t)} {
		t.Run(kind, func(t *testing.T) {
			generate := func() error {
				db, err := registry.Create(t.Context(), dsn)
				if err != nil {
					t.Fatal(err)
				}
				defer db.Close()
				return nation.Generate(t.Context(), db, nation.Options{Persons: 50, Reset: true})
			}
			if err := generate(); err != nil {
				t.Fatal(err)
			}
			var servers []*registry.DB
			for range 2 {
				s, err := registry.Serve(t.Context(), dsn)
				if err != nil {
					t.Fatal(err)
				}
				servers = append(servers, s)
			}
			for _, s := range servers {
				if err := generate(); !errors.Is(err, registry.ErrServed) {
					t.Errorf("got %v, want ErrServed", err)
				}
				if _, err := s.Status(t.Context()); err != nil {
					t.Errorf("the server's nation: %v", err)
				}
				s.Close()
			}
			// PostgreSQL forgets a connection a moment after it was closed.
			err := generate()
			for range 200 {
				if !errors.Is(err, registry.ErrServed) {
					break
				}
				err = generate()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAResetHarmsNoTableOfAnyoneElse(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		for _, name := range []string{"persons", "clients", "meta", "registry"} {
			if _, err := db.Pool().Exec("CREATE TABLE " + name + " (id text)"); err != nil {
				t.Fatal(err)
			}
		}
		filled(t, db, 30, 1)
		if err := db.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"persons", "clients", "meta", "registry"} {
			if _, err := db.Pool().Exec("SELECT id FROM " + name); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestAnAddressThatCannotBeOpenedSaysWhichAndKeepsThePassword(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, bytes.Repeat([]byte("this is no database. "), 100), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, dsn := range map[string]string{
		"no folder":        filepath.Join(dir, "nowhere", "registry.db"),
		"a folder":         dir,
		"another file":     text,
		"nothing":          "",
		"a broken address": "postgres://user:geheim@:x/y?sslmode=maybe",
		"nobody listens":   "postgres://user:geheim@127.0.0.1:1/nation?sslmode=disable&connect_timeout=2",
	} {
		db, err := registry.Create(t.Context(), dsn)
		if err == nil {
			_, err = db.Status(t.Context())
			db.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "national database") || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestBothDatabasesHoldTheSameNation(t *testing.T) {
	dump := func(kind string) []byte {
		db := empty(t, kind)
		filled(t, db, 300, 11)
		var out bytes.Buffer
		people, err := db.Adults(t.Context(), 300)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range people {
			numbers, err := db.Identifiers(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			family, err := db.Family(t.Context(), p.ID)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&out, p, numbers, family)
			for _, r := range registry.Registers() {
				rows, err := db.ReadAs(t.Context(), r.ID, p.ID, all(r.ID), func(id string) string { return "p-" + id })
				if err != nil {
					t.Fatal(err)
				}
				raw, err := json.Marshal(rows)
				if err != nil {
					t.Fatal(err)
				}
				out.Write(raw)
			}
		}
		return out.Bytes()
	}
	a, b := dump("sqlite"), dump("postgres")
	if !bytes.Equal(a, b) {
		i := 0
		for i < min(len(a), len(b)) && a[i] == b[i] {
			i++
		}
		t.Fatalf("they differ at %d: %.200q and %.200q", i, a[max(0, i-80):], b[max(0, i-80):])
	}
}

func TestTwoFilesOfOneSeedAreIdentical(t *testing.T) {
	file := func() []byte {
		path := filepath.Join(t.TempDir(), "registry.db")
		db, err := registry.Create(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		filled(t, db, 400, 5)
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	if a, b := file(), file(); !bytes.Equal(a, b) {
		t.Fatalf("two files of one seed differ (%d and %d bytes)", len(a), len(b))
	}
}

func TestAReadTouchesTheGrantedColumnsOnly(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 3)
		an := holder(t, db, "099304000017")
		granted := []string{"land.area", "land.encumbrance", "land.address"}
		before, err := db.Read(t.Context(), "land", an.ID, granted)
		if err != nil || len(before) < 2 {
			t.Fatalf("land of the named person: %d rows, %v", len(before), err)
		}
		// With every other column gone, a statement that names or stars one fails.
		for _, a := range attributesOf("land") {
			if !slices.Contains(granted, a.ID) {
				if _, err := db.Pool().Exec("ALTER TABLE reg_land DROP COLUMN " + a.Column()); err != nil {
					t.Fatal(err)
				}
			}
		}
		after, err := db.Read(t.Context(), "land", an.ID, granted)
		if err != nil || !reflect.DeepEqual(before, after) {
			t.Fatalf("without the other columns: %v, %v", after, err)
		}
		for _, record := range after {
			if len(record) != len(granted) {
				t.Fatalf("a record with %d values, %d were granted", len(record), len(granted))
			}
		}
		if _, err := db.Read(t.Context(), "land", an.ID, []string{"land.owners"}); err == nil {
			t.Fatal("the column that is gone was read: the test proves nothing")
		}
	})
}

func TestWhatIsNotInTheCatalogueIsNotRead(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 30, 3)
		an := holder(t, db, "099304000017")
		many := slices.Repeat([]string{"land.area"}, registry.MaxAttributes+1)
		for _, row := range []struct {
			name, register string
			attributes     []string
		}{
			{"an unknown register", "weather", []string{"weather.rain"}},
			{"no register", "", []string{"land.area"}},
			{"no attribute", "land", nil},
			{"an unknown attribute", "land", []string{"land.area", "land.colour"}},
			{"an attribute of another register", "land", []string{"tax.arrears"}},
			{"a column that is no attribute", "land", []string{"land.subject"}},
			{"a star", "land", []string{"*"}},
			{"SQL", "land", []string{"land.area FROM reg_tax --"}},
			{"a table", "nation_persons", []string{"nation_persons.name"}},
			{"too many", "land", many},
		} {
			if rows, err := db.Read(t.Context(), row.register, an.ID, row.attributes); !errors.Is(err, registry.ErrUnknown) || rows != nil {
				t.Errorf("%s: got %v, %v, want registry.ErrUnknown", row.name, rows, err)
			}
		}
		for _, subject := range []string{"", "x", "099304000017", "00000000-0000-8000-8000-000000000000", "' OR 1=1 --"} {
			if rows, err := db.Read(t.Context(), "land", subject, []string{"land.area"}); err != nil || rows != nil {
				t.Errorf("subject %q: got %v, %v, want nothing", subject, rows, err)
			}
		}
		rows, err := db.Read(t.Context(), "land", an.ID, []string{"land.area", "land.area"})
		if err != nil || len(rows) == 0 || len(rows[0]) != 1 {
			t.Errorf("one attribute asked for twice: got %v, %v", rows, err)
		}
	})
}

func TestValuesComeBackAsTheirDeclaredType(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 3)
		an := holder(t, db, "099304000017")
		got := map[string]any{}
		for _, r := range []string{"population", "civil", "land", "tax", "driving", "vehicle", "health"} {
			rows, err := db.Read(t.Context(), r, an.ID, all(r))
			if err != nil || len(rows) == 0 {
				t.Fatalf("register %s: %d rows, %v", r, len(rows), err)
			}
			for id, v := range rows[0] {
				got[id] = v
			}
		}
		for id, want := range map[string]any{
			"population.pin": "", "population.birth_date": "", "population.age_over": true, "population.permanent_address": map[string]any{},
			"population.family_links": []any{}, "civil.birth_place": map[string]any{}, "land.area": "", "land.has_home": true, "land.owners": []any{},
			"tax.arrears": "", "tax.no_arrears": true, "driving.points": int64(0), "driving.valid_until": "", "driving.classes": []any{},
			"vehicle.owner": "", "vehicle.registered_on": "", "health.allergies": []any{}, "health.fitness_to_drive": true, "health.hiv": nil,
		} {
			if reflect.TypeOf(got[id]) != reflect.TypeOf(want) {
				t.Errorf("%s: got a %T, want a %T", id, got[id], want)
			}
		}
		for id, want := range map[string]any{"population.full_name": "Trần Thị Mẫu An", "population.birth_date": "2004-02-29", "tax.tax_code": "099304000017", "tax.no_arrears": true} {
			if got[id] != want {
				t.Errorf("%s: got %v, want %v", id, got[id], want)
			}
		}
	})
}

func TestAnInternalIDNeverLeaves(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 400, 3)
		people, err := db.Adults(t.Context(), 400)
		if err != nil {
			t.Fatal(err)
		}
		named := 0
		for _, p := range people {
			for _, r := range registry.Registers() {
				withheld, err := db.Read(t.Context(), r.ID, p.ID, all(r.ID))
				if err != nil {
					t.Fatal(err)
				}
				shown, err := db.ReadAs(t.Context(), r.ID, p.ID, all(r.ID), func(id string) string { return "known" })
				if err != nil {
					t.Fatal(err)
				}
				for _, rows := range [][]registry.Record{withheld, shown} {
					raw, err := json.Marshal(rows)
					if err != nil {
						t.Fatal(err)
					}
					for _, q := range people {
						if bytes.Contains(raw, []byte(q.ID)) {
							t.Fatalf("register %s shows an internal id", r.ID)
						}
					}
					named += bytes.Count(raw, []byte(`"known"`))
				}
			}
		}
		if named == 0 {
			t.Fatal("no link was shown to the reader: the test proves nothing")
		}
	})
}

func TestOneReadIsBounded(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 30, 3)
		an := holder(t, db, "099304000017")
		for i := range 3 * registry.MaxRecords {
			if _, err := db.Pool().Exec(db.Bind("INSERT INTO reg_land (subject, row_no, area) VALUES (?, ?, '1.5')"), an.ID, 1000+i); err != nil {
				t.Fatal(err)
			}
		}
		rows, err := db.Read(t.Context(), "land", an.ID, []string{"land.area"})
		if err != nil || len(rows) != registry.MaxRecords {
			t.Fatalf("got %d rows, %v, want %d", len(rows), err, registry.MaxRecords)
		}
	})
}

func TestReadersShareTheirStatements(t *testing.T) {
	both(t, func(t *testing.T, db *registry.DB) {
		filled(t, db, 60, 3)
		an := holder(t, db, "099304000017")
		var group sync.WaitGroup
		for i := range 16 {
			group.Go(func() {
				for j := range 20 {
					r := registry.Registers()[(i+j)%len(registry.Registers())]
					if _, err := db.Read(t.Context(), r.ID, an.ID, all(r.ID)[:1+j%3]); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if n := db.Prepared(); n > 3*len(registry.Registers())+1 {
			t.Fatalf("%d statements for %d questions", n, 3*len(registry.Registers())+1)
		}
	})
}
