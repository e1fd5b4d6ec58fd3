package releaselog

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"io/fs"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/witness"
	"hopnhat/authz/outbound"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
)

// realWitness is a witness that listens, and follows logs of the tests by their keys: the
// release log if none is given.
func realWitness(t *testing.T, name string, seed byte, logs ...string) (*cosign.Verifier, *httptest.Server) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	signer, err := cosign.NewSigner(name, key, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if len(logs) == 0 {
		logs = []string{vkeyOf(t, origin, 1)}
	}
	w, err := witness.Open(witness.Options{Dir: t.TempDir(), Logs: logs, Signer: signer})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(w.Handler())
	t.Cleanup(func() { server.Close(); _ = w.Close() })
	return signer.Verifier, server
}

// proofFile appends an event, and gives its proof file.
func proofFile(t *testing.T, l *Log, n int) []byte {
	t.Helper()
	e := audit.Event{
		ID: "0197a1b2-c3d4-7e5f-8a6b-00000000000" + string(rune('0'+n)), Type: audit.ConsentWithdrawn,
		Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"}, When: audit.When{Decided: time.Unix(1796040000, 0).UTC()},
	}
	salt := audit.NewSalt()
	leaf, err := audit.Leaf(e, salt)
	if err != nil {
		t.Fatal(err)
	}
	place := appended(t, l, string(leaf))
	if _, _, err := l.Proof(t.Context(), place.Origin, place.Index); err != nil { // a checkpoint covers it
		t.Fatal(err)
	}
	cosignOnce(t, l)
	in, key, err := l.Proof(t.Context(), place.Origin, place.Index)
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := e.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return proof.File{LogKey: key, Event: canonical, Salt: salt, Inclusion: in}.Marshal()
}

// cosignOnce asks the witnesses once, as a node does each second.
func cosignOnce(t *testing.T, l *Log) {
	t.Helper()
	if l.cosigning.circle == nil {
		return
	}
	if err := l.cosigning.once(t.Context()); err != nil && !errors.Is(err, witness.ErrTooFew) {
		t.Fatal(err)
	}
}

// TestWitnessesOfALog: a log with two witnesses of which one is down has its checkpoints
// cosigned; its proofs carry the word of the other one, at every node of the site, and the
// log works as well while both are down. A log with another history under the same key is
// refused.
func TestWitnessesOfALog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		keyring := newRing()
		l, other := opened(t, options(t, db, keyring, true)), opened(t, options(t, db, keyring, true))
		a, up := realWitness(t, "witness.example/a", 71)
		b, down := realWitness(t, "witness.example/b", 72)
		down.Close()
		peers := []witness.Peer{{Key: a, URL: up.URL}, {Key: b, URL: down.URL}}
		ask := func(l *Log) {
			circle, err := witness.NewCircle(peers, 1, outbound.New(true), time.Now)
			if err != nil {
				t.Fatal(err)
			}
			l.cosigning.circle = circle
		}
		ask(l)
		trust := func(wanted int) proof.Trust {
			return proof.Trust{Keys: []string{vkeyOf(t, l.Origin(), 1)}, Witnesses: []*cosign.Verifier{a, b}, Wanted: wanted}
		}
		file := proofFile(t, l, 1)
		if r := trust(1).Verify(file); !r.OK() {
			step, _ := r.Failed()
			t.Errorf("one witness of two: %s: %s", step.EN, step.Reason("en"))
		}
		if r := trust(2).Verify(file); r.OK() {
			t.Error("both witnesses are wanted, of which one is down, and it verifies")
		}
		age, ok := l.CosignedAge(time.Now())[audit.ReleaseTree]
		if now := l.Witnesses(); !ok || age < 0 || !now["witness.example/a"] || now["witness.example/b"] {
			t.Errorf("cosigned %s ago, %v, witnesses %v", age, ok, now)
		}
		if in, _, err := other.Proof(t.Context(), l.Origin(), 0); err != nil {
			t.Error(err)
		} else if found, err := cosign.Open([]byte(in.Checkpoint), a); err != nil || len(found) != 1 {
			t.Errorf("at the other node: %v, %v", found, err)
		}

		up.Close()
		ask(l)
		late := proofFile(t, l, 2)
		if r := proof.Verify(late, trust(1).Keys); !r.OK() {
			t.Errorf("while the witnesses are down: %+v", r)
		}
		if trust(1).Verify(late).OK() {
			t.Error("an entry after the last cosigned checkpoint has the word of a witness")
		}
		if err := l.Health(t.Context()); err != nil {
			t.Errorf("witnesses that are down stop the log: %v", err)
		}
	})
}

