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
	"hopnhat/keys/seal"
)

const target = "https://id.example/token"

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// proof makes a DPoP proof by hand.
func proof(t testing.TB, key *ecdsa.PrivateKey, nonce, jti string, at time.Time, url string) string {
	t.Helper()
	return proofOf(t, key, map[string]any{"jti": jti, "htm": "POST", "htu": url, "iat": at.Unix(), "nonce": nonce})
}

func proofOf(t testing.TB, key *ecdsa.PrivateKey, said map[string]any) string {
	t.Helper()
	point, err := key.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		t.Fatal(err)
	}
	head := fmt.Sprintf(`{"alg":"ES256","typ":"dpop+jwt","jwk":{"kty":"EC","crv":"P-256","x":%q,"y":%q}}`, b64(point[1:33]), b64(point[33:]))
	claims, err := json.Marshal(said)
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

// nodes is a key of nonces that all nodes have.
var nodes = seal.New(seal.Nonces, []byte("a key of the keyring"))

// taken checks and uses a proof as an endpoint does for an app.
func taken(p *clientauth.Proofs, app authz.ClientID, one string) (clientauth.Proof, error) {
	got, err := p.Check([]string{one}, "POST", target, "")
	if err != nil {
		return got, err
	}
	return got, p.Use(app, got)
}

// TestNoProofTwice: whatever the clock does, also backwards, no node accepts a proof
// a second time (RFC 9449 §11.1).
func TestNoProofTwice(outer *testing.T) {
	k := key(outer)
	rapid.Check(outer, func(t *rapid.T) {
		now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
		p := clientauth.NewProofs(nodes, func() time.Time { return now })
		var accepted []string
		for i := range rapid.IntRange(1, 12).Draw(t, "steps") {
			nonce := p.Nonce()
			now = now.Add(time.Duration(rapid.OneOf(rapid.IntRange(-9, 60), rapid.IntRange(-9, 9)).Draw(t, "seconds")) * time.Second)
			one := proof(outer, k, nonce, fmt.Sprint(i), now, target)
			if _, err := taken(p, "app", one); err == nil {
				accepted = append(accepted, one)
			}
			for _, old := range accepted {
				if _, err := taken(p, "app", old); err == nil {
					t.Fatal("a proof was accepted twice")
				}
			}
		}
	})
}

