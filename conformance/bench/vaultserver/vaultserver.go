// Package vaultserver starts the real Vault that conformance/vaultd builds, and
// does to it what an operator or a bad day does: initialise, unseal, seal, kill,
// restart, step down, fill the disk. Tests use it through vaulttest; the benchmark
// of the keys uses it as it is.
package vaultserver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Options says which server to start.
type Options struct {
	// Binary is the built server; empty looks for .build/vaultd upwards of the
	// working folder.
	Binary string
	// Dir keeps the audit log and, with Durable, the storage.
	Dir string
	// Durable storage survives Kill and Restart.
	Durable bool
	// Standby starts a second server of the cluster.
	Standby bool
	// TLS makes it speak TLS, as a Vault that is not on loopback must; see
	// Server.CA.
	TLS bool
}

// Server is a running cluster of one or two.
type Server struct {
	// Address is of the first server, Second of the standby.
	Address, Second string
	// CA is the PEM file that its certificate chains to; empty without TLS.
	CA      string
	Root    string // root token
	Audit   string // path of the audit log
	unseal  string
	o       Options
	command *exec.Cmd
	client  *http.Client
}

// Binary finds the built server.
func Binary() (string, error) {
	if path := os.Getenv("HOPNHAT_TEST_VAULTD"); path != "" {
		return path, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		path := filepath.Join(dir, ".build", "vaultd")
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New(".build/vaultd is missing: run `make vaultd`")
		}
	}
}

// Start starts a server and makes it ready: initialised, unsealed, with transit,
// approle and a file audit device that logs request ids.
func Start(o Options) (*Server, error) {
	if o.Binary == "" {
		var err error
		if o.Binary, err = Binary(); err != nil {
			return nil, err
		}
	}
	s := &Server{o: o, Audit: filepath.Join(o.Dir, "audit.log"), client: http.DefaultClient}
	if err := s.launch("127.0.0.1:0"); err != nil {
		return nil, err
	}
	if o.TLS {
		if err := s.trust(); err != nil {
			s.Kill()
			return nil, err
		}
	}
	if err := s.initialise(); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

func (s *Server) launch(listen string) error {
	args := []string{"--listen", listen}
	if s.o.Durable {
		args = append(args, "--data", filepath.Join(s.o.Dir, "vault"))
	}
	if s.o.Standby {
		args = append(args, "--standby")
	}
	if s.o.TLS {
		args = append(args, "--tls", s.o.Dir)
	}
	s.command = exec.Command(s.o.Binary, args...)
	s.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.command.Stderr = os.Stderr
	out, err := s.command.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.command.Start(); err != nil {
		return fmt.Errorf("starting Vault: %w", err)
	}
	lines := bufio.NewReader(out)
	addresses := []*string{&s.Address}
	if s.o.Standby {
		addresses = append(addresses, &s.Second)
	}
	for _, into := range addresses {
		line, err := lines.ReadString('\n')
		if err != nil {
			s.Kill()
			return fmt.Errorf("vault did not say where it listens: %w", err)
		}
		*into = strings.TrimSpace(line)
	}
	return nil
}

// trust makes a client that trusts the server's certificate and no other.
func (s *Server) trust() error {
	s.CA = filepath.Join(s.o.Dir, "ca.pem")
	raw, err := os.ReadFile(s.CA)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(raw)
	s.client = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	return nil
}

func (s *Server) initialise() error {
	var secrets struct {
		Keys []string `json:"keys_base64"`
		Root string   `json:"root_token"`
	}
	if err := s.Call("PUT", "sys/init", map[string]any{"secret_shares": 1, "secret_threshold": 1}, &secrets); err != nil {
		return err
	}
	s.unseal, s.Root = secrets.Keys[0], secrets.Root
	if err := s.Unseal(); err != nil {
		return err
	}
	for _, c := range []struct {
		path string
		body map[string]any
	}{
		{"sys/mounts/transit", map[string]any{"type": "transit"}},
		{"sys/auth/approle", map[string]any{"type": "approle"}},
		{"sys/config/auditing/request-headers/X-Request-Id", map[string]any{"hmac": false}},
		{"sys/mounts/transit/tune", map[string]any{"audit_non_hmac_request_keys": []string{"batch_input"}, "audit_non_hmac_response_keys": []string{"batch_results"}}},
		{"sys/audit/file", map[string]any{"type": "file", "options": map[string]string{"file_path": s.Audit}}},
	} {
		if err := s.Call("PUT", c.path, c.body, nil); err != nil {
			return err
		}
	}
	return nil
}

// Seal seals the server.
func (s *Server) Seal() error { return s.Call("PUT", "sys/seal", map[string]any{}, nil) }

// Unseal opens a sealed server, and its standby, and waits until one is active.
func (s *Server) Unseal() error {
	body := map[string]any{"key": s.unseal}
	if err := s.call(s.Address, "PUT", "sys/unseal", body, nil); err != nil {
		return err
	}
	if err := s.until(func() error { return s.call(s.Address, "GET", "sys/health", nil, nil) }); err != nil {
		return err
	}
	if s.Second == "" {
		return nil
	}
	if err := s.call(s.Second, "PUT", "sys/unseal", body, nil); err != nil {
		return err
	}
	return s.until(func() error {
		err := s.call(s.Second, "GET", "sys/health", nil, nil)
		if refused := (*Refused)(nil); errors.As(err, &refused) && refused.Status == http.StatusTooManyRequests {
			return nil // a standby
		}
		return err
	})
}

// StepDown makes the first server the standby of the second.
func (s *Server) StepDown() error {
	if err := s.call(s.Address, "PUT", "sys/step-down", map[string]any{}, nil); err != nil {
		return err
	}
	return s.until(func() error { return s.call(s.Second, "GET", "sys/health", nil, nil) })
}

// until asks again until there is no error, for a while.
func (s *Server) until(do func() error) error {
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err = do(); err == nil {
			return nil
		}
	}
	return fmt.Errorf("vault is not ready: %w", err)
}

