package token_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

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
			w := authztest.New(t)
			w.Declare()
			w.Bind(t)
			w.Register.Withheld = map[authz.AttributeID]bool{row.withheld: true}
			f := authztest.Authorization("scope", row.scope)
			if row.claims != "" {
				f.Set("claims", row.claims)
			}
			answer := w.SignIn(t, f)
			has := func(text, name string) bool { return strings.Contains(text, `"`+name+`":`) }
			for _, name := range slices.Concat(row.inID, row.inInfo, row.nowhere) {
				if has(answer.ID, name) != slices.Contains(row.inID, name) || has(answer.About, name) != slices.Contains(row.inInfo, name) {
					t.Errorf("%s: ID token %s, UserInfo %s", name, answer.ID, answer.About)
				}
			}
			if len(w.Register.Events) != row.releases {
				t.Errorf("%d releases, want %d: %+v", len(w.Register.Events), row.releases, w.Register.Events)
			}
		})
	}
}

func TestClaimsThatCannotLeave(t *testing.T) {
	w := authztest.New(t)
	w.Declare()
	answer := w.SignIn(t, authztest.Authorization("scope", "openid profile"))
	token := answer.Tokens["access_token"].(string)
	t.Run("decision D8: in doubt nothing is answered", func(t *testing.T) {
		w.Register.Down = true
		defer func() { w.Register.Down = false }()
		if info := w.About(token); info.Code != http.StatusServiceUnavailable || strings.Contains(info.Body.String(), "An") ||
			info.Header().Get("Retry-After") == "" {
			t.Fatalf("%d %s", info.Code, info.Body)
		}
	})
	t.Run("and a code whose ID token could not be made is not spent", func(t *testing.T) {
		next, err := w.Authorize(
			httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization("claims",
				`{"id_token":{"name":null}}`).Encode(), nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		u, _ := url.Parse(next.Location)
		w.Register.Down = true
		if refused := w.RedeemAsApp(u.Query().Get("code")); refused.Code != http.StatusServiceUnavailable {
			t.Fatalf("%d %s", refused.Code, refused.Body)
		}
		w.Register.Down = false
		if again := w.RedeemAsApp(u.Query().Get("code")); again.Code != http.StatusOK {
			t.Fatalf("%d %s", again.Code, again.Body)
		}
	})
	t.Run("OpenID Connect Core §5.3.2: withdrawn is left out", func(t *testing.T) {
		w.Register.Withdrawn = map[authz.PurposeID]bool{"dvc.prefill": true}
		info := w.About(token)
		if info.Code != http.StatusOK || strings.Contains(info.Body.String(), "An") || !strings.Contains(info.Body.String(), `"sub"`) {
			t.Fatalf("%d %s", info.Code, info.Body)
		}
	})
	t.Run("OpenID Connect Core §5.4: a scope the app has not declared", func(t *testing.T) {
		w.App.Declarations = nil
		q, _, err := w.Open(t, authztest.Authorization("scope", "openid email"))
		if err != nil || q.Get("error") != "invalid_scope" {
			t.Fatalf("got %v, %v", q, err)
		}
	})
}

// Whatever an app asks for and whatever the person withholds: nothing about her is
// in any answer unless an event covers the attribute it was made of, and nothing she
// withheld is.
func TestNoClaimLeavesWithoutAnEvent(t *testing.T) {
	w := authztest.New(t)
	w.Declare()
	w.Bind(t)
	outer := t
	names := []string{
		"name", "family_name", "given_name#vi", "gender", "birthdate", "updated_at", "zoneinfo", "address", "email", "email_verified",
		"phone_number", "phone_number_verified", "urn:vn:gov:eid:mandates", "picture", "acr",
	}
	attributes := slices.Sorted(maps.Keys(authztest.Records))
	rapid.Check(t, func(t *rapid.T) {
		w.Register = authztest.Register{Withheld: map[authz.AttributeID]bool{}, Withdrawn: map[authz.PurposeID]bool{}}
		for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom(attributes), rapid.ID).Draw(t, "withheld") {
			w.Register.Withheld[id] = true
		}
		for _, id := range rapid.SliceOfDistinct(rapid.SampledFrom([]authz.PurposeID{"dvc.prefill", "authn.represent"}),
			rapid.ID).Draw(t, "withdrawn") {
			w.Register.Withdrawn[id] = true
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
					`{"trust_framework":null}`,
					`{"evidence":[{"type":{"value":"electronic_record"},"record":{"created_at":null}}]}`, `{"evidence":null}`,
				}).Draw(t, place+" template"))}
			}
		}
		parameter, err := json.Marshal(asked)
		if err != nil {
			t.Fatal(err)
		}
		scopes := rapid.SliceOfDistinct(rapid.SampledFrom([]string{"profile", "email", "phone", "address"}), rapid.ID).Draw(t, "scopes")
		answer := w.SignIn(outer, authztest.Authorization("scope", strings.Join(append(scopes, "openid"), " "), "claims",
			string(parameter)))
		tokens, err := json.Marshal(answer.Tokens["authorization_details"])
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{answer.ID, answer.About, string(tokens)} {
			for trace, attribute := range authztest.Traces {
				if !strings.Contains(text, trace) {
					continue
				}
				if !w.WasReleased(attribute) {
					t.Fatalf("%q of %s left without an event: %s", trace, attribute, text)
				}
				if w.Register.Withheld[attribute] {
					t.Fatalf("%q of %s was withheld and left: %s", trace, attribute, text)
				}
			}
		}
		for _, d := range w.Register.Events {
			if w.Register.Withdrawn[d.Purpose] {
				t.Fatalf("a withdrawn purpose was released: %+v", d)
			}
			for _, id := range d.Attributes {
				if w.Register.Withheld[id] {
					t.Fatalf("%s was withheld and released", id)
				}
			}
		}
	})
}
