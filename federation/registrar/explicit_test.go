package registrar_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/registrar"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// desk is the endpoint of explicit registration of an office.
type desk struct {
	*office
	endpoint *registrar.Explicit
	ring     keys.Ring
	wait     time.Duration
}

// Take lets all in, unless the test says otherwise.
func (d *desk) Take(netip.Addr) time.Duration { return d.wait }

func newDesk(t *testing.T, db *store.DB, ring keys.Ring) *desk {
	t.Helper()
	d := &desk{office: newOffice(t, db), ring: ring}
	d.endpoint = registrar.NewExplicit(d.Registrar, d.ring, d)
	return d
}

// ring is a keyring with federation keys.
func ring(t *testing.T) keys.Ring {
	t.Helper()
	files, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: keytest.Algorithms})
	if err != nil {
		t.Fatal(err)
	}
	return keytest.Ring(t, files, &keytest.Ledger{})
}

// request is the configuration of the app for this provider, with changes to claims and to
// metadata.
func (d *desk) request(t *testing.T, header, changes, metadata claims) string {
	t.Helper()
	own := claims{
		"client_registration_types": []string{"explicit"}, "client_name": "Cổng dịch vụ", "jwks": d.key.JWKS(t),
		"redirect_uris": []string{"https://app.tinh.example.vn/cb"},
	}
	maps.Copy(own, metadata)
	all := claims{
		"iss": d.app.ID, "sub": d.app.ID, "iat": d.now.Unix(), "exp": d.now.Add(2 * time.Hour).Unix(), "jwks": d.app.JWKS(t), "aud": self,
		"authority_hints": []federation.EntityID{d.province.ID}, "metadata": claims{"openid_relying_party": own},
	}
	maps.Copy(all, changes)
	return d.app.Sign(t, header, all)
}

func (d *desk) ask(media, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/register", strings.NewReader(body))
	r.Header.Set("Content-Type", media)
	w := httptest.NewRecorder()
	d.endpoint.ServeHTTP(w, r)
	return w
}

// TestExplicit: an app registers itself by its configuration and a chain, in its header or
// around it, and by a chain that the resolver knows (OpenID Federation 1.0 §12.2, §12.2.3),
// and is answered by a statement for it alone; on both databases.
func TestExplicit(t *testing.T) {
	ring := ring(t)
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, row := range []struct {
			name string
			ask  func(t *testing.T, d *desk) *httptest.ResponseRecorder
		}{
			{"§4.3: trust_chain in the header", func(t *testing.T, d *desk) *httptest.ResponseRecorder {
				return d.ask(registrar.RequestType, d.request(t, claims{"trust_chain": d.chain(t, nil)}, nil, nil))
			}},
			{"§12.2.1: a chain as the body", func(t *testing.T, d *desk) *httptest.ResponseRecorder {
				raw, err := json.Marshal(append([]string{d.request(t, nil, nil, nil)}, d.chain(t, nil)[1:]...))
				if err != nil {
					t.Fatal(err)
				}
				return d.ask(registrar.ChainType, string(raw))
			}},
			{"§12.2.2: a chain that the resolver knows", func(t *testing.T, d *desk) *httptest.ResponseRecorder {
				d.resolve(t, d.chain(t, nil))
				return d.ask(registrar.RequestType, d.request(t, nil, nil, nil))
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := newDesk(t, db, ring)
				d.app = federationtest.New(t, federation.EntityID("https://app"+authz.NewID()+".example.vn"))
				answer := row.ask(t, d)
				if answer.Code != http.StatusOK || answer.Header().Get("Content-Type") != "application/explicit-registration-response+jwt" {
					t.Fatalf("got %d %s: %s", answer.Code, answer.Header().Get("Content-Type"), answer.Body)
				}
				published, err := d.ring.Published(keys.EntityStatement)
				if err != nil {
					t.Fatal(err)
				}
				verified, err := jose.VerifyPublished(answer.Body.String(), published, jose.Rule{
					Type: "explicit-registration-response+jwt", Algorithms: statement.Algorithms, MaxBytes: statement.MaxBytes,
				})
				if err != nil {
					t.Fatal(err)
				}
				var got struct {
					Issuer   string   `json:"iss"`
					Subject  string   `json:"sub"`
					Audience string   `json:"aud"`
					Expires  int64    `json:"exp"`
					Anchor   string   `json:"trust_anchor"`
					Hints    []string `json:"authority_hints"`
					Metadata map[string]struct {
						ID     string   `json:"client_id"`
						Method string   `json:"token_endpoint_auth_method"`
						Ways   []string `json:"client_registration_types"`
					} `json:"metadata"`
				}
				if err := json.Unmarshal(verified.Claims, &got); err != nil {
					t.Fatal(err)
				}
				app := got.Metadata["openid_relying_party"]
				if got.Issuer != self || got.Subject != string(d.id()) || got.Audience != string(d.id()) ||
					got.Anchor != string(d.anchor.ID) ||
					len(got.Hints) != 1 || got.Hints[0] != string(d.province.ID) || app.ID != string(d.id()) ||
					app.Method != "private_key_jwt" || len(app.Ways) != 1 || app.Ways[0] != "explicit" {
					t.Errorf("§12.2.3: got %s", verified.Claims)
				}
				if end := d.now.Add(time.Hour).Unix(); got.Expires != end {
					t.Errorf("§12.2.2: it ends at %d, the chain at %d", got.Expires, end)
				}
				if c, err := d.Client(t.Context(), d.id()); err != nil || c.Membership.Expires.Unix() != got.Expires {
					t.Errorf("got %+v, %v", c, err)
				}
				d.expect(t, "client.registered")
			})
		}
	})
}

