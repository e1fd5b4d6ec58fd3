package endpoint_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const (
	issuer = "https://id.example.vn"
	ecKeys = `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}`
	plain  = `{"client_name":"Sổ đất","jwks":` + ecKeys + `,"redirect_uris":["https://dat.example.vn/cb"]}`
	secret = `{"client_name":"Sổ cũ","redirect_uris":["https://cu.example.vn/cb"]}`
)

// desk is an endpoint on a real store, with a clock to turn and a web to fetch
// from.
type desk struct {
	*endpoint.Endpoint
	db     *store.DB
	now    time.Time
	web    map[string]string
	events []audit.Event
	logged atomic.Int32 // leaves of one act are appended at the same time
	wait   time.Duration
	// fetching happens while a document is fetched.
	fetching func()
}

// desk keeps the events beside the database, as [audit.Rows], and counts the leaves.

func (d *desk) Record(ctx context.Context, events ...audit.Sealed) error {
	for _, e := range events {
		d.events = append(d.events, e.Event)
	}
	return nil
}

func (d *desk) RecordHolding(context.Context, audit.Sealed, audit.Hold) error {
	return errors.ErrUnsupported
}

func (d *desk) NextNumber(context.Context, string, *audit.Hold) (int64, error) {
	return 0, errors.ErrUnsupported
}

func (d *desk) Tx(ctx context.Context, fn func(context.Context) error) error { return d.db.Tx(ctx, fn) }

func (d *desk) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	return d.db.AfterCommit(ctx, do)
}

func (d *desk) AppendLeaf(context.Context, audit.Sealed) (audit.Place, error) {
	d.logged.Add(1)
	return audit.Place{}, nil
}

func (d *desk) AppendSoon(audit.Sealed) { d.logged.Add(1) }

func (d *desk) Fetch(_ context.Context, address string, limit int64) ([]byte, error) {
	if d.fetching != nil {
		d.fetching()
	}
	text, ok := d.web[address]
	if !ok || int64(len(text)) > limit {
		return nil, errors.New("not there")
	}
	return []byte(text), nil
}

func (d *desk) Take(netip.Addr) time.Duration { return d.wait }

func newDesk(t *testing.T, open bool) *desk {
	t.Helper()
	d := &desk{db: storetest.SQLite(t, nil), now: time.Date(2026, 11, 25, 9, 0, 0, 0, time.UTC), web: map[string]string{}}
	d.Endpoint = endpoint.New(endpoint.Options{
		Issuer: issuer, Open: open, Rules: registration.Rules{Catalogue: consent.Load()}, Registrations: d.db,
		Evidence: &audit.Scribe{Rows: d, Leaves: d, Site: "dc1"}, Fetcher: d,
		Changed: func(authz.ClientID) {}, Addresses: d, Now: func() time.Time { return d.now },
	})
	return d
}

// officer makes an initial access token.
func (d *desk) officer(t *testing.T, p registration.Policy, uses int) string {
	t.Helper()
	token := authz.NewSecret()
	if p.Owner.VI == "" {
		p.Owner = authz.LocalizedText{VI: "Sở Mẫu", EN: "Sample Department"}
	}
	i := registration.Initial{ID: authz.NewID(), Policy: p, UsesLeft: uses, Created: d.now, Expires: d.now.Add(time.Hour)}
	if err := d.db.InsertInitialToken(t.Context(), i, authz.HashSecret(token)); err != nil {
		t.Fatal(err)
	}
	return token
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
}

func (r reply) text(name string) string { s, _ := r.body[name].(string); return s }

// ask sends a request; a body that is "" is none.
func (d *desk) ask(t *testing.T, method, address, token, body string) reply {
	t.Helper()
	r := httptest.NewRequest(method, strings.TrimPrefix(address, issuer), strings.NewReader(body))
	r.RemoteAddr = "192.0.2.1"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return d.send(t, r)
}

