package clientauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

const target = "https://id.example/token"

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// proof makes a DPoP proof by hand.
func proof(t testing.TB, key *ecdsa.PrivateKey, nonce, jti string, at time.Time, url string) string {
	t.Helper()
	point, err := key.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf(`{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, b64(point[1:33]), b64(point[33:]))
	claims, err := json.Marshal(map[string]any{"jti": jti, "htm": "POST", "htu": url, "iat": at.Unix(), "nonce": nonce})
	if err != nil {
		t.Fatal(err)
	}
	input := b64([]byte(head)) + "." + b64(claims)
	digest := sha256.Sum256([]byte(input))
	var r, s *big.Int
	if r, s, err = ecdsa.Sign(rand.Reader, key, digest[:]); err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

func key(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestNoProofTwice: whatever the clock does, also backwards, no proof is accepted
// a second time (RFC 9449 §11.1).
func TestNoProofTwice(outer *testing.T) {
	k := key(outer)
	rapid.Check(outer, func(t *rapid.T) {
		now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		p := clientauth.NewProofs(func() time.Time { return now })
		var accepted []string
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			nonce := p.Nonce()
			now = now.Add(time.Duration(rapid.IntRange(-5, 150).Draw(t, "seconds")) * time.Second)
			one := proof(outer, k, nonce, fmt.Sprint(i), now, target)
			if _, err := p.Check([]string{one}, "POST", target, ""); err == nil {
				accepted = append(accepted, one)
			}
			for _, old := range accepted {
				if _, err := p.Check([]string{old}, "POST", target, ""); err == nil {
					t.Fatal("a proof was accepted twice")
				}
			}
		}
	})
}

// TestNonce: a nonce is good for its life, on the node that gave it (RFC 9449 §8).
func TestNonce(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	p, other := clientauth.NewProofs(clock), clientauth.NewProofs(clock)
	k := key(t)
	for _, row := range []struct {
		name  string
		nonce string
		after time.Duration
		code  authz.Code
		next  bool
	}{
		{"fresh", p.Nonce(), 0, "", false},
		{"old enough to hand out the next", p.Nonce(), 90 * time.Second, "", true},
		{"too old", p.Nonce(), 3 * time.Minute, authz.UseDPoPNonce, false},
		{"of another node", other.Nonce(), 0, authz.UseDPoPNonce, false},
		{"none", "", 0, authz.UseDPoPNonce, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := now
			defer func() { now = start }()
			now = now.Add(row.after)
			got, err := p.Check([]string{proof(t, k, row.nonce, row.name, now, target)}, "POST", target, "")
			var refusal *authz.Error
			if row.code == "" && err != nil || row.code != "" && (!errors.As(err, &refusal) || refusal.Code != row.code) || (got.NextNonce != "") != row.next {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

// TestTarget: htu compares after syntax- and scheme-based normalization (RFC 9449
// §4.3 (9)).
func TestTarget(t *testing.T) {
	p := clientauth.NewProofs(nil)
	k := key(t)
	for url, good := range map[string]bool{
		"https://id.example/token": true, "https://id.example:443/token": true, "HTTPS://ID.example/token": true, "https://id.example/token?x=1": true,
		"https://id.example/token/": false, "http://id.example/token": false, "https://id.example:8443/token": false, "https://evil@id.example/token": false, "": false,
	} {
		_, err := p.Check([]string{proof(t, k, p.Nonce(), "j"+url, time.Now(), url)}, "POST", target, "")
		if (err == nil) != good {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func FuzzProof(f *testing.F) {
	p := clientauth.NewProofs(nil)
	f.Add(proof(f, key(f), p.Nonce(), "1", time.Now(), target))
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := p.Check([]string{text}, "POST", target, ""); err == nil && len(got.JKT) != 43 {
			t.Fatalf("accepted without a thumbprint: %+v", got)
		}
	})
}
