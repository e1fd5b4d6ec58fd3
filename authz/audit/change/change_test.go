package change

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
)

// TestChange: what differs stands there as it was and as it is, and nothing else does.
func TestChange(t *testing.T) {
	type thing struct {
		Name string   `json:"name,omitempty"`
		URIs []string `json:"uris,omitempty"`
	}
	long := strings.Repeat("x", 200)
	for _, row := range []struct {
		name          string
		before, after any
		want          string
	}{
		{"nothing", thing{"a", nil}, thing{"a", nil}, ""},
		{"a member", thing{"a", nil}, thing{"b", nil}, `name: "a" -> "b";`},
		{"a member that is new", thing{"a", nil}, thing{"a", []string{"u"}}, `uris: none -> ["u"];`},
		{"two members, by their names", thing{"a", []string{"u"}}, thing{"b", nil}, `name: "a" -> "b"; uris: ["u"] -> none;`},
		{"a thing that is new", nil, &thing{"a", nil}, `name: none -> "a";`},
		{"none of its type", (*thing)(nil), thing{"a", nil}, `name: none -> "a";`},
		{
			"a value that may hold the number of a person is withheld",
			thing{"a", []string{"mailto:an@agency.example"}},
			thing{"a", []string{"mailto:001099012345@agency.example"}},
			`uris: ["mailto:an@agency.example"] -> withheld;`,
		},
		{
			"a value that is long stands by its digest",
			thing{"a", nil},
			thing{long, nil},
			`name: "a" -> sha256:`,
		},
	} {
		got, err := Text(row.before, row.after)
		if i := strings.Index(row.want, "sha256:"); err == nil && i >= 0 {
			got, row.want = got[:i], row.want[:i]
		}
		if err != nil || got != row.want {
			t.Errorf("%s: got %q (%v), want %q", row.name, got, err, row.want)
		}
	}
	if _, err := Text(func() {}, 1); err == nil {
		t.Error("what has no JSON form was compared")
	}
}

// TestDeclarationsThatChange are one act each, which names purpose and register.
func TestDeclarationsThatChange(t *testing.T) {
	d := func(purpose authz.PurposeID, days int) authz.Declaration {
		return authz.Declaration{Purpose: purpose, Registry: "land", Basis: authz.BasisConsent, MaxDays: days, Attributes: []authz.AttributeID{"land.area"}}
	}
	of := func(all ...authz.Declaration) *authz.Client {
		return &authz.Client{ID: "app", Releases: authz.Releases{Declarations: all}}
	}
	for _, row := range []struct {
		name          string
		before, after *authz.Client
		want          string // purposes
	}{
		{"an app that is new", nil, of(d("a", 1), d("b", 1)), "a b"},
		{"as it was", of(d("a", 1)), of(d("a", 1)), ""},
		{"for longer", of(d("a", 1), d("b", 1)), of(d("a", 2), d("b", 1)), "a"},
		{"one more and one less", of(d("a", 1)), of(d("b", 1)), "b a"},
	} {
		acts, err := Declarations(row.before, row.after)
		var purposes []string
		for _, act := range acts {
			purposes = append(purposes, string(act.Reason.Purpose))
			if act.Data.Registry != "land" || act.App == nil || act.Detail.Text == "" || len(act.Data.Attributes) != 1 {
				t.Errorf("%s: got %+v", row.name, act.Detail)
			}
		}
		if got := strings.Join(purposes, " "); err != nil || got != row.want {
			t.Errorf("%s: got %q (%v), want %q", row.name, got, err, row.want)
		}
	}
}

// TestState: what a database keeps in its own way, what is empty and the times of the row
// are no part of what an event commits to; everything else is.
func TestState(t *testing.T) {
	app := func() *authz.Client {
		return &authz.Client{
			ID: "so-dat", Name: authz.LocalizedText{VI: "Sổ đất"},
			Requests:   authz.Requests{RedirectURIs: []string{"https://so-dat.example/cb"}},
			Delegation: authz.Delegation{TrustedIssuers: []authz.TrustedIssuer{{Issuer: "x", JWKS: []byte(`{"b":1,"a":2}`)}}},
		}
	}
	for _, row := range []struct {
		name string
		do   func(c *authz.Client)
		same bool
	}{
		{"nothing", func(*authz.Client) {}, true},
		{"the times of its row", func(c *authz.Client) { c.UpdatedAt, c.CreatedAt = time.Unix(1, 0), time.Unix(2, 0) }, true},
		{"an empty list for none", func(c *authz.Client) { c.GrantTypes = []string{} }, true},
		{"names of an object in another order", func(c *authz.Client) { c.TrustedIssuers[0].JWKS = []byte(`{ "a":2,"b":1}`) }, true},
		{"another key", func(c *authz.Client) { c.TrustedIssuers[0].JWKS = []byte(`{"b":1,"a":3}`) }, false},
		{"another redirect URI", func(c *authz.Client) { c.RedirectURIs[0] += "x" }, false},
		{"disabled", func(c *authz.Client) { c.Disabled = true }, false},
		{"another secret", func(c *authz.Client) { c.SecretHash = []byte("x") }, false},
		{"somebody vouches", func(c *authz.Client) { c.Verified.By = "x" }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := app()
			row.do(c)
			want, err1 := State(app())
			got, err2 := State(c)
			if err := errors.Join(err1, err2); err != nil || (string(got) == string(want)) != row.same {
				t.Errorf("got %s, want %s, %v", got, want, err)
			}
		})
	}
	api := &authz.Resource{ID: "https://api.example"}
	on, _ := State(Resource(api))
	api.Disabled = true
	if off, err := State(Resource(api)); err != nil || string(on) == string(off) {
		t.Errorf("an API that is disabled: %s, %v", off, err)
	}
}
