// Package vaulttest gives a test a real Vault server of its own, and a proxy that
// spoils what it says. The binary is built by `make vaultd`; without it a test
// fails, because a missing part is an error and not a skip.
package vaulttest

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/conformance/bench/vaultserver"
)

// Server is a running Vault whose every call must succeed.
type Server struct {
	*vaultserver.Server
	t testing.TB
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server { return StartWith(t, vaultserver.Options{}) }

// StartWith starts one of another kind.
func StartWith(t testing.TB, o vaultserver.Options) *Server {
	t.Helper()
	o.Dir = t.TempDir()
	s, err := vaultserver.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return &Server{s, t}
}

// Must fails the test for an error of the server.
func (s *Server) Must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// Token writes a token into a file, as an agent does.
func (s *Server) Token(token string) (path string) {
	s.t.Helper()
	path = filepath.Join(s.t.TempDir(), "token")
	s.Must(os.WriteFile(path, []byte(token+"\n"), 0o600))
	return path
}

// Role makes an AppRole with a policy and writes its secret id into a file.
func (s *Server) Role(name, policy string) (roleID, secretIDFile string) {
	s.t.Helper()
	s.Must(s.Policy("hopnhat-"+name, policy))
	roleID, secretID, err := s.AppRole(name, "hopnhat-"+name, "20m", false)
	s.Must(err)
	return roleID, s.Token(secretID)
}

// Proxy stands before the server and does to its answers what it is told.
type Proxy struct {
	URL   string
	spoil atomic.Pointer[Spoil]
}

// Spoil answers a request instead of the server; it may call pass.
type Spoil func(w http.ResponseWriter, r *http.Request, pass http.Handler)

// Proxy starts one that ends with the test.
func (s *Server) Proxy() *Proxy {
	s.t.Helper()
	to, err := url.Parse(s.Address)
	s.Must(err)
	pass := httputil.NewSingleHostReverseProxy(to)
	pass.ErrorLog = nil
	p := &Proxy{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if spoil := p.spoil.Load(); spoil != nil {
			(*spoil)(w, r, pass)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	s.t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

// Do spoils from now on; nil ends that.
func (p *Proxy) Do(spoil Spoil) {
	if spoil == nil {
		p.spoil.Store(nil)
		return
	}
	p.spoil.Store(&spoil)
}

// Slow answers nobody until the caller has left.
func Slow(_ http.ResponseWriter, r *http.Request, _ http.Handler) {
	_, _ = io.Copy(io.Discard, r.Body) // or the caller's leaving is not seen
	<-r.Context().Done()
}

// Says answers everything with the same.
func Says(status int, body string) Spoil {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// Until asks again until there is no error, for a while; it gives the last error
// back.
func Until(do func() error) error {
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = do(); err == nil {
			return nil
		}
	}
	return err
}

// TokenOf makes a token with a policy, and no other.
func (s *Server) TokenOf(policy string) string {
	s.t.Helper()
	var made struct {
		Auth struct {
			Token string `json:"client_token"`
		} `json:"auth"`
	}
	s.Must(s.Call("POST", "auth/token/create", map[string]any{"policies": []string{policy}, "no_default_policy": true}, &made))
	return made.Auth.Token
}

// Wrapped wraps what a path answers, and gives the wrapping token.
func (s *Server) Wrapped(path string) (string, error) {
	var wrap struct {
		Info struct {
			Token string `json:"token"`
		} `json:"wrap_info"`
	}
	err := s.CallWith(http.Header{"X-Vault-Wrap-TTL": {"5m"}}, "GET", path, nil, &wrap)
	return wrap.Info.Token, err
}

// Status makes a call with another token and gives the status of the answer.
func (s *Server) Status(token, method, path string, body any) int {
	s.t.Helper()
	err := s.CallWith(http.Header{"X-Vault-Token": {token}}, method, path, body, nil)
	var refused *vaultserver.Refused
	switch {
	case errors.As(err, &refused):
		return refused.Status
	case err != nil:
		s.t.Fatal(err)
	}
	return http.StatusOK
}
