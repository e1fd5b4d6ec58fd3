package exporting

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/evidence"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
)

const (
	release = "hopnhat.example/release/dc1"
	consent = "hopnhat.example/consent/dc1"
	hers    = "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"
	his     = "z0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"
)

var private = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))

func key(string, string) (tlog.Key, error) {
	return tlog.Key{
		Public: private.Public().(ed25519.PublicKey),
		Sign:   func(_ context.Context, m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil },
	}, nil
}

// ring is a keyring that has this one key.
type ring struct{}

func (ring) handle() keys.Handle {
	return keys.Handle{Use: keys.LogCheckpoint, Algorithm: keys.EdDSA, KeyID: "v1", Version: 1}
}

func (ring) Derive(context.Context, keys.Use, string) ([]byte, error) { return make([]byte, 32), nil }

func (r ring) Published(keys.Use) ([]keys.PublicKey, error) {
	return []keys.PublicKey{{Handle: r.handle(), Key: private.Public()}}, nil
}

func (r ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) { return r.handle(), nil }

func (ring) Sign(_ context.Context, jobs ...keys.Job) (out [][]byte, _ error) {
	for _, j := range jobs {
		out = append(out, ed25519.Sign(private, j.Input))
	}
	return out, nil
}

// nation is a database and the two logs of a site, whose clock is moved.
type nation struct {
	t        *testing.T
	db       *store.DB
	at       sync.Mutex // of now
	now      time.Time
	archives []*tlog.Archive
	logs     []*tlog.Shards
	acts     []audit.Act
	most     int64 // bytes of an export
	n        int
	// meanwhile, if not nil, runs once while an export reads what has no place.
	meanwhile func()
}

// meanwhile is what an export reads, with what happens meanwhile.
type meanwhile struct {
	evidence.Exports
	v     *nation
	looks int
}

func (m *meanwhile) Unplaced(ctx context.Context, q audit.Query, after, before string, limit int) ([]audit.Recorded, error) {
	if m.looks++; m.looks == 2 && m.v.meanwhile != nil {
		m.v.meanwhile()
	}
	return m.Exports.Unplaced(ctx, q, after, before, limit)
}

func newNation(t *testing.T, db *store.DB) *nation {
	dir := t.TempDir()
	v := &nation{t: t, db: db, now: time.Date(2026, 9, 30, 12, 0, 0, 0, time.UTC)}
	for i, name := range []string{release, consent} {
		a := &tlog.Archive{Log: name, Dir: filepath.Join(dir, []string{"tlog", "tlog/consent"}[i]), KeyFile: filepath.Join(dir, "log.vkey")}
		v.archives, v.logs = append(v.archives, a), append(v.logs, nil)
		v.logs[i] = v.reopened(i)
	}
	return v
}

// clock is the time by now, turn sets it.
func (v *nation) clock() time.Time {
	v.at.Lock()
	defer v.at.Unlock()
	return v.now
}

func (v *nation) turn(to time.Time) {
	v.at.Lock()
	defer v.at.Unlock()
	v.now = to
}