// TestExplicitStands: what an app registered for this provider stands until it ends, whatever
// it publishes for all; a new registration takes its place.
func TestExplicitStands(t *testing.T) {
	d, ctx := newDesk(t, storetest.SQLite(t, nil), ring(t)), t.Context()
	register := func(metadata claims) *httptest.ResponseRecorder {
		return d.ask(registrar.RequestType, d.request(t, claims{"trust_chain": d.chain(t, nil)}, nil, metadata))
	}
	name := func() string {
		c, err := d.Client(ctx, d.id())
		if err != nil {
			t.Fatal(err)
		}
		return c.Name.VI
	}
	if answer := register(claims{"client_name": "Tên riêng"}); answer.Code != http.StatusOK {
		t.Fatalf("got %d %s", answer.Code, answer.Body)
	}
	d.now = d.now.Add(time.Minute)
	d.resolve(t, d.chain(t, nil))
	if err := d.Introduce(ctx, d.id(), d.chain(t, nil), nil); err != nil || name() != "Tên riêng" {
		t.Errorf("it is %q now, %v", name(), err)
	}
	d.expect(t, "client.registered")
	if answer := register(claims{"client_name": "Tên mới"}); answer.Code != http.StatusOK || name() != "Tên mới" {
		t.Errorf("got %d %s, and the name is %q", answer.Code, answer.Body, name())
	}
	d.expect(t, "client.updated")
	d.revoke(t)
	if _, err := d.Client(ctx, d.id()); err == nil {
		t.Error("it outlives its trust")
	}
	d.expect(t, "client.trust-ended")
}

