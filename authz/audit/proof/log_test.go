package proof

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

const origin = "hopnhat.example/release/dc1/2026q4"

// testSigner is a note signer from a fixed seed.
type testSigner struct {
	name    string
	private ed25519.PrivateKey
	vkey    string
	note.Verifier
}

func newSigner(name string, seed byte) testSigner {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	return testSigner{name, private, vkey, v}
}

func (s testSigner) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(s.private, message), nil
}

// memLog is a log in memory, written as RFC 6962 §2.1 reads.
type memLog struct {
	leaves  [][]byte
	records map[uint64]Record // of the places that are events
	signers []testSigner
	name    string // the origin
}

func (l *memLog) root(lo, hi int) tlog.Hash {
	if hi-lo == 1 {
		return tlog.RecordHash(l.leaves[lo])
	}
	k := split(hi - lo)
	return tlog.NodeHash(l.root(lo, lo+k), l.root(lo+k, hi))
}

func split(n int) int {
	k := 1
	for 2*k < n {
		k *= 2
	}
	return k
}

func (l *memLog) path(m, lo, hi int) []Hash {
	if hi-lo == 1 {
		return nil
	}
	if k := split(hi - lo); m < lo+k {
		return append(l.path(m, lo, lo+k), Hash(l.root(lo+k, hi)))
	} else {
		return append(l.path(m, lo+k, hi), Hash(l.root(lo, lo+k)))
	}
}

func (l *memLog) sign(text string) ([]byte, error) {
	var signers []note.Signer
	for _, s := range l.signers {
		signers = append(signers, s)
	}
	return note.Sign(&note.Note{Text: text}, signers...)
}

func (l *memLog) checkpoint() string {
	c := Checkpoint{Origin: l.name, Size: uint64(len(l.leaves)), Root: Hash(l.root(0, len(l.leaves)))}
	signed, err := l.sign(c.text())
	if err != nil {
		panic(err)
	}
	return string(signed)
}

func (l *memLog) vkeys() (keys []string) {
	for _, s := range l.signers {
		keys = append(keys, s.vkey)
	}
	return keys
}

func (l *memLog) inclusion(index int) Inclusion {
	return Inclusion{Index: uint64(index), Hashes: l.path(index, 0, len(l.leaves)), Checkpoint: l.checkpoint(), Keys: l.vkeys()}
}

func (l *memLog) RangeProof(_ context.Context, first, last uint64) (Range, error) {
	if last >= uint64(len(l.leaves)) {
		return Range{}, errors.New("not there")
	}
	return Range{
		First: first, Leaves: l.leaves[first : last+1], Head: l.path(int(first), 0, len(l.leaves)),
		Tail: l.path(int(last), 0, len(l.leaves)), Checkpoint: l.checkpoint(), Keys: l.vkeys(),
	}, nil
}

// event is the n-th event of a test, the same in every run.
func event(n int) audit.Event {
	e := audit.Event{
		ID: fmt.Sprintf("0197a1b2-c3d4-7e5f-8a6b-%012x", n), Type: audit.ReleasePermitted,
		Asked: audit.Asked{Client: "https://datdai.danang.example", Name: "Dịch vụ đất đai Đà Nẵng", Owner: "UBND thành phố Đà Nẵng"},
		Person: audit.Person{
			Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", Kind: "citizen", Relation: "self",
		},
		Reason: audit.Reason{
			Purpose: "dvc.prefill", Basis: authz.BasisConsent, Citation: "Luật 91/2025/QH15 Điều 9",
		},
		Consent: audit.Consent{ID: "0197a1b2-0000-7000-8000-000000000002", Version: 3},
		Data:    audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.parcel", "population.full_name"}},
		Payload: audit.Payload{Records: 2},
		Decision: audit.Decision{
			Permit: true, Code: "permitted", Determining: []string{"statutory/consent"},
		},
		Levels: audit.Levels{Account: 2, ACR: authz.AuthenticationLevel(2).ACR()},
		When:   audit.When{Decided: time.Date(2026, 11, 23, 7, 48, n, 123456000, time.UTC), Site: "dc1"},
	}
	if n%3 == 2 {
		e.Type, e.Decision.Permit, e.Decision.Code = audit.ReleaseRefused, false, "consent_withdrawn"
	}
	return e
}

func record(e audit.Event, salt byte) Record {
	canonical, err := e.Canonical()
	if err != nil {
		panic(err)
	}
	return Record{Event: canonical, Salt: commitment.Salt(bytes.Repeat([]byte{salt}, 32))}
}

func leafOf(r Record) []byte {
	d, err := r.disclosure()
	if err != nil {
		panic(err)
	}
	return d.Leaf()
}

// newLog holds n events.
func newLog(n int, signers ...testSigner) *memLog {
	if len(signers) == 0 {
		signers = []testSigner{newSigner(origin, 1)}
	}
	l := &memLog{records: map[uint64]Record{}, signers: signers, name: origin}
	for i := range n {
		r := record(event(i), byte(i))
		l.records[uint64(i)] = r
		l.leaves = append(l.leaves, leafOf(r))
	}
	return l
}

func (l *memLog) file(index int) File {
	r := l.records[uint64(index)]
	return File{LogKey: l.signers[0].vkey, Event: r.Event, Salt: r.Salt, Inclusion: l.inclusion(index)}
}

func (l *memLog) partial(index int, show ...commitment.Group) File {
	r := l.records[uint64(index)]
	id, eventType, parts, err := commitment.Split(r.Event)
	if err != nil {
		panic(err)
	}
	d := commitment.Disclose(id, eventType, parts, r.Salt, show...)
	return File{LogKey: l.signers[0].vkey, Disclosed: &d, Inclusion: l.inclusion(index)}
}

func (l *memLog) placed(places ...uint64) (list []Placed) {
	for _, p := range places {
		list = append(list, Placed{ID: fmt.Sprint("row-", p), Origin: l.name, Index: p, Record: l.records[p]})
	}
	return list
}

func (l *memLog) export(t testing.TB, whole uint64, places ...uint64) []byte {
	t.Helper()
	found := Found{Total: len(places), Placed: l.placed(places...)}
	query, err := audit.Query{Client: "https://datdai.danang.example"}.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	e, err := Assemble(context.Background(), func(string) (Prover, error) { return l, nil }, query, made, found, whole)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := e.Marshal(l.sign, l.vkeys()...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
