package scenario_test

import (
	"net/http"
	"testing"

	"hopnhat/conformance/harness/vaulttest"
)

// TestProtocolOnVault is every rule again with keys that stay in Vault.
func TestProtocolOnVault(t *testing.T) {
	onVault(t, func(t *testing.T, n *nation, _ *vaulttest.Server) { protocol(t, n) })
}

// TestVaultSealed: while Vault is sealed nothing is signed and nothing is spent; a
// login in flight is completed after recovery without signing in again, and what
// needs no signature goes on.
func TestVaultSealed(t *testing.T) {
	onVault(t, func(t *testing.T, n *nation, server *vaulttest.Server) {
		p, who, b := n.app, n.someone(t), browser(t)
		before := p.tokens(t, b, who, taxDetail)
		verifier := random() + random()
		code := p.code(t, b, who, verifier, taxDetail)
		server.Must(server.Seal())
		a := p.exchange(t, code, verifier)
		want(t, a, http.StatusServiceUnavailable, "temporarily_unavailable")
		if a.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		want(t, p.refresh(t, before.text("refresh_token")), http.StatusServiceUnavailable, "temporarily_unavailable")
		if a := p.resource(t, "GET", "/userinfo", before.text("access_token"), "", nil); a.status != http.StatusOK {
			t.Errorf("UserInfo needs no signature: %d %s", a.status, a.raw)
		}
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/jwks", nil)
		if err != nil {
			t.Fatal(err)
		}
		if a := send(t, r); a.status != http.StatusOK {
			t.Errorf("/jwks answered %d", a.status)
		}
		becomes(t, n.base, map[string]string{"keys": "unavailable: sealed"}, "provider", "broker")
		server.Must(server.Unseal())
		if a := p.exchange(t, code, verifier); a.status != http.StatusOK {
			t.Fatalf("the login in flight was lost: %d %s", a.status, a.raw)
		}
		if a := p.refresh(t, before.text("refresh_token")); a.status != http.StatusOK {
			t.Fatalf("the refresh was lost: %d %s", a.status, a.raw)
		}
	})
}
