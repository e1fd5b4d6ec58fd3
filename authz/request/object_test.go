package request_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

var noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)

const issuer = "https://id.example"

// claims are those of a right request object; with changes one, nil takes it out.
func claims(t testing.TB, with map[string]any) json.RawMessage {
	t.Helper()
	all := map[string]any{
		"iss": "app", "aud": issuer, "exp": noon.Add(5 * time.Minute).Unix(), "nbf": noon.Unix(),
		"client_id": "app", "response_type": "code", "redirect_uri": "https://app.example/cb", "scope": "openid", "max_age": 300,
	}
	for k, v := range with {
		if v == nil {
			delete(all, k)
		} else {
			all[k] = v
		}
	}
	raw, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestFromObject(t *testing.T) {
	app := &authz.Client{ID: "app"}
	signing, legacy := authz.Profiles[authz.FAPI2Signing], authz.Profiles[authz.OIDC]
	for _, row := range []struct {
		name    string
		with    map[string]any
		outer   url.Values
		profile authz.Profile
		good    bool
	}{
		{"all in order", nil, nil, signing, true},
		{"RFC 9101 §4: aud as a list", map[string]any{"aud": []string{"https://other.example", issuer}}, nil, signing, true},
		{"RFC 9101 §4: aud of another", map[string]any{"aud": "https://other.example"}, nil, signing, false},
		{"aud missing where signing is demanded", map[string]any{"aud": nil}, nil, signing, false},
		{"FAPI 2.0 MS §5.3.1: no exp, signed though it need not be", map[string]any{"exp": nil}, nil, authz.Profiles[authz.FAPI2], false},
		{"FAPI 2.0 MS §5.3.1: no nbf, signed though it need not be", map[string]any{"nbf": nil}, nil, authz.Profiles[authz.FAPI2], false},
		{"OpenID Connect Core §6.1: aud may be missing", map[string]any{"aud": nil, "iss": nil, "exp": nil, "nbf": nil}, nil, legacy, true},
		{"OIDC: but not of another", map[string]any{"aud": "https://other.example"}, nil, legacy, false},
		{"RFC 9101 §4: iss of another", map[string]any{"iss": "other"}, nil, legacy, false},
		{"RFC 9101 §10.8: sub is the client", map[string]any{"sub": "app"}, nil, legacy, false},
		{"FAPI 2.0 MS §5.3.1: no exp", map[string]any{"exp": nil}, nil, signing, false},
		{"FAPI 2.0 MS §5.3.1: no nbf", map[string]any{"nbf": nil}, nil, signing, false},
		{"FAPI 2.0 MS §5.3.1: nbf an hour ago", map[string]any{"nbf": noon.Add(-61 * time.Minute).Unix()}, nil, signing, false},
		{"FAPI 2.0 MS §5.3.1: a life of more than an hour", map[string]any{"exp": noon.Add(61 * time.Minute).Unix()}, nil, signing, false},
		{"expired", map[string]any{"exp": noon.Unix()}, nil, legacy, false},
		{"not yet", map[string]any{"nbf": noon.Add(time.Minute).Unix()}, nil, legacy, false},
		{"a clock 8 s ahead", map[string]any{"nbf": noon.Add(8 * time.Second).Unix()}, nil, signing, true},
		{"made in the future", map[string]any{"iat": noon.Add(time.Hour).Unix()}, nil, legacy, false},
		{"times that are no numbers", map[string]any{"exp": "soon"}, nil, legacy, false},
		{"RFC 9101 §4: a request inside", map[string]any{"request": "x"}, nil, legacy, false},
		{"RFC 9101 §4: a request_uri inside", map[string]any{"request_uri": "https://x.example"}, nil, legacy, false},
		{"a client assertion inside", map[string]any{"client_assertion": "x"}, nil, legacy, false},
		{"RFC 9101 §5: client_id of another", map[string]any{"client_id": "other"}, nil, legacy, false},
		{"RFC 9101 §5: no client_id", map[string]any{"client_id": nil}, url.Values{"client_id": {"app"}}, signing, false},
		{"RFC 9101 §5: no client_id anywhere", map[string]any{"client_id": nil}, nil, legacy, false},
		{"OpenID Connect Core §6.1: client_id beside it", map[string]any{"client_id": nil}, url.Values{"client_id": {"app"}}, legacy, true},
		{"OpenID Connect Core §6.1: response_type beside it", map[string]any{"response_type": nil}, url.Values{"response_type": {"code"}}, legacy, true},
		{"OpenID Connect Core §6.1: another response_type beside it", nil, url.Values{"response_type": {"id_token"}}, legacy, false},
		{"RFC 9101 §6.3: another response_type beside it", nil, url.Values{"response_type": {"id_token"}}, signing, true},
		{"RFC 9101 §5: client_id outside of another", nil, url.Values{"client_id": {"other"}}, legacy, false},
		{"a fraction", map[string]any{"max_age": 1.5}, nil, legacy, false},
		{"scope twice", map[string]any{"scope": []string{"openid", "email"}}, nil, legacy, false},
		{"resources", map[string]any{"resource": []string{"https://a.example", "https://b.example"}}, nil, legacy, true},
		{"too long a value", map[string]any{"state": string(make([]byte, 5000))}, nil, legacy, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			form, err := request.FromObject(claims(t, row.with), row.outer, app, row.profile, issuer, noon)
			var refusal *authz.Error
			if row.good != (err == nil) || err != nil && !errors.As(err, &refusal) {
				t.Fatalf("got %v, %v", form, err)
			}
			if err == nil && (form.Get("redirect_uri") != "https://app.example/cb" || form.Get("max_age") != "300" || form.Has("iss") ||
				form.Has("exp")) {
				t.Fatalf("got %v", form)
			}
		})
	}
}

