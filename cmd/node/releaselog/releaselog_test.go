package releaselog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
	"hopnhat/conformance/harness"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
)

const (
	site   = "dc1"
	origin = "hopnhat.example/release/dc1"
)

// ring is the keyring of all nodes: versions of the log's key, of which the newest is active.
type ring struct {
	mu       sync.Mutex
	versions []ed25519.PrivateKey
}

func newRing() *ring {
	r := &ring{}
	r.rotate()
	return r
}

func (r *ring) rotate() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.versions = append(r.versions, private(len(r.versions)+1))
}

func private(n int) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{byte(n)}, ed25519.SeedSize))
}

func public(n int) ed25519.PublicKey { return private(n).Public().(ed25519.PublicKey) }

// vkeyOf is the verifier key of a shard that is signed by a version.
func vkeyOf(t *testing.T, shard string, n int) string {
	t.Helper()
	vkey, err := tlog.VerifierKey(shard, public(n))
	if err != nil {
		t.Fatal(err)
	}
	return vkey
}

func (r *ring) handle(i int) keys.Handle {
	return keys.Handle{Use: keys.LogCheckpoint, Algorithm: keys.EdDSA, KeyID: keys.KeyID(fmt.Sprint("v", i+1)), Version: i + 1}
}

func (r *ring) Derive(_ context.Context, _ keys.Use, label string) ([]byte, error) {
	return slices.Concat([]byte(label), make([]byte, 32))[:32], nil
}

func (r *ring) Published(keys.Use) (all []keys.PublicKey, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, k := range r.versions {
		all = append(all, keys.PublicKey{Handle: r.handle(i), Key: k.Public()})
	}
	return all, nil
}

func (r *ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handle(len(r.versions) - 1), nil
}

func (r *ring) Sign(_ context.Context, jobs ...keys.Job) (out [][]byte, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, j := range jobs {
		out = append(out, ed25519.Sign(r.versions[j.Key.Version-1], j.Input))
	}
	return out, nil
}

// options are those of a node with a folder of its own, which others reach if listen is set.
func options(t *testing.T, db *store.DB, keyring *ring, listen bool) Options {
	t.Helper()
	state := t.TempDir()
	o := Options{
		Site: site, State: state, Origin: origin, Folder: filepath.Join(state, "tlog"), Writes: true,
		Sites: db.Sites, Heads: db.Heads, KnownSize: db.KnownLogSize, Ring: keyring,
		Explain: func(context.Context, string, uint64, [][]byte) ([]uint64, error) { return nil, nil }, // each entry has a row
	}
	if listen {
		o.Listen = fmt.Sprint("127.0.0.1:", harness.Port(t, 1))
		o.Address = o.Listen
	}
	return o
}

func opened(t *testing.T, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// appended is the place of an entry that must be taken.
func appended(t *testing.T, l *Log, entry string) audit.Place {
	t.Helper()
	place, err := l.Append(t.Context(), audit.Entry{Leaf: []byte(entry)})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// TestOneNodeWritesAndAnotherAppendsThere: each proves what both appended, under the key that
// each shows for the shard; when the writer leaves, the other one writes.
func TestOneNodeWritesAndAnotherAppendsThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		a, b := opened(t, options(t, db, keyring, true)), opened(t, options(t, db, keyring, true))
		if !a.Writes() || b.Writes() {
			t.Fatalf("a writes: %v, b: %v", a.Writes(), b.Writes())
		}
		for i, by := range []*Log{a, b} {
			place := appended(t, by, fmt.Sprint("entry ", i))
			if place.Index != uint64(i) || !strings.HasPrefix(place.Origin, origin+"/") {
				t.Errorf("entry %d stands at %+v", i, place)
			}
			for who, l := range map[string]*Log{"a": a, "b": b} {
				in, key, err := l.Proof(t.Context(), place.Origin, place.Index)
				if want := vkeyOf(t, place.Origin, 1); err != nil || in.Index != place.Index || key != want {
					t.Errorf("%s proves entry %d by %q, %v; want %q", who, in.Index, key, err, want)
				}
			}
		}
		if err := errors.Join(a.Beat(t.Context()), b.Beat(t.Context())); err != nil {
			t.Error(err)
		}
		if _, _, err := b.Proof(t.Context(), origin+"/none", 0); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("a proof of no shard: %v", err)
		}
		if err := errors.Join(a.Close(), b.Step(t.Context())); err != nil || !b.Writes() {
			t.Errorf("b writes: %v, %v", b.Writes(), err)
		}
	})
}

