package store_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/consent"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// evidence keeps which events came into the log; fail lets the log fail.
type evidence struct {
	mu     sync.Mutex // leaves of one act are appended at the same time
	logged []string
	fail   bool
}

func (e *evidence) AppendLeaf(_ context.Context, s audit.Sealed) (audit.Place, error) {
	if e.fail {
		return audit.Place{}, errors.New("the log does not answer")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logged = append(e.logged, s.Event.ID)
	return audit.Place{}, nil
}

func (e *evidence) AppendSoon(s audit.Sealed) {
	_, _ = e.AppendLeaf(context.Background(), s)
}

type names struct{}

func (names) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(subject), nil
}

var clinic = &authz.Client{
	ID: "clinic", Name: authz.LocalizedText{VI: "Phòng khám", EN: "Clinic"},
	Owner: authz.LocalizedText{VI: "Bộ Y tế", EN: "Ministry of Health"},
	Releases: authz.Releases{
		Declarations: []authz.Declaration{
			{
				Purpose: "health.care", Basis: authz.BasisConsent, Registry: "health", MaxDays: 30,
				Attributes: []authz.AttributeID{"health.allergies", "health.conditions"}, Required: []authz.AttributeID{"health.allergies"},
			},
			{Purpose: "health.care", Basis: authz.BasisConsent, Registry: "social_insurance", MaxDays: 30, Attributes: []authz.AttributeID{"social_insurance.hi_card"}},
			{Purpose: "dvc.prefill", Basis: authz.BasisState, Registry: "population", Attributes: []authz.AttributeID{"population.full_name"}},
		},
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
	e := &evidence{}
	a := &agreement{evidence: e, subject: account(t, db, "An"), Consents: &consent.Consents{
		Catalogue: consent.Load(), Store: db, Evidence: &audit.Scribe{Rows: db, Leaves: e, Pseudonyms: names{}, Site: "dc1"},
		Broker: "http://localhost/broker/v1",
		Now:    func() time.Time { return noon },
	}}
	var err error
	if a.wanted, err = a.Details([]byte(wanted), clinic); err != nil {
		t.Fatal(err)
	}
	if err := db.SaveClient(t.Context(), clinic); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *agreement) question() consent.Question {
	return consent.Question{Client: clinic.ID, Principal: authz.Herself(a.subject), Wanted: a.wanted, Locale: "en"}
}

// answer is one to the page as it is now.
func (a *agreement) answer(t *testing.T, ticked ...string) consent.Answer {
	t.Helper()
	n, err := a.Notice(t.Context(), a.question())
	if err != nil {
		t.Fatal(err)
	}
	answer := consent.Answer{
		Question: a.question(), Shown: n.Digest(), Session: "s", ACR: authz.AuthenticationLevel(2).ACR(), Ticked: map[string]bool{},
	}
	for _, id := range ticked {
		answer.Ticked[id] = true
	}
	return answer
}

// end withdraws a consent as it is now.
func (a *agreement) end(t *testing.T, id authz.ConsentID) error {
	t.Helper()
	c, _, err := a.History(t.Context(), a.subject, id)
	if err != nil {
		t.Fatal(err)
	}
	return a.Withdraw(
		t.Context(), consent.Withdrawal{
			Client: clinic, Principal: authz.Herself(a.subject), ID: id, Shown: c.Reference(), Session: "s", Locale: "vi",
		},
	)
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
				answer := a.answer(t, row.ticked...)
				before := db.Stats().Commits
				var granted []authz.Release
				err := db.Tx(ctx, func(ctx context.Context) (err error) {
					granted, err = a.Record(ctx, answer)
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
					if e.Type != audit.ConsentApproved || e.Consent.ID == "" || e.Consent.Version != 1 || e.Consent.Locale != "en" ||
						len(e.Consent.Text) != 64 {
						t.Fatalf("got event %+v", e.Reason)
					}
					c, _, err := a.History(ctx, a.subject, e.Consent.ID)
					if err != nil || e.Detail.Text != commitment.UntilText(c.ValidUntil) {
						t.Fatalf("the event says %q of a consent until %v, %v", e.Detail.Text, c.ValidUntil, err)
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
		if need, err := a.Needed(ctx, clinic.ID, authz.Herself(a.subject), a.wanted); err != nil || !need.Ask {
			t.Fatalf("at first: got %+v, %v", need, err)
		}
		if _, err := a.Record(ctx, a.answer(t, healthItem, conditions, card)); err != nil {
			t.Fatal(err)
		}
		need, err := a.Needed(ctx, clinic.ID, authz.Herself(a.subject), a.wanted)
		granted := need.Granted
		if err != nil || need.Ask || need.Tell || len(granted) != 3 || granted[0].ConsentReference == "" ||
			granted[2].ConsentReference != "" {
			t.Fatalf("then: got %+v, %v", need, err)
		}
		n, err := a.Notice(ctx, a.question()) // prompt=consent
		if err != nil || !n.Items[0].Asked || !n.Items[1].Asked || n.Items[2].Asked {
			t.Fatalf("prompt=consent: got %+v, %v", n.Items, err)
		}
		id, _, _ := consent.ParseReference(granted[0].ConsentReference)
		if err := a.end(t, id); err != nil {
			t.Fatal(err)
		}
		if need, err := a.Needed(ctx, clinic.ID, authz.Herself(a.subject), a.wanted); err != nil || !need.Ask || need.Granted != nil {
			t.Fatalf("after the withdrawal: got %+v, %v", need, err)
		}
		n, err = a.Notice(ctx, a.question())
		if err != nil || !n.Items[0].Asked || n.Items[1].Asked || n.Items[1].Covered == nil {
			t.Fatalf("the rest is not asked again: got %+v, %v", n.Items, err)
		}
		// Agreeing to the one keeps the other in the grant.
		granted, err = a.Record(ctx, a.answer(t, healthItem))
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
		granted, err := a.Record(ctx, a.answer(t, healthItem))
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := consent.ParseReference(granted[0].ConsentReference)
		a.evidence.fail = true
		if err := a.end(t, id); err != nil {
			t.Fatal(err)
		}
		c, versions, err := a.History(ctx, a.subject, id)
		if err != nil || c.State != consent.Withdrawn || len(versions) != 2 || versions[1].Actor != a.subject {
			t.Fatalf("got %+v, %+v, %v", c, versions, err)
		}
		waiting, _, err := db.Unlogged(ctx, "", 10)
		if err != nil || !slices.ContainsFunc(waiting, func(r audit.Recorded) bool { return r.Event.Type == audit.ConsentWithdrawn }) {
			t.Fatalf("the withdrawal does not wait for the log: %v, %v", waiting, err)
		}
		if err := a.end(t, id); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("withdrawing twice: got %v, want ErrConflict", err)
		}
	})
}

func TestDecliningIsOnRecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAgreement(t, db)
		if err := a.Declined(t.Context(), a.answer(t)); err != nil ||
			len(a.evidence.logged) != 2 { // what needs no consent cannot be declined
			t.Fatalf("got %d, %v", len(a.evidence.logged), err)
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
		answer := a.answer(t)
		answer.MayGiveNone = true
		var granted []authz.Release
		err := db.Tx(ctx, func(ctx context.Context) (err error) {
			granted, err = a.Record(ctx, answer)
			return err
		})
		if err != nil || len(granted) != 1 || granted[0].Basis != authz.BasisState {
			t.Fatalf("got %+v, %v; want what rests on the agency's duty alone", granted, err)
		}
		if list, err := a.List(ctx, a.subject); err != nil || len(list) != 0 {
			t.Fatalf("%d consents, %v", len(list), err)
		}
		half := a.answer(t, conditions)
		half.MayGiveNone = true
		if _, err := a.Record(ctx, half); !errors.Is(err, consent.ErrRequiredMissing) {
			t.Fatalf("an optional one without the required: got %v", err)
		}
	})
}

