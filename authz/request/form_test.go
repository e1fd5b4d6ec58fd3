package request_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

func TestParseFormRefuses(t *testing.T) {
	for _, row := range []struct{ name, raw string }{
		{"RFC 6749 §3.1: a parameter twice", "a=1&a=2"},
		{"a value that is over-long", "a=" + strings.Repeat("x", 5000)},
		{"a body that is over-long", strings.Repeat("a", 70<<10)},
		{"too many parameters", strings.TrimSuffix(func() string {
			var b strings.Builder
			for i := range 100 {
				b.WriteString("p" + strings.Repeat("x", i) + "=1&")
			}
			return b.String()
		}(), "&")},
		{"not UTF-8", "a=%ff%fe"},
		{"not form-encoded", "a=%zz"},
		{"a resource nine times", strings.TrimSuffix(strings.Repeat("resource=x&", 9), "&")},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := request.ParseForm(row.raw)
			var refusal *authz.Error
			if !errors.As(err, &refusal) || refusal.Code != authz.InvalidRequest {
				t.Fatalf("got %v", err)
			}
		})
	}
	form, err := request.ParseForm("a=&b=1&resource=x&resource=y")
	if err != nil || form.Has("a") || form.Get("b") != "1" || len(form["resource"]) != 2 {
		t.Fatalf("RFC 6749 §3.1: a parameter without a value is omitted: %v, %v", form, err)
	}
}

var app = &authz.Client{ID: "app", RedirectURIs: []string{"https://app.example/cb"}, GrantTypes: []string{"authorization_code"}, Scopes: []string{"openid"}}

// FuzzCheck: whatever is accepted has a registered redirect URI, PKCE with S256,
// and a response type and scopes the app may have.
func FuzzCheck(f *testing.F) {
	f.Add("client_id=app&redirect_uri=https://app.example/cb&response_type=code&scope=openid&code_challenge=" + strings.Repeat("c", 43) + "&code_challenge_method=S256&max_age=1&prompt=login")
	checker := &request.Checker{ScopesKnown: []string{"openid"}, Details: func([]byte, *authz.Client) ([]authz.Release, error) { return nil, nil }}
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := request.ParseForm(raw)
		if err != nil {
			return
		}
		a, err := checker.Check(form, app, authz.Profiles[authz.OIDC])
		var refusal *authz.Error
		if err != nil {
			if !errors.As(err, &refusal) {
				t.Fatalf("a refusal without a code: %v", err)
			}
			if refusal.Redirectable && !app.HasRedirectURI(a.RedirectURI) {
				t.Fatal("a refusal goes to a redirect URI that is not registered")
			}
			return
		}
		if !app.HasRedirectURI(a.RedirectURI) || len(a.CodeChallenge) != 43 || a.ResponseType != "code" || len(a.Scope) > 1 {
			t.Fatalf("accepted %+v", a)
		}
		if _, err := url.Parse(a.RedirectURI); err != nil {
			t.Fatal(err)
		}
	})
}
