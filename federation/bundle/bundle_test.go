package bundle_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"hopnhat/federation/bundle"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

// TestSign: what was signed is read again with the key that signed it.
func TestSign(t *testing.T) {
	ring, set := federationtest.Ring(t)
	now, content := federationtest.Now, []byte("{\"statements\":[]}\n")
	signed, err := bundle.Sign(t.Context(), ring, "https://neo.example.vn", content, 7, now)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Read(signed, []trust.Anchor{{ID: "https://neo.example.vn", Keys: set}}, now.Add(bundle.Life-time.Second))
	if err != nil || b.Issuer != "https://neo.example.vn" || !b.IssuedAt.Equal(now) || b.Serial != 7 || !bytes.Equal(b.Content, content) {
		t.Errorf("got %+v, %v", b, err)
	}
}

// made is a bundle of an anchor, with changes of header and claims.
func made(t testing.TB, e *federationtest.Entity, content string, header, changes claims) []byte {
	digest, now := sha256.Sum256([]byte(content)), federationtest.Now
	all := claims{"iss": e.ID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "sha256": hex.EncodeToString(digest[:]), "serial": 1}
	for name, v := range changes {
		all[name] = v
	}
	head := claims{"typ": bundle.Type}
	for name, v := range header {
		head[name] = v
	}
	return []byte(e.Sign(t, head, all) + "\n" + content)
}

// TestRefused: nothing is taken in that an anchor with the keys given did not sign as it is.
func TestRefused(t *testing.T) {
	anchor, other := federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://neo.example.vn")
	stranger := federationtest.New(t, "https://la.example.vn")
	anchors, now := []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(t)}}, federationtest.Now
	good := made(t, anchor, "{}", nil, nil)
	if _, err := bundle.Read(good, anchors, now); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, want string
		raw        []byte
	}{
		{"nothing", "first line", nil},
		{"no line", "first line", []byte("{}")},
		{"a first line that is very long", "first line", []byte(strings.Repeat("x", 5000) + "\n{}")},
		{"no signature", "not a signature", []byte("{}\n{}")},
		{"a statement as the signature", "not a signature", made(t, anchor, "{}", claims{"typ": "entity-statement+jwt"}, nil)},
		{"no typ", "not a signature", made(t, anchor, "{}", claims{"typ": nil}, nil)},
		{"a stranger's", "no trust anchor", made(t, stranger, "{}", nil, nil)},
		{"another key of the name", "no key of", made(t, other, "{}", nil, nil)},
		{"other content", "not what was signed", append(bytes.Clone(good), ' ')},
		{"a digest of nothing", "not what was signed", made(t, anchor, "{}", nil, claims{"sha256": nil})},
		{"from the future", "it was made at", made(t, anchor, "{}", nil, claims{"iat": now.Unix() + 3600, "exp": now.Unix() + 7200})},
		{"too old", "it was made at", made(t, anchor, "{}", nil, claims{"iat": now.Unix() - 9, "exp": now.Unix()})},
		{"without an end", "it was made at", made(t, anchor, "{}", nil, claims{"exp": now.AddDate(1, 0, 0).Unix()})},
		{"no serial", "no serial", made(t, anchor, "{}", nil, claims{"serial": nil})},
		{"a serial of the future, after which none would come", "has not come", made(t, anchor, "{}", nil, claims{"serial": 1<<63 - 1})},
		{"a serial below one", "no serial", made(t, anchor, "{}", nil, claims{"serial": -1})},
		{"a time that is a text", "wrong type", made(t, anchor, "{}", nil, claims{"iat": "x"})},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := bundle.Read(row.raw, anchors, now)
			if !errors.Is(err, bundle.ErrInvalid) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

// FuzzRead: nothing but what the anchor signed is taken in.
func FuzzRead(f *testing.F) {
	anchor := federationtest.New(f, "https://neo.example.vn")
	anchors := []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(f)}}
	good := made(f, anchor, "{}", nil, nil)
	f.Add(good)
	f.Add([]byte("{}\n{}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := bundle.Read(raw, anchors, federationtest.Now); err == nil && !bytes.Equal(raw, good) {
			t.Errorf("taken in: %q", raw)
		}
	})
}
