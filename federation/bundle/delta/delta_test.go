package delta_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/federation/bundle/delta"
)

// file is one with statements, as a resolver keeps them.
func file(statements ...string) []byte {
	for i, s := range statements {
		statements[i] = fmt.Sprintf("%q", s+strings.Repeat("x", 80))
	}
	return []byte(`{"statements":[` + strings.Join(statements, ",") + `],"holders":[]}` + "\n")
}

// TestRoundTrip: a delta makes the file again, whatever was added and taken away.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := rapid.SliceOfN(rapid.StringMatching(`[a-f]{1,3}`), 0, 8)
		base, want := file(names.Draw(rt, "base")...), file(names.Draw(rt, "file")...)
		if rapid.Bool().Draw(rt, "not of a resolver") {
			want = []byte(rapid.StringMatching(`["a-c<é ]{0,90}`).Draw(rt, "text"))
		}
		raw, err := delta.Make(base, want)
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := delta.Apply(base, raw, len(want)); err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("got %q, %v, want %q", got, err, want)
		}
	})
}

// TestSmall: what stayed is not in a delta.
func TestSmall(t *testing.T) {
	var all []string
	for i := range 1000 {
		all = append(all, fmt.Sprintf("%04d", i))
	}
	base := file(append([]string{}, all...)...)
	all[500] = "0500a"
	raw, err := delta.Make(base, file(append([]string{}, all[1:]...)...))
	if err != nil || len(raw) > 1000 {
		t.Errorf("%d bytes of %d, %v", len(raw), len(base), err)
	}
}

// TestRefused: nothing is made that is longer than it may be, or of another base.
func TestRefused(t *testing.T) {
	base := file("a", "b")
	other, err := delta.Make(file("c"), base)
	if err != nil {
		t.Fatal(err)
	}
	of := func(ops string) []byte { return []byte(`{"base":"` + delta.Digest(base) + `","ops":[` + ops + `]}`) }
	for name, raw := range map[string][]byte{
		"nothing": nil, "of another base": other, "a piece before the file": of(`{"from":-1,"n":1}`), "a piece behind it": of(`{"from":6,"n":9}`),
		"a count below zero": of(`{"n":-1}`), "a count that overflows": of(`{"from":1,"n":9223372036854775807}`),
		"very many pieces":     of(strings.TrimSuffix(strings.Repeat(`{},`, 2<<20), ",")),
		"one piece very often": of(strings.TrimSuffix(strings.Repeat(`{"n":7},`, 100), ",")), "text that is long": of(`{"text":"` + strings.Repeat("x", 2000) + `"}`),
	} {
		if got, err := delta.Apply(base, raw, 1000); !errors.Is(err, delta.ErrInvalid) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// FuzzApply: nothing longer than the limit comes out, and nothing panics.
func FuzzApply(f *testing.F) {
	base := file("a", "b")
	f.Add([]byte(`{"base":"` + delta.Digest(base) + `","ops":[{"from":1,"n":2,"text":"x"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, err := delta.Apply(base, raw, 500); err == nil && len(got) > 500 {
			t.Errorf("%d bytes", len(got))
		}
	})
}
