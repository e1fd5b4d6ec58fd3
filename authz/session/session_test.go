package session

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/keys/seal"
)

// kept keeps sessions in memory, and counts how often one was noted as seen.
type kept struct {
	Store
	mu      sync.Mutex
	rows    map[string]*Session
	touched int
	acts    []audit.Act
}

func (k *kept) InsertSession(_ context.Context, s Session, hash []byte, _ *authn.Acceptance) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rows[string(hash)] = &s
	return nil
}

func (k *kept) SessionBySecret(_ context.Context, hash []byte) (Session, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s, ok := k.rows[string(hash)]; ok {
		return *s, nil
	}
	return Session{}, authz.ErrNotFound
}

func (k *kept) TouchSession(_ context.Context, id authz.SessionID, at time.Time) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.rows {
		if s.ID == id {
			s.Seen = at
			k.touched++
		}
	}
	return nil
}

func (k *kept) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	k.acts = append(k.acts, acts...)
	return nil, nil
}

var morning = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// begun is a session of which some time has passed.
func begun(t *testing.T, change func(*Session)) (find func(after time.Duration) error, s *Sessions, k *kept, secret string) {
	t.Helper()
	now := morning
	k = &kept{rows: map[string]*Session{}}
	s = New(k, k, Limits{Idle: 30 * time.Minute, Absolute: 2 * time.Hour}, true, func() time.Time { return now })
	secret = authz.NewSecret()
	if _, err := s.Begin(t.Context(), nil, SignIn{Subject: "subject", Methods: []string{"pwd", "otp"}, At: morning, Secret: secret}, nil); err != nil {
		t.Fatal(err)
	}
	for _, row := range k.rows {
		change(row)
	}
	return func(after time.Duration) error {
		now = morning.Add(after)
		_, err := s.Find(t.Context(), secret)
		return err
	}, s, k, secret
}

func TestLimits(t *testing.T) {
	same := func(*Session) {}
	for _, row := range []struct {
		name   string
		change func(*Session)
		looks  []time.Duration // all but the last must find it
		want   error
	}{
		{"at once", same, []time.Duration{0}, nil},
		{"used within the idle limit, again and again", same, []time.Duration{20 * time.Minute, 45 * time.Minute, 70 * time.Minute, 95 * time.Minute}, nil},
		{"not used for the idle limit", same, []time.Duration{10 * time.Minute, 40 * time.Minute}, ErrNone},
		{"used all the time, until the absolute limit", same, []time.Duration{25 * time.Minute, 50 * time.Minute, 75 * time.Minute, 100 * time.Minute, 119 * time.Minute, 2 * time.Hour}, ErrNone},
		{"ended", func(s *Session) { s.Ended = morning }, []time.Duration{0}, ErrNone},
		{"the account is locked", func(s *Session) { s.Locked = true }, []time.Duration{0}, ErrNone},
	} {
		t.Run(row.name, func(t *testing.T) {
			find, _, _, _ := begun(t, row.change)
			for i, after := range row.looks {
				want := error(nil)
				if i == len(row.looks)-1 {
					want = row.want
				}
				if err := find(after); !errors.Is(err, want) {
					t.Fatalf("after %s: got %v, want %v", after, err, want)
				}
			}
		})
	}
}

// TestSecretIsNotKept: what stands in the database opens no session.
func TestSecretIsNotKept(t *testing.T) {
	_, s, k, secret := begun(t, func(*Session) {})
	for hash, row := range k.rows {
		if strings.Contains(hash, secret) || string(row.ID) == secret {
			t.Fatal("the secret itself is kept")
		}
		for _, stolen := range []string{hash, string(row.ID), "", secret + "A", secret[:42]} {
			if _, err := s.Find(t.Context(), stolen); !errors.Is(err, ErrNone) {
				t.Errorf("%q opened a session: %v", stolen, err)
			}
		}
	}
}

// TestBeingSeenIsNotedOnce: reading pages costs a commit a minute, however many
// requests come at once.
func TestBeingSeenIsNotedOnce(t *testing.T) {
	find, s, k, secret := begun(t, func(*Session) {})
	if err := find(59 * time.Second); err != nil || k.touched != 0 {
		t.Fatalf("noted %d times within a minute, %v", k.touched, err)
	}
	if err := find(2 * time.Minute); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() { _, _ = s.Find(t.Context(), secret) })
	}
	group.Wait()
	if k.touched != 1 {
		t.Fatalf("noted %d times, want once", k.touched)
	}
}

// TestCookieNames: with https the names pin both cookies to this host (RFC
// 6265bis §4.1.3.2), and a cookie without the prefix is not looked at.
func TestCookieNames(t *testing.T) {
	_, s, _, secret := begun(t, func(*Session) {})
	for name, want := range map[string]error{s.CookieName(): nil, strings.TrimPrefix(s.CookieName(), "__Host-"): ErrNone} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: name, Value: secret})
		if _, err := s.Of(r); !errors.Is(err, want) {
			t.Errorf("cookie %s: got %v, want %v", name, err, want)
		}
	}
	if !strings.HasPrefix(s.CookieName(), "__Host-") || !strings.HasPrefix(s.BindingName(), "__Host-") || !s.Secure() {
		t.Errorf("%s, %s, secure %v", s.CookieName(), s.BindingName(), s.Secure())
	}
}

