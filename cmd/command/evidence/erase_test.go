package evidence

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/erasure"
	"hopnhat/cmd/command/tool"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
	"hopnhat/store/migrations"
	"hopnhat/store/storetest"
)

const shard = "log.test/dc1/2026Q4"

type nobody struct{}

func (nobody) Audit(context.Context, authz.Subject) (string, error) { return "", nil }

// evidenceOf is evidence with a log, as a server keeps it.
type evidenceOf struct {
	t   *testing.T
	db  *store.DB
	log [][]byte
	// erased are the leaves whose copies were erased; the copies cannot be reached if away is set.
	erased map[string]int
	away   error
}

// release records a release of a person with her next number.
func (v *evidenceOf) release() audit.Sealed {
	v.t.Helper()
	n, err := v.db.NextNumber(v.t.Context(), "pseudonym-of-a-person-1", nil)
	if err != nil {
		v.t.Fatal(err)
	}
	s, err := audit.Event{
		ID: authz.NewID(), Type: audit.ReleasePermitted,
		Asked:    audit.Asked{Client: "land-app", Name: "Đất đai Đà Nẵng"},
		Person:   audit.Person{Pseudonym: "pseudonym-of-a-person-1", Relation: "self", Sequence: n},
		Reason:   audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
		Consent:  audit.Consent{ID: "consent-1", Version: 1},
		Data:     audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area"}},
		Decision: audit.Decision{Permit: true, Code: "released", Determining: []string{"statutory"}},
		When:     audit.When{Decided: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Site: "dc1"},
	}.Seal(audit.NewSalt())
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.db.Record(v.t.Context(), s); err != nil {
		v.t.Fatal(err)
	}
	return s
}

// sweep gives each event without a place one, as a server does within a minute.
func (v *evidenceOf) sweep() {
	v.t.Helper()
	waiting, _, err := v.db.Unlogged(v.t.Context(), "", 10)
	if err != nil {
		v.t.Fatal(err)
	}
	places := map[string]uint64{}
	for _, r := range waiting {
		leaf, err := audit.Leaf(r.Event, r.Salt)
		if err != nil {
			v.t.Fatal(err)
		}
		places[r.Event.ID], v.log = uint64(len(v.log)), append(v.log, leaf)
	}
	if err := v.db.NotePlaces(v.t.Context(), shard, places, false); err != nil {
		v.t.Fatal(err)
	}
}

func (v *evidenceOf) leaf(_ context.Context, _ string, index uint64) ([]byte, error) {
	if index >= uint64(len(v.log)) {
		return nil, errors.New("the log ends before")
	}
	return v.log[index], nil
}

// erase runs the command as it is without its configuration, and does not wait.
func (v *evidenceOf) erase(db *store.DB, id string) (string, error) {
	v.t.Helper()
	var out, progress bytes.Buffer
	er := erasure.Eraser{
		Orders: db.Erasures, Event: db.Get, Leaf: v.leaf, By: []string{"operator"},
		Scribe: &audit.Scribe{Rows: db, Pseudonyms: nobody{}, Site: "dc1"},
		AtOnce: 1 << 20, Sizes: func(context.Context) (map[string]uint64, error) { return map[string]uint64{shard: 1}, nil },
		Copies: func(_ context.Context, at audit.Place, n uint64, leaf [32]byte) error {
			if v.away == nil && n == 1 {
				if v.erased == nil {
					v.erased = map[string]int{}
				}
				v.erased[base64.RawURLEncoding.EncodeToString(leaf[:])]++
			}
			return v.away
		},
	}
	err := erase(v.t.Context(), &tool.Env{Out: &out, Err: &progress}, er, id, "order 12", 0)
	return out.String(), err
}

func (v *evidenceOf) fails(id, want string) {
	v.t.Helper()
	if out, err := v.erase(v.db, id); err == nil || !strings.Contains(err.Error(), want) || out != "" {
		v.t.Errorf("got %q, %v; want %q", out, err, want)
	}
}

func (v *evidenceOf) count(want int) {
	v.t.Helper()
	all, err := v.db.Find(v.t.Context(), audit.Query{})
	if err != nil || len(all) != want {
		v.t.Errorf("%d events (%v), want %d", len(all), err, want)
	}
}

