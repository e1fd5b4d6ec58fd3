package federating_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/cmd/node"
	"hopnhat/cmd/node/federating"
	"hopnhat/cmd/node/nodetest"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

const issuer = "https://neo.example.vn"

// TestRead: what a file may say, and what is refused before the server starts.
func TestRead(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	ca := nodetest.Write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	for _, row := range []struct{ name, text, issuer, want string }{ // want: in the refusal; empty if it is read
		{"an anchor", `{"organization":"Neo","subordinates":true,"trust_mark_issuers":{"https://neo.example.vn/m":[]}}`, issuer, ""},
		{"an intermediate", `{"organization":"Bộ","subordinates":true,"superiors":["https://a.example.vn"],"networks":["10.0.0.0/8"],"ca":"` + ca + `"}`, issuer, ""},
		{"a leaf", `{"organization":"Nhà cung cấp","superiors":["https://a.example.vn"]}`, issuer, ""},
		{"an issuer that is not https", `{"organization":"Neo","subordinates":true}`, "http://localhost:8440", "the issuer is the name"},
		{"no organization", `{"subordinates":true}`, issuer, "organization"},
		{"neither above nor below anybody", `{"organization":"Neo"}`, issuer, "nobody trusts"},
		{"a superior that is no entity", `{"organization":"Neo","superiors":["a.example.vn"]}`, issuer, "§3.1.2"},
		{"its own superior", `{"organization":"Neo","superiors":["https://neo.example.vn"]}`, issuer, "names the entity itself"},
		{"issuers of marks below an anchor", `{"organization":"Bộ","superiors":["https://a.example.vn"],"trust_mark_issuers":{"x":[]}}`, issuer, "trust anchor only"},
		{"an owner of marks without keys", `{"organization":"Neo","subordinates":true,"trust_mark_owners":{"x":{"sub":"https://a.example.vn"}}}`, issuer, "no sub or no jwks"},
		{"a mark of another type than stands beside it", `{"organization":"Neo","superiors":["https://a.example.vn"],"trust_marks":[{"trust_mark_type":"x","trust_mark":"e30.e30.e30"}]}`, issuer, "mark 0"},
		{"a network that is none", `{"organization":"Neo","subordinates":true,"networks":["here"]}`, issuer, "networks"},
		{"a file of certificates that is not there", `{"organization":"Neo","subordinates":true,"ca":"none.pem"}`, issuer, "ca:"},
		{"a member that nobody knows", `{"organization":"Neo","subordinate":true}`, issuer, "unknown field"},
		{"an anchor without keys", `{"organization":"Bộ","superiors":["https://a.example.vn"],"anchors":[{"entity":"https://a.example.vn","jwks":{"keys":[]}}]}`, issuer, "has no key set"},
		{"an anchor that is no entity", `{"organization":"Bộ","superiors":["https://a.example.vn"],"anchors":[{"entity":"a"}]}`, issuer, "anchors"},
		{"endpoints that want a proof", `{"organization":"Neo","subordinates":true,"authentication":{"fetch":"required","trust_mark_status":"optional"}}`, issuer, ""},
		{"a proof at no endpoint", `{"organization":"Neo","subordinates":true,"authentication":{"register":"required"}}`, issuer, "authentication"},
		{"a proof sometimes", `{"organization":"Neo","subordinates":true,"authentication":{"fetch":"sometimes"}}`, issuer, "neither optional nor required"},
		{"a bundle every hour of one who is no anchor of its own", `{"organization":"Neo","subordinates":true,"bundle_every":"1h"}`, issuer, "name this entity in anchors"},
		{"a bundle every second", `{"organization":"Neo","subordinates":true,"bundle_every":"1s"}`, issuer, "bundle_every"},
		{"bundles by plain HTTP", `{"organization":"Bộ","superiors":["https://a.example.vn"],"bundle_from":["http://a.example.vn/b"]}`, issuer, "bundle_from"},
		{"bundles of nobody", `{"organization":"Bộ","superiors":["https://a.example.vn"],"bundle_from":["https://a.example.vn/b"]}`, issuer, "name them in anchors"},
		{"not JSON", `organization: Neo`, issuer, "invalid character"},
		{"too long", `{"organization":"` + strings.Repeat("x", 1<<20) + `"}`, issuer, "longer than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, err := federating.Read(nodetest.Write(t, "f.json", row.text), row.issuer)
			if row.want == "" && (err != nil || e == nil || e.ID() != issuer) || row.want != "" && (err == nil ||
				!strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
	if e, err := federating.Read("", issuer); e != nil || err != nil {
		t.Errorf("without a file: %v, %v", e, err)
	}
}

// running is a node with roles, and what it is in a federation, with more of its
// configuration.
func running(t *testing.T, roles, text string, more ...func(*node.Config)) *node.Node {
	t.Helper()
	c := node.Defaults()
	c.State, c.Listen, c.Argon2KiB, c.Registry = filepath.Join(t.TempDir(), "state"), "127.0.0.1:0", 19<<10,
		nodetest.Registers(t)
	c.Issuer, c.Roles = issuer, roles
	if text != "" {
		c.FederationEntity = nodetest.Write(t, "f.json", text)
	}
	for _, change := range more {
		change(&c)
	}
	return nodetest.Start(t, &c)
}

// TestNode: a server of all roles publishes itself as a provider of the federation (§5.1.3,
// §9), an anchor without the other roles answers its endpoints, and a server that is in no
// federation publishes nothing.
func TestNode(t *testing.T) {
	t.Run("a provider", func(t *testing.T) {
		n := running(t, "provider,broker,portal,log,federation", `{"organization":"Nhà cung cấp","superiors":["https://a.example.vn"]}`)
		status, header, body := nodetest.Get(t, n, authority.ConfigurationPath, "")
		c, err := statement.Parse(body)
		if status != http.StatusOK || header.Get("Content-Type") != fetch.MediaType || err != nil {
			t.Fatalf("status %d, %s, %v", status, header.Get("Content-Type"), err)
		}
		provider := c.Metadata[federation.OpenIDProvider]
		if c.Subject != issuer || len(c.AuthorityHints) != 1 || provider["issuer"] != issuer || provider["token_endpoint"] == nil ||
			provider["client_registration_types_supported"] == nil ||
			c.Metadata[federation.FederationEntity]["organization_name"] != "Nhà cung cấp" {
			t.Errorf("got %v", c.Metadata)
		}
		published, err := n.Ring.Published(keys.EntityStatement)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := jose.MarshalSet(published)
		if err != nil {
			t.Fatal(err)
		}
		if set, err := jose.ParseSet(raw); err != nil || c.SignedBy(set) != nil {
			t.Errorf("it is not signed with the federation key of the keyring: %v", err)
		}
		if status, _, _ := nodetest.Get(t, n, authority.FetchPath+"?sub=https://a.example.vn", ""); status != http.StatusNotFound {
			t.Errorf("a leaf states others: %d", status)
		}
	})
	t.Run("a provider that lets apps in", func(t *testing.T) {
		anchor := federationtest.New(t, "https://neo.example.vn")
		file := nodetest.Write(t, "apps.json", `{"trust_anchors":[{"entity_id":"https://neo.example.vn","jwks":`+string(anchor.JWKS(t))+`}]}`)
		n := running(t, "provider,broker,portal,log,federation", `{"organization":"Nhà cung cấp","superiors":["https://a.example.vn"]}`,
			func(c *node.Config) { c.FederationApps = file })
		_, _, body := nodetest.Get(t, n, authority.ConfigurationPath, "")
		c, err := statement.Parse(body)
		if err != nil {
			t.Fatal(err)
		}
		ways, _ := c.Metadata[federation.OpenIDProvider]["client_registration_types_supported"].([]any)
		at := c.Metadata[federation.OpenIDProvider]["federation_registration_endpoint"]
		if len(ways) != 2 || ways[0] != "automatic" || ways[1] != "explicit" || at != issuer+"/register" {
			t.Errorf("§5.1.3: got %v at %v", ways, at)
		}
	})
	t.Run("an anchor alone", func(t *testing.T) {
		n := running(t, "log,federation", `{"organization":"Neo","subordinates":true}`)
		status, header, body := nodetest.Get(t, n, authority.FetchPath+"?sub=https://a.example.vn", "")
		var said map[string]string
		if err := json.Unmarshal([]byte(body), &said); status != http.StatusNotFound ||
			!strings.HasPrefix(header.Get("Content-Type"), "application/json") || err != nil || said["error"] != "not_found" {
			t.Errorf("status %d, %s: %s", status, header.Get("Content-Type"), body)
		}
		_, _, body = nodetest.Get(t, n, authority.ConfigurationPath, "")
		if c, err := statement.Parse(body); err != nil || c.Metadata[federation.OpenIDProvider] != nil || len(c.AuthorityHints) != 0 {
			t.Errorf("got %v, %v", c.Metadata, err)
		}
		if status, _, body = nodetest.Get(t, n, authority.ListPath, ""); status != http.StatusOK || strings.TrimSpace(body) != "[]" {
			t.Errorf("status %d: %s", status, body)
		}
		if status, _, body = nodetest.Get(t, n, "/readyz/federation", ""); status != http.StatusOK {
			t.Errorf("not ready: %d %s", status, body)
		}
	})
	t.Run("an anchor that is asked often", func(t *testing.T) {
		n := running(t, "log,federation", `{"organization":"Neo","subordinates":true}`, func(c *node.Config) { c.FederationBurst = 1 })
		if status, _, _ := nodetest.Get(t, n, authority.ListPath, ""); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		status, _, body := nodetest.Get(t, n, authority.ListPath, "")
		if status != http.StatusTooManyRequests || !strings.Contains(body, "temporarily_unavailable") {
			t.Errorf("RFC 6585 §4: status %d: %s", status, body)
		}
	})
	t.Run("an anchor that makes bundles", func(t *testing.T) {
		anchor := federationtest.New(t, issuer)
		n := running(t, "log,federation", `{"organization":"Neo","subordinates":true,"bundle_every":"1h","bundle_from":["https://a.example.vn/b"],
			"anchors":[{"entity":"https://neo.example.vn","jwks":`+string(anchor.JWKS(t))+`}]}`)
		status, _, body := nodetest.Get(t, n, authority.BundlePath, "")
		if status != http.StatusNotFound || !strings.Contains(body, "no bundle yet") {
			t.Errorf("status %d: %s", status, body)
		}
	})
	t.Run("in no federation", func(t *testing.T) {
		n := running(t, "log,federation", "")
		if status, _, _ := nodetest.Get(t, n, authority.ConfigurationPath, ""); status != http.StatusNotFound {
			t.Errorf("status %d", status)
		}
	})
}
