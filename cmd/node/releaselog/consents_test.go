package releaselog

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
)

// TestTheNameOfTheConsentLog is that of the release log, of another kind.
func TestTheNameOfTheConsentLog(t *testing.T) {
	for release, want := range map[string]string{
		"hopnhat.example/release/dc1":     "hopnhat.example/consent/dc1",
		"a.example/release/b/release/dc1": "a.example/release/b/consent/dc1",
		"of-my-own":                       "of-my-own/consent",
	} {
		if got := ConsentOrigin(release); got != want {
			t.Errorf("beside %s: %s, want %s", release, got, want)
		}
		if _, err := tlog.ParseName(release, ConsentOrigin(release)+"/2026q4"); err == nil {
			t.Errorf("a shard of the consent log is one of %s", release)
		}
	}
}

// consented is the place of an entry that the consent log must take.
func consented(t *testing.T, l *Log, entry string) audit.Place {
	t.Helper()
	place, err := l.Consents().Append(t.Context(), audit.Entry{Leaf: []byte(entry)})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

// TestOneSeatForBothLogs: the node that writes the release log writes the consent log, too;
// others append to both there, and prove from both. When it leaves, another one has both.
func TestOneSeatForBothLogs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		a, b := opened(t, options(t, db, keyring, true)), opened(t, options(t, db, keyring, true))
		for i, l := range []*Log{a, b} {
			released, agreed := appended(t, l, "released by "+string(rune('a'+i))), consented(t, l, "agreed at "+string(rune('a'+i)))
			if !strings.HasPrefix(released.Origin, origin+"/") || !strings.HasPrefix(agreed.Origin, ConsentOrigin(origin)+"/") ||
				released.Index != uint64(i) || agreed.Index != uint64(i) {
				t.Errorf("they stand at %v and %v", released, agreed)
			}
			for _, prover := range []*Log{a, b} {
				for _, place := range []audit.Place{released, agreed} {
					in, key, err := prover.Proof(t.Context(), place.Origin, place.Index)
					if err != nil || in.Index != place.Index || key != vkeyOf(t, place.Origin, 1) {
						t.Errorf("%v: %d under %s, %v", place, in.Index, key, err)
					}
					if got := prover.KeyOf(t.Context(), place.Origin); got != key {
						t.Errorf("the key of %s is told to be %s", place.Origin, got)
					}
				}
			}
			if err := l.Health(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Log.Step(t.Context()); err != nil || !b.Writes() {
			t.Fatalf("the other one does not write the release log: %v", err)
		}
		if err := b.consents.Step(t.Context()); err != nil || !b.consents.Writes() {
			t.Fatalf("the other one does not write the consent log: %v", err)
		}
		if place := consented(t, b, "agreed after"); place.Index != 0 || !strings.HasSuffix(place.Origin, "-2") {
			t.Errorf("it stands at %v, and the shard of the node that left is not here", place)
		}
	})
}

// TestANodeThatLostItsSeatWritesNeitherLog.
func TestANodeThatLostItsSeatWritesNeitherLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		a := opened(t, options(t, db, keyring, true))
		other := a.self
		other.Folder, other.Run = authz.NewID(), authz.NewID()
		if err := db.LeaveSite(t.Context(), site, a.self); err != nil {
			t.Fatal(err)
		}
		if err := db.TakeSite(t.Context(), site, other); err != nil {
			t.Fatal(err)
		}
		a.seen.Store(0)
		for name, log := range map[string]audit.Log{"release": a, "consent": a.Consents()} {
			if place, err := log.Append(t.Context(), audit.Entry{Leaf: []byte(name)}); err == nil {
				t.Errorf("the %s log took an entry at %v", name, place)
			}
		}
		a.Lost(t.Context())
		a.follow(t.Context())
		if a.Writes() || a.consents.Writes() {
			t.Error("it writes a log whose seat it lost")
		}
	})
}

// TestAWriterOfTheReleaseBefore has no consent log: all goes to its release log, and nothing
// is said to be wrong.
func TestAWriterOfTheReleaseBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		o := options(t, db, keyring, true)
		o.Listen = ""
		writer := opened(t, o)
		writer.o.Listen = o.Address
		identity, err := identify(t.Context(), keyring, site)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := Listen(o.Address)
		if err != nil {
			t.Fatal(err)
		}
		writer.servers = append(writer.servers, remote.Serve(listener, identity, writer.Served())) // and no other log
		b := opened(t, options(t, db, keyring, true))
		if place := consented(t, b, "agreed"); !strings.HasPrefix(place.Origin, origin+"/") {
			t.Errorf("it stands at %v", place)
		}
		if err := b.Health(t.Context()); err != nil {
			t.Errorf("it is told to be ill: %v", err)
		}
	})
}

// TestAConsentLogThatDoesNotWork is told apart from a release log that does not.
func TestAConsentLogThatDoesNotWork(t *testing.T) {
	db := storetest.SQLite(t, nil)
	o := options(t, db, newRing(), false)
	l := opened(t, o)
	place := consented(t, l, "agreed")
	if _, _, err := l.Proof(t.Context(), place.Origin, place.Index); err != nil { // a checkpoint covers it
		t.Fatal(err)
	}
	shard := strings.TrimPrefix(place.Origin, ConsentOrigin(origin)+"/")
	if err := os.WriteFile(filepath.Join(o.Folder, "consent", shard, "checkpoint"), []byte("none\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := l.Health(t.Context())
	if !errors.Is(err, ErrConsents) || Code(err) != "consent-damaged" {
		t.Errorf("it is told as %q: %v", Code(err), err)
	}
	if err := l.Log.Health(t.Context()); err != nil {
		t.Errorf("the release log: %v", err)
	}
}
