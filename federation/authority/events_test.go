package authority_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// TestSubordinateEvents: what is answered about the events of a subordinate, signed, without the
// reasons that people gave (Subordinate Events 1.0 ID1 §2.2, §2.3).
func TestSubordinateEvents(t *testing.T) {
	o := newOffice(t, nil)
	app := federationtest.New(t, "https://app.example.vn")
	ask := func(sub string) (int, string, string) {
		return o.ask(t, http.MethodGet, authority.EventsPath, url.Values{"sub": {sub}})
	}
	events := func() (kinds []string) {
		t.Helper()
		status, media, body := ask(string(app.ID))
		if status != http.StatusOK || media != "application/entity-events-statement+jwt" {
			t.Fatalf("§2.3.1: %d, %s: %s", status, media, body)
		}
		received, err := jose.Receive(body, jose.Rule{Type: "entity-events-statement+jwt", Algorithms: statement.Algorithms})
		if err != nil || received.KeyID() == "" {
			t.Fatal(err)
		}
		var c struct {
			Issuer   federation.EntityID `json:"iss"`
			Subject  federation.EntityID `json:"sub"`
			IssuedAt int64               `json:"iat"`
			Expiry   int64               `json:"exp"`
			Events   []map[string]any    `json:"federation_registration_events"`
		}
		if err := json.Unmarshal(received.Claims(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Issuer != id || c.Subject != app.ID || c.IssuedAt != o.now.Unix() || c.Expiry <= c.IssuedAt {
			t.Errorf("§2.3.2: %+v", c)
		}
		for _, e := range c.Events {
			if len(e) != 2 || e["iat"] == nil {
				t.Errorf("§2.3.2.1: %v", e)
			}
			kinds = append(kinds, e["event"].(string))
		}
		return kinds
	}
	if status, _, body := ask(string(app.ID)); status != http.StatusNotFound || !strings.Contains(body, "not_found") {
		t.Errorf("one who was never enrolled: %d, %s", status, body)
	}
	s := o.enrolled(t, app, nil, nil)
	if got := events(); !slices.Equal(got, []string{"registration"}) {
		t.Errorf("enrolled: %q", got)
	}
	o.now = o.now.Add(time.Second)
	s, err := s.Revoke("b", "a secret reason", o.now)
	if err != nil {
		t.Fatal(err)
	}
	o.save(t, s)
	if got := events(); !slices.Equal(got, []string{"registration", "revocation"}) {
		t.Errorf("revoked, at once: %q", got)
	}
	for name, form := range map[string]url.Values{"§2.2.1: no sub": nil, "no entity": {"sub": {"x"}}} {
		if status, _, _ := o.ask(t, http.MethodGet, authority.EventsPath, form); status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, status)
		}
	}
}
