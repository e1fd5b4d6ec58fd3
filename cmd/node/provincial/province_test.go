package provincial_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/nodetest"
	"hopnhat/cmd/node/provincial"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
)

const (
	issuer = "https://id.danang.example.vn"
	centre = "https://id.example.vn"
	marked = "https://neo.example.vn/marks/regional-provider"
)

// entity is the file of the province as an entity, with a mark of a type, none if it is empty.
func entity(t *testing.T, kind string) string {
	t.Helper()
	return entityUnder(t, kind, "https://neo.example.vn")
}

// entityUnder is one that knows others under some anchors.
func entityUnder(t *testing.T, kind string, anchors ...federation.EntityID) string {
	t.Helper()
	anchor := federationtest.New(t, "https://neo.example.vn")
	file := map[string]any{"organization": "Thành phố Đà Nẵng", "superiors": []any{anchor.ID}}
	var known []any
	for _, id := range anchors {
		known = append(known, map[string]any{"entity": id, "jwks": anchor.JWKS(t)})
	}
	file["anchors"] = known
	if kind != "" {
		token := anchor.Sign(t, federationtest.Claims{"typ": "trust-mark+jwt"}, federationtest.Claims{
			"iss": anchor.ID, "sub": issuer, "trust_mark_type": kind, "iat": federationtest.Now.Unix(),
		})
		file["trust_marks"] = []any{map[string]any{"trust_mark_type": kind, "trust_mark": token}}
	}
	raw, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return nodetest.Write(t, "entity.json", string(raw))
}

const good = `{"name":{"vi":"Đà Nẵng","en":"Da Nang"},"centre":"` + centre + `","trust_mark_type":"` + marked + `"}`

// TestRead: what a province may say, and what is refused before the server starts.
func TestRead(t *testing.T) {
	for _, row := range []struct{ name, text, mark, issuer, want string }{ // want: in the refusal; empty if it is read
		{"a province", good, marked, issuer, ""},
		{"no mark", good, "", issuer, "no mark of type"},
		{"the mark of another type", good, "https://neo.example.vn/marks/public", issuer, "no mark of type"},
		{"no type of mark", `{"name":{"vi":"Đà Nẵng"},"centre":"` + centre + `"}`, marked, issuer, "no mark of type"},
		{"no name", `{"centre":"` + centre + `","trust_mark_type":"` + marked + `"}`, marked, issuer, "name is missing"},
		{"a centre without TLS", strings.Replace(good, "https://id.", "http://id.", 1), marked, issuer, "centre is the issuer"},
		{"its own centre", good, marked, centre, "is this server itself"},
		{"a member that nobody knows", strings.Replace(good, "centre", "center", 1), marked, issuer, "unknown field"},
		{"two objects", good + good, marked, issuer, "more after"},
		{"too long", `{"name":{"vi":"` + strings.Repeat("x", 1<<20) + `"}}`, marked, issuer, "longer than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := entity(t, row.mark)
			if row.issuer != issuer {
				file = entity(t, "") // a mark is of its holder alone
			}
			p, err := provincial.Read(nodetest.Write(t, "p.json", row.text), file, row.issuer)
			if row.want == "" && (err != nil || p.Centre != centre || p.Named().EN != "Da Nang") ||
				row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
	if _, err := provincial.Read(nodetest.Write(t, "p.json", good), "", issuer); err == nil ||
		!strings.Contains(err.Error(), "federation_entity is not set") {
		t.Errorf("an entity of no federation: %v", err)
	}
	if p, err := provincial.Read("", "", issuer); p != nil || err != nil || p.Named() != (authz.LocalizedText{}) || p.Reachable(4) != 4 {
		t.Errorf("without a file: %v, %v", p, err)
	}
}

// TestAnchor: where several anchors are known, centre and provinces know each other under the one
// that is named.
func TestAnchor(t *testing.T) {
	const first, second = federation.EntityID("https://neo.example.vn"), federation.EntityID("https://other.example.vn")
	provinces := `{"trust_mark_type":"` + marked + `","days":7,"since":"2026-01-01T00:00:00+07:00","providers":[
		{"entity":"https://id.hue.example.vn","name":{"vi":"Huế"},"sectors":["hue.example.vn"]}]}`
	for _, row := range []struct {
		name    string
		anchors []federation.EntityID
		pinned  string
		want    string // in the refusal; empty if it is read
	}{
		{"one, not named", []federation.EntityID{first}, "", ""},
		{"one, named", []federation.EntityID{first}, string(first), ""},
		{"one, and another is named", []federation.EntityID{first}, string(second), "federation_entity names " + string(first)},
		{"two, not named", []federation.EntityID{first, second}, "", "anchor is missing"},
		{"two, named", []federation.EntityID{first, second}, string(second), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := entityUnder(t, marked, row.anchors...)
			with := func(text string) string {
				if row.pinned != "" {
					text = strings.Replace(text, "{", `{"anchor":"`+row.pinned+`",`, 1)
				}
				return nodetest.Write(t, "p.json", text)
			}
			_, err1 := provincial.Read(with(good), file, issuer)
			p, err2 := provincial.ReadProviders(with(provinces), file, issuer)
			for what, err := range map[string]error{"a province": err1, "the centre": err2} {
				if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
					t.Errorf("%s: got %v, want %q", what, err, row.want)
				}
			}
			if want := federation.EntityID(row.pinned); row.want == "" && p.Anchor != want && (want != "" || p.Anchor != first) {
				t.Errorf("the centre knows provinces under %q", p.Anchor)
			}
		})
	}
}