// TestOnlyWhatWasSignedCounts: RFC 9101 §6.3.
func TestOnlyWhatWasSignedCounts(t *testing.T) {
	outer := url.Values{"client_id": {"app"}, "scope": {"openid email"}, "state": {"outside"}, "prompt": {"none"}}
	form, err := request.FromObject(claims(t, nil), outer, &authz.Client{ID: "app"}, authz.Profiles[authz.OIDC], issuer, noon)
	if err != nil || form.Get("scope") != "openid" || form.Has("state") || form.Has("prompt") {
		t.Fatalf("got %v, %v", form, err)
	}
}

func TestObjectsInsideStayAsTheyAre(t *testing.T) {
	with := map[string]any{
		"claims":                map[string]any{"userinfo": map[string]any{"name": nil}},
		"authorization_details": []any{map[string]any{"type": "vn_data_release"}},
	}
	form, err := request.FromObject(claims(t, with), nil, &authz.Client{ID: "app"}, authz.Profiles[authz.OIDC], issuer, noon)
	if err != nil || form.Get("claims") != `{"userinfo":{"name":null}}` ||
		form.Get("authorization_details") != `[{"type":"vn_data_release"}]` {
		t.Fatalf("got %v, %v", form, err)
	}
}

// TestFromObjectOfFederation: OpenID Federation 1.0 §12.1.1, in the profile that leaves most
// out; what is single is named by the app and the jti.
func TestFromObjectOfFederation(t *testing.T) {
	const member = "https://app.example"
	app := &authz.Client{ID: member, Membership: authz.Membership{Anchor: "https://neo.example"}}
	right := func(with map[string]any) json.RawMessage {
		all := map[string]any{"iss": member, "client_id": member, "jti": "one"}
		maps.Copy(all, with)
		return claims(t, all)
	}
	for _, row := range []struct {
		name string
		with map[string]any
		good bool
	}{
		{"all in order", nil, true},
		{"aud alone in a list", map[string]any{"aud": []string{issuer}}, true},
		{"aud with another", map[string]any{"aud": []string{issuer, "https://other.example"}}, false},
		{"aud of the token endpoint", map[string]any{"aud": issuer + "/token"}, false},
		{"no aud", map[string]any{"aud": nil}, false},
		{"no iss", map[string]any{"iss": nil}, false},
		{"no jti", map[string]any{"jti": nil}, false},
		{"a jti that is no text", map[string]any{"jti": 1}, false},
		{"a jti that is empty", map[string]any{"jti": ""}, false},
		{"no exp", map[string]any{"exp": nil, "nbf": nil}, false},
		{"a sub", map[string]any{"sub": "somebody"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if _, err := request.FromObject(right(row.with), nil, app, authz.Profiles[authz.OIDC], issuer, noon); (err == nil) != row.good {
				t.Errorf("got %v", err)
			}
		})
	}
	one, expires := request.Single(right(nil), member)
	other, _ := request.Single(right(map[string]any{"jti": "two"}), member)
	others, _ := request.Single(right(nil), "https://other.example")
	if len(one) != 32 || bytes.Equal(one, other) || bytes.Equal(one, others) || expires.Before(noon.Add(5*time.Minute)) {
		t.Errorf("got %x, %x, %x until %v", one, other, others, expires)
	}
}

func FuzzFromObject(f *testing.F) {
	f.Add([]byte(claims(f, nil)))
	f.Add([]byte(`{"client_id":"app","a":[1,2],"b":{"c":null}}`))
	app := &authz.Client{ID: "app"}
	f.Fuzz(func(t *testing.T, raw []byte) {
		form, err := request.FromObject(raw, nil, app, authz.Profiles[authz.OIDC], issuer, noon)
		if err == nil && form.Get("client_id") != "app" {
			t.Fatalf("accepted for %q", form.Get("client_id"))
		}
	})
}
