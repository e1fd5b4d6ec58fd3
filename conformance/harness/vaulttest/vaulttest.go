// Package vaulttest gives a test a real Vault server of its own: initialised,
// unsealed, with transit, approle and a file audit device. The binary is built
// by `make vaultd`; without it a test fails, because a missing part is an error
// and not a skip.
package vaulttest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Server is a running Vault.
type Server struct {
	Address string
	Root    string // root token
	Audit   string // path of the audit log
	unseal  string
	t       testing.TB
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	command := exec.Command(binary(t), "--listen", "127.0.0.1:0")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stderr = os.Stderr
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("starting Vault: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("Vault did not say where it listens: %v", err)
	}
	s := &Server{Address: strings.TrimSpace(line), Audit: filepath.Join(t.TempDir(), "audit.log"), t: t}
	var secrets struct {
		Keys []string `json:"keys_base64"`
		Root string   `json:"root_token"`
	}
	s.call("PUT", "/v1/sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &secrets)
	s.unseal, s.Root = secrets.Keys[0], secrets.Root
	s.Unseal()
	s.call("POST", "/v1/sys/mounts/transit", map[string]any{"type": "transit"}, nil)
	s.call("POST", "/v1/sys/auth/approle", map[string]any{"type": "approle"}, nil)
	s.call("PUT", "/v1/sys/audit/file", map[string]any{"type": "file", "options": map[string]string{"file_path": s.Audit}}, nil)
	return s
}

// binary finds the built server.
func binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("HOPNHAT_TEST_VAULTD"); path != "" {
		return path
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
	path := filepath.Join(dir, ".build", "vaultd")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s is missing: run `make vaultd`, or the tests with `make test`", path)
	}
	return path
}

// Seal seals the server; Unseal opens it again.
func (s *Server) Seal() { s.call("PUT", "/v1/sys/seal", nil, nil) }

// Unseal opens a sealed server.
func (s *Server) Unseal() { s.call("PUT", "/v1/sys/unseal", map[string]any{"key": s.unseal}, nil) }

// Policy writes a policy.
func (s *Server) Policy(name, text string) {
	s.call("PUT", "/v1/sys/policies/acl/"+name, map[string]any{"policy": text}, nil)
}

// AppRole makes a role with a policy and returns its two ids.
func (s *Server) AppRole(name, policy string) (roleID, secretID string) {
	s.call("POST", "/v1/auth/approle/role/"+name, map[string]any{"token_policies": policy, "token_ttl": "20m", "token_max_ttl": "1h"}, nil)
	var role, secret struct {
		Data struct {
			RoleID   string `json:"role_id"`
			SecretID string `json:"secret_id"`
		} `json:"data"`
	}
	s.call("GET", "/v1/auth/approle/role/"+name+"/role-id", nil, &role)
	s.call("POST", "/v1/auth/approle/role/"+name+"/secret-id", nil, &secret)
	return role.Data.RoleID, secret.Data.SecretID
}

func (s *Server) call(method, path string, body, into any) {
	s.t.Helper()
	if err := s.try(method, path, body, into); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) try(method, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequest(method, s.Address+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header.Set("X-Vault-Token", s.Root)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("asking Vault: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 300 {
		return fmt.Errorf("vault %s %s: %d %s", method, path, answer.StatusCode, text)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
