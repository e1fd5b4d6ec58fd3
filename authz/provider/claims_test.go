package provider_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/token"
)

// register is what stands for the consent part, the broker and the registers: it
// grants what was not withheld, releases what was granted and not withdrawn, and
// remembers what it released.
type register struct {
	withheld  map[authz.AttributeID]bool
	withdrawn map[authz.PurposeID]bool
	down      bool
	events    []authz.Demand
}

// person are her records, each value such that it is known again in an answer.
var person = map[authz.AttributeID]any{
	"population.full_name": "Trần Thị Mẫu An", "population.birth_date": "2004-02-29", "population.sex": "nữ", "population.updated_on": "2026-01-02",
	"population.permanent_address": map[string]any{"line": "Số 5, đường Lê Lợi", "province": "48", "list": "2025-07-01"},
	"eid.email":                    "an@example.vn", "eid.phone": "+84000000017",
	"eid.mandates": []any{map[string]any{"organisation": map[string]any{"name": "Công ty Mẫu"}}},
}

// traces are what an answer holds of each attribute, whichever claim tells it.
var traces = map[string]authz.AttributeID{
	"An": "population.full_name", "Asia/Ho_Chi_Minh": "population.full_name", "2004-02-29": "population.birth_date", `"female"`: "population.sex",
	"1767286800": "population.updated_on", "2026-01-02": "population.updated_on", "Lê Lợi": "population.permanent_address",
	"an@example.vn": "eid.email", "email_verified": "eid.email", "+84000000017": "eid.phone", "phone_number_verified": "eid.phone", "Công ty Mẫu": "eid.mandates",
}

func (r *register) agreed(wanted []authz.Release) []authz.Release {
	var out []authz.Release
	for _, one := range wanted {
		one.Attributes = slices.DeleteFunc(slices.Clone(one.Attributes), func(id authz.AttributeID) bool { return r.withheld[id] })
		if len(one.Attributes) > 0 {
			out = append(out, one)
		}
	}
	return out
}

func (w *world) Wishes(client *authz.Client, attributes []authz.AttributeID) []authz.Release {
	var out []authz.Release
	for _, d := range client.Declarations {
		r := authz.Release{Type: authz.ReleaseType, Registry: d.Registry, Purpose: d.Purpose, Basis: d.Basis}
		for _, id := range attributes {
			if slices.Contains(d.Attributes, id) {
				r.Attributes = append(r.Attributes, id)
			}
		}
		if len(r.Attributes) > 0 {
			out = append(out, r)
		}
	}
	return out
}

func (w *world) Release(ctx context.Context, d authz.Demand) (token.Released, bool, error) {
	if w.register.down {
		return token.Released{}, false, fmt.Errorf("the register: %w", authz.ErrUnavailable)
	}
	g, err := w.memory.Grant(ctx, d.Grant)
	switch granted := slices.IndexFunc(
		g.Details, func(r authz.Release) bool { return r.Registry == d.Registry && r.Purpose == d.Purpose },
	); {
	case err != nil, granted < 0, w.register.withdrawn[d.Purpose]:
		return token.Released{}, false, nil
	case !g.Live(w.now) && !d.Redeeming:
		return token.Released{}, false, nil
	default:
		for _, id := range d.Attributes {
			if !slices.Contains(g.Details[granted].Attributes, id) {
				return token.Released{}, false, nil
			}
		}
	}
	w.register.events = append(w.register.events, d)
	r := token.Released{Values: map[authz.AttributeID]any{}, Kind: "citizen", Account: 2, Proofed: w.now.AddDate(-1, 0, 0)}
	for _, id := range d.Attributes {
		r.Values[id] = person[id]
	}
	return r, true, nil
}

// declare lets the app ask for all claims.
func (w *world) declare() {
	w.app.Scopes = append(w.app.Scopes, "profile", "email", "phone", "address")
	w.app.Declarations = []authz.Declaration{
		{Purpose: "dvc.prefill", Registry: "population", Basis: authz.BasisState, Attributes: []authz.AttributeID{
			"population.full_name", "population.birth_date", "population.sex", "population.updated_on", "population.permanent_address",
		}},
		{Purpose: "dvc.prefill", Registry: "eid", Basis: authz.BasisState, Attributes: []authz.AttributeID{"eid.email", "eid.phone"}},
		{Purpose: "authn.represent", Registry: "eid", Basis: "LB-LAW", Attributes: []authz.AttributeID{"eid.mandates"}},
	}
}

