package authn

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTOTPVectors are those of RFC 6238 appendix B, cut to six digits: the steps of RFC 6238
// §4.2, the truncation of RFC 4226 §5.3.
func TestTOTPVectors(t *testing.T) {
	seed := []byte("12345678901234567890")
	for at, code := range map[int64]string{59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130"} {
		if got := CurrentCode(seed, time.Unix(at, 0)); got != code {
			t.Errorf("at %d: got %s, want %s", at, got, code)
		}
	}
}

// TestACodeIsGoodOnce: one step early or late and never again (RFC 6238 §5.2).
func TestACodeIsGoodOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.SliceOfN(rapid.Byte(), 20, 20).Draw(t, "seed")
		now := time.Unix(rapid.Int64Range(1<<30, 1<<33).Draw(t, "now"), 0)
		drift := rapid.Int64Range(-4, 4).Draw(t, "drift")
		last := int64(0)
		code := codeAt(seed, now.Unix()/30+drift)
		counter, ok := MatchCode(seed, code, now, last)
		if drift >= -1 && drift <= 1 && !ok {
			t.Fatalf("drift %d was refused", drift)
		}
		if ok {
			if _, again := MatchCode(seed, codeAt(seed, counter), now, counter); again {
				t.Fatal("a code was good twice")
			}
		}
	})
}

func TestThrottle(t *testing.T) {
	now := time.Unix(0, 0)
	a := NewAddresses(3, time.Second, func() time.Time { return now })
	one, neighbour, far := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2"), netip.MustParseAddr("2001:db8:1::1")
	for i := range 3 {
		if wait := a.Take(one); wait != 0 {
			t.Fatalf("attempt %d waits %s", i, wait)
		}
	}
	if a.Take(neighbour) == 0 {
		t.Fatal("a neighbour in the same /64 has attempts of its own")
	}
	if a.Take(far) != 0 {
		t.Fatal("another network waits for this one")
	}
	if wait := a.Take(one); wait <= 0 || wait > time.Second {
		t.Fatalf("waits %s", wait)
	}
	now = now.Add(time.Second)
	if a.Take(one) != 0 {
		t.Fatal("no attempt came back")
	}
	if a.Take(netip.MustParseAddr("::ffff:192.0.2.1")) != a.Take(netip.MustParseAddr("192.0.2.1")) {
		t.Fatal("an IPv4 address has two buckets")
	}
}

// TestManyNetworksOfOne: who has a /48 of IPv6 has 65,536 networks, and not as many
// attempts; her neighbours in it have theirs until it is used up, and others whatever she
// does. What is refused takes no memory.
func TestManyNetworksOfOne(t *testing.T) {
	now := time.Unix(0, 0)
	want := 3 * networksOfSite
	a := newAddresses(3, time.Second, func() time.Time { return now }, 1+want+1)
	early := netip.MustParseAddr("198.51.100.1")
	for a.Take(early) == 0 {
	}
	in := func(site, network int) netip.Addr {
		return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, byte(site), byte(network >> 8), byte(network)})
	}
	taken := 0
	for network := range 65_536 {
		if a.Take(in(1, network)) == 0 {
			taken++
		}
	}
	if taken != want {
		t.Fatalf("one /48 made %d attempts, want %d", taken, want)
	}
	if a.Take(early) == 0 {
		t.Fatal("what is refused took the place of a bucket that was there before")
	}
	if a.Take(in(2, 0)) != 0 || a.Take(netip.MustParseAddr("192.0.2.1")) != 0 {
		t.Fatal("others wait for it")
	}
	if wait := a.Take(in(1, 0)); wait <= 0 || wait > time.Second/networksOfSite {
		t.Fatalf("waits %s", wait)
	}
	now = now.Add(time.Second)
	for taken = 0; a.Take(in(1, taken)) == 0; taken++ {
	}
	if taken != networksOfSite {
		t.Fatalf("%d attempts came back in a second", taken)
	}
}

// TestFullBuckets: beyond the bound the bucket that was taken from longest ago is forgotten,
// and the others are not.
func TestFullBuckets(t *testing.T) {
	now := time.Unix(0, 0)
	a := newAddresses(1, time.Hour, func() time.Time { return now }, 3)
	at := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	for i := range byte(4) {
		if a.Take(at(i)) != 0 {
			t.Fatalf("network %d waits for others", i)
		}
	}
	for i := range byte(3) {
		if a.Take(at(i+1)) == 0 {
			t.Errorf("network %d was forgotten, and is not the oldest", i+1)
		}
	}
	if a.Take(at(0)) != 0 {
		t.Error("the oldest is kept beyond the bound")
	}
}

func TestPasswords(t *testing.T) {
	h := NewHasher(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1})
	ctx := t.Context()
	// The same word, composed and decomposed, is one password.
	hash, err := h.Hash(ctx, "mật khẩu dài")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, password, hash string
		match                bool
	}{
		{"right", "mật khẩu dài", hash, true},
		{"decomposed", "mật khẩu dài", hash, true},
		{"wrong", "mat khau dai", hash, false},
		{"no account", "mật khẩu dài", "", false},
		{"no account, and the dummy's own password", "no such account", "", false},
		{"endless", strings.Repeat("x", 1<<20), hash, false},
	} {
		match, _, err := h.check(ctx, strangers, row.password, row.hash)
		if err != nil || match != row.match {
			t.Errorf("%s: %v, %v", row.name, match, err)
		}
	}
	if _, stale, err := NewHasher(Argon2{MemoryKiB: 128, Passes: 1, Lanes: 1}).check(ctx, strangers, "mật khẩu dài", hash); err != nil ||
		!stale {
		t.Errorf("changed parameters: stale %v, %v", stale, err)
	}
	for _, short := range []string{"", "1234567", strings.Repeat("x", 300)} {
		if _, err := h.Hash(ctx, short); err == nil {
			t.Errorf("a password of %d bytes was taken", len(short))
		}
	}
}

func FuzzPHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=64,t=1,p=1$AAAA$" + strings.Repeat("A", 43))
	f.Fuzz(func(t *testing.T, text string) {
		if p, _, hash, err := parsePHC(text); err == nil && (p.MemoryKiB > 1<<20 || p.Passes == 0 || len(hash) != 32) {
			t.Fatalf("%q was read as %+v", text, p)
		}
	})
}