// TestFormTokens: a token fits one browser, one purpose and one key.
func TestFormTokens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(1, 50, 200)
		key, binding, purpose := text.Draw(t, "key"), text.Draw(t, "binding"), rapid.StringMatching(`[a-z]+`).Draw(t, "purpose")
		f := NewForms(seal.New(seal.Forms, []byte(key)))
		token := f.Token(binding, purpose)
		if !f.Genuine(binding, purpose, token) {
			t.Fatal("a token of ours was refused")
		}
		other := text.Draw(t, "other")
		if other != binding && f.Genuine(other, purpose, token) || f.Genuine(binding, purpose+"x", token) ||
			f.Genuine("", purpose, f.Token("", purpose)) {
			t.Fatal("a token fits where it should not")
		}
		if other != key && len(key) < 64 && strings.Trim(other, "\x00") != strings.Trim(key, "\x00") && len(other) < 64 &&
			NewForms(seal.New(seal.Forms, []byte(other))).Genuine(binding, purpose, token) {
			t.Fatal("a token fits under another key")
		}
	})
}

// TestSeals: what was sealed opens for the same browser and purpose, whole, and for
// nobody else.
func TestSeals(t *testing.T) {
	forms := NewForms(seal.New(seal.Forms, []byte("key")))
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching("[a-z]{1,8}")
		binding, purpose, plain := text.Draw(t, "binding"), text.Draw(t, "purpose"), rapid.SliceOf(rapid.Byte()).Draw(t, "plain")
		sealed := forms.Seal(binding, purpose, plain)
		if got, ok := forms.Open(binding, purpose, sealed); !ok || string(got) != string(plain) {
			t.Fatalf("got %q, %v, want %q", got, ok, plain)
		}
		if strings.Contains(sealed, string(plain)) && len(plain) > 3 || sealed == forms.Seal(binding, purpose, plain) {
			t.Fatalf("%q is not sealed", sealed)
		}
		at := rapid.IntRange(0, len(sealed)-2).Draw(t, "at") // the last letter has bits to spare
		other := rapid.SampledFrom([]byte("ABab01-_")).Filter(func(b byte) bool { return b != sealed[at] }).Draw(t, "letter")
		for name, open := range map[string]func() ([]byte, bool){
			"another browser": func() ([]byte, bool) { return forms.Open(binding+"x", purpose, sealed) },
			"another purpose": func() ([]byte, bool) { return forms.Open(binding, purpose+"x", sealed) },
			"moved letters":   func() ([]byte, bool) { return forms.Open(purpose+binding, "", sealed) },
			"no browser":      func() ([]byte, bool) { return forms.Open("", purpose, forms.Seal("", purpose, plain)) },
			"another key": func() ([]byte, bool) {
				return NewForms(seal.New(seal.Forms, []byte("other"))).Open(binding, purpose, sealed)
			},
			"altered": func() ([]byte, bool) { return forms.Open(binding, purpose, sealed[:at]+string(other)+sealed[at+1:]) },
		} {
			if got, ok := open(); ok {
				t.Fatalf("%s opens %q", name, got)
			}
		}
	})
}

// FuzzCookie: whatever a browser says, it finds no session but by the secret that
// was given out, and no form is genuine without its token.
func FuzzCookie(f *testing.F) {
	k := &kept{rows: map[string]*Session{}}
	s := New(k, k, Limits{}, true, func() time.Time { return morning })
	secret := authz.NewSecret()
	if _, err := s.Begin(f.Context(), nil, SignIn{Subject: "subject", Methods: []string{"pwd", "otp"}, At: morning, UserAgent: "Firefox/1", Secret: secret}, nil); err != nil {
		f.Fatal(err)
	}
	forms := NewForms(seal.New(seal.Forms, []byte("key")))
	f.Add("__Host-hn_session="+secret, "binding", forms.Token("binding", "form"))
	f.Add("__Host-hn_session="+secret+"x; a=\"b", "", "")
	f.Add(strings.Repeat("__Host-hn_session=a;", 50), "a\x00", "AA==")
	f.Fuzz(func(t *testing.T, cookies, binding, token string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{cookies}
		found, err := s.Of(r)
		if err != nil && !errors.Is(err, ErrNone) {
			t.Fatalf("an outage out of a cookie: %v", err)
		}
		if err == nil && (!strings.Contains(cookies, secret) || found.Actor != "subject") {
			t.Fatalf("a session without its secret: %q", cookies)
		}
		if forms.Genuine(binding, "form", token) && token != forms.Token(binding, "form") {
			t.Fatalf("genuine: %q for %q", token, binding)
		}
	})
}