func (d *desk) send(t *testing.T, r *http.Request) reply {
	t.Helper()
	w := httptest.NewRecorder()
	if r.URL.Path == endpoint.Path {
		d.Register(w, r)
	} else {
		d.Manage(w, r)
	}
	out := reply{w.Code, w.Header(), nil}
	raw, _ := io.ReadAll(w.Body)
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := json.Unmarshal(raw, &out.body); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
	}
	if w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("the answer may be kept: %v", w.Header())
	}
	return out
}

// with is metadata with members replaced.
func with(t *testing.T, base, changes string) string {
	t.Helper()
	var object map[string]any
	for _, text := range []string{base, changes} {
		if err := json.Unmarshal([]byte(text), &object); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

var (
	fapi = registration.Policy{Profile: authz.FAPI2}
	oidc = registration.Policy{Profile: authz.OIDC}
)

func TestRegister(t *testing.T) {
	t.Run("RFC 7591 §3.2.1: all that is registered, defaults included, and nothing that is not", func(t *testing.T) {
		d := newDesk(t, false)
		a := d.ask(t, "POST", endpoint.Path, d.officer(t, oidc, 1), with(t, secret, `{"made_up":"x","client_id":"mine","contacts":["it@cu.example.vn"],"client_name#en":"Old book"}`))
		if a.status != http.StatusCreated {
			t.Fatalf("%d %v", a.status, a.body)
		}
		for name, want := range map[string]any{
			"token_endpoint_auth_method": "client_secret_basic", "application_type": "web", "profile": "oidc", "scope": "openid offline_access", "subject_type": "pairwise",
			"contacts": []any{"it@cu.example.vn"}, "client_name": "Sổ cũ", "client_name#en": "Old book", "client_id_issued_at": float64(d.now.Unix()),
			"client_secret_expires_at": float64(d.now.Add(365 * 24 * time.Hour).Unix()), "grant_types": []any{"authorization_code", "refresh_token"},
			"registration_client_uri": issuer + "/register/" + a.text("client_id"), "made_up": nil, "sector": nil, // RFC 7592 §3
		} {
			if !reflect.DeepEqual(a.body[name], want) {
				t.Errorf("%s: got %v, want %v", name, a.body[name], want)
			}
		}
		if a.text("client_id") == "mine" || len(a.text("client_secret")) < 40 || len(a.text("registration_access_token")) < 40 {
			t.Errorf("got %v", a.body)
		}
		c, err := d.db.Client(t.Context(), authz.ClientID(a.text("client_id")))
		if err != nil || c.Owner.VI != "Sở Mẫu" || c.Sector != "cu.example.vn" ||
			string(c.SecretHash) != string(authz.HashSecret(a.text("client_secret"))) {
			t.Fatalf("%+v, %v", c, err)
		}
		if len(d.events) != 1 || d.logged.Load() != 1 || d.events[0].Detail.Action != "client.registered" ||
			d.events[0].Detail.Object != string(c.ID) {
			t.Errorf("%d events", len(d.events))
		}
	})
	t.Run("an initial access token is good for so many uses", func(t *testing.T) {
		d := newDesk(t, false)
		token := d.officer(t, fapi, 2)
		for _, want := range []int{201, 201, 401} {
			if a := d.ask(t, "POST", endpoint.Path, token, plain); a.status != want {
				t.Fatalf("got %d %v, want %d", a.status, a.body, want)
			}
		}
		d.now = d.now.Add(time.Hour)
		if a := d.ask(t, "POST", endpoint.Path, d.officer(t, fapi, 1), plain); a.status != 201 {
			t.Fatalf("a new one: %d", a.status)
		}
	})
	t.Run("a refused registration uses nothing up", func(t *testing.T) {
		d := newDesk(t, false)
		token := d.officer(t, fapi, 1)
		if a := d.ask(t, "POST", endpoint.Path, token, `{}`); a.status != 400 {
			t.Fatalf("%d", a.status)
		}
		if a := d.ask(t, "POST", endpoint.Path, token, plain); a.status != 201 {
			t.Fatalf("%d %v", a.status, a.body)
		}
		if len(d.events) != 1 {
			t.Errorf("%d events", len(d.events))
		}
	})
	t.Run("RFC 7591 §2: what is left out is what the token lets", func(t *testing.T) {
		land := authz.Declaration{Purpose: "land.mortgage", Basis: authz.BasisConsent, Registry: "land", Attributes: []authz.AttributeID{"land.area"}, MaxDays: 30}
		prefill := authz.Declaration{Purpose: "dvc.prefill", Basis: authz.BasisConsent, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}, MaxDays: 30}
		const certified = `{"redirect_uris":["https://cu.example.vn/cb"],"response_types":["code"]}` // knows nothing of us
		for _, row := range []struct {
			name    string
			policy  registration.Policy
			changes string
			want    map[string]any
		}{
			{"nothing said on either side", registration.Policy{Profile: authz.OIDC}, `{}`, map[string]any{
				"scope": "openid offline_access", "grant_types": []any{"authorization_code", "refresh_token"}, "declarations": nil, "client_name": "cu.example.vn", "code_without_pkce": nil,
			}},
			{"scopes and declarations of the token", registration.Policy{Profile: authz.OIDC, Scopes: []string{"openid", "profile"}, Declarations: []authz.Declaration{land, prefill}}, `{}`, map[string]any{
				"scope": "openid profile", "declarations": 2,
			}},
			{"scopes said, declarations not", registration.Policy{Profile: authz.OIDC, Scopes: []string{"openid", "profile"}, Declarations: []authz.Declaration{land, prefill}}, `{"scope":"openid"}`, map[string]any{
				"scope": "openid", "declarations": 2,
			}},
			{"no declarations said to be none", registration.Policy{Profile: authz.OIDC, Scopes: []string{"openid", "profile"}, Declarations: []authz.Declaration{land, prefill}}, `{"declarations":[]}`, map[string]any{
				"scope": "openid", "declarations": nil,
			}},
			{"grants of the token that the response types need", registration.Policy{Profile: authz.OIDC, GrantTypes: []string{"authorization_code", "client_credentials"}}, `{}`, map[string]any{
				"grant_types": []any{"authorization_code"},
			}},
			{"a token for machines", registration.Policy{Profile: authz.OIDC, GrantTypes: []string{"client_credentials"}}, `{"redirect_uris":null,"response_types":[]}`, map[string]any{
				"grant_types": []any{"client_credentials"},
			}},
			{"opt-ins that no standard has a word for", registration.Policy{Profile: authz.OIDC, Allow: []string{"code_without_pkce", "session_management", "hybrid"}}, `{}`, map[string]any{
				"code_without_pkce": true, "session_management": true, "response_types": []any{"code"},
			}},
		} {
			t.Run(row.name, func(t *testing.T) {
				d := newDesk(t, false)
				a := d.ask(t, "POST", endpoint.Path, d.officer(t, row.policy, 1), with(t, certified, row.changes))
				if a.status != 201 {
					t.Fatalf("%d %v", a.status, a.body)
				}
				for member, want := range row.want {
					got := a.body[member]
					if list, ok := got.([]any); ok && member == "declarations" {
						got = len(list)
					}
					if !reflect.DeepEqual(got, want) {
						t.Errorf("%s: got %v, want %v", member, got, want)
					}
				}
			})
		}
	})
	t.Run("a hundred long redirect URIs are registered, changed and deleted, each with its event", func(t *testing.T) {
		d := newDesk(t, false)
		list := make([]string, 100)
		for i := range list {
			list[i] = fmt.Sprintf(`"https://dat.example.vn/%d/%s"`, i, strings.Repeat("x", 400))
		}
		long := with(t, plain, `{"redirect_uris":[`+strings.Join(list, ",")+`]}`)
		a := d.ask(t, "POST", endpoint.Path, d.officer(t, fapi, 1), long)
		if a.status != 201 {
			t.Fatalf("registered: %d %v", a.status, a.body)
		}
		url, token := a.text("registration_client_uri"), a.text("registration_access_token")
		changed := d.ask(t, "PUT", url, token, back(t, a, `{}`))
		if changed.status != 200 {
			t.Fatalf("changed: %d %v", changed.status, changed.body)
		}
		if gone := d.ask(t, "DELETE", url, changed.text("registration_access_token"), ""); gone.status != 204 {
			t.Fatalf("deleted: %d %v", gone.status, gone.body)
		}
		if len(d.events) != 3 || !strings.HasPrefix(d.events[0].Detail.Text, "sha256:") ||
			d.events[0].Detail.Text != d.events[2].Detail.Text {
			t.Errorf("%d events", len(d.events))
		}
	})
	t.Run("open: no token, any profile", func(t *testing.T) {
		d := newDesk(t, true)
		if a := d.ask(t, "POST", endpoint.Path, "", secret); a.status != 201 || a.text("profile") != "oidc" ||
			a.text("scope") != "openid offline_access profile email address phone" || a.body["code_without_pkce"] != true {
			t.Fatalf("%d %v", a.status, a.body)
		}
		if a := d.ask(
			t, "POST", endpoint.Path, "", with(t, secret, `{"application_type":"native","token_endpoint_auth_method":"none"}`),
		); a.status != 201 || a.text("profile") != "native" || a.body["code_without_pkce"] != nil {
			t.Fatalf("%d %v", a.status, a.body)
		}
		if a := d.ask(t, "POST", endpoint.Path, "", with(t, plain, `{"profile":"fapi2"}`)); a.status != 201 ||
			a.text("profile") != "fapi2" {
			t.Fatalf("%d %v", a.status, a.body)
		}
	})
}

func TestRegisterRefuses(t *testing.T) {
	declared := registration.Policy{Profile: authz.FAPI2, MinimumLevel: 2, Declarations: []authz.Declaration{{
		Purpose: "land.mortgage", Basis: authz.BasisConsent, Registry: "land", Attributes: []authz.AttributeID{"land.area", "land.certificate_no"}, MaxDays: 30,
	}}}
	const area = `{"declarations":[{"purpose":"land.mortgage","legal_basis":"LB-CONSENT","registry":"land","attributes":["land.area"],"max_days":30,"explanation":{"vi":"x","en":""}}]}`
	for _, row := range []struct {
		name, clause  string
		policy        registration.Policy
		base, changes string
		status        int
		code          authz.Code
		says          string
	}{
		{"a declaration that is let", "D8", declared, plain, area, 201, "", ""},
		{"an attribute that is not let", "D8", declared, plain, strings.Replace(area, `"land.area"`, `"land.area","land.encumbrance"`, 1), 400, authz.InvalidClientMetadata, "declarations"},
		{"a longer time than is let", "D8", declared, plain, strings.Replace(area, `30`, `31`, 1), 400, authz.InvalidClientMetadata, "declarations"},
		{"any declaration where none is let", "D8", fapi, plain, area, 400, authz.InvalidClientMetadata, "declarations"},
		{"a lower level than is demanded", "Decree 69/2024 Art. 20", declared, plain, `{"minimum_level":1}`, 400, authz.InvalidClientMetadata, "minimum_level"},
		{"another profile", "D5", fapi, plain, `{"profile":"oidc"}`, 400, authz.InvalidClientMetadata, "profile"},
		{"another owner", "", fapi, plain, `{"owner":{"vi":"Bộ Mẫu","en":""}}`, 400, authz.InvalidClientMetadata, "owner"},
		{"a grant that is not let", "RFC 7591 §2", fapi, plain, `{"grant_types":["client_credentials"]}`, 400, authz.InvalidClientMetadata, "grant_types"},
		{"a scope that is not let", "RFC 7591 §2", fapi, plain, `{"scope":"openid profile"}`, 400, authz.InvalidClientMetadata, "scope"},
		{"a sector of its own choice", "OpenID Connect Core §8.1", fapi, plain, `{"sector":"thue.example.vn"}`, 400, authz.InvalidClientMetadata, "sector"},
		{"introspection of its own choice", "RFC 7662 §4", fapi, plain, `{"introspect":["x"]}`, 400, authz.InvalidClientMetadata, "introspect"},
		{"a secret in profile fapi2", "FAPI 2.0 SP §5.3.2.1", fapi, plain, `{"token_endpoint_auth_method":"client_secret_basic"}`, 400, authz.InvalidClientMetadata, "token_endpoint_auth_method"},
		{"no redirect URI", "RFC 7591 §2", fapi, plain, `{"redirect_uris":[]}`, 400, authz.InvalidRedirectURI, "redirect_uris"},
		{"plain HTTP on loopback, at a provider that is not", "RFC 9700 §2.6", fapi, plain, `{"redirect_uris":["http://localhost/cb"]}`, 400, authz.InvalidRedirectURI, "https"},
		{"initiate_login_uri without TLS", "OpenID Connect Core §4", fapi, plain, `{"initiate_login_uri":"http://dat.example.vn/go"}`, 400, authz.InvalidClientMetadata, "initiate_login_uri"},
		{"jwks beside jwks_uri", "RFC 7591 §2", fapi, plain, `{"jwks_uri":"https://dat.example.vn/keys"}`, 400, authz.InvalidClientMetadata, "jwks_uri"},
		{"a public sub", "OpenID Connect Core §8", fapi, plain, `{"subject_type":"public"}`, 400, authz.InvalidClientMetadata, "subject_type"},
		{"a sector list that cannot be fetched", "DCR §5", fapi, plain, `{"sector_identifier_uri":"https://nowhere.example.vn/s"}`, 400, authz.InvalidClientMetadata, "sector_identifier_uri"},
		{"a sector list without the redirect URI", "DCR §5", fapi, plain, `{"sector_identifier_uri":"https://other.example.vn/s"}`, 400, authz.InvalidClientMetadata, "sector_identifier_uri"},
		{"a sector list that is none", "DCR §5", fapi, plain, `{"sector_identifier_uri":"https://bad.example.vn/s"}`, 400, authz.InvalidClientMetadata, "sector_identifier_uri"},
		{"a sector list with it", "DCR §5", fapi, plain, `{"sector_identifier_uri":"https://good.example.vn/s"}`, 201, "", ""},
		{"a statement where one is demanded and none came", "RFC 7591 §2.3", registration.Policy{Profile: authz.FAPI2, RequireStatement: true}, plain, `{}`, 400, authz.InvalidSoftwareStatement, "software_statement"},
		{"a statement of nobody we know", "RFC 7591 §3.2.2", fapi, plain, `{"software_statement":"e30.eyJpc3MiOiJ4In0.AA"}`, 400, authz.UnapprovedSoftwareStatement, "software_statement"},
		{"a statement that is none", "RFC 7591 §3.2.2", fapi, plain, `{"software_statement":"x"}`, 400, authz.InvalidSoftwareStatement, "software_statement"},
		{"a hybrid flow that is not allowed", "RFC 9700 §2.1.2", oidc, secret, `{"response_types":["code id_token"]}`, 400, authz.InvalidClientMetadata, "response_types"},
		{"a hybrid flow that is allowed", "OpenID Connect Core §3.3", registration.Policy{Profile: authz.OIDC, Allow: []string{"hybrid"}}, secret, `{"response_types":["code id_token"]}`, 201, "", ""},
		{"an implicit flow where hybrid is allowed", "RFC 9700 §2.1.2", registration.Policy{Profile: authz.OIDC, Allow: []string{"hybrid"}}, secret, `{"response_types":["id_token"]}`, 400, authz.InvalidClientMetadata, "response_types"},
		{"no PKCE, not allowed", "RFC 9700 §2.1.1", oidc, secret, `{"code_without_pkce":true}`, 400, authz.InvalidClientMetadata, "code_without_pkce"},
		{"unsigned request objects", "OpenID Connect Dynamic Registration §2", oidc, secret, `{"request_object_signing_alg":"none"}`, 201, "", ""},
		{"unsigned request objects in a profile of signed ones", "RFC 9101 §10.1", fapi, plain, `{"request_object_signing_alg":"none"}`, 400, authz.InvalidClientMetadata, "request_object_signing_alg"},
		{"unsigned ID tokens, never", "OpenID Connect Core §2", registration.Policy{Profile: authz.OIDC, Allow: registration.Allowances()}, secret, `{"id_token_signed_response_alg":"none"}`, 400, authz.InvalidClientMetadata, "id_token_signed_response_alg"},
		{"another agency's app in other letters", "look-alike-name", fapi, plain, `{"client_name":"Thue dien tu"}`, 400, authz.InvalidClientMetadata, "look-alike-name"},
		{"the name of another agency", "agency-name", fapi, plain, `{"client_name":"Bộ Tài chính"}`, 400, authz.InvalidClientMetadata, "agency-name"},
		{"the provider's own name", "reserved-name", fapi, plain, `{"client_name":"VNeID mới"}`, 400, authz.InvalidClientMetadata, "reserved-name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDesk(t, false)
			d.web["https://other.example.vn/s"] = `["https://other.example.vn/cb"]`
			d.web["https://good.example.vn/s"] = `["https://other.example.vn/cb","https://dat.example.vn/cb"]`
			d.web["https://bad.example.vn/s"] = `{}`
			tax := &authz.Client{ID: "thue", Name: authz.LocalizedText{VI: "Thuế điện tử"}, Owner: authz.LocalizedText{VI: "Bộ Tài chính"}}
			if err := d.db.SaveClient(t.Context(), tax); err != nil {
				t.Fatal(err)
			}
			a := d.ask(t, "POST", endpoint.Path, d.officer(t, row.policy, 1), with(t, row.base, row.changes))
			if a.status != row.status || a.text("error") != string(row.code) || !strings.Contains(a.text("error_description"), row.says) {
				t.Fatalf("%s: got %d %v, want %d %s about %q", row.clause, a.status, a.body, row.status, row.code, row.says)
			}
		})
	}
}

