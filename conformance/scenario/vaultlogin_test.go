package scenario_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/bench/vaultserver"
	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/vaulttest"
)

// vaultNode is a node with its keys in Vault, and the files that let people and
// processes in.
type vaultNode struct {
	vault              *vaulttest.Server
	roleID             string // of hopnhat-serving
	state, base        string
	operator, rotation string // token files of persons
	flags              []string
}

func newVaultNode(t *testing.T) *vaultNode {
	t.Helper()
	v := newVaultWithoutKeys(t)
	harness.Run(t, nil, v.as("keys vault-setup", "--vault-token-file", v.rotation)...)
	harness.Run(t, nil, "registry", "generate", "--state", v.state, "--persons", "50")
	return v
}

func newVaultWithoutKeys(t *testing.T) *vaultNode {
	t.Helper()
	s := vaulttest.StartWith(t, vaultserver.Options{TLS: true})
	v := &vaultNode{vault: s, state: filepath.Join(t.TempDir(), "state")}
	for _, role := range []string{"serving", "rotation", "delivery"} {
		s.Must(s.Policy("hopnhat-"+role, harness.Run(t, nil, "keys", "vault-policy", "--role", role)))
	}
	v.role(t, nil)
	// A person signs in to Vault as herself: `vault login` writes such a file.
	v.operator, v.rotation = s.Token(s.TokenOf("hopnhat-serving")), s.Token(s.TokenOf("hopnhat-rotation"))
	port := harness.Port(t, 1)
	v.base = fmt.Sprintf("http://localhost:%d", port)
	v.flags = []string{"--state", v.state, "--issuer", v.base, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--keystore", "vault", "--vault-address", s.Address, "--vault-ca", s.CA}
	return v
}

// role makes the AppRole of the nodes, with what more it is bound to.
func (v *vaultNode) role(t *testing.T, more map[string]any) {
	t.Helper()
	s := v.vault
	body := map[string]any{"token_policies": "hopnhat-serving", "token_no_default_policy": true, "token_ttl": "20m", "token_max_ttl": "24h", "secret_id_bound_cidrs": []string{}, "token_bound_cidrs": []string{}}
	for name, value := range more {
		body[name] = value
	}
	s.Must(s.Call("POST", "auth/approle/role/hopnhat-serving", body, nil))
	var id struct {
		Data struct {
			ID string `json:"role_id"`
		} `json:"data"`
	}
	s.Must(s.Call("GET", "auth/approle/role/hopnhat-serving/role-id", nil, &id))
	v.roleID = id.Data.ID
}

// as are the words of a command with the flags of the node and more.
func (v *vaultNode) as(words string, more ...string) []string {
	return append(append(strings.Fields(words), v.flags...), more...)
}

// write replaces a file as a whole.
func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// TestAVaultNodeStartsAgain: docs/keys.md, "The node's way in". In each way a node
// starts three times, while operators work with tools under tokens of their own.
func TestAVaultNodeStartsAgain(t *testing.T) {
	v := newVaultNode(t)
	s := v.vault
	delivery := s.TokenOf("hopnhat-delivery")
	const secretIDs = "auth/approle/role/hopnhat-serving/secret-id"
	secret := filepath.Join(t.TempDir(), "secret-id")
	sink := filepath.Join(t.TempDir(), "token")
	last := ""
	for _, way := range []struct {
		name    string
		flags   func() []string
		deliver func(start int)
	}{
		{
			"Vault Agent keeps a token in a file", func() []string { return []string{"--vault-token-file", sink} },
			func(int) {
				// What the agent does: it signs in, writes the token, and replaces it in
				// time. The one before is revoked, so an old one would be found out.
				id, err := s.SecretID("hopnhat-serving", false)
				s.Must(err)
				var in struct {
					Auth struct {
						Token string `json:"client_token"`
					} `json:"auth"`
				}
				s.Must(s.Call("POST", "auth/approle/login", map[string]any{"role_id": v.roleID, "secret_id": id}, &in))
				if last != "" {
					s.Must(s.Call("POST", "auth/token/revoke", map[string]any{"token": last}, nil))
				}
				last = in.Auth.Token
				write(t, sink, last)
			},
		},
		{
			"who starts the node delivers a wrapped secret id each time",
			func() []string {
				return []string{"--vault-role-id", v.roleID, "--vault-secret-id-file", secret, "--vault-secret-id-wrapped", "true"}
			},
			func(int) {
				var wrap struct {
					Info struct {
						Token string `json:"token"`
					} `json:"wrap_info"`
				}
				s.Must(s.CallWith(http.Header{"X-Vault-Token": {delivery}, "X-Vault-Wrap-TTL": {"5m"}}, "POST", secretIDs, map[string]any{}, &wrap))
				write(t, secret, wrap.Info.Token)
			},
		},
		{
			"a secret id that is good from this network only", func() []string { return []string{"--vault-role-id", v.roleID, "--vault-secret-id-file", secret} },
			func(start int) {
				if start == 0 {
					bound := []string{"127.0.0.0/8"}
					v.role(t, map[string]any{"secret_id_bound_cidrs": bound, "token_bound_cidrs": bound})
					id, err := s.SecretID("hopnhat-serving", false)
					s.Must(err)
					write(t, secret, id)
				}
			},
		},
	} {
		t.Run(way.name, func(t *testing.T) {
			for start := range 3 {
				way.deliver(start)
				node := harness.Start(t, harness.Program{Base: v.base, Args: v.as("serve", way.flags()...)})
				harness.Run(t, nil, v.as("client list", "--vault-token-file", v.operator)...)
				harness.Run(t, nil, v.as("keys status", "--vault-token-file", v.rotation)...)
				node.Stop()
			}
		})
	}
	t.Run("a person with the rotation role rotates", func(t *testing.T) {
		if out := harness.Run(t, nil, v.as("keys rotate", "--vault-token-file", v.rotation)...); !strings.Contains(out, "is announced") {
			t.Error(out)
		}
		if out, status := harness.Try(t, nil, v.as("keys rotate", "--vault-token-file", v.operator)...); status == 0 ||
			!strings.Contains(out, "permission-denied") {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("a wrapping that was spent says what to do", func(t *testing.T) {
		flags := []string{"--vault-role-id", v.roleID, "--vault-secret-id-file", secret, "--vault-secret-id-wrapped", "true"}
		id, err := s.SecretID("hopnhat-serving", true)
		s.Must(err)
		write(t, secret, id)
		harness.Run(t, nil, v.as("client list", flags...)...)
		if out, status := harness.Try(t, nil, v.as("serve", flags...)...); status == 0 ||
			!strings.Contains(out, "delivers a fresh one each time") {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("a secret id from another network is refused", func(t *testing.T) {
		v.role(t, map[string]any{"secret_id_bound_cidrs": []string{"192.0.2.0/24"}})
		id, err := s.SecretID("hopnhat-serving", false)
		s.Must(err)
		write(t, secret, id)
		if out, status := harness.Try(
			t, nil, v.as("serve", "--vault-role-id", v.roleID, "--vault-secret-id-file", secret)...,
		); status == 0 || !strings.Contains(out, "signing in to Vault") {
			t.Errorf("status %d: %s", status, out)
		}
	})
	t.Run("the delivery role may do that and nothing else", func(t *testing.T) {
		for path, method := range map[string]string{
			secretIDs: "POST", // unwrapped
			"auth/approle/role/hopnhat-serving/role-id":     "GET",
			"auth/approle/role/hopnhat-serving":             "POST",
			"transit/sign/hopnhat-token-es256":              "POST",
			"transit/keys/hopnhat-token-es256":              "GET",
			"sys/policies/acl/hopnhat-serving":              "PUT",
			"auth/approle/role/hopnhat-rotation/secret-id":  "POST",
			"auth/approle/role/hopnhat-serving/custom-id/x": "POST",
		} {
			if status := s.Status(delivery, method, path, map[string]any{}); status != http.StatusForbidden {
				t.Errorf("%s %s: status %d, want 403", method, path, status)
			}
		}
	})
}

// TestAVaultWithoutKeysSaysWhatMakesThem, and nothing records a keyring meanwhile.
func TestAVaultWithoutKeysSaysWhatMakesThem(t *testing.T) {
	v := newVaultWithoutKeys(t)
	for _, words := range []string{"init", "serve"} {
		if out, status := harness.Try(t, nil, v.as(words, "--vault-token-file", v.operator)...); status != 1 ||
			!strings.Contains(out, "hopnhat keys vault-setup") {
			t.Errorf("%s: status %d: %s", words, status, out)
		}
	}
	harness.Run(t, nil, v.as("keys vault-setup", "--vault-token-file", v.rotation)...)
	harness.Run(t, nil, v.as("init", "--vault-token-file", v.operator)...)
}

// TestAnotherVaultIsRefused: a node or a tool that reaches a Vault with other keys is
// told so before it announces them.
func TestAnotherVaultIsRefused(t *testing.T) {
	v, other := newVaultNode(t), newVaultNode(t)
	harness.Run(t, nil, v.as("init", "--vault-token-file", v.operator)...)
	before := harness.Run(t, nil, v.as("keys status", "--vault-token-file", v.operator)...)
	strayed := *other
	strayed.flags = append(append([]string{}, other.flags...), "--state", v.state)
	for words, token := range map[string]string{"client list": other.operator, "serve": other.operator, "keys rotate": other.rotation, "keys status": other.rotation} {
		if out, status := harness.Try(t, nil, strayed.as(words, "--vault-token-file", token)...); status != 1 ||
			!strings.Contains(out, "not the keys of this database") {
			t.Errorf("%s: status %d: %s", words, status, out)
		}
	}
	if after := harness.Run(t, nil, v.as("keys status", "--vault-token-file", v.operator)...); after != before {
		t.Errorf("the book changed:\n%s\n%s", before, after)
	}
}
