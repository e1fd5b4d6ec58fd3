package request_test

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

func TestParseClaims(t *testing.T) {
	for _, row := range []struct{ name, raw, want string }{
		{"OpenID Connect Core §5.5", `{"userinfo":{"given_name":{"essential":true},"name":null},"id_token":{"auth_time":{"essential":true},"acr":{"values":["a"]}}}`, ""},
		{"§5.5: members that are not understood are ignored", `{"userinfo":{"http://example.info/claims/groups":null},"access_token":{"x":1}}`, ""},
		{"nothing", `{}`, ""},
		{"null members", `{"userinfo":null,"id_token":null}`, ""},
		{"OpenID Connect for Identity Assurance §5.3", `{"userinfo":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"name":null}}}}`, ""},
		{"§5.6: a list of elements", `{"userinfo":{"verified_claims":[{"verification":{},"claims":{"name":null}},{"claims":{}}]}}`, ""},
		{"verified_claims null", `{"userinfo":{"verified_claims":null}}`, ""},
		{"not JSON", `{`, "must be JSON"},
		{"a text", `"x"`, "must be a JSON object"},
		{"a list", `[]`, "must be a JSON object"},
		{"null", `null`, "must be a JSON object"},
		{"a member twice", `{"userinfo":{},"userinfo":{"name":null}}`, "twice"},
		{"a claim twice", `{"userinfo":{"name":null,"name":{"value":"x"}}}`, "twice"},
		{"data after it", `{} {}`, "must be JSON"},
		{"too deep", `{"userinfo":` + strings.Repeat(`{"a":`, 30) + `1` + strings.Repeat(`}`, 30) + `}`, "must be JSON"},
		{"userinfo is no object", `{"userinfo":["name"]}`, "userinfo is not an object"},
		{"a claim that is a text", `{"userinfo":{"name":"x"}}`, "claim name, which is neither null nor an object"},
		{"a made-up name is not repeated", `{"userinfo":{"<b>evil":"x"}}`, "(one that is not known here)"},
		{"essential that is a text", `{"id_token":{"acr":{"essential":"true"}}}`, "essential"},
		{"value and values", `{"id_token":{"acr":{"value":"a","values":["b"]}}}`, "both value and values"},
		{"65 claims", `{"userinfo":{` + strings.TrimSuffix(many(65), ",") + `}}`, "more than 64"},
		{"five elements", `{"userinfo":{"verified_claims":[{},{},{},{},{}]}}`, "more than 4"},
		{"verified_claims is a text", `{"userinfo":{"verified_claims":"x"}}`, "verified_claims is not an object"},
		{"verified_claims with a null element", `{"userinfo":{"verified_claims":[null]}}`, "verified_claims is not an object"},
		{"verification is a text", `{"userinfo":{"verified_claims":{"verification":"x","claims":{"name":null}}}}`, "verification that is not an object"},
		{"evidence is an object", `{"userinfo":{"verified_claims":{"verification":{"evidence":{}},"claims":{"name":null}}}}`, "evidence that is not a list"},
		{"verified claims are a list", `{"userinfo":{"verified_claims":{"claims":["name"]}}}`, "claims that are not an object"},
		{"a verified claim that is a number", `{"userinfo":{"verified_claims":{"claims":{"name":1}}}}`, "verified claim name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := request.ParseClaims([]byte(row.raw))
			if row.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var told *authz.Error
			if !errors.As(err, &told) || told.Code != authz.InvalidRequest || told.Parameter != "claims" ||
				!strings.Contains(told.Description, row.want) {
				t.Fatalf("got %v, want invalid_request that says %q", err, row.want)
			}
			if strings.ContainsAny(told.Description, `"\<`) {
				t.Fatalf("RFC 6749 §4.1.2.1: %q", told.Description)
			}
		})
	}
}

func many(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(`"c` + strings.Repeat("x", i) + `":null,`)
	}
	return b.String()
}