// got are the answers of one sign-in: token response, ID token, UserInfo.
type got struct {
	tokens    map[string]any
	id, about string
}

// bound makes the app one whose tokens are bound to a key.
func (w *world) bound(t testing.TB) {
	w.app.DPoPBound, w.holder = true, newKey(t)
}

// signIn goes from a request to UserInfo, with the holder's key if there is one.
func (w *world) signIn(t testing.TB, f url.Values) got {
	t.Helper()
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		t.Fatalf("%v", err)
	}
	u, err := url.Parse(next.Location)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("sent to %q, %v", next.Location, err)
	}
	answer := w.redeem(t, w.holder, u.Query().Get("code"))
	var out got
	if answer.Code != http.StatusOK || json.Unmarshal(answer.Body.Bytes(), &out.tokens) != nil {
		t.Fatalf("%d %s", answer.Code, answer.Body)
	}
	if token, _ := out.tokens["id_token"].(string); token != "" {
		out.id = claimsText(t, token)
	}
	info := w.resource(t, w.UserInfo, w.holder, http.MethodGet, "/userinfo", out.tokens["access_token"].(string))
	if info.Code != http.StatusOK {
		t.Fatalf("%d %s", info.Code, info.Body)
	}
	out.about = info.Body.String()
	return out
}

func (w *world) userInfo(token string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	out := httptest.NewRecorder()
	w.UserInfo(out, r)
	return out
}

func claimsText(t interface{ Fatalf(string, ...any) }, token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("not a JWS: %q", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(raw)
}

func TestClaimsWhereTheyWereAskedFor(t *testing.T) {
	for _, row := range []struct {
		name, scope, claims   string
		inID, inInfo, nowhere []string
		releases              int
		withheld              authz.AttributeID
	}{
		{name: "decision D7: openid alone costs no release", scope: "openid", nowhere: []string{"name", "email"}},
		{name: "OpenID Connect Core §5.4: scopes ask of UserInfo", scope: "openid profile", inInfo: []string{"name", "birthdate"}, nowhere: []string{"email", "address"}, releases: 1},
		{name: "§5.4: two registers are two releases", scope: "openid profile email", inInfo: []string{"name", "email"}, releases: 2},
		{name: "§5.5: the ID token, where it is asked for", scope: "openid", claims: `{"id_token":{"birthdate":null},"userinfo":{"gender":null}}`, inID: []string{"birthdate"}, inInfo: []string{"gender"}, nowhere: []string{"name"}, releases: 2},
		{name: "OpenID Connect for Identity Assurance §5.2: only in the ID token", scope: "openid", claims: `{"id_token":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"name":null}}}}`, inID: []string{"verified_claims"}, releases: 1},
		{name: "OpenID Connect for Identity Assurance §5.2: only at UserInfo", scope: "openid", claims: `{"userinfo":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"name":null}}}}`, inInfo: []string{"verified_claims"}, releases: 1},
		{name: "what the person withheld", scope: "openid profile", withheld: "population.birth_date", inInfo: []string{"name", "gender"}, nowhere: []string{"birthdate"}, releases: 1},
		{name: "mandates", scope: "openid", claims: `{"userinfo":{"urn:vn:gov:eid:mandates":null}}`, inInfo: []string{"urn:vn:gov:eid:mandates"}, releases: 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.declare()
			w.bound(t)
			w.register.withheld = map[authz.AttributeID]bool{row.withheld: true}
			f := authorization("scope", row.scope)
			if row.claims != "" {
				f.Set("claims", row.claims)
			}
			answer := w.signIn(t, f)
			has := func(text, name string) bool { return strings.Contains(text, `"`+name+`":`) }
			for _, name := range slices.Concat(row.inID, row.inInfo, row.nowhere) {
				if has(answer.id, name) != slices.Contains(row.inID, name) || has(answer.about, name) != slices.Contains(row.inInfo, name) {
					t.Errorf("%s: ID token %s, UserInfo %s", name, answer.id, answer.about)
				}
			}
			if len(w.register.events) != row.releases {
				t.Errorf("%d releases, want %d: %+v", len(w.register.events), row.releases, w.register.events)
			}
		})
	}
}

