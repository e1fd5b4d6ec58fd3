package resolver_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
)

// knowing is a resolver that has walked, and the file that it keeps.
func (n *nation) knowing(now *time.Time, anchors ...string) (*resolver.Resolver, string) {
	file := filepath.Join(n.t.(*testing.T).TempDir(), resolver.FileName)
	r := resolver.New(resolver.Options{Anchors: n.anchors(anchors...), Fetcher: n, File: file, Now: func() time.Time { return *now }})
	r.Refresh(n.t.Context())
	return r, file
}

func content(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func trusted(r *resolver.Resolver, anchor, name string) bool {
	_, err := r.Resolve(idOf(name), idOf(anchor))
	return err == nil
}

// TestTakeVouchesForItsOwn: what an anchor signs brings nothing under another anchor, and drops
// nobody there.
func TestTakeVouchesForItsOwn(t *testing.T) {
	n := newNation(t, "a > x", "a > y", "c > z", "c > w")
	now := federationtest.Now
	_, file := n.knowing(&now, "a", "c")
	all := content(t, file)
	r := resolver.New(resolver.Options{Anchors: n.anchors("a", "c"), Fetcher: n, Now: func() time.Time { return now }})
	if err := r.Take(all, idOf("a"), now); err != nil {
		t.Fatal(err)
	}
	if !trusted(r, "a", "x") || trusted(r, "c", "z") {
		t.Errorf("by the bundle of a: x %t, z %t", trusted(r, "a", "x"), trusted(r, "c", "z"))
	}
	if err := r.Take(all, idOf("c"), now); err != nil || !trusted(r, "c", "z") {
		t.Fatalf("by the bundle of c: %v, z %t", err, trusted(r, "c", "z"))
	}

	n.gone[idOf("y")], n.gone[idOf("w")] = true, true
	now = now.Add(time.Minute)
	b, file := n.knowing(&now, "a", "c")
	n.gone[idOf("y")], n.gone[idOf("w")] = false, false
	b.Refresh(t.Context())
	n.gone[idOf("y")], n.gone[idOf("w")] = true, true
	b.Refresh(t.Context())
	var told []federation.EntityID
	r.OnDropped(func(id federation.EntityID) { told = append(told, id) })
	if err := r.Take(content(t, file), idOf("a"), now); err != nil {
		t.Fatal(err)
	}
	if trusted(r, "a", "y") || !trusted(r, "a", "x") || !trusted(r, "c", "w") {
		t.Errorf("after a dropped y and c dropped w, by the bundle of a: x %t, y %t, w %t",
			trusted(r, "a", "x"), trusted(r, "a", "y"), trusted(r, "c", "w"))
	}
	if v, ok := r.Resolved(idOf("y")); !ok || !errors.Is(v.Err, trust.ErrChain) || len(told) != 1 || told[0] != idOf("y") {
		t.Errorf("y is known to be dropped: %t, %v, told %v", ok, v.Err, told)
	}
}

// TestTakeBringsNobodyBack: whoever was missing in a list that was fetched after a bundle was made
// is not trusted again by it, whichever superior dropped it.
func TestTakeBringsNobodyBack(t *testing.T) {
	n := newNation(t, "a > p > x", "a > p > y")
	now := federationtest.Now
	r, file := n.knowing(&now, "a")
	older, made := content(t, file), now
	now = now.Add(time.Minute)
	n.gone[idOf("x")] = true
	r.Watch(t.Context())
	if trusted(r, "a", "x") || !trusted(r, "a", "y") {
		t.Fatal("x was not dropped alone")
	}
	for name, at := range map[string]*resolver.Resolver{
		"running":         r,
		"after its start": resolver.New(resolver.Options{Anchors: n.anchors("a"), Fetcher: n, File: file, Now: func() time.Time { return now }}),
	} {
		if err := at.Take(older, idOf("a"), made); err != nil || trusted(at, "a", "x") || !trusted(at, "a", "y") {
			t.Errorf("%s: %v, x %t, y %t", name, err, trusted(at, "a", "x"), trusted(at, "a", "y"))
		}
	}
}

// TestTakeOfAnchorThatLostSight: whom a superior dropped after the anchor reached it last is not
// brought back by a bundle that the anchor made later.
func TestTakeOfAnchorThatLostSight(t *testing.T) {
	n := newNation(t, "a > p > x", "a > p > y")
	now := federationtest.Now
	r, _ := n.knowing(&now, "a")
	other, file := n.knowing(&now, "a")
	now = now.Add(time.Minute)
	n.gone[idOf("x")] = true
	r.Watch(t.Context())
	now = now.Add(time.Minute)
	n.down[idOf("p")] = true
	other.Refresh(t.Context())
	if !trusted(other, "a", "x") || trusted(r, "a", "x") {
		t.Fatal("the anchor does not hold x, or the server does")
	}
	if err := r.Take(content(t, file), idOf("a"), now); err != nil || trusted(r, "a", "x") || !trusted(r, "a", "y") {
		t.Errorf("%v, x %t, y %t", err, trusted(r, "a", "x"), trusted(r, "a", "y"))
	}
}

// TestTakeRefused: what leads to nobody, or is of nobody, changes nothing.
func TestTakeRefused(t *testing.T) {
	n := newNation(t, "a > x", "c > z")
	now := federationtest.Now
	r, file := n.knowing(&now, "a")
	all := content(t, file)
	for name, err := range map[string]error{
		"not an anchor here": r.Take(all, idOf("c"), now), "not a file": r.Take([]byte("x"), idOf("a"), now), "empty": r.Take([]byte("{}"), idOf("a"), now),
	} {
		if err == nil || !trusted(r, "a", "x") {
			t.Errorf("%s: %v, x %t", name, err, trusted(r, "a", "x"))
		}
	}
	now = now.Add(25 * time.Hour)
	if err := r.Take(all, idOf("a"), now); !errors.Is(err, resolver.ErrNobody) {
		t.Errorf("statements that have ended: %v", err)
	}
}

// FuzzTake: whatever an anchor signs, nobody becomes trusted under another anchor, and whoever was
// trusted there stays so.
func FuzzTake(f *testing.F) {
	n := newNation(f, "a > x", "c > z")
	now, anchors := federationtest.Now, n.anchors("a", "c")
	file := filepath.Join(f.TempDir(), resolver.FileName)
	known := resolver.New(resolver.Options{Anchors: anchors, Fetcher: n, File: file, Now: func() time.Time { return now }})
	known.Refresh(f.Context())
	all, err := os.ReadFile(file)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"statements":[]}`))
	f.Add([]byte(`{"dropped":{"https://z.example.vn":"2026-11-03T09:00:00Z"},"heard":{"https://c.example.vn":"2027-01-01T00:00:00Z"}}`))
	f.Add([]byte(`{"holders":[{"iss":"https://c.example.vn","trust_mark_type":"x","subjects":[],"at":"2026-11-02T09:00:00Z"}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r := resolver.New(resolver.Options{Anchors: anchors, Now: func() time.Time { return now }})
		if err := r.Take(all, idOf("c"), now); err != nil {
			t.Fatal(err)
		}
		_ = r.Take(raw, idOf("a"), now)
		if !trusted(r, "c", "z") {
			t.Error("z is trusted no more")
		}
	})
}