// reopened opens a log.
func (v *nation) reopened(i int) *tlog.Shards {
	v.t.Helper()
	s, err := tlog.OpenShards(v.t.Context(), tlog.ShardsOptions{
		Archive: v.archives[i], Heads: v.db.Heads, Writer: "a", Key: key, KnownSize: v.db.KnownLogSize, Explain: v.db.Leaves.Explain,
		CheckpointInterval: 100 * time.Millisecond, Now: v.clock,
	})
	if err != nil {
		v.t.Fatal(err)
	}
	v.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

// record records an event, and logs it if it is to have a place.
func (v *nation) record(e audit.Event, logged bool) audit.Event {
	v.t.Helper()
	v.n++
	e.ID, e.When = authz.NewID(), audit.When{Decided: v.clock().Add(time.Duration(v.n) * time.Millisecond), Site: "dc1"}
	s, err := e.Seal(audit.NewSalt())
	if err != nil {
		v.t.Fatal(err)
	}
	if err := v.db.Record(v.t.Context(), s); err != nil {
		v.t.Fatal(err)
	}
	if logged {
		log := v.logs[0]
		if audit.TreeOf(e) == audit.ConsentTree {
			log = v.logs[1]
		}
		place, err := log.Append(v.t.Context(), audit.Entry{Leaf: s.Leaf})
		if err != nil {
			v.t.Fatal(err)
		}
		if err := v.db.NotePlaces(v.t.Context(), place.Origin, map[string]uint64{e.ID: place.Index}, false); err != nil {
			v.t.Fatal(err)
		}
	}
	return s.Event
}

func of(pseudonym string, kind audit.Type) audit.Event {
	e := audit.Event{
		Type: kind, Asked: audit.Asked{Client: "thue"}, Reason: audit.Reason{Purpose: "tax", Basis: authz.BasisConsent},
		Consent: audit.Consent{ID: "c-1", Version: 1}, Person: audit.Person{Pseudonym: pseudonym},
		Data: audit.Data{Registry: "tax", Attributes: []authz.AttributeID{"tax.code"}},
	}
	e.Decision.Permit = kind == audit.ReleasePermitted
	return e
}

// Write is evidence that is written: its events come after all that are exported.
func (v *nation) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	v.acts = append(v.acts, acts...)
	written := make([]audit.Written, len(acts))
	for i := range written {
		written[i].Event.ID = authz.NewID()
	}
	return written, nil
}

func (v *nation) export(q audit.Query) ([]byte, proof.Coverage, error) {
	v.t.Helper()
	var files [3]io.ReadWriteSeeker
	for i := range files {
		f, err := os.Create(filepath.Join(v.t.TempDir(), "file"))
		if err != nil {
			v.t.Fatal(err)
		}
		v.t.Cleanup(func() { _ = f.Close() })
		files[i] = f
	}
	site := Site{Archives: v.archives, Ring: ring{}}
	sign, vkey, err := site.Signing()
	if err != nil {
		v.t.Fatal(err)
	}
	x := Exporter{
		Rows: &meanwhile{Exports: evidence.Exports{Book: v.db.Evidence}, v: v}, Shard: site.Shard, Sign: sign, Keys: []string{vkey}, Write: v, Most: v.most,
		Now: func() time.Time { return v.clock().Add(time.Hour) },
	}
	var out bytes.Buffer
	v.acts = nil
	look := audit.Act{Action: audit.Export, Actor: "auditor", Detail: audit.Detail{Text: "why"}}
	_, c, err := x.Export(v.t.Context(), q, look, &out, files)
	return out.Bytes(), c, err
}

// keysOf are all keys of the logs, as auditors have them.
func (v *nation) keysOf() []string {
	raw, err := os.ReadFile(v.archives[0].KeyFile)
	if err != nil {
		v.t.Fatal(err)
	}
	return strings.Fields(string(raw))
}

