package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestUses: no two uses share a label or a prefix, each that is derived from another
// names one, and prefixes have the form that log lines are searched for.
func TestUses(t *testing.T) {
	labels, prefixes := map[string]bool{}, map[string]bool{}
	for _, use := range Uses {
		if use.Label == "" || labels[use.Label] {
			t.Errorf("label %q is empty or has two uses", use.Label)
		}
		labels[use.Label] = true
		if use.Prefix != "" && (prefixes[use.Prefix] || !regexp.MustCompile(`^hn[a-z]\.$`).MatchString(use.Prefix)) {
			t.Errorf("prefix %q has two uses, or another form", use.Prefix)
		}
		prefixes[use.Prefix] = true
		if use.Size != 0 && (use.Size < 16 || use.Size > sha256.Size || use.Encrypts) {
			t.Errorf("%q: a MAC of %d bytes", use.Label, use.Size)
		}
	}
	for _, use := range Uses {
		if use.Under != "" && !labels[use.Under] {
			t.Errorf("%q is derived from %q, which is none", use.Label, use.Under)
		}
	}
}

var (
	secretOf = rapid.SliceOfN(rapid.Byte(), 32, 32)
	textOf   = rapid.StringMatching(`[A-Za-z0-9._-]{0,60}`)
)

// TestSign: what was signed comes back; no other text does, and none with another key.
func TestSign(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		use := rapid.SampledFrom([]Use{FrontChannel, Handles, LogoutRequests}).Draw(t, "use")
		secret, text := secretOf.Draw(t, "key"), textOf.Draw(t, "text")
		k := New(use, secret)
		signed := k.Sign(text)
		if got, ok := k.Signed(signed); !ok || got != text {
			t.Fatalf("got %q, %v of %q", got, ok, signed)
		}
		i := rapid.IntRange(0, len(signed)-1).Draw(t, "at")
		changed := signed[:i] + rapid.StringMatching(`[A-Za-z0-9._-]{0,2}`).Draw(t, "instead") + signed[i+1:]
		if _, ok := k.Signed(changed); ok != (changed == signed) {
			t.Fatalf("%q is taken for %q", changed, signed)
		}
		if other := secretOf.Draw(t, "another key"); !bytes.Equal(other, secret) {
			if _, ok := New(use, other).Signed(signed); ok {
				t.Fatal("another key takes it")
			}
		}
		if mac := k.MAC([]byte(text)); !k.Genuine(mac, []byte(text)) || k.Genuine(mac[:len(mac)-1], []byte(text)) ||
			k.Genuine(nil, []byte(text)) {
			t.Fatal("a part of a MAC is taken, or not the whole")
		}
	})
}

// TestSeal: what was sealed is opened with the same key and words, and else not.
func TestSeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret, plain, beside := secretOf.Draw(t, "key"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain"), textOf.Draw(t, "beside")
		k := New(Tickets, secret)
		sealed := k.Seal(plain, beside)
		if got, ok := k.Open(sealed, beside); !ok || !bytes.Equal(got, plain) {
			t.Fatalf("got %q, %v", got, ok)
		}
		if _, ok := k.Open(sealed, beside+"x"); ok {
			t.Fatal("other words open it")
		}
		if other := secretOf.Draw(t, "another key"); !bytes.Equal(other, secret) {
			if _, ok := New(Tickets, other).Open(sealed, beside); ok {
				t.Fatal("another key opens it")
			}
		}
		i := rapid.IntRange(0, len(sealed)-2).Draw(t, "at") // the last letter has bits that say nothing
		if c := rapid.StringMatching(`[A-Za-z0-9_-]`).Draw(t, "letter"); c != sealed[i:i+1] {
			if _, ok := k.Open(sealed[:i]+c+sealed[i+1:], beside); ok {
				t.Fatal("a changed text is opened")
			}
		}
	})
}

// TestKeysAreApart: a key under another is that of RFC 2104 over its label, and no key
// prints its secret.
func TestKeysAreApart(t *testing.T) {
	secret := bytes.Repeat([]byte("k"), 32)
	forms := New(Forms, secret)
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("seal"))
	sealed := New(FormSeals, m.Sum(nil)).Seal([]byte("x"), "")
	if plain, ok := forms.Under(FormSeals).Open(sealed, ""); !ok || string(plain) != "x" {
		t.Error("the key under another is not the MAC of its label")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		if text := fmt.Sprintf(verb, forms); strings.Contains(text, "kkk") || strings.Contains(text, "6b6b") ||
			!strings.Contains(text, "forms") {
			t.Errorf("%s prints %s", verb, text)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a key was derived from one that it is not under")
		}
	}()
	forms.Under(DevicesAndBudgets)
}

// TestAKeyServesManyAtOnce: whoever else makes MACs under the same key, each is that of its
// own parts.
func TestAKeyServesManyAtOnce(t *testing.T) {
	secret := bytes.Repeat([]byte{7}, 32)
	k := New(Use{Label: "many"}, secret)
	var all sync.WaitGroup
	for n := range 16 {
		all.Go(func() {
			for i := range 200 {
				part, more := fmt.Appendf(nil, "%d of %d", i, n), bytes.Repeat([]byte{byte(n)}, i)
				m := hmac.New(sha256.New, secret)
				m.Write(part)
				m.Write(more)
				if want := m.Sum(nil); !bytes.Equal(k.MAC(part, more), want) || !k.Genuine(want, part, more) {
					t.Errorf("part %d of %d has another MAC", i, n)
				}
			}
		})
	}
	all.Wait()
}
