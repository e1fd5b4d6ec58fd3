package vault_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/bench/vaultserver"
	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/keys"
	"hopnhat/keys/keytest"
	"hopnhat/keys/vault"
)

// options let a store in as root.
func options(s *vaulttest.Server) vault.Options {
	return vault.Options{Addresses: []string{s.Address}, TokenFile: s.Token(s.Root), Algorithms: keytest.Algorithms}
}

func open(t *testing.T, o vault.Options) *vault.Store {
	t.Helper()
	store, err := vault.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// ready is a server with all keys.
func ready(t *testing.T, s *vaulttest.Server) *vaulttest.Server {
	t.Helper()
	s.Must(open(t, options(s)).Ensure(t.Context(), 0))
	return s
}

var one = [][]byte{[]byte("header.claims")}

// handle names the newest version of a key.
func handle(t *testing.T, store *vault.Store, use keys.Use, alg keys.Algorithm) keys.Handle {
	t.Helper()
	versions, err := store.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range versions {
		if v.Use == use && v.Algorithm == alg {
			return v.Handle
		}
	}
	t.Fatalf("no %s %s", use, alg)
	return keys.Handle{}
}

func TestPromises(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	keytest.Run(t, func(t *testing.T) (keys.Store, func() keys.Store) {
		return open(t, options(s)), func() keys.Store { return open(t, options(s)) }
	})
}

// TestEverySignatureIsAttributable: Vault's own audit log names the requests that
// a call to sign was for.
func TestEverySignatureIsAttributable(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	store := open(t, options(s))
	key := handle(t, store, keys.TokenSigning, keys.ES256)
	if _, err := store.SignBatch(keys.WithRequest(t.Context(), "request-one,request-two"), key, [][]byte{one[0], one[0]}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(s.Audit)
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for line := range bytes.Lines(raw) {
		var entry struct {
			Request struct {
				Path    string              `json:"path"`
				Headers map[string][]string `json:"headers"`
			} `json:"request"`
		}
		if err := json.Unmarshal(line, &entry); err != nil {
			t.Fatal(err)
		}
		if entry.Request.Path == "transit/sign/hopnhat-token-es256/sha2-256" && strings.Contains(string(line), "request-one,request-two") {
			found = true
		}
	}
	if !found {
		t.Fatal("the audit log does not name the requests")
	}
}

// TestRolesCanDoNothingElse: the policies are applied exactly as they are
// printed. Each role does what it is for and is refused everything else.
func TestRolesCanDoNothingElse(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	policies := options(s).Policies()
	enter := func(name, policy string) *vault.Store {
		o := options(s)
		o.TokenFile = ""
		o.RoleID, o.SecretIDFile = s.Role(name, policy)
		return open(t, o)
	}
	serving, rotation := enter("serving", policies.Serving), enter("rotation", policies.Rotation)
	ctx := t.Context()
	key, old := handle(t, serving, keys.TokenSigning, keys.ES256), handle(t, serving, keys.TokenSigning, keys.PS256)
	s.Must(rotation.Create(ctx, keys.TokenSigning, keys.PS256))
	may := map[string]func(s *vault.Store) error{
		"sign":   func(s *vault.Store) error { _, err := s.SignBatch(ctx, key, one); return err },
		"derive": func(s *vault.Store) error { _, err := s.Derive(ctx, keys.PairwiseSubject, "x"); return err },
		"seal evidence": func(s *vault.Store) error {
			for _, label := range []string{"event rows 2026", "event rows 2999", "evidence tables places", "evidence tables sealed since"} {
				if _, err := s.Derive(ctx, keys.Secrets, label); err != nil {
					return err
				}
			}
			return nil
		},
		"make another secret": func(s *vault.Store) error { _, err := s.Derive(ctx, keys.Secrets, "refresh-token"); return err },
		"make a data key":     func(s *vault.Store) error { _, err := s.Seal(ctx, []byte("x"), nil); return err },
		"rotate":              func(s *vault.Store) error { return s.Create(ctx, keys.TokenSigning, keys.RS256) },
		"take out of use":     func(s *vault.Store) error { return s.Destroy(ctx, old) },
	}
	for role, row := range map[string]struct {
		store *vault.Store
		mayDo []string
	}{
		"serving":  {serving, []string{"sign", "derive", "make a data key", "seal evidence", "make another secret"}},
		"rotation": {rotation, []string{"rotate", "take out of use", "seal evidence"}},
	} {
		for what, do := range may {
			err := do(row.store)
			allowed := strings.Contains(strings.Join(row.mayDo, ","), what)
			if cause, _ := keys.CauseOf(err); allowed && err != nil || !allowed && cause != keys.PermissionDenied {
				t.Errorf("%s to %s: got %v", role, what, err)
			}
		}
	}
	// What no method of ours does, straight at the API with each role's token.
	forbidden := []struct {
		name, method, path string
		body               map[string]any
	}{
		{"export", "GET", "transit/export/signing-key/hopnhat-token-es256", nil},
		{"back up", "GET", "transit/backup/hopnhat-token-es256", nil},
		{"delete", "DELETE", "transit/keys/hopnhat-token-es256", nil},
		{"allow deletion", "POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"deletion_allowed": true}},
		{"make exportable", "POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"exportable": true}},
		{"raise the lowest version", "POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"min_decryption_version": 9}},
		{"import", "POST", "transit/keys/hopnhat-token-es256/import_version", map[string]any{"ciphertext": "x"}},
		{"trim", "POST", "transit/keys/hopnhat-token-es256/trim", map[string]any{"min_available_version": 1}},
		{"sign with another key", "POST", "transit/sign/another", map[string]any{"input": ""}},
		{"write a policy", "PUT", "sys/policies/acl/hopnhat-serving", map[string]any{"policy": ""}},
		{"make a key of its own", "POST", "transit/keys/another", map[string]any{}},
		{"turn the audit off", "DELETE", "sys/audit/file", nil},
		{"keep something there", "POST", "cubbyhole/x", map[string]any{"x": "y"}}, // as Vault's default policy allows
		{"hand something on", "POST", "sys/wrapping/wrap", map[string]any{"x": "y"}},
	}
	for _, role := range []string{"serving", "rotation"} {
		token := s.TokenOf("hopnhat-" + role)
		for _, f := range forbidden {
			if status := s.Status(token, f.method, f.path, f.body); status != http.StatusForbidden {
				t.Errorf("%s to %s: status %d, want 403", role, f.name, status)
			}
		}
	}
}

// TestLettingIn: every way in, and what happens when it closes.
func TestLettingIn(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	serving := options(s).Policies().Serving
	role := func() vault.Options {
		o := options(s)
		o.TokenFile = ""
		o.RoleID, o.SecretIDFile = s.Role("serving", serving)
		return o
	}
	sign := func(store *vault.Store) error {
		_, err := store.SignBatch(
			t.Context(), keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, Name: "token-es256", Version: 1}, one,
		)
		return err
	}
	revokeAll := func() { s.Must(s.Call("PUT", "sys/leases/revoke-prefix/auth/approle/login", map[string]any{}, nil)) }
	t.Run("a token that was revoked is replaced within the call", func(t *testing.T) {
		store := open(t, role())
		s.Must(sign(store))
		revokeAll()
		s.Must(vaulttest.Until(func() error { return sign(store) }))
	})
	t.Run("a wrapped secret id is unwrapped once, and used again", func(t *testing.T) {
		o := role()
		wrapped, err := s.SecretID("serving", true)
		s.Must(err)
		o.SecretIDWrapped, o.SecretIDFile = true, s.Token(wrapped)
		store := open(t, o)
		s.Must(sign(store))
		s.Must(os.Remove(o.SecretIDFile))
		revokeAll()
		s.Must(vaulttest.Until(func() error { return sign(store) }))
		o.SecretIDFile = s.Token(wrapped)
		again := open(t, o)
		err = sign(again)
		if cause, _ := keys.CauseOf(err); cause != keys.TokenExpired || !strings.Contains(err.Error(), "somebody else") {
			t.Fatalf("a spent wrapping: got %v", err)
		}
		fresh, err := s.SecretID("serving", true)
		s.Must(err)
		s.Must(os.WriteFile(o.SecretIDFile, []byte(fresh), 0o600))
		if err := sign(again); err != nil {
			t.Fatalf("a new wrapping in the file: %v", err)
		}
	})
	t.Run("a wrapping of something else is refused", func(t *testing.T) {
		o := role()
		wrapped, err := s.Wrapped("sys/policies/acl/hopnhat-serving")
		s.Must(err)
		o.SecretIDWrapped, o.SecretIDFile = true, s.Token(wrapped)
		if err := sign(open(t, o)); err == nil || !strings.Contains(err.Error(), "not where secret ids are") {
			t.Fatalf("got %v", err)
		}
	})
	t.Run("a token file that the agent renewed is read again", func(t *testing.T) {
		o := options(s)
		store := open(t, o)
		s.Must(os.WriteFile(o.TokenFile, []byte(s.TokenOf("hopnhat-serving")), 0o600))
		s.Must(sign(store))
		s.Must(os.WriteFile(o.TokenFile, []byte("hvs.gone"), 0o600))
		fresh := open(t, o)
		if cause, _ := keys.CauseOf(sign(fresh)); cause != keys.PermissionDenied && cause != keys.TokenExpired {
			t.Fatalf("a token that is none: got %v", cause)
		}
		s.Must(os.WriteFile(o.TokenFile, []byte(s.Root), 0o600))
		s.Must(vaulttest.Until(func() error { return sign(fresh) }))
	})
	t.Run("a secret id that is none says so", func(t *testing.T) {
		o := role()
		o.SecretIDFile = s.Token("00000000-0000-0000-0000-000000000000")
		if cause, _ := keys.CauseOf(sign(open(t, o))); cause != keys.TokenExpired {
			t.Fatalf("got %v", cause)
		}
	})
	t.Run("a token is renewed before it ends", func(t *testing.T) {
		o := role()
		s.Must(s.Call("POST", "auth/approle/role/serving", map[string]any{"token_policies": "hopnhat-serving", "token_no_default_policy": true, "token_ttl": "2s", "token_max_ttl": "3s"}, nil))
		store := open(t, o)
		for end := time.Now().Add(7 * time.Second); time.Now().Before(end); {
			if err := sign(store); err != nil {
				t.Fatalf("the token of 2 s, at most 3 s, was let run out: %v", err)
			}
		}
	})
}

// TestTheEnvironmentIsNotAsked: variables meant for the vault command line change
// neither the address nor who is trusted.
func TestTheEnvironmentIsNotAsked(t *testing.T) {
	s := vaulttest.StartWith(t, vaultserver.Options{TLS: true})
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_TOKEN", "hvs.of-somebody-else")
	t.Setenv("VAULT_NAMESPACE", "of-somebody-else")
	o := options(s)
	if _, err := open(t, o).Versions(t.Context()); !errors.Is(err, keys.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
		t.Fatalf("a certificate nobody vouched for: got %v", err)
	}
	o.CACert = s.CA
	s.Must(open(t, o).Ensure(t.Context(), 0))
	if _, err := open(t, o).Versions(t.Context()); err != nil {
		t.Fatalf("with its CA pinned: %v", err)
	}
}

// TestFailures is the matrix of docs/keys.md against the real server: each
// failure has its cause, ends nothing, and is over without a restart of ours when
// it is over.
func TestFailures(t *testing.T) {
	for _, row := range []struct {
		name   string
		cause  keys.Cause
		server vaultserver.Options
		fail   func(s *vaulttest.Server, p *vaulttest.Proxy)
		mend   func(s *vaulttest.Server, p *vaulttest.Proxy)
		// lasting failures are Vault's state: health names them too.
		lasting bool
	}{
		{
			name: "sealed", cause: keys.Sealed, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Must(s.Seal()) },
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Must(s.Unseal()) },
		},
		{
			name: "down, and up again sealed, and unsealed", cause: keys.Unreachable, server: vaultserver.Options{Durable: true}, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Kill() },
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Must(s.Restart()); s.Must(s.Unseal()) },
		},
		{
			name: "slow", cause: keys.Slow, lasting: true,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(vaulttest.Slow) },
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "permission denied", cause: keys.PermissionDenied, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Policy("hopnhat-serving", `path "transit/keys/*" { capabilities = ["read"] }`))
			},
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Policy("hopnhat-serving", vault.Options{Algorithms: keytest.Algorithms}.Policies().Serving))
			},
		},
		{
			name: "min_encryption_version raised above the version", cause: keys.KeyMissing, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/rotate", map[string]any{}, nil))
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"min_encryption_version": 2}, nil))
			},
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"min_encryption_version": 0}, nil))
			},
		},
		{
			name: "min_decryption_version raised above the version", cause: keys.KeyMissing, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/rotate", map[string]any{}, nil))
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"min_decryption_version": 2}, nil))
			},
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) {
				s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/config", map[string]any{"min_decryption_version": 1}, nil))
			},
		},
		{
			name: "no audit device can write: the disk is full", cause: keys.AuditBlocked, lasting: true,
			fail: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Must(s.FillDisk()) },
			mend: func(s *vaulttest.Server, _ *vaulttest.Proxy) { s.Must(s.FreeDisk()) },
		},
		{
			name: "an empty answer", cause: keys.BadAnswer, lasting: true,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(vaulttest.Says(200, "")) },
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "a page of a proxy", cause: keys.BadAnswer, lasting: true,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) {
				p.Do(vaulttest.Says(200, "<html>welcome to the hotel</html>"))
			},
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "JSON of something else", cause: keys.BadAnswer,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) {
				p.Do(vaulttest.Says(200, `{"data":{"batch_results":[]}}`))
			},
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "a signature by another version", cause: keys.BadAnswer,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) {
				p.Do(vaulttest.Says(200, `{"data":{"batch_results":[{"signature":"vault:v2:AAAA"}]}}`))
			},
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "a gateway that has no server", cause: keys.Unreachable, lasting: true,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(vaulttest.Says(502, "bad gateway")) },
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
		{
			name: "a quota", cause: keys.Overloaded,
			fail: func(_ *vaulttest.Server, p *vaulttest.Proxy) {
				p.Do(vaulttest.Says(429, `{"errors":["request path quota exceeded"]}`))
			},
			mend: func(_ *vaulttest.Server, p *vaulttest.Proxy) { p.Do(nil) },
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := ready(t, vaulttest.StartWith(t, row.server))
			p := s.Proxy()
			o := options(s)
			o.TokenFile, o.Addresses, o.Timeout = "", []string{p.URL}, time.Second
			o.RoleID, o.SecretIDFile = s.Role("serving", o.Policies().Serving)
			store := open(t, o)
			key := handle(t, store, keys.TokenSigning, keys.ES256)
			sign := func() error { return signOne(t.Context(), store, key) }
			s.Must(sign())
			row.fail(s, p)
			err := sign()
			if cause, _ := keys.CauseOf(err); cause != row.cause || !errors.Is(err, keys.ErrUnavailable) {
				t.Fatalf("got %v (%s), want %s", err, cause, row.cause)
			}
			if row.lasting {
				if cause, _ := keys.CauseOf(store.Health(t.Context())); cause != row.cause {
					t.Errorf("health says %q, want %q", cause, row.cause)
				}
			}
			row.mend(s, p)
			s.Must(vaulttest.Until(sign))
			s.Must(vaulttest.Until(func() error { return store.Health(t.Context()) }))
		})
	}
}