// TestTheConsentLogIsCosigned as the release log is, by who follows it; who follows the release
// log alone cosigns that all the same. A database and a folder that were both put back to an
// older copy find no witness, and do not pass an anchor.
func TestTheConsentLogIsCosigned(t *testing.T) {
	consent := ConsentOrigin(origin)
	o := options(t, storetest.SQLite(t, nil), newRing(), false)
	l := opened(t, o)
	both, first := realWitness(t, "witness.example/both", 71, vkeyOf(t, origin, 1), vkeyOf(t, consent, 1))
	one, second := realWitness(t, "witness.example/one", 72)
	peers := []witness.Peer{{Key: both, URL: first.URL}, {Key: one, URL: second.URL}}
	circle, err := witness.NewCircle(peers, 1, outbound.New(true), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	l.cosigning.circle = circle
	released, agreed := appended(t, l, "released"), consented(t, l, "agreed")
	for _, place := range []audit.Place{released, agreed} {
		if _, _, err := l.Proof(t.Context(), place.Origin, place.Index); err != nil { // a checkpoint covers it
			t.Fatal(err)
		}
	}
	cosignOnce(t, l)
	for _, row := range []struct {
		place audit.Place
		by    int
	}{{released, 2}, {agreed, 1}} {
		in, _, err := l.Proof(t.Context(), row.place.Origin, row.place.Index)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := cosign.Open([]byte(in.Checkpoint), both, one); err != nil || len(found) != row.by {
			t.Errorf("%s is cosigned by %d, want %d: %v", row.place.Origin, len(found), row.by, err)
		}
	}
	if up := l.Witnesses(); !up["witness.example/both"] || up["witness.example/one"] {
		t.Errorf("witnesses that cosign both logs: %v", up)
	}
	anchor, err := l.Newest(t.Context(), audit.ConsentTree)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}

	// The same, from a copy of before all entries.
	older := options(t, storetest.SQLite(t, nil), newRing(), false)
	restored := opened(t, older)
	restored.cosigning.circle = circle
	place := consented(t, restored, "another one agreed")
	if _, _, err := restored.Proof(t.Context(), place.Origin, place.Index); err != nil {
		t.Fatal(err)
	}
	cosignOnce(t, restored)
	r, err := restored.Reader(t.Context(), place.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.Cosigned(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another history of the consent log is cosigned: %v", err)
	}
	if err := restored.Close(); err != nil {
		t.Fatal(err)
	}
	older.Anchor = filepath.Join(t.TempDir(), "anchor")
	if err := os.WriteFile(older.Anchor, anchor, 0o600); err != nil {
		t.Fatal(err)
	}
	again := opened(t, older)
	if err := again.Health(t.Context()); Code(err) != "consent-damaged" {
		t.Errorf("with a checkpoint of the consent log that was kept elsewhere it says %q: %v", Code(err), err)
	}
}

// TestAForkFindsNoWitness: the key of the log and another folder, as an insider has it.
func TestAForkFindsNoWitness(t *testing.T) {
	keyring := newRing()
	l := opened(t, options(t, storetest.SQLite(t, nil), keyring, true))
	fork := opened(t, options(t, storetest.SQLite(t, nil), keyring, true))
	a, server := realWitness(t, "witness.example/a", 71)
	for _, one := range []*Log{l, fork} {
		circle, err := witness.NewCircle([]witness.Peer{{Key: a, URL: server.URL}}, 1, outbound.New(true), time.Now)
		if err != nil {
			t.Fatal(err)
		}
		one.cosigning.circle = circle
	}
	trust := proof.Trust{Keys: []string{vkeyOf(t, l.Origin(), 1)}, Witnesses: []*cosign.Verifier{a}, Wanted: 1}
	proofFile(t, l, 1)
	if r := trust.Verify(proofFile(t, l, 2)); !r.OK() {
		t.Fatalf("%+v", r)
	}
	for n := range 4 { // smaller, of the same size and larger
		file := proofFile(t, fork, n)
		if trust.Verify(file).OK() {
			t.Errorf("the fork with %d entries is cosigned", n+1)
		}
		if !proof.Verify(file, trust.Keys).OK() {
			t.Errorf("without the word of a witness the fork with %d entries is as good", n+1)
		}
	}
	r, err := fork.Reader(t.Context(), fork.Origin())
	if err != nil {
		t.Fatal(err)
	}
	if raw, _, err := r.Cosigned(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the fork keeps a cosigned checkpoint: %q, %v", raw, err)
	}
}

// TestACosignedCheckpointIsTheLogs: a file that somebody put there proves nothing and keeps
// nobody from a proof.
func TestACosignedCheckpointIsTheLogs(t *testing.T) {
	l := opened(t, options(t, storetest.SQLite(t, nil), newRing(), false))
	proofFile(t, l, 1)
	name, err := tlog.ParseName(origin, l.Origin())
	if err != nil {
		t.Fatal(err)
	}
	nobodys := l.Origin() + "\n9\n" + proof.Hash{}.String() + "\n\n— x AAAAAAAA\n"
	if err := l.cosigning.logs[0].archive.KeepCosigned(name, []byte(nobodys)); err != nil {
		t.Fatal(err)
	}
	if in, _, err := l.Proof(t.Context(), l.Origin(), 0); err != nil || in.Checkpoint == "" {
		t.Errorf("%+v, %v", in, err)
	}
}
