package commitment

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const swiftSample = `{"asked":{"client":"so-dat","name":"Sổ \"đất\" {đỏ}"},"decision":{"determining":["a,]}","b"],"permit":true},` +
	`"id":"0197a1b2-c3d4-7e5f-8a6b-0123456789ab","person":{"pseudonym":"q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g","sequence":7},` +
	`"type":"release.permitted","v":1,"when":{"decided":"2026-11-23T07:48:27.123456Z","site":"dc1"}}`

func slowLeaf(canonical []byte, salt Salt) (string, []byte, error) {
	id, eventType, groups, err := Split(canonical)
	if err != nil {
		return "", nil, err
	}
	return id, Disclose(id, eventType, groups, salt).Leaf(), nil
}

// TestLeafOf: the swift way gives what the slow one gives, and of an altered event
// nothing, or a leaf that is not the event's.
func TestLeafOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		salt := Salt(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "salt"))
		raw := []byte(swiftSample)
		id, want, err := slowLeaf(raw, salt)
		if err != nil {
			t.Fatal(err)
		}
		gotID, got, err := LeafOf(raw, salt)
		if err != nil || gotID != id || !bytes.Equal(got, want) {
			t.Fatalf("got %s %x, %v; want %s %x", gotID, got, err, id, want)
		}
		at, with := rapid.IntRange(0, len(raw)-1).Draw(t, "at"), rapid.Byte().Draw(t, "with")
		if raw[at] == with {
			return
		}
		raw[at] = with
		if _, got, err := LeafOf(raw, salt); err == nil && bytes.Equal(got, want) {
			t.Fatalf("byte %d altered to %q: the leaf is the same", at, with)
		}
	})
}

// TestLeafOfRefuses what is not canonical at the outside, where no group covers it.
func TestLeafOfRefuses(t *testing.T) {
	for _, row := range []struct{ name, old, new string }{
		{"an id without quotes", `"0197a1b2-c3d4-7e5f-8a6b-0123456789ab"`, `0197a1b2-c3d4-7e5f-8a6b-0123456789ab`},
		{"another version", `"v":1`, `"v":2`},
		{"no version", `"v":1,`, ``},
		{"white space", `"v":1`, `"v": 1`},
		{"a member twice", `"v":1`, `"v":1,"v":1`},
		{"members out of order", `"v":1,"when"`, `"when":{"site":"x"},"v":1,"x"`},
		{"a group that none of ours is", `"asked"`, `"devil"`},
		{"an empty group", `"decision":{"determining":["a,]}","b"],"permit":true}`, `"decision":{}`},
		{"something after it", `"dc1"}}`, `"dc1"}} `},
	} {
		t.Run(row.name, func(t *testing.T) {
			changed := strings.Replace(swiftSample, row.old, row.new, 1)
			if changed == swiftSample {
				t.Fatal("the row changes nothing")
			}
			if _, leaf, err := LeafOf([]byte(changed), Salt{}); err == nil {
				t.Fatalf("%s has the leaf %x", changed, leaf)
			}
		})
	}
}

// FuzzLeafOf: what the slow way reads the swift one reads the same, and of nothing else has
// the swift one a leaf that an event has.
func FuzzLeafOf(f *testing.F) {
	for _, seed := range []string{swiftSample, `{}`, `{"a":1}`, `{"a":[{"b":"}"}],"c":-1}`, `{"a":"\\"}`, `{"id":"`, `{"v":1,}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var salt Salt
		slowID, slow, slowErr := slowLeaf(raw, salt)
		id, leaf, err := LeafOf(raw, salt)
		if slowErr == nil && (err != nil || id != slowID || !bytes.Equal(leaf, slow)) {
			t.Fatalf("got %s %x, %v; want %s %x", id, leaf, err, slowID, slow)
		}
	})
}

func BenchmarkLeafOf(b *testing.B) {
	salt := NewSalt()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := LeafOf([]byte(swiftSample), salt); err != nil {
			b.Fatal(err)
		}
	}
}