// signOne signs one input; an error of the input counts.
func signOne(ctx context.Context, store *vault.Store, key keys.Handle) error {
	signatures, err := store.SignBatch(ctx, key, one)
	if err == nil {
		err = signatures[0].Err
	}
	return err
}

// TestADeletedKeyIsMissed: nothing is signed by another key, and the cause is
// named; a key restored from Vault's backup goes on.
func TestADeletedKeyIsMissed(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	store := open(t, options(s))
	key := handle(t, store, keys.TokenSigning, keys.ES256)
	const path = "transit/keys/hopnhat-token-es256"
	s.Must(s.Call("POST", path+"/config", map[string]any{"exportable": true, "allow_plaintext_backup": true, "deletion_allowed": true}, nil))
	var backup struct {
		Data map[string]any `json:"data"`
	}
	s.Must(s.Call("GET", "transit/backup/hopnhat-token-es256", nil, &backup))
	s.Must(s.Call("DELETE", path, nil, nil))
	if cause, _ := keys.CauseOf(signOne(t.Context(), store, key)); cause != keys.KeyMissing {
		t.Fatalf("signing: got %s, want key-missing", cause)
	}
	if _, err := store.Versions(t.Context()); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("reading: got %v", err)
	}
	s.Must(s.Call("POST", "transit/restore", backup.Data, nil))
	s.Must(signOne(t.Context(), store, key))
	s.Must(store.Health(t.Context()))
}