// TestAnExportOfBothLogsAndTwoQuarters: it holds all that a query found, each event once, where it
// stands; what has no place and what is not genuine is said; and it verifies.
func TestAnExportOfBothLogsAndTwoQuarters(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newNation(t, db)
		for range 2 {
			for range 5 {
				v.record(of(hers, audit.ConsentApproved), true)
				v.record(of(hers, audit.ReleasePermitted), true)
				v.record(of(his, audit.ReleasePermitted), true)
			}
			v.turn(v.clock().AddDate(0, 0, 1))
			for _, s := range v.logs {
				if err := s.Roll(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		waits := v.record(of(hers, audit.ReleasePermitted), false)
		// A withdrawal stands in both logs, and is exported once.
		ended := v.record(of(hers, audit.ConsentWithdrawn), true)
		again, err := v.logs[0].Append(t.Context(), audit.Entry{Leaf: []byte("the same leaf")})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.NotePlaces(t.Context(), again.Origin, map[string]uint64{ended.ID: again.Index}, false); err != nil {
			t.Fatal(err)
		}
		for name, row := range map[string]struct {
			q                      audit.Query
			proved, waits, persons int
			shards                 int
		}{
			"everything":         {audit.Query{}, 31, 1, 2, 4},
			"of one person":      {audit.Query{Pseudonym: his}, 10, 0, 1, 2},
			"of one kind":        {audit.Query{Type: audit.ConsentApproved}, 10, 0, 1, 2},
			"of the new quarter": {audit.Query{From: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)}, 16, 1, 2, 2},
			"of nobody":          {audit.Query{Client: "nobody"}, 0, 0, 0, 0},
		} {
			raw, c, err := v.export(row.q)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r := proof.Verify(raw, v.keysOf())
			if failed, bad := r.Failed(); bad || !r.Pinned {
				t.Fatalf("%s: %s: %v\n%s", name, failed.EN, failed.Err, raw)
			}
			if c.Shown != row.proved || c.Unlogged != row.waits || c.Total != row.proved+row.waits || len(c.Shards) != row.shards ||
				len(r.Events) != row.proved {
				t.Errorf("%s: %+v", name, c)
			}
			persons := map[string]bool{}
			for _, a := range v.acts[1:] {
				persons[a.Person.Pseudonym] = true
				if a.Actor != "auditor" || a.Detail.Count == 0 || a.Detail.Text != "" {
					t.Errorf("%s: a person is told %+v", name, a)
				}
			}
			if v.acts[0].Detail.Text != "why" || len(persons) != row.persons {
				t.Errorf("%s: it is recorded as %+v", name, v.acts)
			}
			if got := strings.Contains(string(raw), waits.ID); got != (row.waits > 0) {
				t.Errorf("%s: the event without a place is in it: %v", name, got)
			}
		}
	})
}

// TestAnEventThatGetsItsPlaceMeanwhileIsExported: as one without a place, as it was when the
// export began, wherever its shard had been read to.
func TestAnEventThatGetsItsPlaceMeanwhileIsExported(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		v := newNation(t, db)
		v.record(of(hers, audit.ReleasePermitted), true)
		waits := v.record(of(hers, audit.ReleasePermitted), false)
		v.meanwhile = func() {
			if err := db.NotePlaces(t.Context(), release+"/2026q3", map[string]uint64{waits.ID: 1}, false); err != nil {
				t.Error(err)
			}
		}
		raw, c, err := v.export(audit.Query{})
		if err != nil || c.Total != 2 || c.Shown != 1 || c.Unlogged != 1 {
			t.Fatalf("%+v, %v", c, err)
		}
		if failed, bad := proof.Verify(raw, v.keysOf()).Failed(); bad {
			t.Errorf("%s: %v", failed.EN, failed.Err)
		}
	})
}

// TestAnExportThatCannotBeRecordedIsNotMade.
func TestAnExportThatCannotBeRecordedIsNotMade(t *testing.T) {
	v := newNation(t, storetest.SQLite(t, nil))
	v.record(of(hers, audit.ReleasePermitted), true)
	silent := errors.New("no log")
	site := Site{Archives: v.archives}
	x := Exporter{Rows: evidence.Exports{Book: v.db.Evidence}, Shard: site.Shard, Write: failing{silent}, Now: time.Now}
	var out bytes.Buffer
	_, _, err := x.Export(t.Context(), audit.Query{}, audit.Act{}, &out, [3]io.ReadWriteSeeker{})
	if !errors.Is(err, silent) || out.Len() > 0 {
		t.Errorf("%v, %d bytes", err, out.Len())
	}
}

type failing struct{ err error }

func (f failing) Write(context.Context, ...audit.Act) ([]audit.Written, error) { return nil, f.err }

// TestEventsOfAnotherSite are said to be exported there.
func TestEventsOfAnotherSite(t *testing.T) {
	v := newNation(t, storetest.SQLite(t, nil))
	e := v.record(of(hers, audit.ReleasePermitted), false)
	if err := v.db.NotePlaces(t.Context(), "hopnhat.example/release/dc2/2026q3", map[string]uint64{e.ID: 0}, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.export(audit.Query{}); !errors.Is(err, authz.ErrNotFound) || !strings.Contains(err.Error(), "another site") {
		t.Errorf("got %v", err)
	}
}