// TestErase: the tombstone comes first and once, the row goes when that is in the log, and a
// second run says that it is done.
func TestErase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := &evidenceOf{t: t, db: db}
		s := v.release()
		v.release()
		v.sweep()
		for range 2 {
			v.fails(s.Event.ID, "no place in the log after")
			v.count(3)
		}
		v.sweep()
		v.away = authz.ErrUnavailable
		v.fails(s.Event.ID, "the copy of event "+s.Event.ID)
		v.count(3)
		v.away = nil
		for _, want := range []string{"is erased\n", "was erased before\n"} {
			out, err := v.erase(db, s.Event.ID)
			for _, want := range []string{want, erasure.LeafDigest(s.Leaf), "place 2 of " + shard} {
				if err != nil || !strings.Contains(out, want) {
					t.Errorf("%q is not in %q, %v", want, out, err)
				}
			}
			v.count(2)
		}
		if v.erased[erasure.LeafDigest(s.Leaf)] != 2 {
			t.Errorf("the copies that were erased: %v", v.erased)
		}
		v.away = authz.ErrNotFound
		if out, err := v.erase(db, s.Event.ID); err != nil || !strings.Contains(out, "its copy, if the folder of "+shard) {
			t.Errorf("where no node has the shard: %q, %v", out, err)
		}
		v.away = nil
		found, err := db.Find(t.Context(), audit.Query{Type: audit.Erased})
		if err != nil || len(found) != 1 {
			t.Fatalf("%d tombstones, %v", len(found), err)
		}
		e := found[0].Event
		if e.Detail.Object != s.Event.ID || e.Detail.Count != s.Event.Person.Sequence || e.Detail.Text != "order 12" ||
			e.Person.Pseudonym != s.Event.Person.Pseudonym || e.Person.Sequence != 3 || found[0].Fault != "" {
			t.Errorf("the tombstone is %+v, %q", e, found[0].Fault)
		}
		v.fails(e.ID, erasure.ErrTombstone.Error())
	})
}

// TestATombstoneWithAFalsePlace: whoever can write the table of places has nothing erased before
// the tombstone is in the log.
func TestATombstoneWithAFalsePlace(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := &evidenceOf{t: t, db: db}
		s := v.release()
		v.sweep()
		v.fails(s.Event.ID, "no place in the log after")
		found, err := db.Find(t.Context(), audit.Query{Type: audit.Erased})
		if err != nil || len(found) != 1 {
			t.Fatalf("%d tombstones, %v", len(found), err)
		}
		if _, err := db.Pool().ExecContext(t.Context(), db.Bind("INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at)"+
			" VALUES (?, ?, ?, 0, false, ?)"), shard, 0, found[0].Event.ID, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
		v.fails(s.Event.ID, "no place in the log after")
		v.count(2)
		if len(v.erased) > 0 {
			t.Errorf("copies were erased: %v", v.erased)
		}
	})
}

// TestWhatIsNotErased: nothing is written of it.
func TestWhatIsNotErased(t *testing.T) {
	for _, row := range []struct {
		name, want string
		prepare    func(v *evidenceOf, s audit.Sealed) (id string)
	}{
		{"no id", "not the id of an event", func(*evidenceOf, audit.Sealed) string { return "x' OR 1=1" }},
		{"unknown", authz.ErrNotFound.Error(), func(v *evidenceOf, _ audit.Sealed) string { v.sweep(); return authz.NewID() }},
		{"without a place", erasure.ErrNotLogged.Error(), func(_ *evidenceOf, s audit.Sealed) string { return s.Event.ID }},
		{"another leaf at its place", "(misplaced)", func(v *evidenceOf, s audit.Sealed) string {
			v.sweep()
			v.log[0] = []byte("another")
			return s.Event.ID
		}},
		{"without a MAC and a log", "(unsealed)", func(v *evidenceOf, s audit.Sealed) string {
			v.sweep()
			v.log = nil
			drop := "DROP TRIGGER events_unchanged"
			if v.db.Dialect() == store.PostgreSQL {
				drop += " ON events"
			}
			for _, sql := range []string{drop, "UPDATE events SET mac = NULL, mac_key = NULL"} {
				if _, err := v.db.Pool().ExecContext(v.t.Context(), sql); err != nil {
					v.t.Fatal(err)
				}
			}
			return s.Event.ID
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				v := &evidenceOf{t: t, db: db}
				v.fails(row.prepare(v, v.release()), row.want)
				v.count(1)
				if n, _, err := db.Unlogged(t.Context(), "", 10); err != nil || len(n) > 1 {
					t.Errorf("%d events wait, %v", len(n), err)
				}
			})
		})
	}
}

// TestOnlyItsRoleErases: a server's role is refused before anything is written, and has no
// way around the command; the role of erasing has what the command needs.
func TestOnlyItsRoleErases(t *testing.T) {
	database, registers := pgtest.Names(t)
	pgtest.Script(t, migrations.RolesSQL(database, registers))
	open := func(role string) *store.DB {
		db, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, role, database)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		db.TrustRows(storetest.Rows())
		return db
	}
	if err := open(migrations.RoleMigrate).Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	v := &evidenceOf{t: t, db: open(migrations.RoleServer)}
	eraser := open(migrations.RoleErase)
	s := v.release()
	v.sweep()
	v.fails(s.Event.ID, `role "`+migrations.RoleServer+`" of the database may not erase`)
	v.count(1)
	if _, err := v.erase(eraser, s.Event.ID); err == nil {
		t.Error("erased before the tombstone is in the log")
	}
	v.sweep()
	if err := v.db.Erasures.Delete(t.Context(), s.Event.ID); err == nil {
		t.Error("the server deletes what another ordered to be erased")
	}
	if out, err := v.erase(eraser, s.Event.ID); err != nil || !strings.Contains(out, "is erased") {
		t.Errorf("%q, %v", out, err)
	}
	v.count(1)
}
