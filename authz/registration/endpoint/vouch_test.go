package endpoint_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

// TestWhoVouches: an app is verified by the officer who gave its token, or by an
// operator, and by nobody when it named its agency itself.
func TestWhoVouches(t *testing.T) {
	verified := func(t *testing.T, d *desk, a reply) authz.Verification {
		t.Helper()
		if a.status != http.StatusCreated && a.status != http.StatusOK {
			t.Fatalf("%d %v", a.status, a.body)
		}
		c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		if err != nil {
			t.Fatal(err)
		}
		return c.Verified
	}
	update := func(t *testing.T, d *desk, a reply, changes string) reply {
		t.Helper()
		return d.ask(t, http.MethodPut, a.text("registration_client_uri"), a.text("registration_access_token"), back(t, a, changes))
	}
	t.Run("under a token that names the agency", func(t *testing.T) {
		d := newDesk(t, false)
		a := d.ask(t, http.MethodPost, endpoint.Path, d.officer(t, fapi, 1), plain)
		v := verified(t, d, a)
		if !v.Holds() || !strings.HasPrefix(v.By, "initial-access-token:") || !v.At.Equal(d.now) {
			t.Fatalf("got %+v", v)
		}
		if v := verified(t, d, update(t, d, a, `{"client_name":"Sổ đất mới"}`)); !v.Holds() {
			t.Fatalf("after an update: %+v", v)
		}
	})
	t.Run("an operator took it back: no update of the app's brings it again", func(t *testing.T) {
		d := newDesk(t, false)
		a := d.ask(t, http.MethodPost, endpoint.Path, d.officer(t, fapi, 1), plain)
		c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		if err != nil {
			t.Fatal(err)
		}
		c.Verified = authz.TakenBack(d.now)
		if err := d.db.SaveClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, changes := range []string{`{}`, `{"client_name":"Sổ đất mới"}`} {
			if a = update(t, d, a, changes); verified(t, d, a).Holds() {
				t.Fatalf("after the update %s the mark is back: %+v", changes, verified(t, d, a))
			}
		}
	})
	t.Run("what an operator changes while an update fetches a slow document stands", func(t *testing.T) {
		d := newDesk(t, false)
		const list = "https://dat.example.vn/sector"
		d.web[list] = `["https://dat.example.vn/cb"]`
		a := d.ask(t, http.MethodPost, endpoint.Path, d.officer(t, fapi, 1), plain)
		var operators authz.Client
		d.fetching = func() {
			c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
			if err != nil {
				t.Fatal(err)
			}
			operators = *c
			operators.Verified, operators.Resources, operators.UpdatedAt = authz.TakenBack(d.now), []string{"https://api.example.vn"}, time.Time{}
			if err := d.db.SaveClient(t.Context(), &operators); err != nil {
				t.Fatal(err)
			}
		}
		got := update(t, d, a, `{"sector_identifier_uri":"`+list+`"}`)
		c, err := d.db.Client(t.Context(), operators.ID)
		if err != nil || c.Verified != operators.Verified || len(c.Resources) != 1 {
			t.Fatalf("the update answered %d %v and left %+v, %v: %v", got.status, got.body, c.Verified, c.Resources, err)
		}
		if got.status != http.StatusTooManyRequests || got.text("error") != "temporarily_unavailable" {
			t.Errorf("got %d %v", got.status, got.body)
		}
		d.fetching = nil
		if got = update(t, d, a, `{"sector_identifier_uri":"`+list+`"}`); got.status != http.StatusOK || verified(t, d, got).Holds() {
			t.Errorf("sent again: %d %v", got.status, got.body)
		}
	})
	t.Run("in mode open", func(t *testing.T) {
		d := newDesk(t, true)
		const list = "https://dat.example.vn/sector"
		d.web[list] = `["https://dat.example.vn/cb","https://dat2.example.vn/cb"]`
		a := d.ask(t, http.MethodPost, endpoint.Path, "", with(t, plain, `{"owner":{"vi":"Bộ Mẫu"}}`))
		if v := verified(t, d, a); v.Holds() {
			t.Fatalf("it vouches for itself: %+v", v)
		}
		c, _ := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		c.Verified = authz.Verification{By: "operator:a", At: d.now}
		if err := d.db.SaveClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		a = update(t, d, a, `{"contacts":["it@dat.example.vn"]}`)
		if v := verified(t, d, a); v != c.Verified {
			t.Fatalf("an update that changes nothing people see: %+v", v)
		}
		// Another host in the place of the one there is would be another sector, which an
		// update cannot take.
		for _, change := range []string{
			`{"owner":{"vi":"Bộ Khác"}}`, `{"client_name":"Sổ khác"}`,
			`{"redirect_uris":["https://dat.example.vn/cb","https://dat2.example.vn/cb"],"sector_identifier_uri":"` + list + `"}`,
		} {
			c, _ := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
			c.Verified = authz.Verification{By: "operator:a", At: d.now}
			if err := d.db.SaveClient(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			a = update(t, d, a, change)
			if v := verified(t, d, a); v.Holds() {
				t.Fatalf("after %s: %+v", change, v)
			}
		}
	})
}

// TestNobodyDeclaresAStateBasis: who registers itself reads on consent alone, however
// the declaration comes (RFC 7591 §5: what an app claims of itself is a claim).
func TestNobodyDeclaresAStateBasis(t *testing.T) {
	const declaring = `{"owner":{"vi":"Bộ Mẫu"},"scope":"openid","declarations":[{"purpose":"%p","legal_basis":"%b","registry":"%r","attributes":["%a"],"max_days":1,"explanation":{"vi":"Thử","en":"Test"}}]}`
	for _, row := range []struct {
		name, purpose, basis, registry, attribute string
		status                                    int
	}{
		{"consent", "dvc.prefill", "LB-CONSENT", "population", "population.full_name", 201},
		{"a state agency's duty", "dvc.prefill", "LB-STATE", "population", "population.full_name", 400},
		{"a law", "kyc.telco", "LB-LAW", "population", "population.full_name", 400},
		{"a contract", "authn.login", "LB-CONTRACT", "population", "population.full_name", 400},
		{"an organisation's own data", "biz.partner-check", "LB-OPEN", "business", "business.name", 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, true)
			changes := strings.NewReplacer("%p", row.purpose, "%b", row.basis, "%r", row.registry, "%a", row.attribute).Replace(declaring)
			a := d.ask(t, http.MethodPost, endpoint.Path, "", with(t, plain, changes))
			if a.status != row.status {
				t.Fatalf("registering: %d %v", a.status, a.body)
			}
			a = d.ask(t, http.MethodPost, endpoint.Path, "", with(t, plain, `{"owner":{"vi":"Bộ Mẫu"}}`))
			a = d.ask(t, http.MethodPut, a.text("registration_client_uri"), a.text("registration_access_token"), back(t, a, changes))
			if want := map[int]int{201: 200, 400: 400}[row.status]; a.status != want {
				t.Fatalf("updating: %d %v, want %d", a.status, a.body, want)
			}
		})
	}
	t.Run("what is filled in for an app that says nothing", func(t *testing.T) {
		d := newDesk(t, true)
		a := d.ask(t, http.MethodPost, endpoint.Path, "", plain)
		c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		if err != nil || len(c.Declarations) == 0 {
			t.Fatalf("%d %v, %v", a.status, a.body, err)
		}
		for _, declared := range c.Declarations {
			if declared.Basis != authz.BasisConsent {
				t.Errorf("purpose %s at %s on %s", declared.Purpose, declared.Registry, declared.Basis)
			}
		}
	})
	t.Run("under a token that lets it", func(t *testing.T) {
		d := newDesk(t, false)
		policy := registration.Policy{Profile: authz.FAPI2, Declarations: []authz.Declaration{{
			Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"},
		}}}
		if a := d.ask(t, http.MethodPost, endpoint.Path, d.officer(t, policy, 1), plain); a.status != http.StatusCreated {
			t.Fatalf("%d %v", a.status, a.body)
		}
	})
}
