package bench

import (
	"io"
	"maps"
	"slices"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// exactCosts is what one operation of each route costs: commits, signatures, statements,
// on both databases but for what [onPostgres] says. Whoever makes a route dearer has to
// say so here and in docs/performance.md.
var exactCosts = map[string]Cost{
	"discovery":                 {0, 0, 0},
	"jwks":                      {0, 0, 0},
	"par":                       {1, 0, 2},
	"authorize":                 {1, 0, 2},
	"login":                     {2, 0, 7},
	"tokens":                    {1, 2, 3},
	"tokens_oidc":               {1, 2, 2},
	"tokens_oidc_rs256":         {1, 2, 2},
	"refresh":                   {1, 2, 2},
	"refresh_oidc":              {1, 2, 2},
	"refresh_oidc_rs256":        {1, 2, 2},
	"userinfo":                  {0, 0, 1},
	"userinfo_oidc":             {0, 0, 1},
	"userinfo_claims":           {1, 0, 4},
	"introspection":             {0, 0, 1},
	"client_credentials":        {1, 1, 1},
	"client_credentials_oidc":   {0, 1, 0},
	"release":                   {1, 0, 3},
	"complete_login_oidc":       {5, 2, 14},
	"complete_login_oidc_rs256": {5, 2, 14},
	"complete_login_fapi2":      {5, 2, 23},
}

// onPostgres are the routes that cost less on PostgreSQL, which writes several tables by one
// statement: an attempt with the reading of credentials, the acceptance of a code with the
// session, a consent with its version.
var onPostgres = map[string]Cost{
	"login":                     {2, 0, 4}, // the first step is one statement, the second one with its session
	"release":                   {1, 0, 2}, // the number of the person, and the event
	"userinfo_claims":           {1, 0, 3},
	"par":                       {1, 0, 1},  // the request, and the assertion and proof that came with it
	"tokens":                    {1, 2, 2},  // the code, and the assertion and proof that came with it
	"complete_login_oidc":       {5, 2, 10}, // the grant and the end of the request it answers
	"complete_login_oidc_rs256": {5, 2, 10},
	"complete_login_fapi2":      {5, 2, 16}, // that all, and the consent and its version
}

// TestCostsAreExact: no route costs a commit, a signature or a statement more than the
// table says, and none costs less without the table saying so.
func TestCostsAreExact(t *testing.T) {
	t.Parallel()
	if names := slices.Sorted(slices.Values(Names())); !slices.Equal(names, slices.Sorted(maps.Keys(exactCosts))) {
		t.Fatalf("the table is of other routes than %v", names)
	}
	for _, name := range []string{"sqlite", "postgres"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, want := Store{Name: name}, maps.Clone(exactCosts)
			if name == "postgres" {
				maps.Copy(want, onPostgres)
				s.Database, s.Registry = pgtest.Database(t), pgtest.Database(t)
			}
			// The duration says how many codes are kept ready, more than are redeemed here.
			o := Options{Program: harness.Binary(t), Duration: 60 * time.Millisecond, Accounts: 200, Out: io.Discard}
			got, err := Costs(t.Context(), o, s, want)
			if err != nil {
				t.Fatal(err)
			}
			for _, route := range Names() {
				if got[route] != want[route] {
					t.Errorf("%s costs %d commits, %d signatures and %d statements, want %v",
						route, got[route].Commits, got[route].Signatures, got[route].Queries, want[route])
				}
			}
		})
	}
}