// TestTheKeyOfAShardThatWasNotRead is that of the database, at a node that never reached the
// writer: auditors find it in the file of keys from then on. A row with a key that is none of
// the keyring's is not believed.
func TestTheKeyOfAShardThatWasNotRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		o := options(t, db, keyring, false)
		o.Writes = false
		reader := opened(t, o)
		if key := reader.KeyOf(t.Context(), origin+"/2026q4"); key != "" {
			t.Errorf("before there is a log it has the key %q", key)
		}
		writer := opened(t, options(t, db, keyring, false)) // nobody reaches it
		shard := writer.Origin()
		if got, want := reader.KeyOf(t.Context(), shard), vkeyOf(t, shard, 1); got != want {
			t.Errorf("the key of %s is %q, want %q", shard, got, want)
		}
		forged := origin + "/2020q1"
		if err := db.Heads.Begin(
			t.Context(), trees.Head{Log: origin, Origin: forged, Epoch: 1, VerifierKey: vkeyOf(t, forged, 9), Writer: "x"},
		); err != nil {
			t.Fatal(err)
		}
		if key := reader.KeyOf(t.Context(), forged); key != "" {
			t.Errorf("a key that is none of ours: %q", key)
		}
		raw, err := os.ReadFile(filepath.Join(o.State, "log.vkey"))
		if err != nil || !strings.Contains(string(raw), vkeyOf(t, shard, 1)+"\n") {
			t.Errorf("the file of keys holds %q, %v", raw, err)
		}
	})
}

// TestBundle: an export is signed by any node of the site, in the name of the shard that is
// written now.
func TestBundle(t *testing.T) {
	db, keyring := storetest.SQLite(t, nil), newRing()
	a, b := opened(t, options(t, db, keyring, true)), opened(t, options(t, db, keyring, true))
	place := appended(t, a, "one")
	if _, _, err := a.Proof(t.Context(), place.Origin, place.Index); err != nil { // a checkpoint covers it
		t.Fatal(err)
	}
	for who, l := range map[string]*Log{"the writer": a, "the other": b} {
		found := proof.Found{Total: 1, Placed: []proof.Placed{{ID: "one", Origin: place.Origin, Index: place.Index}}}
		raw, err := l.Bundle(t.Context(), []byte("{}"), time.Now(), found)
		if err != nil {
			t.Errorf("%s: %v", who, err)
			continue
		}
		if _, _, err := proof.UnmarshalExport(raw); err != nil || !strings.Contains(string(raw), vkeyOf(t, place.Origin, 1)) {
			t.Errorf("%s signs\n%s\n%v", who, raw, err)
		}
	}
}

// TestAShardHasOneKey: a key that was rotated signs from the next shard on.
func TestAShardHasOneKey(t *testing.T) {
	keyring := newRing()
	keyring.rotate()
	l := &Log{o: Options{Ring: keyring}}
	const shard = origin + "/2026q4"
	for _, row := range []struct {
		name, vkey string
		want       int
	}{
		{"the key that it had", vkeyOf(t, shard, 1), 1},
		{"the active one, which it has", vkeyOf(t, shard, 2), 2},
		{"a new shard takes the active one", "", 2},
		{"a key of another ring", vkeyOf(t, shard, 9), 2},
	} {
		key, err := l.checkpointKey(shard, row.vkey)
		if err != nil {
			t.Fatal(err)
		}
		signature, err := key.Sign(t.Context(), []byte("a tree head"))
		if err != nil || !key.Public.Equal(public(row.want)) || !ed25519.Verify(public(row.want), []byte("a tree head"), signature) {
			t.Errorf("%s: it is not signed by version %d, %v", row.name, row.want, err)
		}
	}
}