// Kill ends the process at once, as a power loss does.
func (s *Server) Kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// Restart starts a killed server again on its address: sealed.
func (s *Server) Restart() error {
	_, listen, _ := strings.Cut(s.Address, "://")
	return s.launch(listen)
}

// FillDisk makes every further write of the server to a file fail, as a full disk
// does; FreeDisk ends that.
func (s *Server) FillDisk() error { return s.limitFiles(1) }

// FreeDisk ends FillDisk.
func (s *Server) FreeDisk() error { return s.limitFiles(unix.RLIM_INFINITY) }

func (s *Server) limitFiles(bytes uint64) error {
	limit := unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}
	return unix.Prlimit(s.command.Process.Pid, unix.RLIMIT_FSIZE, &limit, nil)
}

// Policy writes a policy.
func (s *Server) Policy(name, text string) error {
	return s.Call("PUT", "sys/policies/acl/"+name, map[string]any{"policy": text}, nil)
}

// AppRole makes a role with a policy whose tokens live for ttl, and returns its
// two ids; with wrap, the second one response-wrapped.
func (s *Server) AppRole(name, policy, ttl string, wrap bool) (roleID, secretID string, err error) {
	if err := s.Call("POST", "auth/approle/role/"+name, map[string]any{"token_policies": policy, "token_no_default_policy": true, "token_ttl": ttl, "token_max_ttl": "1h"}, nil); err != nil {
		return "", "", err
	}
	var role struct {
		Data struct {
			ID string `json:"role_id"`
		} `json:"data"`
	}
	if err := s.Call("GET", "auth/approle/role/"+name+"/role-id", nil, &role); err != nil {
		return "", "", err
	}
	secretID, err = s.SecretID(name, wrap)
	return role.Data.ID, secretID, err
}

// SecretID makes another secret id of a role.
func (s *Server) SecretID(role string, wrap bool) (string, error) {
	var secret struct {
		Data struct {
			ID string `json:"secret_id"`
		} `json:"data"`
		Wrap struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	header := http.Header{}
	if wrap {
		header.Set("X-Vault-Wrap-TTL", "5m")
	}
	err := s.send(s.Address, "POST", "auth/approle/role/"+role+"/secret-id", header, map[string]any{}, &secret)
	return secret.Data.ID + secret.Wrap.Token, err
}

// Call is any call as root.
func (s *Server) Call(method, path string, body, into any) error {
	return s.call(s.Address, method, path, body, into)
}

// CallWith is any call with headers of its own.
func (s *Server) CallWith(header http.Header, method, path string, body, into any) error {
	return s.send(s.Address, method, path, header, body, into)
}

// Refused is an answer that is not a success.
type Refused struct {
	Status int
	Text   string
}

// Error says what Vault said.
func (r *Refused) Error() string { return fmt.Sprintf("vault answered %d: %s", r.Status, r.Text) }

func (s *Server) call(address, method, path string, body, into any) error {
	return s.send(address, method, path, http.Header{}, body, into)
}

func (s *Server) send(address, method, path string, header http.Header, body, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, method, address+"/v1/"+path, bytes.NewReader(raw))
	if err != nil {
		return err
	}
	r.Header = header
	if header.Get("X-Vault-Token") == "" {
		header.Set("X-Vault-Token", s.Root)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return fmt.Errorf("asking Vault: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("reading what Vault says: %w", err)
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %w", method, path, &Refused{answer.StatusCode, string(text)})
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}
