package copyseal

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/keys"
)

type ring string

func (r ring) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	if r == "" {
		return nil, authz.ErrUnavailable
	}
	m := hmac.New(sha256.New, []byte(r))
	m.Write([]byte(string(use) + "/" + label))
	return m.Sum(nil), nil
}

func sealed(t interface{ Fatal(...any) }, at time.Time, text string) audit.Sealed {
	s, err := audit.Event{
		ID: authz.NewID(), Type: audit.Administered, When: audit.When{Decided: at, Site: "dc1"},
		Detail: audit.Detail{Action: string(audit.ResourceRegistered), Object: "https://api.example/" + text},
	}.Seal(audit.NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// TestACopy: it opens beside its leaf with the keyring that sealed it, as the very event, and
// is the same when it is sealed again.
// TestLeafHash: RFC 9162 §2.1.1, SHA-256 of a zero byte and the leaf, against vectors.
func TestLeafHash(t *testing.T) {
	for leaf, want := range map[string]string{
		"":     "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"\x00": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	} {
		if got := LeafHash([]byte(leaf)); hex.EncodeToString(got[:]) != want {
			t.Errorf("%q: %x, want %s", leaf, got, want)
		}
	}
}

func TestACopy(t *testing.T) {
	k := New(ring("one"))
	s := sealed(t, noon, "a")
	raw, err := k.Seal(t.Context(), s.Entry())
	if err != nil || bytes.Contains(raw, []byte("api.example")) || bytes.Contains(raw, s.Salt[:]) {
		t.Fatalf("sealed %q, %v", raw, err)
	}
	if again, err := New(ring("one")).Seal(t.Context(), s.Entry()); err != nil || !bytes.Equal(again, raw) {
		t.Errorf("sealed again it is another: %v", err)
	}
	got, err := k.Open(t.Context(), LeafHash(s.Leaf), raw)
	if err != nil || got.Event.ID != s.Event.ID || got.Salt != s.Salt || !bytes.Equal(got.Canonical, s.Canonical) {
		t.Errorf("opened %v, %v", got.Event, err)
	}
	if _, err := New(ring("two")).Open(t.Context(), LeafHash(s.Leaf), raw); !errors.Is(err, ErrCopy) {
		t.Errorf("another keyring opens it: %v", err)
	}
	if _, err := k.Open(t.Context(), LeafHash(sealed(t, noon, "a").Leaf), raw); !errors.Is(err, ErrCopy) {
		t.Errorf("it opens beside another leaf: %v", err)
	}
	other := s.Entry()
	other.Canonical = sealed(t, noon, "b").Canonical
	lie, err := k.Seal(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(t.Context(), LeafHash(s.Leaf), lie); !errors.Is(err, ErrCopy) {
		t.Errorf("another event is taken for that of the leaf: %v", err)
	}
}

// TestNoCopy: an event of a time that has no key, or that is too large, is logged without a
// copy, and a keyring that does not answer is said.
func TestNoCopy(t *testing.T) {
	k := New(ring("one"))
	for name, e := range map[string]audit.Entry{
		"of 1999":   {Event: audit.Event{When: audit.When{Decided: noon.AddDate(-27, 0, 0)}}},
		"too large": {Event: audit.Event{When: audit.When{Decided: noon}}, Canonical: make([]byte, Most)},
	} {
		if raw, err := k.Seal(t.Context(), e); raw != nil || err != nil {
			t.Errorf("%s: %d bytes, %v", name, len(raw), err)
		}
	}
	if _, err := New(ring("")).Seal(t.Context(), sealed(t, noon, "a").Entry()); !errors.Is(err, authz.ErrUnavailable) {
		t.Errorf("without a keyring: %v", err)
	}
}

// TestNoBitOfACopyMayDiffer from what was sealed.
func TestNoBitOfACopyMayDiffer(t *testing.T) {
	k := New(ring("one"))
	s := sealed(t, noon, "a")
	raw, err := k.Seal(t.Context(), s.Entry())
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		bad := bytes.Clone(raw)
		bad[rapid.IntRange(0, len(bad)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := k.Open(context.Background(), LeafHash(s.Leaf), bad); !errors.Is(err, ErrCopy) {
			t.Fatal(err)
		}
	})
}

// FuzzOpen: whatever stands in the folder opens only if it was sealed beside the leaf.
func FuzzOpen(f *testing.F) {
	k := New(ring("one"))
	s := sealed(f, noon, "a")
	raw, err := k.Seal(context.Background(), s.Entry())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Add([]byte{form, 7, 234})
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := k.Open(context.Background(), LeafHash(s.Leaf), body)
		if err == nil && (got.Event.ID != s.Event.ID || !bytes.Equal(body, raw)) {
			t.Fatalf("%x opens", body)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	k := New(ring("one"))
	e := sealed(b, noon, "a").Entry()
	e.Canonical = append(e.Canonical, make([]byte, 1500)...)
	for b.Loop() {
		if _, err := k.Seal(b.Context(), e); err != nil {
			b.Fatal(err)
		}
	}
}