// TestAnAnswerIsToWhatWasShown: what is recorded is what stood on the page, or nothing.
func TestAnAnswerIsToWhatWasShown(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(c *authz.Client)
	}{
		{"another purpose text", func(c *authz.Client) { c.Declarations[0].Explanation.VI = "Để bán hàng" }},
		{"the English text alone", func(c *authz.Client) { c.Declarations[0].Explanation.EN = "To sell" }},
		{"a recipient more", func(c *authz.Client) { c.Declarations[0].Recipients = []authz.ClientID{"lab"} }},
		{"kept for another time", func(c *authz.Client) { c.Declarations[0].DataLife = "P900D" }},
		{"a required attribute more", func(c *authz.Client) { c.Declarations[0].Required = c.Declarations[0].Attributes }},
		{"another name", func(c *authz.Client) { c.Name.VI = "Bệnh viện" }},
		{"another agency", func(c *authz.Client) { c.Owner.VI = "Bộ Tài chính" }},
		{"another site", func(c *authz.Client) { c.RedirectURIs = []string{"https://other.example/callback"} }},
		{"somebody vouches for it", func(c *authz.Client) { c.Verified = authz.Verification{By: "operator:a", At: noon} }},
		{"another data policy", func(c *authz.Client) { c.PolicyURI = "https://other.example/policy" }},
		{"a declaration less", func(c *authz.Client) { c.Declarations = c.Declarations[1:] }},
		{"disabled", func(c *authz.Client) { c.Disabled = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				ctx := t.Context()
				a := newAgreement(t, db)
				answer := a.answer(t, healthItem, cardItem, card)
				changed := *clinic
				changed.Declarations = slices.Clone(clinic.Declarations)
				row.change(&changed)
				if err := db.SaveClient(ctx, &changed); err != nil {
					t.Fatal(err)
				}
				for _, err := range []error{
					db.Tx(ctx, func(ctx context.Context) error { _, err := a.Record(ctx, answer); return err }),
					db.Tx(ctx, func(ctx context.Context) error { return a.Declined(ctx, answer) }),
				} {
					if !errors.Is(err, consent.ErrChanged) && !errors.Is(err, consent.ErrAppGone) {
						t.Fatalf("got %v, want ErrChanged", err)
					}
				}
				list, err1 := a.List(ctx, a.subject)
				events, err2 := db.Find(ctx, audit.Query{})
				if err := errors.Join(err1, err2); err != nil || len(list)+len(events) != 0 {
					t.Fatalf("%d consents and %d events, %v, of an answer to another page", len(list), len(events), err)
				}
			})
		})
	}
}

