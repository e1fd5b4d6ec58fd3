package losses

import (
	"reflect"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// stays are the actions that a restored database need not be told of, and why.
var stays = map[string][]audit.Action{
	"it gives, and a database that does not know it gives less": {
		audit.Release, audit.TokenExchange, audit.Agree, audit.SignIn, audit.UpstreamSignedIn, audit.UpstreamLinked, audit.AccountEnrol,
		audit.PasskeyAdded,
		audit.LogTokenMade, audit.InitialTokenCreated, audit.ClientRegistered, audit.ClientVerified, audit.ClientTrustRestored,
		audit.ResourceRegistered,
		audit.SubordinateProposed, audit.SubordinateApproved, audit.SubordinateRenewed, audit.TrustMarkGranted,
		audit.RegionalHanded, audit.RegionalReceived,
	},
	"the federation is asked anew":         {audit.ClientTrustEnded},
	"it stands in the log of the province": {audit.RegionalJoined},
	"docs/ledger.md says to do it again, since its event does not say enough": {
		audit.InitialTokenRevoked, audit.ResourceDisabled, audit.DeclarationChanged, audit.ClientUpdated, audit.ClientUnverified,
		audit.ClientSecretRotated, audit.SubordinateSuspended, audit.SubordinateRevoked, audit.TrustMarkRevoked,
	},
	"nothing was given": {
		audit.ReleaseDenied, audit.RegisterSilent, audit.SignInFailed, audit.SignInFailedElsewhere, audit.UpstreamRefused,
		audit.DenyNotMe, audit.DenyWrongSymbol, audit.Decline, audit.PasskeyRefused,
	},
	"one session, which ends by itself": {audit.SignOut, audit.SignOutOther, audit.SignOutApp, audit.SignOutReplaced, audit.SignOutUpstream},
	"it changes no right":               {audit.DeliveryRetried, audit.Search, audit.Open, audit.Export},
	"what the log's writer, reconciliation or the keys do is in their own folders and books": {
		audit.Erase, audit.LogShardEnded, audit.LogRebuilt, audit.LogLossAccepted, audit.LogRowsRestored,
		audit.IncidentOpened, audit.IncidentCloseProposed, audit.IncidentClosed,
		audit.KeyAnnounced, audit.KeyPublished, audit.KeyActive, audit.KeyRetiring, audit.KeyRetired, audit.KeyRevoked,
	},
}

// TestWhatTakesSomethingAwayIsNoted: each action is noted by a restored database, or stands above
// with the reason why it need not be.
func TestWhatTakesSomethingAwayIsNoted(t *testing.T) {
	reasons := map[audit.Action]string{}
	for why, actions := range stays {
		for _, a := range actions {
			reasons[a] = why
		}
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
		for _, a := range audit.Actions() {
			written, err := scribe.Write(t.Context(), audit.Act{
				Action: a, App: &authz.Client{ID: "app"}, Subject: "an-of-the-nation", Actor: "chi-of-the-nation",
				Detail:  audit.Detail{Object: "thing", Count: 1},
				Consent: audit.Consent{ID: "consent", Version: 1}, Reason: audit.Reason{Purpose: "purpose", Basis: authz.BasisConsent},
				Data:     audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area"}},
				Decision: audit.Decision{Code: "code"}, Payload: audit.Payload{Digest: "digest"}, Trace: audit.Trace{Grant: "grant"},
			})
			if err != nil {
				t.Errorf("%s: %v", a, err)
				continue
			}
			e, noted := newEndings(), false
			e.note(Lost{Sealed: audit.Sealed{Event: written[0].Event}})
			for i := range reflect.TypeFor[endings]().NumField() {
				noted = noted || reflect.ValueOf(*e).Field(i).Len() > 0
			}
			if why := reasons[a]; noted == (why != "") {
				t.Errorf("%s: noted %v, and it stays since %q: one of the two", a, noted, why)
			}
		}
	})
}
