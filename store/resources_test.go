package store_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func TestResources(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		if _, err := db.Resource(ctx, "https://b.example"); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("before it is there: %v", err)
		}
		for _, id := range []string{"https://b.example", "https://a.example", "https://c.example"} {
			r := &authz.Resource{ID: id, Name: authz.LocalizedText{VI: "Đất đai"}, Owner: authz.LocalizedText{VI: "Đà Nẵng"}, Scopes: []string{"land.read"}, SigningAlg: "EdDSA"}
			if err := db.SaveResource(ctx, r); err != nil {
				t.Fatal(err)
			}
		}
		got, err := db.Resource(ctx, "https://b.example")
		if err != nil || got.ID != "https://b.example" || got.Name.VI != "Đất đai" || !slices.Equal(got.Scopes, []string{"land.read"}) || got.SigningAlg != "EdDSA" || got.Disabled {
			t.Fatalf("got %+v, %v", got, err)
		}
		got.Disabled, got.Scopes = true, nil
		if err := db.SaveResource(ctx, got); err != nil {
			t.Fatal(err)
		}
		if again, err := db.Resource(ctx, got.ID); err != nil || !again.Disabled || again.Scopes != nil {
			t.Fatalf("changed: %+v, %v", again, err)
		}
		page, err := db.Resources(ctx, "", 2)
		if err != nil || len(page) != 2 || page[0].ID != "https://a.example" || page[1].ID != "https://b.example" {
			t.Fatalf("the first page is %v, %v", page, err)
		}
		if rest, err := db.Resources(ctx, page[1].ID, 2); err != nil || len(rest) != 1 || rest[0].ID != "https://c.example" {
			t.Fatalf("the second page is %v, %v", rest, err)
		}
	})
}

// TestGrantGoesOn: a grant that continues another takes its name with its code's
// redemption, ends it, and does not bring back one that has ended.
func TestGrantGoesOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		redeem := func(g grant.Grant) {
			t.Helper()
			if err := db.RedeemCode(ctx, g.ID, authz.Confirmation{JKT: "k"}, midday, none); err != nil {
				t.Fatal(err)
			}
		}
		next := func(of grant.Grant, after time.Duration) grant.Grant {
			t.Helper()
			g := grant.Grant{
				ID: authz.GrantID(authz.NewID()), Continues: of.PublicID(), ClientID: of.ClientID, Principal: authz.Herself(of.Actor),
				Session: "s2", Profile: authz.FAPI2,
				Scope: []string{"openid"}, Level: 2, AuthTime: midday, Created: midday.Add(after), Expires: midday.Add(2 * time.Hour),
				CodeHash: authz.HashSecret(authz.NewSecret()), CodeExpires: midday.Add(time.Minute), RefreshSalt: []byte("salt"),
			}
			if err := db.PlantGrant(ctx, g); err != nil {
				t.Fatal(err)
			}
			return g
		}
		live := func(of grant.Grant) authz.GrantID {
			t.Helper()
			g, err := db.GrantByPublicID(ctx, of.PublicID())
			if err != nil && !errors.Is(err, authz.ErrNotFound) {
				t.Fatal(err)
			}
			return g.ID
		}
		first := issued(t, db)
		if live(first) != "" {
			t.Fatal("a grant whose code was not redeemed has a name already (Grant Management §5.5.1)")
		}
		redeem(first)
		second := next(first, time.Second)
		if got, err := db.Grant(ctx, second.ID); err != nil || got.Continues != first.ID {
			t.Fatalf("it continues %q, %v", got.Continues, err)
		}
		if live(first) != first.ID {
			t.Fatal("the next grant counts before its code is redeemed")
		}
		redeem(second)
		if err := db.Supersede(ctx, second, midday); err != nil {
			t.Fatal(err)
		}
		if ended, err := db.Grant(ctx, first.ID); err != nil || ended.Revoked.IsZero() || live(first) != second.ID {
			t.Fatalf("the grant before lives on: %+v, %v", ended, err)
		}
		third := next(second, 2*time.Second)
		redeem(third)
		if err := db.Supersede(ctx, third, midday); err != nil || live(first) != third.ID {
			t.Fatalf("a second step: %v", err)
		}
		if err := db.Revoke(ctx, third.ID, "withdrawn", midday); err != nil {
			t.Fatal(err)
		}
		fourth := next(third, 3*time.Second)
		redeem(fourth)
		if err := db.Supersede(ctx, fourth, midday); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("what had ended came back: %v", err)
		}
		stranger := issued(t, db)
		redeem(stranger)
		foreign := next(stranger, time.Second)
		redeem(foreign)
		foreign.Actor = "another"
		if err := db.Supersede(ctx, foreign, midday); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("another person's grant was ended: %v", err)
		}
	})
}
