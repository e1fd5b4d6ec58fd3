package clientauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth/signedset"
	"hopnhat/keys/jose"
)

// signedApp is a client of a federation whose keys are in a signed JWK Set.
type signedApp struct{ by *[]byte }

func (a signedApp) Client(context.Context, authz.ClientID) (*authz.Client, error) {
	return &authz.Client{
		ID: "app", Profile: authz.FAPI2, Keys: authz.Keys{JWKSURI: "https://app.example.vn/keys", JWKSSignedBy: *a.by},
	}, nil
}

// signedSet is the set of an app, signed by a federation key.
func (s signer) signedSet(t *testing.T, federation signer, end time.Time, issued ...time.Time) []byte {
	t.Helper()
	var set map[string]any
	if err := json.Unmarshal(s.set(t), &set); err != nil {
		t.Fatal(err)
	}
	set["iss"], set["sub"] = "app", "app"
	if !end.IsZero() {
		set["exp"] = end.Unix()
	}
	if len(issued) > 0 {
		set["iat"] = issued[0].Unix()
	}
	head, err1 := json.Marshal(map[string]string{"alg": "ES256", "kid": federation.kid, "typ": signedset.Type})
	payload, err2 := json.Marshal(set)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	return []byte(federation.sign(t, b64(head)+"."+b64(payload)))
}

// TestSignedKeys: the keys at a signed_jwks_uri are those that a federation key of the app signed,
// through the change of either (OpenID Federation 1.0 §5.2.1), by the cache of every jwks_uri.
func TestSignedKeys(t *testing.T) {
	one, two, federation, next := newSigner(t, "1"), newSigner(t, "2"), newSigner(t, "f1"), newSigner(t, "f2")
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	by := federation.set(t)
	s := &site{}
	d := NewDirectory(signedApp{&by}, 0, func() time.Time { return now })
	d.Fetcher = s
	verify := func(token string) error {
		d.Forget("app")
		c, err := d.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Verify(t.Context(), token, c, es256)
		return err
	}
	refused := func(name string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", name, err, want)
		}
	}
	s.put(one.set(t), nil)
	refused("a set that nobody signed", verify(one.token(t)), authz.ErrUnavailable)
	s.put(one.signedSet(t, next, time.Time{}), nil)
	refused("a set that another key signed", verify(one.token(t)), authz.ErrUnavailable)
	s.put(one.signedSet(t, federation, time.Time{}), nil)
	refused("a good set", verify(one.token(t)), nil)
	now = now.Add(looksInterval)
	s.put(two.signedSet(t, federation, time.Time{}), nil)
	refused("another key of the app", verify(two.token(t)), nil)
	refused("the one before", verify(one.token(t)), jose.ErrNoKey)
	by = next.set(t)
	refused("another federation key, and the set is signed by the one before", verify(two.token(t)), authz.ErrUnavailable)
	s.put(two.signedSet(t, next, now.Add(10*time.Minute)), nil)
	refused("another federation key", verify(two.token(t)), nil)
	now = now.Add(9 * time.Minute)
	s.put(nil, errors.New("no answer"))
	refused("its server does not answer", verify(two.token(t)), nil)
	settled(d)
	now = now.Add(time.Minute)
	refused("its server does not answer, and the set has ended", verify(two.token(t)), authz.ErrUnavailable)
}

// newest remembers how new the sets of apps are, for all nodes.
type newest map[authz.ClientID]time.Time

func (n newest) RaiseSignedSet(_ context.Context, id authz.ClientID, issued time.Time) (bool, error) {
	later := !issued.Before(n[id])
	if later {
		n[id] = issued
	}
	return later, nil
}

// TestOlderSignedSet: a signed JWK Set that is older than one that was taken is not taken again, so
// that a key which the app took out does not come back: at this node, after a start, at another,
// and after a change of federation keys (OpenID Federation 1.0 §5.2.1).
func TestOlderSignedSet(t *testing.T) {
	stolen, current, federation := newSigner(t, "1"), newSigner(t, "2"), newSigner(t, "f1")
	now := time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC)
	older, by := stolen.signedSet(t, federation, time.Time{}, now.Add(-time.Hour)), federation.set(t)
	shared := newest{}
	open := func(s *site) *Directory {
		d := NewDirectory(signedApp{&by}, 0, func() time.Time { return now })
		d.Fetcher, d.Sets = s, shared
		return d
	}
	verify := func(d *Directory, token string) error {
		d.Forget("app")
		c, err := d.Client(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Verify(t.Context(), token, c, es256)
		return err
	}
	s := &site{}
	d := open(s)
	s.put(older, nil)
	if err := verify(d, stolen.token(t)); err != nil {
		t.Fatalf("the first set: %v", err)
	}
	now = now.Add(looksInterval)
	s.put(current.signedSet(t, federation, time.Time{}, now), nil)
	if err := verify(d, current.token(t)); err != nil {
		t.Fatalf("the newer set: %v", err)
	}
	for name, replayed := range map[string][]byte{"an older set": older, "a set without iat": stolen.signedSet(t, federation, time.Time{})} {
		for where, d := range map[string]*Directory{"here": d, "after a start, or at another node": open(s)} {
			now = now.Add(looksInterval)
			s.put(replayed, nil)
			if err := verify(d, stolen.token(t)); err == nil {
				t.Errorf("%s, %s: the key that was taken out counts", name, where)
			}
			if err := verify(d, current.token(t)); where == "here" && err != nil {
				t.Errorf("%s: the newer set is used no more: %v", name, err)
			}
		}
	}
	now = now.Add(looksInterval)
	again := federation.set(t)
	by = append(again, ' ')
	s.put(older, nil)
	if err := verify(d, stolen.token(t)); err == nil {
		t.Error("after its superior stated its federation keys anew, the key that was taken out counts")
	}
}
