package audit

import "testing"

// TestEachActionGoesToItsLog: what a release rests on and what tools do is in the consent
// log, what is done on the strength of it in the release log; an event that is read back
// tells its log as the row of its action does.
func TestEachActionGoesToItsLog(t *testing.T) {
	rests := map[Type]bool{
		ConsentApproved: true, ConsentDeclined: true, ConsentWithdrawn: true, ConsentExpired: true,
		AccountLocked: true, AccountUnlocked: true, FactorChanged: true, Administered: true, Erased: true,
	}
	for _, rule := range rules {
		want := ReleaseTree
		if rests[rule.Type] || rule.Action == AccountSignOut {
			want = ConsentTree
		}
		if rule.Tree != want {
			t.Errorf("%s goes to the %s log, want %s", rule.Action, rule.Tree, want)
		}
		written, err := newScribe(newRows(), nil).Write(t.Context(), full(rule.Action))
		if err != nil {
			t.Fatal(err)
		}
		if got := TreeOf(written[0].Event); got != want {
			t.Errorf("the event of %s tells the %s log, want %s", rule.Action, got, want)
		}
	}
	if got := TreeOf(Event{Type: "of.tomorrow"}); got != ReleaseTree {
		t.Errorf("a kind of a later release goes to the %s log", got)
	}
}
