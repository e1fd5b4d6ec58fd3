package web

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// servedBy says which role serves a path, from the path alone.
func servedBy(path string) Role {
	if role, ok := strings.CutPrefix(path, "/readyz/"); ok {
		return Role(role)
	}
	for prefix, role := range map[string]Role{
		"/broker/": Broker, "/portal": Portal, "/console": Portal, "/log/": LogWriter,
		"/federation/": Federation, "/.well-known/openid-federation": Federation,
		"/healthz": everyNode, "/readyz": everyNode, "/metrics": everyNode, "/logo/": Provider, "/static/": everyNode,
	} {
		if strings.HasPrefix(path, prefix) {
			return role
		}
	}
	return Provider
}

// TestANodeServesItsRoles: what a role does not serve is answered 421 (RFC 9110 §15.5.20), to
// people with a page and to programs with an error that they can read; what it serves is not.
func TestANodeServesItsRoles(t *testing.T) {
	for _, role := range AllRoles {
		t.Run(string(role), func(t *testing.T) {
			o := nothingBehind()
			o.Node = []Role{role}
			s := New(o)
			misdirected := 0
			for _, r := range s.table() {
				if want := servedBy(r.path); r.role != want {
					t.Errorf("%s is of the role %q, want %q", r.path, r.role, want)
				}
				if r.role == role {
					continue // what is behind it is not there
				}
				method := r.method
				if method == "" {
					method = http.MethodPost
				}
				request := httptest.NewRequest(method, strings.NewReplacer(":id", "x", "*", "none").Replace(r.path), nil)
				answer, err := s.Test(request)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(answer.Body)
				answer.Body.Close()
				if err != nil {
					t.Fatal(err)
				}
				if (answer.StatusCode == http.StatusMisdirectedRequest) != (r.role != everyNode) {
					t.Errorf("%s %s: %d", method, r.path, answer.StatusCode)
				}
				if r.role == everyNode {
					continue
				}
				misdirected++
				text := string(body)
				if !strings.Contains(text, `"error":"misdirected_request"`) && !strings.Contains(text, "HN-421-misdirected") {
					t.Errorf("%s %s does not say what is wrong: %s", method, r.path, text)
				}
			}
			if misdirected < 20 {
				t.Errorf("only %d routes are of other roles", misdirected)
			}
		})
	}
}
