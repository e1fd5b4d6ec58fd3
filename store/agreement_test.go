package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// evidence stages rows and keeps which of them were logged; fail lets the log
// fail.
type evidence struct {
	db     *store.DB
	logged []string
	fail   bool
}

func (e *evidence) Stage(ctx context.Context, event audit.Event) (func(context.Context) error, error) {
	if err := e.db.Record(ctx, event, audit.NewSalt()); err != nil {
		return nil, err
	}
	return func(context.Context) error {
		if e.fail {
			return errors.New("the log does not answer")
		}
		e.logged = append(e.logged, event.ID)
		return nil
	}, nil
}

type names struct{}

func (names) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(subject), nil
}

var clinic = &authz.Client{
	ID: "clinic", Name: authz.LocalizedText{VI: "Phòng khám", EN: "Clinic"}, Owner: authz.LocalizedText{VI: "Bộ Y tế", EN: "Ministry of Health"},
	Declarations: []authz.Declaration{
		{
			Purpose: "health.care", Basis: authz.BasisConsent, Registry: "health", MaxDays: 30,
			Attributes: []authz.AttributeID{"health.allergies", "health.conditions"}, Required: []authz.AttributeID{"health.allergies"},
		},
		{Purpose: "health.care", Basis: authz.BasisConsent, Registry: "social_insurance", MaxDays: 30, Attributes: []authz.AttributeID{"social_insurance.hi_card"}},
		{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}},
	},
}

const wanted = `[
	{"type":"vn_data_release","registry":"health","purpose":"health.care","attributes":["health.allergies","health.conditions"]},
	{"type":"vn_data_release","registry":"social_insurance","purpose":"health.care","attributes":["social_insurance.hi_card"]},
	{"type":"vn_data_release","registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}]`

const (
	healthItem = "health.care/health"
	conditions = "health.care/health/health.conditions"
	cardItem   = "health.care/social_insurance"
	card       = "health.care/social_insurance/social_insurance.hi_card"
)

type agreement struct {
	*consent.Consents
	evidence *evidence
	subject  authz.Subject
	wanted   []authz.Release
}

func newAgreement(t *testing.T, db *store.DB) *agreement {
	t.Helper()
	e := &evidence{db: db}
	a := &agreement{evidence: e, subject: account(t, db, "An"), Consents: &consent.Consents{
		Catalogue: consent.Load(), Store: db, Pseudonyms: names{}, Evidence: e, Broker: "http://localhost/broker/v1", Site: "dc1",
		Now: func() time.Time { return noon },
	}}
	var err error
	if a.wanted, err = a.Details([]byte(wanted), clinic); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *agreement) answer(ticked ...string) consent.Answer {
	answer := consent.Answer{
		Client: clinic, Subject: a.subject, Session: "s", ACR: authz.AuthenticationLevel(2).ACR(), Locale: "en", Wanted: a.wanted, Ticked: map[string]bool{},
	}
	for _, id := range ticked {
		answer.Ticked[id] = true
	}
	return answer
}

func TestOnlyWhatWasTickedIsGranted(t *testing.T) {
	name := []authz.AttributeID{"population.full_name"}
	for _, row := range []struct {
		name    string
		ticked  []string
		granted [][]authz.AttributeID
		err     error
	}{
		{"all", []string{healthItem, conditions, cardItem, card}, [][]authz.AttributeID{{"health.allergies", "health.conditions"}, {"social_insurance.hi_card"}, name}, nil},
		{"one unticked", []string{healthItem, card}, [][]authz.AttributeID{{"health.allergies"}, {"social_insurance.hi_card"}, name}, nil},
		{"one item left out", []string{card}, [][]authz.AttributeID{{"social_insurance.hi_card"}, name}, nil},
		{"nothing", nil, nil, consent.ErrNothingChosen},
		{"what was not asked", []string{"health.care/health/health.hiv", "dvc.prefill/population"}, nil, consent.ErrNothingChosen},
		{"an optional one without the required", []string{conditions, card}, nil, consent.ErrRequiredMissing},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				ctx := t.Context()
				a := newAgreement(t, db)
				before := db.Stats().Commits
				var granted []authz.Release
				err := db.Tx(ctx, func(ctx context.Context) (err error) {
					granted, _, err = a.Record(ctx, a.answer(row.ticked...))
					return err
				})
				if !errors.Is(err, row.err) {
					t.Fatalf("got %v, want %v", err, row.err)
				}
				list, listErr := a.List(ctx, a.subject)
				found, findErr := db.Find(ctx, audit.Query{})
				if listErr != nil || findErr != nil {
					t.Fatal(listErr, findErr)
				}
				if err != nil {
					if len(list) != 0 || len(found) != 0 {
						t.Fatalf("a refused answer left %d consents and %d events", len(list), len(found))
					}
					return
				}
				if got := db.Stats().Commits - before; got != 1 {
					t.Fatalf("an answer took %d commits, want 1", got)
				}
				if len(list) != len(row.granted)-1 || len(found) != len(list) || len(granted) != len(row.granted) {
					t.Fatalf("%d consents, %d events, %d releases", len(list), len(found), len(granted))
				}
				for i, r := range granted {
					if !slices.Equal(r.Attributes, row.granted[i]) || (r.ConsentReference == "") != (r.Basis == authz.BasisState) {
						t.Fatalf("release %d: got %+v", i, r)
					}
				}
				for _, r := range found {
					e := r.Event
					if e.Type != audit.ConsentApproved || e.Reason.Consent == "" || e.Reason.ConsentVersion != 1 || e.Reason.Locale != "en" || len(e.Reason.ConsentText) != 64 {
						t.Fatalf("got event %+v", e.Reason)
					}
				}
			})
		})
	}
}

