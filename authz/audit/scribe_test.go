package audit

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
)

type pseudonymous struct{}

func (pseudonymous) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-in-evidence-of-" + string(subject), nil
}

// full is an act with all that any action needs.
func full(a Action) Act {
	e := sample()
	return Act{
		Action: a, App: &authz.Client{
			ID: e.Asked.Client, Name: authz.LocalizedText{VI: e.Asked.Name}, Owner: authz.LocalizedText{VI: e.Asked.Owner},
		},
		Subject: "an", Actor: "chi", At: e.When.Decided, Consent: e.Consent, Data: e.Data, Decision: Decision{Code: "released", Determining: []string{"statute"}},
		Detail: Detail{Object: "thing", Count: 3}, Reason: e.Reason, Payload: Payload{Digest: "of a leaf"},
	}
}

// newScribe writes into memory, at a site and a time.
func newScribe(r *rows, leaves Leaves) *Scribe {
	return &Scribe{Rows: r, Leaves: leaves, Pseudonyms: pseudonymous{}, Site: "dc1", Now: func() time.Time { return sample().When.Decided }}
}

// TestEventsNameTheAnchor: what is done for an app of a federation says by which anchor, and by
// which chain, the app was trusted then, beside what else determined it.
func TestEventsNameTheAnchor(t *testing.T) {
	act := full(Release)
	act.App.Membership = authz.Membership{Anchor: "https://neo.example.vn"}
	chained := full(Release)
	chained.App.Membership = authz.Membership{Anchor: "https://neo.example.vn", Chain: "Y2hhaW4"}
	for _, row := range []struct {
		act  Act
		want []string
	}{{act, []string{"federation:https://neo.example.vn", "statute"}}, {chained, []string{"federation-chain:Y2hhaW4", "federation:https://neo.example.vn", "statute"}}, {full(Release), []string{"statute"}}} {
		r := newRows()
		written, err := newScribe(r, nil).Write(t.Context(), row.act)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.byID[written[0].Event.ID].Event.Decision.Determining; !slices.Equal(got, row.want) {
			t.Errorf("got %q, want %q", got, row.want)
		}
	}
}

// TestEachActionMakesItsEvent: what the table says of an action is what its event is.
func TestEachActionMakesItsEvent(t *testing.T) {
	seen := map[Action]bool{}
	for _, rule := range rules {
		t.Run(string(rule.Action), func(t *testing.T) {
			if seen[rule.Action] {
				t.Fatal("two rows")
			}
			seen[rule.Action] = true
			if !rule.Type.Known() || rule.Action == "" {
				t.Errorf("its kind is %q", rule.Type)
			}
			r := newRows()
			written, err := newScribe(r, nil).Write(t.Context(), full(rule.Action))
			if err != nil {
				t.Fatal(err)
			}
			e := r.byID[written[0].Event.ID].Event
			if e.Type != rule.Type || e.Decision.Permit != rule.Permit || e.When.Site != "dc1" || e.Visibility.Sight != rule.Sight ||
				e.Person.Pseudonym != "pseudonym-in-evidence-of-an" || e.Person.Actor != "pseudonym-in-evidence-of-chi" ||
				e.Person.Relation != "self" {
				t.Errorf("got %+v", plain(e))
			}
			if want := map[bool]string{true: string(rule.Action)}[rule.Named]; e.Detail.Action != want {
				t.Errorf("it is named %q, want %q", e.Detail.Action, want)
			}
			if want := rule.Code; want != "" && e.Decision.Code != want {
				t.Errorf("its code is %q, want %q", e.Decision.Code, want)
			}
			if want := map[bool]int64{true: 1}[Numbered(rule.Action)]; e.Person.Sequence != want {
				t.Errorf("its running number is %d, want %d", e.Person.Sequence, want)
			}
		})
	}
}

// TestAnEventThatLacksWhatItsActionNeeds leaves no row.
func TestAnEventThatLacksWhatItsActionNeeds(t *testing.T) {
	without := map[need]func(a *Act){
		anApp: func(a *Act) { a.App = nil }, aPerson: func(a *Act) { a.Subject = "" }, anActor: func(a *Act) { a.Actor = "" },
		anObject: func(a *Act) { a.Detail.Object = "" }, aConsent: func(a *Act) { a.Consent = Consent{} },
		thePurpose: func(a *Act) { a.Reason.Purpose = "" }, aCount: func(a *Act) { a.Detail.Count = 0 }, theCode: func(a *Act) { a.Decision.Code = "" },
		aDigest: func(a *Act) { a.Payload.Digest = "" }, theState: func(a *Act) { a.Payload.Digest = "" },
	}
	tried := map[need]bool{}
	for _, rule := range rules {
		for _, n := range rule.Needs {
			tried[n] = true
			r, act := newRows(), full(rule.Action)
			without[n](&act)
			_, err := newScribe(r, nil).Write(t.Context(), act)
			if !errors.Is(err, errIncomplete) || len(r.byID) != 0 {
				t.Errorf("%s without need %d: %d rows, %v", rule.Action, n, len(r.byID), err)
			}
		}
	}
	if len(tried) != len(without) {
		t.Errorf("only %d of %d needs were tried", len(tried), len(without))
	}
	if _, err := newScribe(newRows(), nil).Write(t.Context(), full("not an action")); err == nil {
		t.Error("an action that the table has not")
	}
}

