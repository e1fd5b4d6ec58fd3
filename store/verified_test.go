package store_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
)

// TestWhoVouchesForAppsThatWereThere: what the release before registered is vouched
// for by who let it in: an operator, the officer of its token, or nobody.
func TestWhoVouchesForAppsThatWereThere(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "test.db"), "postgres": pgtest.Database(t)} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db, err := store.Open(ctx, store.Options{DSN: dsn, Create: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			must := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			must(db.MigrateTo(ctx, 20))
			must(db.SaveClient(ctx, &authz.Client{ID: "added", CreatedAt: noon}))
			must(db.InsertInitialToken(
				ctx, registration.Initial{ID: "token", UsesLeft: 1, Created: noon, Expires: noon.Add(time.Hour)}, []byte("digest"),
			))
			for id, initial := range map[authz.ClientID]string{"invited": "token", "uninvited": ""} {
				must(db.InsertRegistration(
					ctx, &authz.Client{ID: id}, registration.Registration{Client: id, Initial: initial, Token: []byte(id), Created: noon},
				))
			}
			must(db.Migrate(ctx, nil))
			for id, want := range map[authz.ClientID]string{"added": "operator", "invited": "initial-access-token:token", "uninvited": ""} {
				c, err := db.Client(ctx, id)
				must(err)
				if c.Verified.By != want || c.Verified.Holds() != (want != "") ||
					want != "" && !strings.HasPrefix(c.Verified.At.Format(time.RFC3339), noon.UTC().Format(time.RFC3339)) {
					t.Errorf("%s: got %+v, want by %q", id, c.Verified, want)
				}
			}
		})
	}
}
