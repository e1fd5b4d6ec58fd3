package cosign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

const body = "hopnhat.example/release/dc1/2026q4\n3\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

var at = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func signer(t testing.TB, name string, seed byte) *Signer {
	t.Helper()
	s, err := NewSigner(name, ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)), func() time.Time { return at })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func line(t testing.TB, s *Signer, body string) string {
	t.Helper()
	l, err := s.Line([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestTheSignedMessage: tlog-cosignature, "Ed25519 signed message", byte for byte.
func TestTheSignedMessage(t *testing.T) {
	s := signer(t, "witness.example/w1", 1)
	signature, err := s.Sign([]byte(body))
	if err != nil || len(signature) != 72 || binary.BigEndian.Uint64(signature) != 1796040000 {
		t.Fatalf("%x, %v", signature, err)
	}
	if !ed25519.Verify(s.key, []byte("cosignature/v1\ntime 1796040000\n"+body), signature[8:]) {
		t.Error("another message was signed")
	}
	// The id is over name, newline, 0x04 and key; the library of notes takes the line as any.
	n, err := note.Open([]byte(body+"\n"+line(t, s, body)), note.VerifierList(s))
	if err != nil || len(n.Sigs) != 1 {
		t.Errorf("%+v, %v", n, err)
	}
}

// TestTheExampleOfTheSpecification: the id of the witness's key in tlog-cosignature stands before
// a time that is the one of its message.
func TestTheExampleOfTheSpecification(t *testing.T) {
	const example = "jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA=="
	raw, err := base64.StdEncoding.DecodeString(example)
	if err != nil || len(raw) != 4+size || binary.BigEndian.Uint64(raw[4:]) != 1679315147 {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
}

func TestOpen(t *testing.T) {
	a, b := signer(t, "witness.example/a", 1), signer(t, "witness.example/b", 2)
	stranger := signer(t, "witness.example/c", 3)
	of := func(s *Signer, signature []byte) string {
		raw := append(binary.BigEndian.AppendUint32(nil, s.id), signature...)
		return "— " + s.name + " " + base64.StdEncoding.EncodeToString(raw) + "\n"
	}
	good, err := a.Sign([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	future := binary.BigEndian.AppendUint64(nil, math.MaxInt64+1)
	future = append(future, ed25519.Sign(a.private, message(math.MaxInt64+1, []byte(body)))...)
	later := bytes.Clone(good)
	later[7]++
	log := "— hopnhat.example/release/dc1/2026q4 AAAAAAAA\n"
	for _, row := range []struct {
		name, lines string
		found       int
		want        error
	}{
		{"no witness", log, 0, nil},
		{"one", log + line(t, a, body), 1, nil},
		{"both, whatever the order", line(t, b, body) + log + line(t, a, body), 2, nil},
		{"one that signed twice counts once", line(t, a, body) + line(t, a, body), 1, nil},
		{"one that was not given is passed over", log + line(t, stranger, body), 0, nil},
		{"the name of a witness with another key", "— witness.example/a AAAAAAAA\n", 0, nil},
		{"of another tree", line(t, a, strings.Replace(body, "\n3\n", "\n4\n", 1)), 0, ErrSignature},
		{"another time than was signed", of(a, later), 0, ErrSignature},
		{"a time beyond 2^63-1", of(a, future), 0, ErrSignature},
		{"without a time", of(a, good[8:]), 0, ErrSignature},
		{"with bytes behind it", of(a, append(bytes.Clone(good), 0)), 0, ErrSignature},
		{"a bad one after a good one", line(t, a, body) + of(a, later), 0, ErrSignature},
		{"a line that is none", "witness.example/a\n", 0, ErrForm},
		{"no base64", "— witness.example/a !!\n", 0, ErrForm},
	} {
		t.Run(row.name, func(t *testing.T) {
			found, err := Open([]byte(body+"\n"+row.lines), a.Verifier, b.Verifier)
			if !errors.Is(err, row.want) || len(found) != row.found {
				t.Fatalf("got %+v, %v", found, err)
			}
			for _, c := range found {
				if !c.At.Equal(at) || !strings.Contains(row.lines, c.Line) {
					t.Errorf("%+v", c)
				}
			}
		})
	}
	if _, err := Open([]byte(body), a.Verifier); !errors.Is(err, ErrForm) {
		t.Errorf("a note without signatures: %v", err)
	}
}

func TestKeys(t *testing.T) {
	good := signer(t, "witness.example/a", 1).VerifierKey()
	if _, err := ParseKey(good); err != nil {
		t.Fatal(err)
	}
	log, err := note.NewEd25519VerifierKey("witness.example/a", signer(t, "w", 1).key)
	if err != nil {
		t.Fatal(err)
	}
	for name, vkey := range map[string]string{
		"of a log, whose signatures have no time": log, "empty": "", "another name": strings.Replace(good, "/a+", "/b+", 1),
		"no name": good[len("witness.example/a"):], "cut": good[:len(good)-4], "a line end": good + "\n",
	} {
		if v, err := ParseKey(vkey); !errors.Is(err, ErrKey) {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
	for _, name := range []string{"", "a b", "a+b", "a\nb", strings.Repeat("a", 256), "nhân.chứng"} {
		if vkey, err := Key(name, make([]byte, 32)); err == nil {
			t.Errorf("the name %q makes %q", name, vkey)
		}
	}
}

// TestNoBitOfACosignatureCanChange: of line and body.
func TestNoBitOfACosignatureCanChange(t *testing.T) {
	s := signer(t, "witness.example/a", 1)
	whole := body + "\n" + line(t, s, body)
	rapid.Check(t, func(t *rapid.T) {
		changed := []byte(whole)
		changed[rapid.IntRange(0, len(whole)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if found, err := Open(changed, s.Verifier); err == nil && len(found) > 0 {
			t.Fatalf("taken: %q", changed)
		}
	})
}

func FuzzOpen(f *testing.F) {
	s := signer(f, "witness.example/a", 1)
	f.Add([]byte(body + "\n" + line(f, s, body)))
	f.Add([]byte(body + "\n— witness.example/a AAAAAAAA\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		found, err := Open(raw, s.Verifier)
		if err == nil && len(found) > 0 && !bytes.HasPrefix(raw, []byte(body+"\n")) {
			t.Fatalf("a forgery is taken: %q", raw)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	f.Add(signer(f, "witness.example/a", 1).VerifierKey())
	f.Fuzz(func(t *testing.T, vkey string) {
		v, err := ParseKey(vkey)
		if err != nil {
			return
		}
		if again, err := Key(v.name, v.key); err != nil || again != vkey {
			t.Fatalf("%q is written %q, %v", vkey, again, err)
		}
	})
}
