package vault_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/keys/vault"
)

func options(s *vaulttest.Server) vault.Options {
	return vault.Options{Address: s.Address, Token: s.Root, Algorithms: keytest.Algorithms}
}

func open(t *testing.T, o vault.Options) *vault.Ring {
	t.Helper()
	ring, err := vault.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	return ring
}

func TestPromises(t *testing.T) {
	s := vaulttest.Start(t)
	if err := vault.Ensure(t.Context(), options(s)); err != nil {
		t.Fatal(err)
	}
	keytest.Run(t, func(t *testing.T) (keys.Ring, func() keys.Ring) {
		return open(t, options(s)), func() keys.Ring { return open(t, options(s)) }
	})
	audit, err := os.ReadFile(s.Audit)
	if err != nil || !bytes.Contains(audit, []byte("transit/sign/hopnhat-token-es256")) {
		t.Fatalf("the audit device did not see the signatures: %v", err)
	}
}

// TestServingRole: the policy is applied exactly as printed; its token signs and
// can do nothing else.
func TestServingRole(t *testing.T) {
	s := vaulttest.Start(t)
	if err := vault.Ensure(t.Context(), options(s)); err != nil {
		t.Fatal(err)
	}
	serving, rotation := vault.Policies(options(s))
	s.Policy("hopnhat-serving", serving)
	s.Policy("hopnhat-rotation", rotation)
	o := options(s)
	o.Token = ""
	o.RoleID, o.SecretID = s.AppRole("serving", "hopnhat-serving")
	ring := open(t, o)
	sign := func() error {
		_, err := jose.Sign(t.Context(), ring, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: map[string]int{}})
		return err
	}
	if err := sign(); err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Derive(t.Context(), keys.PairwiseSubject, "x"); err != nil {
		t.Fatal(err)
	}
	if err := ring.Rotate(t.Context(), keys.TokenSigning, keys.ES256); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "permission denied") {
		t.Fatalf("the serving role rotated a key: %v", err)
	}
	o.RoleID, o.SecretID = s.AppRole("rotation", "hopnhat-rotation")
	rotating := open(t, o)
	if err := rotating.Rotate(t.Context(), keys.TokenSigning, keys.ES256); err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Sign(t.Context(), rotating, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: map[string]int{}}); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("the rotation role signed: %v", err)
	}
	if err := sign(); err != nil {
		t.Fatalf("the version pinned before the rotation: %v", err)
	}
}

// TestSealed: sealed Vault signs nothing and says so; unsealed, it goes on
// without a restart of ours.
func TestSealed(t *testing.T) {
	s := vaulttest.Start(t)
	o := options(s)
	o.Algorithms = []keys.Algorithm{keys.ES256}
	if err := vault.Ensure(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	ring := open(t, o)
	one := jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: map[string]int{}}
	published := ring.Published(keys.TokenSigning)
	s.Seal()
	if _, err := jose.Sign(t.Context(), ring, one); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("sealed: %v", err)
	}
	if err := ring.Health(context.Background()); err == nil || !strings.Contains(err.Error(), "sealed") {
		t.Fatalf("health does not name the cause: %v", err)
	}
	if got := ring.Published(keys.TokenSigning); len(got) != len(published) {
		t.Fatal("the published keys went away with Vault")
	}
	s.Unseal()
	if _, err := jose.Sign(t.Context(), ring, one); err != nil {
		t.Fatalf("unsealed: %v", err)
	}
	if err := ring.Health(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// TestEmptyAnswers: what says nothing is an outage, and ends nothing of ours.
func TestEmptyAnswers(t *testing.T) {
	s := vaulttest.Start(t)
	o := options(s)
	o.Algorithms = []keys.Algorithm{keys.ES256}
	if err := vault.Ensure(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	real, err := url.Parse(s.Address)
	if err != nil {
		t.Fatal(err)
	}
	pass := httputil.NewSingleHostReverseProxy(real)
	var mute atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !mute.Load() {
			pass.ServeHTTP(w, r)
		}
	}))
	defer proxy.Close()
	o.Address = proxy.URL
	ring := open(t, o)
	mute.Store(true)
	ctx := t.Context()
	_, signed := jose.Sign(ctx, ring, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: map[string]int{}})
	_, derived := ring.Derive(ctx, keys.Secrets, "x")
	_, sealed := ring.Seal(ctx, []byte("x"), nil)
	_, opened := ring.Open(ctx, []byte("x"), nil)
	o.Token, o.RoleID, o.SecretID = "", "role", "secret"
	_, login := vault.Open(ctx, o)
	for name, err := range map[string]error{"sign": signed, "derive": derived, "seal": sealed, "open": opened, "login": login} {
		if !errors.Is(err, keys.ErrUnavailable) {
			t.Errorf("%s: got %v, want ErrUnavailable", name, err)
		}
	}
}
