package registering

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	apps "hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/registrar"
)

// free limits nobody.
type free struct{}

func (free) Take(netip.Addr) time.Duration { return 0 }

// opened are clients by a file of rules.
func opened(t *testing.T, entity bool) *Clients {
	t.Helper()
	anchor := federationtest.New(t, "https://neo.example.vn")
	file := filepath.Join(t.TempDir(), "apps.json")
	text := `{"trust_anchors":[{"entity_id":"https://neo.example.vn","jwks":` + string(anchor.JWKS(t)) + `}]}`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &Clients{}
	err := c.Open(clientauth.NewDirectory(c, 0, nil), Options{
		File: file, Issuer: "https://id.example.vn", Checks: apps.Rules{Catalogue: consent.Load()}, Entity: entity, Addresses: free{},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEndpoints: explicit registration stands at the path of RFC 7591, is told apart by its
// media type, and is there only where this provider publishes itself.
func TestEndpoints(t *testing.T) {
	self := endpoint.New(endpoint.Options{Issuer: "https://id.example.vn", Addresses: free{}, Now: time.Now})
	post := func(h http.HandlerFunc, media string) (int, string) {
		r := httptest.NewRequest(http.MethodPost, endpoint.Path, strings.NewReader("{}"))
		r.Header.Set("Content-Type", media)
		w := httptest.NewRecorder()
		h(w, r)
		return w.Code, w.Body.String()
	}
	for _, row := range []struct {
		name          string
		clients       *Clients
		self          *endpoint.Endpoint
		json, request string // in the answers; empty where there is no endpoint
		ways          int
	}{
		{"neither", &Clients{}, nil, "", "", 0},
		{"apps that register themselves", &Clients{}, self, "initial access token", "initial access token", 0},
		{"automatic registration alone", opened(t, false), nil, "", "", 1},
		{"explicit registration alone", opened(t, true), nil, registrar.ChainType, "not a compact JWS", 2},
		{"both", opened(t, true), self, "initial access token", "not a compact JWS", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			register, manage := row.clients.Endpoints(row.self)
			if (register != nil) != (row.json != "") || (manage != nil) != (register != nil) {
				t.Fatalf("endpoints: %v, %v", register != nil, manage != nil)
			}
			if ways, at := row.clients.Published(); len(ways) != row.ways || (at != "") != (row.ways == 2) {
				t.Errorf("published: %v at %q", ways, at)
			}
			if register == nil {
				return
			}
			if status, text := post(register, "application/json"); status < 400 || !strings.Contains(text, row.json) {
				t.Errorf("JSON: %d %s", status, text)
			}
			if status, text := post(register, registrar.RequestType); status < 400 || !strings.Contains(text, row.request) {
				t.Errorf("a configuration: %d %s", status, text)
			}
		})
	}
}