func TestOnlyWhatIsOfferedIsKept(t *testing.T) {
	got, err := request.ParseClaims([]byte(`{"userinfo":{"picture":null,"name":null,"name#en":null,"Gender":null,"verified_claims":{"claims":{"email":null,"gender":null}}},"id_token":{"acr":null,"nickname":null}}`))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"userinfo":{"claims":{"name":{}},"verified_claims":[{"claims":{"gender":{}}}]},"id_token":{"claims":{"acr":{}}}}`; string(raw) != want {
		t.Fatalf("kept %s, want %s", raw, want)
	}
}

// FuzzParseClaims: whatever is accepted is small, comes back the same through
// storage, and asks only for claims that a second parser sees at the same place.
func FuzzParseClaims(f *testing.F) {
	f.Add(`{"userinfo":{"given_name":{"essential":true},"verified_claims":{"verification":{"trust_framework":{"value":"vn_eid"}},"claims":{"name":null}}},"id_token":{"acr":{"values":["a"]}}}`)
	f.Add(`{"userinfo":{"name#vi":null,"NAME":null}}`)
	f.Add(`{"id_token":{"sub":{"value":"x"},"verified_claims":[{"claims":{"birthdate":{"max_age":10}}}]}}`)
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := request.ParseClaims([]byte(raw))
		if err != nil {
			return
		}
		var loose map[string]map[string]any
		stored, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if len(stored) > 8*len(raw)+200 {
			t.Fatalf("%d bytes became %d", len(raw), len(stored))
		}
		_ = json.Unmarshal([]byte(raw), &loose)
		for name := range got.UserInfo.Claims {
			if _, ok := loose["userinfo"][name]; !ok {
				t.Fatalf("%q is asked for and stands nowhere", name)
			}
		}
		for name := range got.IDToken.Claims {
			if _, ok := loose["id_token"][name]; !ok {
				t.Fatalf("%q is asked for and stands nowhere", name)
			}
		}
		if len(got.UserInfo.Claims)+len(got.IDToken.Claims) > 128 || len(got.UserInfo.Verified)+len(got.IDToken.Verified) > 8 {
			t.Fatal("more than the limits")
		}
	})
}

// declared is what the consent part does, for one declaration at each register.
func declared(client *authz.Client, attributes []authz.AttributeID) []authz.Release {
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

func TestClaimsBecomeWishesForReleases(t *testing.T) {
	client := &authz.Client{
		ID: "app", Profile: authz.OIDC, Requests: authz.Requests{
			RedirectURIs:  []string{"https://app.example/cb"},
			GrantTypes:    []string{"authorization_code"},
			ResponseTypes: []string{"code"},
			Scopes:        []string{"openid", "profile", "email"},
		},

		Releases: authz.Releases{
			Declarations: []authz.Declaration{{
				Purpose: "dvc.prefill", Registry: "population", Basis: authz.BasisConsent,
				Attributes: []authz.AttributeID{"population.full_name", "population.sex", "population.pin"},
			}},
		},
	}
	asked := func(attributes ...authz.AttributeID) []authz.Release {
		return []authz.Release{{Registry: "population", Purpose: "dvc.prefill", Basis: authz.BasisConsent, Attributes: attributes}}
	}
	for _, row := range []struct {
		name    string
		form    url.Values
		details []authz.Release
		want    []authz.AttributeID
		only    bool
		code    authz.Code
	}{
		{"nothing about the person", url.Values{"scope": {"openid"}}, nil, nil, false, ""},
		{"OpenID Connect Core §5.4: a scope, as far as it is declared", url.Values{"scope": {"openid profile"}}, nil, []authz.AttributeID{"population.full_name", "population.sex"}, true, ""},
		{"§5.4: a scope of which nothing is declared", url.Values{"scope": {"openid email"}}, nil, nil, false, authz.InvalidScope},
		{"§5.4: without openid a scope about the person asks for nothing", url.Values{"scope": {"profile"}}, nil, nil, false, ""},
		{"§5.5: a claim", url.Values{"scope": {"openid"}, "claims": {`{"id_token":{"gender":null}}`}}, nil, []authz.AttributeID{"population.sex"}, true, ""},
		{"§5.5.1: a claim that is not declared is left out", url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"birthdate":{"essential":true}}}`}}, nil, nil, false, ""},
		{"§5.5: claims about the sign-in ask for nothing of a register", url.Values{"scope": {"openid"}, "claims": {`{"id_token":{"acr":null}}`}}, nil, nil, false, ""},
		{
			"RFC 9396: joined with what authorization_details ask for",
			url.Values{"scope": {"openid"}, "claims": {`{"userinfo":{"name":null}}`}, "authorization_details": {"[]"}},
			asked("population.pin"),
			[]authz.AttributeID{"population.pin", "population.full_name"},
			false, "",
		},
		{"a claims parameter that is none", url.Values{"scope": {"openid"}, "claims": {`{`}}, nil, nil, false, authz.InvalidRequest},
	} {
		t.Run(row.name, func(t *testing.T) {
			checker := &request.Checker{
				ScopesKnown: []string{"openid", "profile", "email"}, Wishes: declared,
				Details: func([]byte, *authz.Client) ([]authz.Release, error) { return row.details, nil },
			}
			form := url.Values{
				"client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "claims_locales": {"vi en-GB"},
				"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
			}
			for name, values := range row.form {
				form[name] = values
			}
			a, err := checker.Check(form, client, authz.Profiles[authz.OIDC])
			if row.code != "" {
				if told := authz.AsError(err); told == nil || told.Code != row.code || !told.Redirectable {
					t.Fatalf("got %v, want %s for the app", err, row.code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []authz.AttributeID
			for _, d := range a.Details {
				got = append(got, d.Attributes...)
			}
			if !slices.Equal(got, row.want) || a.ClaimsOnly != row.only || len(a.ClaimsLocales) != 2 {
				t.Fatalf("got %v, only %v, locales %v", got, a.ClaimsOnly, a.ClaimsLocales)
			}
		})
	}
}