// TestAWriterThatLostItsSiteFollows the node that took it, and stops only where it cannot.
func TestAWriterThatLostItsSiteFollows(t *testing.T) {
	var mu sync.Mutex
	now := time.Now()
	db := storetest.SQLite(t, func() time.Time { mu.Lock(); defer mu.Unlock(); return now })
	leaseOver := func() { mu.Lock(); defer mu.Unlock(); now = now.Add(store.SiteLease + time.Second) }
	keyring := newRing()
	a, b := opened(t, options(t, db, keyring, true)), opened(t, options(t, db, keyring, true))
	leaseOver()
	if err := b.Step(t.Context()); err != nil || !b.Writes() {
		t.Fatalf("b writes: %v, %v", b.Writes(), err)
	}
	if err := a.Beat(t.Context()); err != nil {
		t.Errorf("a can follow, and says %v", err)
	}
	if !a.Lost(t.Context()) || a.Writes() {
		t.Error("a still writes")
	}
	if place := appended(t, a, "one"); place.Origin != b.Origin() {
		t.Errorf("a appends to %s, and b writes %s", place.Origin, b.Origin())
	}
	leaseOver()
	if err := db.TakeSite(t.Context(), site, store.Node{Place: "elsewhere", Folder: "f", Run: "r"}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // nobody waits for the second
		if err := b.Beat(t.Context()); !errors.Is(err, store.ErrSiteTaken) {
			t.Errorf("b cannot follow, and says %v", err)
		}
	}
	select {
	case err := <-b.Taken():
		if !errors.Is(err, store.ErrSiteTaken) {
			t.Error(err)
		}
	default:
		t.Error("b does not stop")
	}
	if len(a.Taken()) > 0 {
		t.Error("a stops, which does not write")
	}
}

// TestAWriterThatSlept shows that it has its site before it acknowledges an entry.
func TestAWriterThatSlept(t *testing.T) {
	db := storetest.SQLite(t, nil)
	l := opened(t, options(t, db, newRing(), false))
	long := time.Now().Add(-store.SiteLease).UnixNano()
	l.seen.Store(long)
	if err := l.holdsSite(); err != nil || l.seen.Load() == long {
		t.Errorf("it has its site, and says %v", err)
	}
	if err := db.LeaveSite(t.Context(), site, l.self); err != nil {
		t.Fatal(err)
	}
	if err := db.TakeSite(t.Context(), site, store.Node{Place: "elsewhere", Folder: "f", Run: "r"}); err != nil {
		t.Fatal(err)
	}
	if err := l.holdsSite(); err != nil {
		t.Errorf("it has just shown itself, and asks again: %v", err)
	}
	l.seen.Store(long)
	if err := l.holdsSite(); !errors.Is(err, store.ErrSiteTaken) {
		t.Errorf("another node has its site, and it says %v", err)
	}
	if place, err := l.Append(t.Context(), audit.Entry{Leaf: []byte("one")}); err == nil {
		t.Errorf("it acknowledges an entry, at %+v", place)
	}
}

// TestAFolderKeepsItsName through all starts; a copy shares it, another folder does not.
func TestAFolderKeepsItsName(t *testing.T) {
	o := Options{State: t.TempDir(), Address: "a:1"}
	first, err1 := nameSelf(o)
	again, err2 := nameSelf(o)
	other, err3 := nameSelf(Options{State: t.TempDir()})
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if first.Folder == "" || first.Folder != again.Folder || first.Place != again.Place || first.Address != "a:1" {
		t.Errorf("%+v was %+v", again, first)
	}
	if first.Run == again.Run || first.Folder == other.Folder {
		t.Errorf("%+v, %+v and %+v are not told apart", first, again, other)
	}
	for name, text := range map[string]string{"empty": " \n", "long": strings.Repeat("a", 65)} {
		if err := os.WriteFile(filepath.Join(o.State, "node"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := nameSelf(o); err == nil || !strings.Contains(err.Error(), "remove it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnOpenThatFails says what to set, and leaves the site to the next node.
func TestAnOpenThatFails(t *testing.T) {
	db, keyring := storetest.SQLite(t, nil), newRing()
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	o := options(t, db, keyring, false)
	good := o
	o.Listen = busy.Addr().String()
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--log-listen") {
		t.Errorf("a port that is taken: %v", err)
	}
	if holder, err := db.Holder(t.Context(), site); err != nil || holder != (store.Holder{}) {
		t.Errorf("%+v has the site after it, %v", holder, err)
	}
	if err := opened(t, good).Close(); err != nil { // from now on there is a log
		t.Fatal(err)
	}
	if holder, err := db.Holder(t.Context(), site); err != nil || holder != (store.Holder{}) {
		t.Errorf("%+v has the site, %v", holder, err)
	}
}