func TestWhatIsAgreedToIsNotAskedAgainUntilWithdrawn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newAgreement(t, db)
		if needed, _, err := a.Needed(ctx, clinic, a.subject, a.wanted); err != nil || !needed {
			t.Fatalf("at first: got %v, %v", needed, err)
		}
		if _, _, err := a.Record(ctx, a.answer(healthItem, conditions, card)); err != nil {
			t.Fatal(err)
		}
		needed, granted, err := a.Needed(ctx, clinic, a.subject, a.wanted)
		if err != nil || needed || len(granted) != 3 || granted[0].ConsentReference == "" || granted[2].ConsentReference != "" {
			t.Fatalf("then: got %v, %+v, %v", needed, granted, err)
		}
		items, err := a.Items(ctx, clinic, a.subject, a.wanted) // prompt=consent
		if err != nil || !items[0].Asked || !items[1].Asked || items[2].Asked {
			t.Fatalf("prompt=consent: got %+v, %v", items, err)
		}
		id, _, _ := consent.ParseReference(granted[0].ConsentReference)
		if err := a.Withdraw(ctx, clinic, a.subject, id, "s", "", "vi"); err != nil {
			t.Fatal(err)
		}
		if needed, granted, err := a.Needed(ctx, clinic, a.subject, a.wanted); err != nil || !needed || granted != nil {
			t.Fatalf("after the withdrawal: got %v, %v, %v", needed, granted, err)
		}
		items, err = a.Items(ctx, clinic, a.subject, a.wanted)
		if err != nil || !items[0].Asked || items[1].Asked || items[1].Covered == nil {
			t.Fatalf("the rest is not asked again: got %+v, %v", items, err)
		}
		// Agreeing to the one keeps the other in the grant.
		granted, _, err = a.Record(ctx, a.answer(healthItem))
		if err != nil || len(granted) != 3 || len(granted[0].Attributes) != 1 || granted[1].ConsentReference == "" {
			t.Fatalf("got %+v, %v", granted, err)
		}
		if current, err := a.Current(ctx, a.subject, clinic.ID); err != nil || len(current) != 2 {
			t.Fatalf("got %d current, %v", len(current), err)
		}
	})
}

func TestAWithdrawalHoldsEvenIfTheLogDoesNotAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newAgreement(t, db)
		granted, _, err := a.Record(ctx, a.answer(healthItem))
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := consent.ParseReference(granted[0].ConsentReference)
		a.evidence.fail = true
		if err := a.Withdraw(ctx, clinic, a.subject, id, "s", "", "vi"); err != nil {
			t.Fatal(err)
		}
		c, versions, err := a.History(ctx, a.subject, id)
		if err != nil || c.State != consent.Withdrawn || len(versions) != 2 || versions[1].Actor != a.subject {
			t.Fatalf("got %+v, %+v, %v", c, versions, err)
		}
		waiting, err := db.Unlogged(ctx, 10)
		if err != nil || !slices.ContainsFunc(waiting, func(r audit.Recorded) bool { return r.Event.Type == audit.ConsentWithdrawn }) {
			t.Fatalf("the withdrawal does not wait for the log: %v, %v", waiting, err)
		}
		if err := a.Withdraw(ctx, clinic, a.subject, id, "s", "", "vi"); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("withdrawing twice: got %v, want ErrConflict", err)
		}
	})
}

func TestDecliningIsOnRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAgreement(t, db)
		logIt, err := a.Declined(t.Context(), clinic, a.subject, a.wanted, "")
		if err != nil || len(logIt) != 2 { // what needs no consent cannot be declined
			t.Fatalf("got %d, %v", len(logIt), err)
		}
		found, err := db.Find(t.Context(), audit.Query{Type: audit.ConsentDeclined, Outcome: audit.Refused})
		if err != nil || len(found) != 2 {
			t.Fatalf("got %d, %v", len(found), err)
		}
	})
}

// OpenID Connect Core §5.4, §5.5: claims are no condition of a sign-in, so an answer
// that gives none of them is one; what rests on another basis is granted all the same.
func TestOfClaimsAloneNoneMayBeGiven(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newAgreement(t, db)
		answer := a.answer()
		answer.MayGiveNone = true
		var granted []authz.Release
		err := db.Tx(ctx, func(ctx context.Context) (err error) {
			granted, _, err = a.Record(ctx, answer)
			return err
		})
		if err != nil || len(granted) != 1 || granted[0].Basis != authz.BasisState {
			t.Fatalf("got %+v, %v; want what rests on the agency's duty alone", granted, err)
		}
		if list, err := a.List(ctx, a.subject); err != nil || len(list) != 0 {
			t.Fatalf("%d consents, %v", len(list), err)
		}
		half := a.answer(conditions)
		half.MayGiveNone = true
		if _, _, err := a.Record(ctx, half); !errors.Is(err, consent.ErrRequiredMissing) {
			t.Fatalf("an optional one without the required: got %v", err)
		}
	})
}
