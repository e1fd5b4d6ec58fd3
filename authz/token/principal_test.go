package token_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// TestAPrincipalComesToTheClaims: whom the person of the session acts for is in the grant,
// in every token, at UserInfo and in introspection, by the pseudonym of the app's sector.
// What a person does for herself says exactly the members that it said before.
func TestAPrincipalComesToTheClaims(t *testing.T) {
	const member = "urn:vn:gov:eid:acts_for"
	for name, row := range map[string]struct {
		represented authz.Represented
		want        string
	}{
		"herself":         {want: "null"},
		"an organisation": {authz.Represented{Subject: "company", Kind: authz.Organisation}, `{"kind":"organisation","mandate":"mandate-1","sub":"app.example/company"}`},
		"a child":         {authz.Represented{Subject: "con", Kind: authz.Citizen}, `{"kind":"citizen","mandate":"mandate-1","sub":"app.example/con"}`},
	} {
		w := authztest.New(t)
		w.App.Sector, w.Represented = "app.example", row.represented
		got := w.SignIn(t, authztest.Authorization())
		if len(w.Memory.Grants) != 1 {
			t.Fatalf("%s: %d grants", name, len(w.Memory.Grants))
		}
		for _, g := range w.Memory.Grants {
			if !g.Principal.Equal(w.Principal()) {
				t.Errorf("%s: the grant is of %+v", name, g.Principal)
			}
		}
		access := got.Tokens["access_token"].(string)
		told := map[string]string{"the ID token": got.ID, "UserInfo": got.About, "introspection": w.Post(w.Introspect, url.Values{"token": {access}}).Body.String()}
		raw, err := json.Marshal(authztest.ClaimsOf(t, access))
		if err != nil {
			t.Fatal(err)
		}
		told["the access token"] = string(raw)
		for what, text := range told {
			claims := map[string]any{}
			if err := json.Unmarshal([]byte(text), &claims); err != nil {
				t.Fatalf("%s: %s: %q, %v", name, what, text, err)
			}
			if same, err1 := json.Marshal(claims[member]); err1 != nil || string(same) != row.want {
				t.Errorf("%s: %s says %s, want %s", name, what, same, row.want)
			}
			if _, there := claims[member]; there != (row.want != "null") {
				t.Errorf("%s: %s: member %v", name, what, there)
			}
		}
	}
}
