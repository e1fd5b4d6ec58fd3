package evidence_test

import (
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/web/evidence"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// TestAProofOfAReleaseHasItsConsent: the event by which the consent was given is in the file, if
// it is there, genuine, about the same person and hers to see; otherwise the file says that it
// is not proved, and of a release by law that there is none.
func TestAProofOfAReleaseHasItsConsent(t *testing.T) {
	const proved, unproved, none = "ground proved", "ground unproved", "ground none"
	for _, row := range []struct {
		name    string
		change  func(given *audit.Recorded)
		erased  bool
		release func(e *audit.Event)
		says    string
		fault   string
	}{
		{name: "it is there", says: proved},
		{name: "it was erased", erased: true, says: unproved},
		{name: "its row is not genuine", change: func(r *audit.Recorded) { r.Fault = audit.FaultAltered }, says: unproved},
		{name: "it is about somebody else", change: func(r *audit.Recorded) { r.Event.Person.Pseudonym = evidencetest.Pseudonym("chi") }, says: unproved},
		{name: "it is hidden", change: func(r *audit.Recorded) { r.Event.Visibility.Sight = audit.Hidden }, says: unproved},
		{name: "it is in a log of another site", change: func(r *audit.Recorded) { r.Origin = "elsewhere" }, says: unproved},
		{name: "its place is not noted yet", change: func(r *audit.Recorded) { r.Logged = false }, fault: string(view.ErrorNotAvailable)},
		{name: "the release names none", release: func(e *audit.Event) { e.Decision.Determining = nil }, says: unproved},
		{name: "the release is by law", release: func(e *audit.Event) {
			e.Decision.Determining, e.Reason.Basis, e.Consent = nil, "LB-STATUTE", audit.Consent{NoConsent: "statute"}
		}, says: none},
		{name: "a refusal", release: func(e *audit.Event) { e.Type, e.Decision.Permit = audit.ReleaseRefused, false }, says: ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			book := &evidencetest.Book{}
			agreed := evidencetest.Release("an", "so-dat", now.Add(-time.Hour))
			agreed.Type, agreed.Decision, agreed.ID = audit.ConsentApproved, audit.Decision{}, authz.NewID()
			canonical, err := agreed.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			g, err := commitment.GroundOf(canonical, audit.Salt{}, true)
			if err != nil {
				t.Fatal(err)
			}
			book.Add(agreed)
			if row.change != nil {
				row.change(&book.Events[0])
			}
			if row.erased {
				book.Events = nil
			}
			e := evidencetest.Release("an", "so-dat", now)
			e.Decision.Determining = []string{g.Reference.String()}
			if row.release != nil {
				row.release(&e)
			}
			book.Add(e)
			r := book.Events[len(book.Events)-1]
			proofs := evidence.Proofs{Log: book, Events: book, Now: func() time.Time { return now }}
			got := pagetest.New().Get(t, "/", "/", func(v *page.Visit) error { return proofs.Send(v, r) })
			if got.Fault() != row.fault {
				t.Fatalf("got %v", got.Err)
			}
			if row.fault != "" {
				return
			}
			said := ""
			for _, one := range []string{proved, unproved, none} {
				if strings.Contains(got.Body, "\n"+one+"\n") {
					said = one
				}
			}
			if said != row.says || strings.Contains(got.Body, `"id":"`+agreed.ID) != (row.says == proved) {
				t.Errorf("it says %q, want %q:\n%s", said, row.says, got.Body)
			}
		})
	}
}