// TestExplicitRefused: nothing is written for a request that breaks a rule.
func TestExplicitRefused(t *testing.T) {
	d := newDesk(t, storetest.SQLite(t, nil), ring(t))
	stranger := federationtest.New(t, "https://la.example.vn")
	chain := claims{"trust_chain": d.chain(t, nil)}
	peer := []string{d.provider.Configuration(t, claims{"authority_hints": []federation.EntityID{d.other.ID}}), d.other.About(t, d.provider, nil)}
	list := func(first string) string {
		raw, err := json.Marshal(append([]string{first}, d.chain(t, nil)[1:]...))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	for _, row := range []struct {
		name, media, body, code string
	}{
		{"§12.2.2: for another provider", registrar.RequestType, d.request(t, chain, claims{"aud": "https://khac.example.vn"}, nil), "invalid_request"},
		{"§12.2.1: for nobody", registrar.RequestType, d.request(t, chain, claims{"aud": nil}, nil), "invalid_request"},
		{"§12.2.1: for another provider too", registrar.RequestType, d.request(t, chain, claims{"aud": []string{self, "https://khac.example.vn"}}, nil), "invalid_request"},
		{"§12.2.1: without superiors", registrar.RequestType, d.request(t, chain, claims{"authority_hints": nil}, nil), "invalid_request"},
		{"§12.2.1: about another", registrar.RequestType, d.request(t, chain, claims{"sub": stranger.ID, "authority_hints": nil}, nil), "invalid_request"},
		{"§3.2: no statement", registrar.RequestType, "x", "invalid_request"},
		{"§12.2.2: no chain, and none known", registrar.RequestType, d.request(t, nil, nil, nil), "invalid_trust_chain"},
		{"§10.2: a chain without the anchor", registrar.RequestType, d.request(t, claims{"trust_chain": d.chain(t, nil)[:2]}, nil, nil), "invalid_trust_anchor"},
		{"§10.2: a request that has expired", registrar.RequestType, d.request(t, chain, claims{"iat": d.now.Unix() - 9, "exp": d.now.Unix() - 1}, nil), "invalid_trust_chain"},
		{"§10.2: keys that no superior states", registrar.RequestType, stranger.Sign(t, chain, claims{
			"iss": d.app.ID, "sub": d.app.ID, "iat": d.now.Unix(), "exp": d.now.Unix() + 60, "jwks": stranger.JWKS(t), "aud": self,
			"authority_hints": []federation.EntityID{d.province.ID}, "metadata": claims{"openid_relying_party": claims{}},
		}), "invalid_trust_chain"},
		{"§4.4: a peer chain alone", registrar.RequestType, d.request(t, claims{"peer_trust_chain": peer}, nil, nil), "invalid_trust_chain"},
		{"§12.2.2: a peer chain to another anchor", registrar.RequestType, d.request(t, claims{"trust_chain": d.chain(t, nil), "peer_trust_chain": peer}, nil, nil), "invalid_trust_anchor"},
		{"§5.1.2: an app that registers automatically alone", registrar.RequestType, d.request(t, chain, nil, claims{"client_registration_types": []string{"automatic"}}), "invalid_metadata"},
		{"§12.2.2: metadata that this provider does not take", registrar.RequestType, d.request(t, chain, nil, claims{"scope": "openid phone"}), "invalid_metadata"},
		{"§12.2.1: a body that is no list", registrar.ChainType, `{}`, "invalid_trust_chain"},
		{"§12.2.1: an empty list", registrar.ChainType, `[]`, "invalid_trust_chain"},
		{"§12.2.1: peer_trust_chain in a chain", registrar.ChainType, list(d.request(t, claims{"trust_chain": d.chain(t, nil), "peer_trust_chain": peer}, nil, nil)), "invalid_trust_chain"},
		{"§12.2.2: the configuration for all in a chain", registrar.ChainType, list(d.chain(t, nil)[0]), "invalid_request"},
		{"more than is read", registrar.RequestType, strings.Repeat("x", 120<<10), "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			answer := d.ask(row.media, row.body)
			var said struct{ Error string }
			if err := json.Unmarshal(answer.Body.Bytes(), &said); err != nil || answer.Code != http.StatusBadRequest ||
				said.Error != row.code {
				t.Errorf("got %d %s, want %s", answer.Code, answer.Body, row.code)
			}
		})
	}
	if _, err := d.db.Client(t.Context(), d.id()); err == nil {
		t.Error("a row was made")
	}
	d.wait = time.Second
	if answer := d.ask(registrar.RequestType, "x"); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("an address that asks too often: %d", answer.Code)
	}
	d.expect(t)
}
