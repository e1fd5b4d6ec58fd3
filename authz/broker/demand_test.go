package broker

import (
	"context"
	"errors"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// demand is what the provider asks for a claim that rests on the agency's duty.
func demand(grant authz.GrantID) authz.Demand {
	return authz.Demand{Grant: grant, Client: "land-app", Registry: "population", Purpose: "dvc.prefill", Attributes: []authz.AttributeID{"population.full_name"}}
}

func TestADemandGoesTheWayOfEveryRelease(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantName)
	released, err := n.broker.Release(t.Context(), demand(grant))
	if err != nil || len(released.Records) != 1 || len(released.Records[0]) != 1 ||
		released.Records[0]["population.full_name"] != "value of person-an" || released.Account != 2 {
		t.Fatalf("got %+v, %v", released, err)
	}
	row, ok := n.state.rows[released.Event]
	if !ok || row.Event.Type != audit.ReleasePermitted || n.state.log[released.Place.Index] != released.Event ||
		row.Event.Data.Attributes[0] != "population.full_name" {
		t.Fatalf("decision D8: the event is %+v", row.Event)
	}
}

func TestADemandThatIsRefusedSaysSoAndIsRecorded(t *testing.T) {
	n := found(t)
	grant := n.agree("an", "land-app", wantLand)
	land := authz.Demand{Grant: grant, Client: "land-app", Registry: "land", Purpose: "land.mortgage", Attributes: []authz.AttributeID{"land.certificate_no", "land.area"}}
	released, err := n.broker.Release(t.Context(), land)
	if err != nil || released.Consent == "" {
		t.Fatalf("got %+v, %v", released, err)
	}
	must(n, n.withdraw("an", "land-app"))
	var refused *Refused
	if released, err = n.broker.Release(t.Context(), land); !errors.As(err, &refused) || released != nil ||
		refused.Code != "consent-withdrawn" {
		t.Fatalf("got %+v, %v", released, err)
	}
	if row, ok := n.state.rows[refused.Event]; !ok || row.Event.Decision.Permit {
		t.Fatalf("the refusal is not on record: %+v", refused)
	}
	other := land
	other.Client = "tax-app" // never another app's grant
	if released, err = n.broker.Release(t.Context(), other); !errors.As(err, &refused) || released != nil {
		t.Fatalf("another app got %+v, %v", released, err)
	}
}

// The ID token is made before the code is spent: only then, and only for who
// redeems it, a grant that has not begun counts.
func TestAGrantCountsFromItsRedemption(t *testing.T) {
	for _, row := range []struct {
		name                        string
		live, unredeemed, redeeming bool
		permitted                   bool
	}{
		{"redeemed", true, false, false, true},
		{"being redeemed", false, true, true, true},
		{"not redeemed yet", false, true, false, false},
		{"revoked while it is redeemed", false, false, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := found(t)
			grant := n.agree("an", "land-app", wantName)
			p := n.state.grants[grant]
			p.GrantLive, p.Unredeemed = row.live, row.unredeemed
			n.state.grants[grant] = p
			d := demand(grant)
			d.Redeeming = row.redeeming
			released, err := n.broker.Release(t.Context(), d)
			if row.permitted != (err == nil) || row.permitted != (released != nil) {
				t.Fatalf("got %+v, %v", released, err)
			}
			// From outside it never counts before.
			if a := n.ask(grant, "land-app", askName); (a.status == 200) != row.live {
				t.Fatalf("the broker's own endpoint answered %d", a.status)
			}
		})
	}
}

// Each fault by which the record comes into doubt, and the register's own: nothing
// is told.
func TestADemandInDoubtTellsNothing(t *testing.T) {
	for _, fault := range []string{"live", "client", "before record", "after record", "before append", "after append", "register"} {
		t.Run(fault, func(t *testing.T) {
			n := found(t)
			grant := n.agree("an", "land-app", wantName)
			n.fault = fault
			released, err := n.broker.Release(t.Context(), demand(grant))
			var refused *Refused
			if !errors.Is(err, authz.ErrUnavailable) || errors.As(err, &refused) || released != nil {
				t.Fatalf("got %+v, %v", released, err)
			}
		})
	}
	t.Run("too many at once", func(t *testing.T) {
		n := found(t)
		grant := n.agree("an", "land-app", wantName)
		n.broker.MaxInFlight = 1
		n.during["record"] = func() {
			if released, err := n.broker.Release(context.Background(), demand(grant)); !errors.Is(err, authz.ErrUnavailable) ||
				released != nil {
				t.Errorf("got %+v, %v", released, err)
			}
		}
		if _, err := n.broker.Release(t.Context(), demand(grant)); err != nil {
			t.Fatal(err)
		}
	})
}