func configured(t *testing.T) node.Config {
	t.Helper()
	c := node.Defaults()
	c.State, c.Listen, c.Argon2KiB = filepath.Join(t.TempDir(), "state"), "127.0.0.1:0", 19<<10
	c.Issuer, c.Roles = issuer, "provider,portal,log,federation"
	c.FederationEntity, c.RegionalProvider = entity(t, marked), nodetest.Write(t, "p.json", good)
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestProvince: the provider of a province starts without the national registers, says in its
// metadata that it releases nothing and signs in up to level 2, and says whose it is.
func TestProvince(t *testing.T) {
	c := configured(t)
	n := nodetest.Start(t, &c)
	get := func(path string) (int, string) {
		t.Helper()
		status, _, body := nodetest.Get(t, n, path, "vi")
		return status, body
	}
	_, body := get("/.well-known/openid-configuration")
	var said struct {
		ACRs      []string `json:"acr_values_supported"`
		Details   []string `json:"authorization_details_types_supported"`
		Resources []string `json:"protected_resources"`
		Verified  bool     `json:"verified_claims_supported"`
	}
	if err := json.Unmarshal([]byte(body), &said); err != nil {
		t.Fatal(err)
	}
	if want := []string{authz.AuthenticationLevel(1).ACR(), authz.AuthenticationLevel(2).ACR()}; !slices.Equal(said.ACRs, want) ||
		said.Details != nil || said.Verified || len(said.Resources) != 2 {
		t.Errorf("got %+v", said)
	}
	if status, page := get("/signin"); status != http.StatusOK || !strings.Contains(page, "Đà Nẵng") ||
		!strings.Contains(page, "khoá truy cập") {
		t.Errorf("the sign-in page says %d: %s", status, page)
	}
	if status, body := get("/readyz/provider"); status != http.StatusOK {
		t.Errorf("not ready: %d %s", status, body)
	}
}

// TestReachable: RFC 9470 §3: no level above 2 is promised at a province, whatever the factors.
func TestReachable(t *testing.T) {
	p, err := provincial.Read(nodetest.Write(t, "p.json", good), entity(t, marked), issuer)
	if err != nil {
		t.Fatal(err)
	}
	for level, want := range map[authz.AuthenticationLevel]authz.AuthenticationLevel{1: 1, 2: 2, 3: 2, 4: 2} {
		if got := p.Reachable(level); got != want {
			t.Errorf("of %d got %d, want %d", level, got, want)
		}
	}
	if _, err := p.Consents(nil).Details([]byte("[]"), nil); authz.AsError(err).Code != authz.InvalidAuthorizationDetails {
		t.Errorf("details: %v", err)
	}
}

// TestRoles: a server that releases is no provider of a province.
func TestRoles(t *testing.T) {
	c := configured(t)
	c.Roles = "provider,broker,log,federation"
	if err := c.Complete(); err == nil || !strings.Contains(err.Error(), "releases nothing") {
		t.Errorf("got %v", err)
	}
}