// TestNonce: a nonce is good in its step and the next, on every node that has the key
// (RFC 9449 §8).
func TestNonce(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	p, node, foreign := clientauth.NewProofs(nodes, clock), clientauth.NewProofs(nodes, clock), clientauth.NewProofs(
		seal.New(seal.Nonces, []byte("another key")), clock,
	)
	k := key(t)
	for _, row := range []struct {
		name  string
		nonce string
		after time.Duration
		code  authz.Code
		next  bool
	}{
		{"fresh", p.Nonce(), 0, "", false},
		{"of this step", p.Nonce(), 14 * time.Second, "", false},
		{"of the step before", p.Nonce(), 15 * time.Second, "", true},
		{"at the end of the step after its own", p.Nonce(), 29 * time.Second, "", true},
		{"too old", p.Nonce(), 30 * time.Second, authz.UseDPoPNonce, false},
		{"of another node", node.Nonce(), 0, "", false},
		{"of a node whose clock is ahead", node.Nonce(), -10 * time.Second, "", false},
		{"of the future", node.Nonce(), -11 * time.Second, authz.UseDPoPNonce, false},
		{"of another nation", foreign.Nonce(), 0, authz.UseDPoPNonce, false},
		{"written in another way", p.Nonce()[:31] + "_", 0, authz.UseDPoPNonce, false},
		{"none", "", 0, authz.UseDPoPNonce, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			start := now
			defer func() { now = start }()
			now = now.Add(row.after)
			got, err := p.Check([]string{proof(t, k, row.nonce, row.name, now, target)}, "POST", target, "")
			var refusal *authz.Error
			if row.code == "" && err != nil || row.code != "" && (!errors.As(err, &refusal) || refusal.Code != row.code) ||
				(got.NextNonce != "") != row.next {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

// TestProofOutlivesNoNonce: while any node takes a proof's nonce, the database
// remembers the proof.
func TestProofOutlivesNoNonce(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	p := clientauth.NewProofs(nodes, func() time.Time { return now })
	one := proof(t, key(t), p.Nonce(), "1", now, target)
	first, err := p.Check([]string{one}, "POST", target, "")
	if err != nil {
		t.Fatal(err)
	}
	behind := clientauth.NewProofs(nodes, func() time.Time { return first.Expires.Add(-10 * time.Second) })
	if _, err := behind.Check([]string{one}, "POST", target, ""); err == nil {
		t.Error("a node whose clock is 10 s behind takes the nonce of a proof that is forgotten")
	}
}

// TestClockOfTheApp: the nonce stands for the time (RFC 9449 §4.3 (11), §8).
func TestClockOfTheApp(t *testing.T) {
	p, k := clientauth.NewProofs(nodes, nil), key(t)
	for name, iat := range map[string]any{
		"right": time.Now().Unix(), "an hour behind": time.Now().Add(-time.Hour).Unix(), "a day ahead": time.Now().Add(24 * time.Hour).Unix(), "1970": 0, "in parts of a second": 1.5,
		"not there": nil, "no number": "now",
	} {
		said := map[string]any{"jti": name, "htm": "POST", "htu": target, "iat": iat, "nonce": p.Nonce()}
		if iat == nil {
			delete(said, "iat")
		}
		_, err := p.Check([]string{proofOf(t, k, said)}, "POST", target, "")
		if want := name != "not there" && name != "no number"; (err == nil) != want {
			t.Errorf("iat %s: %v", name, err)
		}
	}
}

// TestNoAppCrowdsOutOthers: an app that sends more proofs than there is room for is
// shut out itself; everybody else is served, and no proof is good twice.
func TestNoAppCrowdsOutOthers(t *testing.T) {
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	p := clientauth.NewProofs(nodes, func() time.Time { return now })
	p.Remember(50)
	k := key(t)
	send := func(app authz.ClientID, jti string) (string, error) {
		one := proof(t, k, p.Nonce(), string(app)+jti, now, target)
		_, err := taken(p, app, one)
		return one, err
	}
	var flood, good []string
	for i := range 60 {
		if one, err := send("flood", fmt.Sprint(i)); err == nil {
			flood = append(flood, one)
		}
		if i%3 == 0 {
			one, err := send(authz.ClientID(fmt.Sprint("app-", i%6)), fmt.Sprint(i))
			if err != nil {
				t.Errorf("another app was refused: %v", err)
			}
			good = append(good, one)
		}
	}
	if len(flood) == 0 || len(flood) >= 60 {
		t.Fatalf("%d of 60 of the flood were taken", len(flood))
	}
	for now = now.Add(time.Second); now.Second() != 40; now = now.Add(13 * time.Second) {
		for _, one := range flood {
			if _, err := taken(p, "flood", one); err == nil {
				t.Errorf("at %s: a proof of the flood was good twice", now.Format(time.TimeOnly))
			}
		}
		for i, one := range good {
			if _, err := taken(p, authz.ClientID(fmt.Sprint("app-", 3*i%6)), one); err == nil {
				t.Errorf("at %s: a proof was good twice", now.Format(time.TimeOnly))
			}
		}
	}
	now = now.Add(2 * time.Minute)
	if _, err := send("flood", "later"); err != nil {
		t.Errorf("two minutes later: %v", err)
	}
}

// TestTarget: htu compares after syntax- and scheme-based normalization (RFC 9449
// §4.3 (9)).
func TestTarget(t *testing.T) {
	p := clientauth.NewProofs(nodes, nil)
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
	p := clientauth.NewProofs(nodes, nil)
	f.Add(proof(f, key(f), p.Nonce(), "1", time.Now(), target))
	f.Fuzz(func(t *testing.T, text string) {
		if got, err := p.Check([]string{text}, "POST", target, ""); err == nil && len(got.JKT) != 43 {
			t.Fatalf("accepted without a thumbprint: %+v", got)
		}
	})
}
