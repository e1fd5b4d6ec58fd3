package losses

import (
	"context"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/federation"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

type pseudonyms struct{}

func (pseudonyms) Audit(_ context.Context, who authz.Subject) (string, error) {
	return "pseudonym-in-the-evidence-of-" + string(who), nil
}

// TestChoices: of what the log knows of a choice of a province the newest counts; one that was
// withdrawn is withdrawn again, once, with an event that names the lost one.
func TestChoices(t *testing.T) {
	const province = federation.EntityID("https://id.danang.example.vn")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		at := time.Date(2026, 12, 1, 8, 0, 0, 0, time.UTC)
		account := identity.Account{Subject: "an", Kind: authz.Citizen, Person: "p", Level: 2, Created: at}
		if err := db.InsertAccount(t.Context(), account, "099000000001"); err != nil {
			t.Fatal(err)
		}
		if err := db.Regional.Choose(t.Context(), "an", "person", province, at); err != nil {
			t.Fatal(err)
		}
		lost := func(action audit.Action, at time.Time) Lost {
			return Lost{Sealed: audit.Sealed{Event: audit.Event{
				ID: authz.NewID(), Type: audit.FactorChanged, When: audit.When{Decided: at},
				Person: audit.Person{Pseudonym: "pseudonym-in-the-evidence-of-an"},
				Detail: audit.Detail{Action: string(action), Object: string(province)},
			}}}
		}
		e, withdrawn := newEndings(), lost(audit.RegionalWithdrawn, at.Add(time.Hour))
		e.note(withdrawn)
		e.note(lost(audit.RegionalChosen, at))
		key := [2]string{"pseudonym-in-the-evidence-of-an", string(province)}
		if got := e.choices[key]; got.Event.ID != withdrawn.Event.ID {
			t.Errorf("not the newest counts: %v", got.Event)
		}
		l := &Losses{DB: db, Scribe: &audit.Scribe{Rows: db, Pseudonyms: pseudonyms{}, Site: "dc1"}}
		for _, want := range []bool{true, false} {
			if did, err := l.choice(t.Context(), "an", province, withdrawn); did != want || err != nil {
				t.Errorf("withdrawn %v, want %v: %v", did, want, err)
			}
		}
		if left, err := db.Regional.Of(t.Context(), "an"); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
		found, err := db.Find(t.Context(), audit.Query{Pseudonym: "pseudonym-in-the-evidence-of-an", Limit: 10})
		if err != nil || len(found) != 1 || len(found[0].Event.Decision.Determining) != 1 ||
			found[0].Event.Decision.Determining[0] != named(withdrawn.Event.ID) {
			t.Errorf("recorded: %v, %v", found, err)
		}
	})
}
