package endpoint_test

import (
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// TestSector: whose pseudonyms an app gets is proved, and stays. Otherwise an app
// could know the people of another agency by the names that agency knows them by.
func TestSector(t *testing.T) {
	const (
		victim = "https://thue.example.vn/sector"
		list   = "https://dat.example.vn/sector"
		jwks   = "https://dat.example.vn/keys"
		device = `"grant_types":["` + authz.GrantDevice + `"]`
		byKeys = `"jwks":null,"jwks_uri":"` + jwks + `"`
	)
	decoupled := registration.Policy{Profile: authz.FAPI2, GrantTypes: []string{"authorization_code", "refresh_token", authz.GrantDevice}}
	web := func(d *desk) *desk {
		d.web[victim] = `["https://thue.example.vn/cb"]`
		d.web[list] = `["https://dat.example.vn/cb","https://dat2.example.vn/cb","` + jwks + `"]`
		return d
	}
	for _, row := range []struct {
		name, changes string
		status        int
		says          string
	}{
		{"the list of another, and no redirect URI", `{"redirect_uris":[],` + device + `,"sector_identifier_uri":"` + victim + `"}`, 400, "jwks_uri"},
		{"the list of another, and keys of its own", `{"redirect_uris":[],` + device + `,` + byKeys + `,"sector_identifier_uri":"` + victim + `"}`, 400, "sector_identifier_uri"},
		{"the redirect URI of another, which no answer goes to", `{"redirect_uris":["https://thue.example.vn/cb"],"grant_types":["authorization_code","` + authz.GrantDevice + `"]}`, 400, "jwks_uri"},
		{"the redirect URI of another, and keys elsewhere", `{"redirect_uris":["https://thue.example.vn/cb"],` + byKeys + `,"grant_types":["authorization_code","` + authz.GrantDevice + `"]}`, 400, "jwks_uri"},
		{"its own list with its own keys", `{"redirect_uris":[],` + device + `,` + byKeys + `,"sector_identifier_uri":"` + list + `"}`, 201, ""},
		{"its own host with its own keys", `{` + byKeys + `,"grant_types":["authorization_code","` + authz.GrantDevice + `"]}`, 201, ""},
	} {
		t.Run("CIBA Core §4: "+row.name, func(t *testing.T) {
			d := web(newDesk(t, false))
			a := d.ask(t, "POST", "/register", d.officer(t, decoupled, 1), with(t, plain, row.changes))
			if a.status != row.status || !strings.HasPrefix(a.text("error_description"), row.says) {
				t.Errorf("got %d %v, want %d about %s", a.status, a.body, row.status, row.says)
			}
		})
	}

	for _, row := range []struct {
		name, changes string
		status        int
	}{
		{"to the host of another", `{"redirect_uris":["https://thue.example.vn/cb"]}`, 400},
		{"to the list of another", `{"redirect_uris":["https://thue.example.vn/cb"],"sector_identifier_uri":"` + victim + `"}`, 400},
		{"to a list at the same host", `{"redirect_uris":["https://dat.example.vn/cb","https://dat2.example.vn/cb"],"sector_identifier_uri":"` + list + `"}`, 200},
	} {
		t.Run("OpenID Connect Core §8.1: an update does not move an app "+row.name, func(t *testing.T) {
			d := web(newDesk(t, false))
			a := d.ask(t, "POST", "/register", d.officer(t, fapi, 1), plain)
			got := d.ask(t, "PUT", a.text("registration_client_uri"), a.text("registration_access_token"), back(t, a, row.changes))
			c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
			if got.status != row.status || err != nil || c.Sector != "dat.example.vn" {
				t.Errorf("got %d %v, sector %q, %v", got.status, got.body, c.Sector, err)
			}
		})
	}
	t.Run("a sector that an operator gave stays", func(t *testing.T) {
		d := newDesk(t, false)
		a := d.ask(t, "POST", "/register", d.officer(t, fapi, 1), plain)
		c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		if err != nil {
			t.Fatal(err)
		}
		c.Sector = "so.example.vn"
		if err := d.db.SaveClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		got := d.ask(
			t, "PUT", a.text("registration_client_uri"), a.text("registration_access_token"), back(t, a, `{"redirect_uris":["https://dat.example.vn/moi"]}`),
		)
		if c, err = d.db.Client(t.Context(), c.ID); got.status != 200 || err != nil || c.Sector != "so.example.vn" {
			t.Errorf("got %d %v, sector %q, %v", got.status, got.body, c.Sector, err)
		}
	})
}