// TestDoor: who comes in at all.
func TestDoor(t *testing.T) {
	d := newDesk(t, false)
	good := d.officer(t, fapi, 9)
	revoked := d.officer(t, fapi, 9)
	if found, err := d.db.InitialToken(t.Context(), authz.HashSecret(revoked)); err != nil {
		t.Fatal(err)
	} else if err := d.db.RevokeInitialToken(t.Context(), found.ID, d.now); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		change func(r *http.Request)
		status int
		code   string
	}{
		{"with a token", func(*http.Request) {}, 201, ""},
		{"RFC 6750 §3.1: without a token, and no error code in the challenge", func(r *http.Request) { r.Header.Del("Authorization") }, 401, "invalid_token"},
		{"an unknown token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401, "invalid_token"},
		{"a revoked token", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+revoked) }, 401, "invalid_token"},
		{"two headers", func(r *http.Request) { r.Header.Add("Authorization", "Bearer x") }, 400, "invalid_request"},
		{"another scheme", func(r *http.Request) { r.Header.Set("Authorization", "Basic x") }, 400, "invalid_request"},
		{"RFC 7591 §3.1: a form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400, "invalid_request"},
		{"GET", func(r *http.Request) { r.Method = "GET" }, 405, "invalid_request"},
		{"a body without end", func(r *http.Request) { r.Body = io.NopCloser(endless{}) }, 400, "invalid_client_metadata"},
		{"too many from one address", func(*http.Request) { d.wait = 7 * time.Second }, 429, "temporarily_unavailable"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", endpoint.Path, strings.NewReader(plain))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Authorization", "Bearer "+good)
			row.change(r)
			a := d.send(t, r)
			if a.status != row.status || a.text("error") != row.code {
				t.Fatalf("got %d %v", a.status, a.body)
			}
			challenge := a.header.Get("WWW-Authenticate")
			if (a.status == 401) != (challenge != "") ||
				strings.Contains(challenge, "error=") != (a.status == 401 && r.Header.Get("Authorization") != "") {
				t.Errorf("challenge %q", challenge)
			}
			if (a.status == 429) != (a.header.Get("Retry-After") == "7") {
				t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
			}
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// back is what an app sends back of what it read (RFC 7592 §2.2).
func back(t *testing.T, a reply, changes string) string {
	t.Helper()
	object := map[string]any{}
	for name, value := range a.body {
		switch name {
		case "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at":
		default:
			object[name] = value
		}
	}
	raw, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return with(t, string(raw), changes)
}

func TestManage(t *testing.T) {
	d := newDesk(t, false)
	initial := d.officer(t, oidc, 5)
	a := d.ask(t, "POST", endpoint.Path, initial, secret)
	other := d.ask(t, "POST", endpoint.Path, initial, with(t, secret, `{"client_name":"Sổ khác"}`))
	url, token, id := a.text("registration_client_uri"), a.text("registration_access_token"), authz.ClientID(a.text("client_id"))

	t.Run("RFC 7592 §2.1: read, with the same token and without the secret", func(t *testing.T) {
		got := d.ask(t, "GET", url, token, "")
		if got.status != 200 || got.text("registration_access_token") != token || got.text("client_secret") != "" ||
			got.text("client_name") != "Sổ cũ" {
			t.Fatalf("%d %v", got.status, got.body)
		}
	})
	for name, address := range map[string]struct{ url, token string }{
		"another app's token": {url, other.text("registration_access_token")}, "no token": {url, ""}, "no such app": {issuer + "/register/nobody", token},
		"an initial access token": {url, initial}, "no id": {issuer + "/register/", token},
	} {
		t.Run("RFC 7592 §2: 401 for "+name, func(t *testing.T) {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				if got := d.ask(t, method, address.url, address.token, secret); got.status != 401 || got.text("error") != "invalid_token" {
					t.Errorf("%s: %d %v", method, got.status, got.body)
				}
			}
		})
	}
	for _, row := range []struct{ name, changes, says string }{
		{"another client_id", `{"client_id":"x"}`, "client_id"},
		{"a secret of its own choice", `{"client_secret":"x"}`, "client_secret"},
		{"the token", `{"registration_access_token":"x"}`, "registration_access_token"},
		{"the URI", `{"registration_client_uri":"x"}`, "registration_client_uri"},
		{"more than was let", `{"grant_types":["authorization_code","client_credentials"]}`, "grant_types"},
		{"another profile", `{"profile":"fapi2"}`, "profile"},
	} {
		t.Run("RFC 7592 §2.2: an update refuses "+row.name, func(t *testing.T) {
			if got := d.ask(t, "PUT", url, token, back(t, a, row.changes)); got.status != 400 ||
				!strings.HasPrefix(got.text("error_description"), row.says) {
				t.Fatalf("%d %v", got.status, got.body)
			}
		})
	}
	var updated reply
	t.Run("RFC 7592 §2.2: an update replaces all, keeps the secret, and gives a new token", func(t *testing.T) {
		updated = d.ask(t, "PUT", url, token, back(t, a, `{"client_name":"Sổ mới","contacts":["a@b.example"],"redirect_uris":["https://cu.example.vn/moi"]}`))
		if updated.status != 200 || updated.text("client_name") != "Sổ mới" || updated.text("registration_access_token") == token ||
			updated.text("client_secret") != "" {
			t.Fatalf("%d %v", updated.status, updated.body)
		}
		c, err := d.db.Client(t.Context(), id)
		if err != nil || string(c.SecretHash) != string(authz.HashSecret(a.text("client_secret"))) ||
			c.RedirectURIs[0] != "https://cu.example.vn/moi" {
			t.Fatalf("%+v %v", c, err)
		}
		third := d.ask(t, "PUT", url, updated.text("registration_access_token"), back(t, updated, `{"contacts":null}`))
		if third.status != 200 || third.body["contacts"] != nil {
			t.Fatalf("left out and not gone: %d %v", third.status, third.body)
		}
		updated = third
	})
	t.Run("an answer that got lost is no lock-out: the token before is good until the new one is used", func(t *testing.T) {
		before := updated.text("registration_access_token")
		lost := d.ask(t, "PUT", url, before, back(t, updated, `{}`))
		again := d.ask(t, "PUT", url, before, back(t, updated, `{}`))
		if lost.status != 200 || again.status != 200 {
			t.Fatalf("%d, %d %v", lost.status, again.status, again.body)
		}
		now := again.text("registration_access_token")
		if got := d.ask(t, "GET", url, now, ""); got.status != 200 {
			t.Fatalf("%d", got.status)
		}
		for _, dead := range []string{token, before, lost.text("registration_access_token")} {
			if got := d.ask(t, "GET", url, dead, ""); got.status != 401 {
				t.Errorf("an older token: %d", got.status)
			}
		}
		updated = again
	})
	token = updated.text("registration_access_token")
	t.Run("a secret that nears its end is renewed by an update", func(t *testing.T) {
		d.now = d.now.Add(300 * 24 * time.Hour)
		got := d.ask(t, "PUT", url, token, back(t, updated, `{}`))
		if got.status != 200 || got.text("client_secret") == "" {
			t.Fatalf("%d %v", got.status, got.body)
		}
		token = got.text("registration_access_token")
	})
	t.Run("403: an operator disabled the app, which may read and not write", func(t *testing.T) {
		c, err := d.db.Client(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		c.Disabled = true
		if err := d.db.SaveClient(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := d.ask(t, "PUT", url, token, back(t, updated, `{}`)); got.status != 403 || got.text("error") != "access_denied" {
			t.Fatalf("%d %v", got.status, got.body)
		}
		if got := d.ask(t, "GET", url, token, ""); got.status != 200 {
			t.Fatalf("%d", got.status)
		}
	})
	t.Run("403: the initial access token was revoked", func(t *testing.T) {
		found, err := d.db.InitialToken(t.Context(), authz.HashSecret(initial))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.db.RevokeInitialToken(t.Context(), found.ID, d.now); err != nil {
			t.Fatal(err)
		}
		if got := d.ask(
			t, "PUT", other.text("registration_client_uri"), other.text("registration_access_token"), back(t, other, `{}`),
		); got.status != 403 {
			t.Fatalf("%d %v", got.status, got.body)
		}
	})
	t.Run("RFC 7592 §2.3: deleted, for good", func(t *testing.T) {
		if got := d.ask(t, "DELETE", url, token, ""); got.status != 204 || got.body != nil {
			t.Fatalf("%d %v", got.status, got.body)
		}
		if got := d.ask(t, "GET", url, token, ""); got.status != 401 {
			t.Fatalf("%d", got.status)
		}
		c, err := d.db.Client(t.Context(), id)
		if err != nil || c.Ended.IsZero() || !c.Disabled || c.SecretHash != nil {
			t.Fatalf("%+v %v", c, err)
		}
	})
	t.Run("each change is one event", func(t *testing.T) {
		count := map[string]int{}
		for _, e := range d.events {
			if e.Asked.Client == id {
				count[e.Detail.Action]++
			}
		}
		if want := map[string]int{"client.registered": 1, "client.updated": 5, "client.deleted": 1}; !reflect.DeepEqual(count, want) || int(d.logged.Load()) != len(d.events) {
			t.Errorf("got %v, want %v; %d of %d logged", count, want, d.logged.Load(), len(d.events))
		}
	})
	if got := d.ask(
		t, "PATCH", other.text("registration_client_uri"), other.text("registration_access_token"), `{}`,
	); got.status != 405 || got.header.Get("Allow") != "GET, PUT, DELETE" {
		t.Errorf("PATCH: %d %v", got.status, got.header)
	}
}