// TestTheLeafFollowsTheCommit: a row and its leaf follow from the transaction alone.
// An action that waits fails with the log; of any other nobody hears, and the sweep
// brings it there.
func TestTheLeafFollowsTheCommit(t *testing.T) {
	broken := errors.New("the disk is full")
	for _, row := range []struct {
		name     string
		action   Action
		rollback bool
		down     bool
		err      error
		rows     int
		leaves   int
	}{
		{"committed, the caller waits", TokenExchange, false, false, nil, 1, 1},
		{"committed, nobody waits", Agree, false, false, nil, 1, 1},
		{"rolled back, the caller waits", TokenExchange, true, false, broken, 0, 0},
		{"rolled back, nobody waits", Agree, true, false, broken, 0, 0},
		{"the log is down, the caller waits", TokenExchange, false, true, ErrNotLogged, 1, 0},
		{"the log is down, nobody waits", Agree, false, true, nil, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, l := newRows(), newLeaves()
			l.fail = func(bool) error {
				if row.down {
					return broken
				}
				return nil
			}
			rec := NewRecorderWith(r, l, quiet)
			s := newScribe(r, rec)
			var written []Written
			err := r.Tx(t.Context(), func(ctx context.Context) (err error) {
				if written, err = s.Write(ctx, full(row.action)); err != nil {
					return err
				}
				if len(l.list) != 0 {
					t.Error("a leaf before the commit")
				}
				if row.rollback {
					return broken
				}
				return nil
			})
			if !errors.Is(err, row.err) || row.err == nil && err != nil {
				t.Fatalf("got %v, want %v", err, row.err)
			}
			if errors.Is(err, ErrNotLogged) && !errors.Is(err, authz.ErrUnavailable) {
				t.Errorf("%v does not say that it may be tried again", err)
			}
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			if len(r.byID) != row.rows || len(l.list) != row.leaves {
				t.Fatalf("%d rows and %d leaves, want %d and %d", len(r.byID), len(l.list), row.rows, row.leaves)
			}
			if rule, _ := ruleOf(row.action); rule.Waits && row.leaves == 1 && written[0].Place() != (Place{l.Origin(), 0}) {
				t.Errorf("its place is %v", written[0].Place())
			}
			l.fail = func(bool) error { return nil }
			again := NewRecorderWith(r, l, quiet)
			if _, err := again.Recover(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := again.Close(); err != nil {
				t.Fatal(err)
			}
			checkEvidence(t, r, l)
		})
	}
}

// TestManyActsAreOneStatement, and each has its leaf.
func TestManyActsAreOneStatement(t *testing.T) {
	r, l := newRows(), newLeaves()
	rec := NewRecorderWith(r, l, quiet)
	acts := slices.Repeat([]Act{full(Agree)}, 20)
	if _, err := newScribe(r, rec).Write(t.Context(), acts...); err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if r.statements != 1 || len(r.byID) != 20 {
		t.Errorf("%d statements for %d events", r.statements, len(r.byID))
	}
	checkEvidence(t, r, l)
	if written, err := newScribe(r, rec).Write(t.Context()); err != nil || written != nil || r.statements != 1 {
		t.Errorf("nothing: %v, %v", written, err)
	}
}

// TestWhatNobodyWaitsForKeepsNobodyWaiting: with a log that takes nothing, leaves that
// nobody waits for are left to the sweep, and one that is waited for has its slot.
func TestWhatNobodyWaitsForKeepsNobodyWaiting(t *testing.T) {
	r, l := newRows(), newLeaves()
	release := make(chan struct{})
	l.fail = func(after bool) error {
		if !after {
			<-release
		}
		return nil
	}
	o := quiet
	o.Soon, o.Concurrent = 2, 1
	rec := NewRecorderWith(r, &unlocked{l}, o)
	s := newScribe(r, rec)
	for range 10 {
		if _, err := s.Write(t.Context(), full(Agree)); err != nil {
			t.Fatal(err)
		}
	}
	if len(rec.soon) != 2 || len(rec.slots) != 0 {
		t.Errorf("%d and %d on their way", len(rec.soon), len(rec.slots))
	}
	close(release)
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	again := NewRecorderWith(r, l, quiet)
	if n, err := again.Recover(t.Context()); err != nil || n != 8 {
		t.Errorf("%d were left, want 8: %v", n, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	checkEvidence(t, r, l)
}

// unlocked lets several callers wait in the log at once.
type unlocked struct{ *leaves }

func (l *unlocked) Append(ctx context.Context, e Entry) (Place, error) {
	if err := l.fail(false); err != nil {
		return Place{}, err
	}
	return l.leaves.Append(ctx, e)
}

// TestTheTableIsOfKnownActions: what the constants name, the table has, once.
func TestTheTableIsOfKnownActions(t *testing.T) {
	all := map[Action]int{}
	for _, a := range Actions() {
		all[a]++
	}
	for a, n := range maps.All(all) {
		if n != 1 || strings.TrimSpace(string(a)) != string(a) {
			t.Errorf("%q is there %d times", a, n)
		}
	}
	if _, err := ruleOf(KeyMoved("active")); err != nil {
		t.Error(err)
	}
}
