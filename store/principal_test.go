package store_test

import (
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// principals are those that a person may be.
func principals(actor authz.Subject) map[string]authz.Principal {
	return map[string]authz.Principal{
		"herself":         authz.Herself(actor),
		"an organisation": authz.Acting(actor, authz.Represented{Subject: "company", Kind: authz.Organisation}, "m-1"),
		"a child":         authz.Acting(actor, authz.Represented{Subject: "con", Kind: authz.Citizen}, "m-2"),
	}
}

// TestPrincipalsAreStored: session, grant, permission and consent come back with whom the
// person acts for, and a row of herself is one of the release before.
func TestPrincipalsAreStored(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		an := holder(t, db, "099000000041")
		for name, p := range principals(an) {
			s := session.Session{
				ID: authz.SessionID(authz.NewID()), Principal: p, AuthTime: midday, Methods: []string{"pwd", "otp"}, Level: 2, Created: midday, Seen: midday,
			}
			same := func(what string, got authz.Principal, err error) {
				t.Helper()
				if err != nil || !got.Equal(p) {
					t.Errorf("%s: %s came back as %+v, %v", name, what, got, err)
				}
			}
			if err := db.InsertSession(ctx, s, authz.HashSecret(string(s.ID)), nil); err != nil {
				t.Fatal(err)
			}
			found, err := db.SessionBySecret(ctx, authz.HashSecret(string(s.ID)))
			same("the session", found.Principal, err)
			s.AuthTime, s.Created = midday.Add(time.Minute), midday.Add(time.Minute)
			if err := db.RenewSession(ctx, s, authz.HashSecret("again "+string(s.ID))); err != nil {
				t.Fatal(err)
			}
			found, err = db.SessionBySecret(ctx, authz.HashSecret("again "+string(s.ID)))
			same("the session that goes on", found.Principal, err)

			g := issued(t, db)
			g.ID, g.Session, g.Principal, g.CodeHash = authz.GrantID(authz.NewID()), s.ID, found.Principal, authz.HashSecret("code "+
				string(s.ID))
			if err := db.InsertGrant(ctx, g, ""); err != nil {
				t.Fatal(err)
			}
			byCode, err := db.GrantByCode(ctx, g.CodeHash)
			same("the grant", byCode.Principal, err)

			c, v := agreed(p.Concerned(), g.ClientID)
			v.Principal = byCode.Principal
			approved, err := db.Approve(ctx, c, v)
			if err != nil {
				t.Fatal(err)
			}
			versions, err := db.Versions(ctx, approved.ID)
			if err != nil || len(versions) != 1 {
				t.Fatalf("%+v, %v", versions, err)
			}
			same("the consent", versions[0].Principal, nil)
			live, err := db.Live(ctx, g.ID, c.Registry, c.Purpose)
			same("the permission", live.Principal, err)
			if live.Consent == nil || live.Consent.ID != approved.ID || live.Consent.Subject != p.Concerned() {
				t.Errorf("%s: the permission rests on %+v, want %+v", name, live.Consent, approved)
			}

			for _, table := range []string{
				"sessions WHERE id = '" + string(s.ID) + "'", "grant_principals WHERE grant_id = '" + string(g.ID) + "'", "consent_versions WHERE consent_id = '" + string(approved.ID) + "'",
			} {
				var row struct {
					N int `gorm:"column:n"`
				}
				err := db.Row(ctx, &row, "SELECT count(represented) + count(represented_kind) + count(mandate) AS n FROM "+table)
				if err != nil || (row.N == 0) != p.ForHerself() || row.N != 0 && row.N != 3 {
					t.Errorf("%s: %d columns are set in %s, %v", name, row.N, table, err)
				}
			}
		}
	})
}

// TestHalfAPrincipalIsRefused by the tables themselves.
func TestHalfAPrincipalIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := started(t, db, holder(t, db, "099000000042"))
		for _, half := range []string{"represented = 'company'", "mandate = 'm'", "represented = 'company', represented_kind = 'organisation'"} {
			if n, err := db.Exec(t.Context(), "UPDATE sessions SET "+half+" WHERE id = ?", string(s.ID)); err == nil {
				t.Errorf("%s: %d rows were changed", half, n)
			}
		}
	})
}
