package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// signer is an app with a key of its own.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t *testing.T, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

func (s signer) set(t *testing.T) []byte {
	t.Helper()
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return fmt.Appendf(nil, `{"keys":[{"kty":"EC","crv":"P-256","kid":%q,"x":%q,"y":%q}]}`, s.kid, b64(point[1:33]), b64(point[33:]))
}

// token is what the app signs.
func (s signer) token(t *testing.T) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	head, err := json.Marshal(map[string]string{"alg": "ES256", "kid": s.kid})
	if err != nil {
		t.Fatal(err)
	}
	return s.sign(t, b64(head)+"."+b64([]byte(`{"iss":"app"}`)))
}

// sign makes a JWS of a header and a payload.
func (s signer) sign(t *testing.T, input string) string {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(append(r.FillBytes(make([]byte, 32)), v.FillBytes(make([]byte, 32))...))
}

// site serves key sets; a gate holds answers back.
type site struct {
	mu    sync.Mutex
	body  []byte
	err   error
	gate  chan struct{}
	asked int
	begun chan struct{}
}

func (s *site) Fetch(_ context.Context, _ string, _ int64) ([]byte, error) {
	s.mu.Lock()
	s.asked++
	gate, begun := s.gate, s.begun
	s.mu.Unlock()
	if begun != nil {
		begun <- struct{}{}
	}
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.body, s.err
}

func (s *site) put(body []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.err = body, err
}

func (s *site) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// app is a client whose keys are at a jwks_uri.
type app struct{}

func (app) Client(context.Context, authz.ClientID) (*authz.Client, error) {
	return &authz.Client{ID: "app", Profile: authz.FAPI2, Keys: authz.Keys{JWKSURI: "https://app.example.vn/keys"}}, nil
}

var es256 = jose.Rule{Algorithms: []keys.Algorithm{keys.ES256}}

func newKeyed(t *testing.T) (d *Directory, s *site, c *Registered, now *time.Time) {
	t.Helper()
	at := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	now = &at
	d = NewDirectory(app{}, 0, func() time.Time { return *now })
	s = &site{}
	d.Fetcher = s
	c, err := d.Client(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	return d, s, c, now
}

// settled waits until no fetch is under way.
func settled(d *Directory) {
	for {
		d.keys.mu.Lock()
		k, _, _ := d.keys.sets.Get("app")
		f := k.fetch
		d.keys.mu.Unlock()
		if f == nil {
			return
		}
		<-f.done
	}
}

// TestKeysAtAURI: OpenID Connect Core §10.1.1, and what a stranger can make of it.
func TestKeysAtAURI(t *testing.T) {
	one, two := newSigner(t, "1"), newSigner(t, "2")
	t.Run("one fetch serves all requests, however they overlap", func(t *testing.T) {
		d, s, c, _ := newKeyed(t)
		s.gate, s.body = make(chan struct{}), one.set(t)
		s.begun = make(chan struct{}, 50)
		var group sync.WaitGroup
		failed := make(chan error, 50)
		for range 50 {
			group.Go(func() {
				_, err := d.Verify(t.Context(), one.token(t), c, es256)
				failed <- err
			})
		}
		<-s.begun
		close(s.gate)
		group.Wait()
		for range 50 {
			if err := <-failed; err != nil {
				t.Fatal(err)
			}
		}
		if s.count() != 1 {
			t.Errorf("%d fetches", s.count())
		}
	})
	t.Run("a key that the app put there since is found by its kid, and the one it took away is not", func(t *testing.T) {
		d, s, c, _ := newKeyed(t)
		s.put(one.set(t), nil)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		s.put(two.set(t), nil)
		if _, err := d.Verify(t.Context(), two.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); !errors.Is(err, jose.ErrNoKey) {
			t.Fatalf("the old key: %v", err)
		}
	})
	t.Run("strangers with unknown kids make few fetches", func(t *testing.T) {
		d, s, c, now := newKeyed(t)
		s.put(one.set(t), nil)
		forged := newSigner(t, "x").token(t)
		for range 100 {
			if _, err := d.Verify(t.Context(), forged, c, es256); !errors.Is(err, jose.ErrInvalid) {
				t.Fatal(err)
			}
		}
		if s.count() != looks {
			t.Errorf("%d fetches, want %d", s.count(), looks)
		}
		*now = now.Add(looksInterval)
		_, _ = d.Verify(t.Context(), forged, c, es256)
		if s.count() != looks+1 {
			t.Errorf("%d fetches after an interval", s.count())
		}
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Errorf("the app itself: %v", err)
		}
	})
	t.Run("old keys are fetched anew beside the request, which does not wait", func(t *testing.T) {
		d, s, c, now := newKeyed(t)
		s.put(one.set(t), nil)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		s.gate = make(chan struct{}) // never answers in time
		s.mu.Unlock()
		*now = now.Add(fresh)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		close(s.gate)
		settled(d)
		if s.count() != 2 {
			t.Errorf("%d fetches", s.count())
		}
	})
	t.Run("keys are used while the app's server is down, for a day", func(t *testing.T) {
		d, s, c, now := newKeyed(t)
		s.put(one.set(t), nil)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		s.put(nil, errors.New("down"))
		*now = now.Add(stale - time.Second)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil {
			t.Fatal(err)
		}
		settled(d)
		if n, _, failed := d.KeyState("app"); n != 1 || !failed {
			t.Errorf("state: %d keys, failed %v", n, failed)
		}
		*now = now.Add(time.Second)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); !errors.Is(err, authz.ErrUnavailable) {
			t.Fatalf("after a day: %v", err)
		}
	})
	for name, body := range map[string]string{
		"not JSON": "<html>", "a private key": `{"keys":[{"kty":"oct","k":"AA"}]}`, "a set with twins": `{"keys":[],"keys":[]}`,
	} {
		t.Run("what is no key set is an outage of the app: "+name, func(t *testing.T) {
			d, s, c, _ := newKeyed(t)
			s.put([]byte(body), nil)
			if _, err := d.Verify(t.Context(), one.token(t), c, es256); !errors.Is(err, authz.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
		})
	}
	t.Run("a caller who leaves does not end the fetch for the others", func(t *testing.T) {
		d, s, c, _ := newKeyed(t)
		s.gate, s.begun = make(chan struct{}), make(chan struct{}, 1)
		s.body = one.set(t)
		gone, leave := context.WithCancel(t.Context())
		left := make(chan error)
		go func() {
			_, err := d.Verify(gone, one.token(t), c, es256)
			left <- err
		}()
		<-s.begun
		leave()
		if err := <-left; !errors.Is(err, authz.ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		close(s.gate)
		if _, err := d.Verify(t.Context(), one.token(t), c, es256); err != nil || s.count() != 1 {
			t.Fatalf("%v, %d fetches", err, s.count())
		}
	})
}