func TestClaimsThatCannotLeave(t *testing.T) {
	w := newWorld(t)
	w.declare()
	answer := w.signIn(t, authorization("scope", "openid profile"))
	token := answer.tokens["access_token"].(string)
	t.Run("decision D8: in doubt nothing is answered", func(t *testing.T) {
		w.register.down = true
		defer func() { w.register.down = false }()
		if info := w.userInfo(token); info.Code != http.StatusServiceUnavailable || strings.Contains(info.Body.String(), "An") ||
			info.Header().Get("Retry-After") == "" {
			t.Fatalf("%d %s", info.Code, info.Body)
		}
	})
	t.Run("and a code whose ID token could not be made is not spent", func(t *testing.T) {
		next, err := w.Authorize(
			httptest.NewRequest(http.MethodGet, "/authorize?"+authorization("claims", `{"id_token":{"name":null}}`).Encode(), nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(next.Location)
		w.register.down = true
		if refused := w.exchange(u.Query().Get("code")); refused.Code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", refused.Code, refused.Body)
		}
		w.register.down = false
		if again := w.exchange(u.Query().Get("code")); again.Code != http.StatusOK {
			t.Fatalf("%d %s", again.Code, again.Body)
		}
	})
	t.Run("OpenID Connect Core §5.3.2: withdrawn is left out", func(t *testing.T) {
		w.register.withdrawn = map[authz.PurposeID]bool{"dvc.prefill": true}
		info := w.userInfo(token)
		if info.Code != http.StatusOK || strings.Contains(info.Body.String(), "An") || !strings.Contains(info.Body.String(), `"sub"`) {
			t.Fatalf("%d %s", info.Code, info.Body)
		}
	})
	t.Run("OpenID Connect Core §5.4: a scope the app has not declared", func(t *testing.T) {
		w.app.Declarations = nil
		q, _, err := w.open(t, authorization("scope", "openid email"))
		if err != nil || q.Get("error") != "invalid_scope" {
			t.Fatalf("got %v, %v", q, err)
		}
	})
}

func TestARequestForAnotherSub(t *testing.T) {
	for _, row := range []struct{ name, claims, prompt, code string }{
		{"OpenID Connect Core §5.5.1: for the person who is signed in", `{"id_token":{"sub":{"value":"app/p"}}}`, "none", ""},
		{"OpenID Connect Core §3.1.2.2: for another", `{"id_token":{"sub":{"value":"app/q"}}}`, "none", "login_required"},
		{"for one of several", `{"userinfo":{"sub":{"values":["app/q","app/p"]}}}`, "none", ""},
		{"without a value", `{"id_token":{"sub":{"essential":true}}}`, "none", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			q, _, err := newWorld(t).open(t, authorization("claims", row.claims, "prompt", row.prompt))
			if err != nil || q.Get("error") != row.code || (row.code == "") != (q.Get("code") != "") {
				t.Fatalf("got %v, %v", q, err)
			}
		})
	}
	if _, path, err := newWorld(t).open(t, authorization("claims", `{"id_token":{"sub":{"value":"app/q"}}}`)); err != nil ||
		path != "/signin" {
		t.Fatalf("another may sign in: got %s, %v", path, err)
	}
}

