package reconcile

import (
	"context"
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// apart are the acts of operators, tools and the clock that no table is held against, and why.
var apart = map[string][]audit.Action{
	"each declaration stands in the registration, which is held against the act before": {audit.DeclarationChanged},
	"the chain of a federation says it, and is judged anew at each use":                 {audit.ClientTrustEnded, audit.ClientTrustRestored},
	"it changes no role, app, API or incident": {
		audit.RegionalJoined,
		audit.LogTokenMade, audit.InitialTokenCreated, audit.InitialTokenRevoked, audit.DeliveryRetried,
		audit.LogShardEnded, audit.LogRebuilt, audit.LogLossAccepted, audit.LogRowsRestored,
		audit.KeyAnnounced, audit.KeyPublished, audit.KeyActive, audit.KeyRetiring, audit.KeyRetired, audit.KeyRevoked,
	},
	"statements and marks are not held against their approval, as docs/federation.md says": {
		audit.SubordinateProposed, audit.SubordinateRenewed, audit.SubordinateApproved, audit.SubordinateSuspended, audit.SubordinateRevoked,
		audit.TrustMarkGranted, audit.TrustMarkRevoked,
	},
}

// page keeps the event that was written last.
type page struct {
	audit.Rows // what is not asked for

	last audit.Event
}

func (p *page) Record(_ context.Context, events ...audit.Sealed) error {
	p.last = events[0].Event
	return nil
}

func (p *page) NextNumber(context.Context, string, *audit.Hold) (int64, error) { return 1, nil }

func (p *page) Tx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (p *page) Audit(context.Context, authz.Subject) (string, error) {
	return "pseudonym-in-evidence", nil
}

// TestEachActOfTheAdministrationIsHeldAgainstATable, or stands above with the reason why not; and
// what changes an app or an API commits to it as it is after, or its act is refused.
func TestEachActOfTheAdministrationIsHeldAgainstATable(t *testing.T) {
	reasons := map[audit.Action]string{}
	for why, actions := range apart {
		for _, a := range actions {
			reasons[a] = why
		}
	}
	p := &page{}
	scribe := &audit.Scribe{Rows: p, Pseudonyms: p, Site: "dc1"}
	for _, a := range audit.Actions() {
		act := audit.Act{
			Action: a, App: &authz.Client{ID: "app"}, Subject: "an", Actor: "chi", Detail: audit.Detail{Object: "thing", Count: 1},
			Consent: audit.Consent{ID: "consent", Version: 1}, Reason: audit.Reason{Purpose: "purpose", Basis: authz.BasisConsent},
			Data:     audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area"}},
			Decision: audit.Decision{Code: "code"}, Payload: audit.Payload{Digest: "digest"},
		}
		if _, err := scribe.Write(t.Context(), act); err != nil {
			t.Errorf("%s: %v", a, err)
			continue
		}
		kind, why := kindOf(a), reasons[a]
		if p.last.Type == audit.Administered && (kind == "") == (why == "") {
			t.Errorf("%s is held against %q, and apart since %q: one of the two", a, kind, why)
		}
		if a == audit.Erase { // needs a digest of another sort
			continue
		}
		act.Payload.Digest = ""
		_, err := scribe.Write(t.Context(), act)
		commits := slices.Contains([]Kind{AppUnexplained, ResourceUnexplained}, kind) && a != audit.ClientDeleted
		if (err != nil) != commits {
			t.Errorf("%s without the state after: %v; held against the table: %v", a, err, commits)
		}
	}
}