// TestSeveralAddresses: what one server cannot do another does, and a standby
// that became active is found.
func TestSeveralAddresses(t *testing.T) {
	s := ready(t, vaulttest.StartWith(t, vaultserver.Options{Standby: true}))
	o := options(s)
	o.Addresses = []string{"http://127.0.0.1:1", s.Second, s.Address}
	store := open(t, o)
	key := handle(t, store, keys.TokenSigning, keys.ES256)
	s.Must(signOne(t.Context(), store, key))
	alone := options(s)
	alone.Addresses = []string{s.Second}
	if cause, _ := keys.CauseOf(signOne(t.Context(), open(t, alone), key)); cause != keys.Standby {
		t.Fatalf("a standby alone: got %s, want standby", cause)
	}
	s.Must(s.StepDown())
	s.Must(vaulttest.Until(func() error { return signOne(t.Context(), store, key) }))
}

// TestASlowAnswerDoesNotCreateTwice: what may have had its effect is not asked
// for again.
func TestASlowAnswerDoesNotCreateTwice(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	p := s.Proxy()
	o := options(s)
	o.Addresses, o.Timeout = []string{p.URL, s.Address}, time.Second
	store := open(t, o)
	if _, err := store.Versions(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.Do(func(w http.ResponseWriter, r *http.Request, pass http.Handler) {
		pass.ServeHTTP(httptest.NewRecorder(), r) // done, but nobody hears of it
		<-r.Context().Done()
	})
	if cause, _ := keys.CauseOf(store.Create(t.Context(), keys.TokenSigning, keys.ES256)); cause != keys.Slow {
		t.Fatalf("got %s, want slow", cause)
	}
	p.Do(nil)
	if got := handle(t, store, keys.TokenSigning, keys.ES256).Version; got != 2 {
		t.Fatalf("version %d, want 2: it was created %d times", got, got-1)
	}
}

// TestAnAnswerOfManyPacketsIsReadWhole: vault/api ends the context of a raw call
// when the headers are there, if it has a timeout of its own.
func TestAnAnswerOfManyPacketsIsReadWhole(t *testing.T) {
	s := ready(t, vaulttest.Start(t))
	o := options(s)
	o.Timeout = time.Minute // it is long, and this machine may be busy
	store := open(t, o)
	key := handle(t, store, keys.TokenSigning, keys.ES256)
	inputs := slices.Repeat(one, 2000)
	for range 5 {
		signatures, err := store.SignBatch(t.Context(), key, inputs)
		if err != nil || len(signatures) != len(inputs) {
			t.Fatalf("%d signatures, %v", len(signatures), err)
		}
	}
}
