package tlog

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
)

// TestEvidenceFromARealLogVerifiesOffline takes events through the whole way:
// leaf, log on disk, proof file and export, offline verification.
func TestEvidenceFromARealLogVerifiesOffline(t *testing.T) {
	o := options(t.TempDir())
	newKey := testKey(2)
	o.Also = []Key{newKey}
	l := mustOpen(t, o)
	shown := map[uint64]proof.Record{}
	for n := range 40 {
		e := audit.Event{
			ID: fmt.Sprintf("0197a1b2-c3d4-7e5f-8a6b-%012x", n), Type: audit.SignedIn,
			Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
			When:   audit.When{Decided: time.Date(2026, 11, 23, 7, 48, n, 0, time.UTC), Site: "dc1"},
		}
		if n%4 == 0 {
			e.Type = audit.ConsentWithdrawn
		}
		salt := audit.NewSalt()
		entry, err := audit.Leaf(e, salt)
		if err != nil {
			t.Fatal(err)
		}
		place, err := l.Append(t.Context(), audit.Entry{Leaf: entry})
		if err != nil {
			t.Fatal(err)
		}
		canonical, err := e.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		in, err := l.Proof(t.Context(), place.Index)
		if err != nil {
			t.Fatal(err)
		}
		part, err := e.Disclose(salt, commitment.When)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range []proof.File{
			{LogKey: l.VerifierKey(), Event: canonical, Salt: salt, Inclusion: in},
			{LogKey: l.VerifierKey(), Disclosed: &part, Inclusion: in},
		} {
			for _, pinned := range l.VerifierKeys() { // who pins the old key and who pins the new
				if r := proof.Verify(f.Marshal(), []string{pinned}); !r.OK() || !r.Pinned {
					failed, _ := r.Failed()
					t.Fatalf("event %d: %q: %v", n, failed.EN, failed.Err)
				}
			}
		}
		if e.Type == audit.ConsentWithdrawn {
			shown[place.Index] = proof.Record{Event: canonical, Salt: salt}
		}
	}
	query, err := audit.Query{Type: audit.ConsentWithdrawn}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	for _, whole := range []uint64{1, 1000} {
		found := proof.Found{Total: len(shown)}
		for place, record := range shown {
			found.Placed = append(found.Placed, proof.Placed{Origin: l.Origin(), Index: place, Record: record})
		}
		export, err := proof.Assemble(t.Context(), func(string) (proof.Prover, error) { return l, nil }, query, time.Now(), found, whole)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := export.Marshal(l.Sign, l.SigningKeys()...)
		if err != nil {
			t.Fatal(err)
		}
		r := proof.Verify(raw, []string{l.VerifierKey()})
		if !r.OK() || len(r.Events) != 10 {
			failed, _ := r.Failed()
			t.Fatalf("%q: %v", failed.EN, failed.Err)
		}
		if c := r.Coverage; whole > 1 && (c.Segments != 1 || c.Unshown[string(audit.SignedIn)] != 27) {
			t.Errorf("coverage %+v", c)
		}
		if proof.Verify(bytes.Replace(raw, []byte("session.signed-in 27"), []byte("session.signed-in 26"), 1), nil).OK() && whole > 1 {
			t.Error("the statement of coverage can be changed")
		}
	}
	if _, err := l.Sign(origin + "\n5\nAAAA\n"); err == nil {
		t.Error("the log signs a checkpoint for anyone who asks")
	}
}
