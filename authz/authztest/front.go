package authztest

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
)

// OptIn registers everything that profile oidc lets an app opt in to.
func (w *World) OptIn() {
	w.App.GrantTypes = append(w.App.GrantTypes, "implicit")
	w.App.ResponseTypes = authz.Profiles[authz.OIDC].ResponseTypes
	w.App.CodeWithoutPKCE = true
	w.App.Scopes = append(w.App.Scopes, "offline_access")
	w.App.RequestObjectAlg = "none"
}

// Sent is how an answer reached the app: the mode and what it carried.
func (w *World) Sent(t *testing.T, f url.Values) (mode string, answer url.Values) {
	t.Helper()
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		t.Fatal(err)
	}
	mode = "query"
	if next.Form != nil {
		if next.Form.Action != "https://app.example/cb" {
			t.Fatalf("posted to %s", next.Form.Action)
		}
		mode, answer = "form_post", next.Form.Fields
	} else {
		u, err := url.Parse(next.Location)
		if err != nil || !strings.HasPrefix(next.Location, "https://app.example/cb") {
			t.Fatalf("sent to %q, %v", next.Location, err)
		}
		if answer = u.Query(); u.Fragment != "" {
			if mode = "fragment"; u.RawQuery != "" {
				t.Fatalf("a query beside the fragment: %s", next.Location)
			}
			if answer, err = url.ParseQuery(u.EscapedFragment()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if jarm := answer.Get("response"); jarm != "" {
		if len(answer) != 1 {
			t.Fatalf("JARM §2.3: parameters beside response: %v", answer)
		}
		mode, answer = mode+".jwt", url.Values{}
		for name, value := range PartOf(t, jarm, 1) {
			if text, ok := value.(string); ok {
				answer.Set(name, text)
			}
		}
	}
	return mode, answer
}

// FrontToken checks a token of the front channel: good at UserInfo, known to introspection, good
// for nothing else.
func (w *World) FrontToken(t *testing.T, token string) {
	t.Helper()
	if got := w.About(token); got.Code != http.StatusOK {
		t.Errorf("UserInfo: %d %s", got.Code, got.Body)
	}
	if got := w.Post(w.Introspect, url.Values{"token": {token}}); !strings.Contains(got.Body.String(), `"active":true`) ||
		strings.Contains(got.Body.String(), "broker") {
		t.Errorf("introspection: %s", got.Body)
	}
	r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if _, err := w.BrokerAccess(r); authz.AsError(err) == nil || authz.AsError(err).Code != authz.InvalidToken {
		t.Errorf("D8: the broker says %v", err)
	}
	for name, broken := range map[string]string{
		"a letter changed": token[:10] + "A" + token[11:], "cut": token[:len(token)-1],
		"without its MAC": token[:strings.LastIndex(token, ".")], "no dot": "hna.", "a MAC alone": "hna..x",
	} {
		if broken != token && w.About(broken).Code != http.StatusUnauthorized {
			t.Errorf("a token that was %s is taken", name)
		}
	}
}