// TestTheRecordHoldsWhatWasShown: the digest of the page is beside the hash of the
// words, in the version and in the event.
func TestTheRecordHoldsWhatWasShown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newAgreement(t, db)
		answer := a.answer(t, healthItem)
		n, err := a.Notice(ctx, a.question())
		if err != nil {
			t.Fatal(err)
		}
		granted, err := a.Record(ctx, answer)
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := consent.ParseReference(granted[0].ConsentReference)
		_, versions, err := a.History(ctx, a.subject, id)
		if err != nil || versions[0].Notice != n.Digest() || versions[0].TextHash != n.Items[0].TextHash || versions[0].Locale != "en" {
			t.Fatalf("got %+v, %v", versions, err)
		}
		events, err := db.Find(ctx, audit.Query{Type: audit.ConsentApproved})
		if err != nil || len(events) != 1 || events[0].Event.Detail.Object != n.Digest() ||
			events[0].Event.Consent.Text != n.Items[0].TextHash {
			t.Fatalf("got %+v, %v", events, err)
		}
	})
}

// TestAChangeWaitsForTheAnswer: between the check of an answer and its commit the
// registration stays what was shown.
func TestAChangeWaitsForTheAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAgreement(t, db)
		answer := a.answer(t, healthItem)
		changed := *clinic
		changed.Name.VI = "Bệnh viện"
		err := db.Tx(context.Background(), func(ctx context.Context) error {
			if _, err := a.Record(ctx, answer); err != nil {
				return err
			}
			// Whatever the bound is, a change that waits comes to its end.
			bounded, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
			defer cancel()
			if err := db.SaveClient(bounded, &changed); !errors.Is(err, authz.ErrUnavailable) {
				t.Errorf("a change between the check of an answer and its commit: got %v, want that it waits", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.SaveClient(t.Context(), &changed); err != nil {
			t.Fatalf("after the commit: %v", err)
		}
	})
}

// TestAReadByLawIsToldBeforeItHappens, the first time for each app and purpose, and
// again when what is said changes (Law 91/2025/QH15 Art. 4(1): to know).
func TestAReadByLawIsToldBeforeItHappens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newAgreement(t, db)
		name := `{"type":"vn_data_release","registry":"population","purpose":"dvc.prefill","attributes":["population.full_name"]}`
		var err error
		if a.wanted, err = a.Details([]byte("["+name+"]"), clinic); err != nil {
			t.Fatal(err)
		}
		told := func(want bool, when string) {
			t.Helper()
			need, err := a.Needed(ctx, clinic.ID, authz.Herself(a.subject), a.wanted)
			if err != nil || need.Ask || need.Tell == want || (len(need.Granted) == 1) != want {
				t.Fatalf("%s: got %+v, %v; want told %v", when, need, err, want)
			}
		}
		read := func() {
			t.Helper()
			answer := a.answer(t)
			if err := db.Tx(ctx, func(ctx context.Context) error { _, err := a.Record(ctx, answer); return err }); err != nil {
				t.Fatal(err)
			}
		}
		told(false, "at first")
		read()
		told(true, "after the page")
		changed := *clinic
		changed.Declarations = slices.Clone(clinic.Declarations)
		i := slices.IndexFunc(changed.Declarations, func(d authz.Declaration) bool { return d.Registry == "population" })
		changed.Declarations[i].Explanation.VI = "Để làm việc khác"
		if err := db.SaveClient(ctx, &changed); err != nil {
			t.Fatal(err)
		}
		told(false, "said otherwise")
		read()
		told(true, "after the page that says it otherwise")
		binh := a.subject
		a.subject = account(t, db, "Bình")
		told(false, "to another person")
		a.subject = binh
		told(true, "still")
	})
}