// OpenID Connect Core §5.4: without an access token, scopes ask of the ID token.
// Beside a code the front channel tells nothing of the person (§3.3.3.6).
func TestClaimsThroughTheBrowser(t *testing.T) {
	for _, row := range []struct {
		responseType string
		tells        bool
	}{{"id_token", true}, {"id_token token", false}, {"code id_token", false}} {
		t.Run(row.responseType, func(t *testing.T) {
			w := newWorld(t)
			w.opt()
			w.declare()
			f := authorization(
				"response_type", row.responseType, "scope", "openid profile", "nonce", "n", "claims", `{"id_token":{"email":null}}`,
			)
			_, answer := w.sent(t, f)
			id := claimsText(t, answer.Get("id_token"))
			if strings.Contains(id, `"name":"Trần Thị Mẫu An"`) != row.tells {
				t.Fatalf("the ID token of %s is %s", row.responseType, id)
			}
			if wantEmail := row.responseType != "code id_token"; strings.Contains(id, "an@example.vn") != wantEmail {
				t.Fatalf("claims.id_token of %s: %s", row.responseType, id)
			}
			for trace, attribute := range traces {
				if strings.Contains(id, trace) && !w.recorded(attribute) {
					t.Fatalf("%s left without an event", attribute)
				}
			}
		})
	}
}

func (w *world) recorded(attribute authz.AttributeID) bool {
	return slices.ContainsFunc(w.register.events, func(d authz.Demand) bool { return slices.Contains(d.Attributes, attribute) })
}

// Whatever an app asks for and whatever the person withholds: nothing about her is
// in any answer unless an event covers the attribute it was made of, and nothing she
// withheld is.
func TestNoClaimLeavesWithoutAnEvent(t *testing.T) {
	w := newWorld(t)
	w.declare()
	w.bound(t)
	outer := t
	names := []string{
		"name", "family_name", "given_name#vi", "gender", "birthdate", "updated_at", "zoneinfo", "address", "email", "email_verified",
		"phone_number", "phone_number_verified", "urn:vn:gov:eid:mandates", "picture", "acr",
	}
	attributes := slices.Sorted(maps.Keys(person))
	rapid.Check(t, func(t *rapid.T) {
		w.register = register{withheld: map[authz.AttributeID]bool{}, withdrawn: map[authz.PurposeID]bool{}}
		for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom(attributes), rapid.ID).Draw(t, "withheld") {
			w.register.withheld[id] = true
		}
		for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom([]authz.PurposeID{"dvc.prefill", "authn.represent"}), rapid.ID).Draw(t, "withdrawn") {
			w.register.withdrawn[id] = true
		}
		asked := map[string]map[string]any{"id_token": {}, "userinfo": {}}
		for place := range asked {
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, place) {
				asked[place][name] = nil
			}
			if inside := rapid.SliceOfDistinct(rapid.SampledFrom(names), rapid.ID).Draw(t, place+" verified"); len(inside) > 0 {
				all := map[string]any{}
				for _, name := range inside {
					all[name] = nil
				}
				asked[place]["verified_claims"] = map[string]any{"claims": all, "verification": json.RawMessage(rapid.SampledFrom([]string{
					`{"trust_framework":null}`, `{"evidence":[{"type":{"value":"electronic_record"},"record":{"created_at":null}}]}`, `{"evidence":null}`,
				}).Draw(t, place+" template"))}
			}
		}
		parameter, err := json.Marshal(asked)
		if err != nil {
			t.Fatal(err)
		}
		scopes := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"profile", "email", "phone", "address"}), rapid.ID).Draw(t, "scopes")
		answer := w.signIn(outer, authorization("scope", strings.Join(append(scopes, "openid"), " "), "claims", string(parameter)))
		tokens, err := json.Marshal(answer.tokens["authorization_details"])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{answer.id, answer.about, string(tokens)} {
			for trace, attribute := range traces {
				if !strings.Contains(text, trace) {
					continue
				}
				if !w.recorded(attribute) {
					t.Fatalf("%q of %s left without an event: %s", trace, attribute, text)
				}
				if w.register.withheld[attribute] {
					t.Fatalf("%q of %s was withheld and left: %s", trace, attribute, text)
				}
			}
		}
		for _, d := range w.register.events {
			if w.register.withdrawn[d.Purpose] {
				t.Fatalf("a withdrawn purpose was released: %+v", d)
			}
			for _, id := range d.Attributes {
				if w.register.withheld[id] {
					t.Fatalf("%s was withheld and released", id)
				}
			}
		}
	})
}
