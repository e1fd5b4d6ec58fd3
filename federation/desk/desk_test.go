package desk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

const us = federation.EntityID("https://neo.example.vn")

// office is a desk with records and events in memory.
type office struct {
	*desk.Desk
	now         time.Time
	records     map[federation.EntityID]enrol.Subordinate
	marks       map[string]enrol.Mark
	acts        []audit.Act
	unexplained bool
	// known is what is known of the federation; nil for nothing. asked counts who asked.
	known []statement.Statement
	asked int
	// meanwhile happens while a rehearsal is made.
	meanwhile func()
	neo, app  *federationtest.Entity
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{
		now: federationtest.Now, records: map[federation.EntityID]enrol.Subordinate{}, marks: map[string]enrol.Mark{},
		neo: federationtest.New(t, us), app: federationtest.New(t, "https://app.example.vn"),
	}
	o.Desk = &desk.Desk{Store: o, Scribe: o, Entity: us, Now: func() time.Time { return o.now }}
	o.Known = func() (rehearsal.Known, time.Time, error) {
		if o.asked++; o.meanwhile != nil {
			o.meanwhile()
		}
		if o.known == nil {
			return rehearsal.Known{}, time.Time{}, desk.ErrNotKnown
		}
		return rehearsal.Known{Statements: o.known, Anchors: []trust.Anchor{{ID: us, Keys: o.neo.Set(t)}}}, o.now, nil
	}
	return o
}

func (o *office) Tx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (o *office) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	o.acts = append(o.acts, acts...)
	return nil, nil
}

func (o *office) Subordinate(_ context.Context, id federation.EntityID) (enrol.Subordinate, error) {
	s, there := o.records[id]
	if !there {
		return s, authz.ErrNotFound
	}
	return s, nil
}

func (o *office) SaveSubordinate(_ context.Context, s enrol.Subordinate) error {
	if o.records[s.ID].Revision != s.Revision {
		return authz.ErrConflict
	}
	s.Revision++
	o.records[s.ID] = s
	return nil
}

func (o *office) Mark(_ context.Context, kind string, id federation.EntityID) (enrol.Mark, error) {
	m, there := o.marks[kind+string(id)]
	if !there {
		return m, authz.ErrNotFound
	}
	return m, nil
}

func (o *office) SaveMark(_ context.Context, m enrol.Mark) error {
	m.Revision++
	o.marks[m.Type+string(m.Subject)] = m
	return nil
}

func (o *office) check() error {
	if o.unexplained {
		return approval.ErrUnexplained
	}
	return nil
}

func (o *office) CheckSubordinate(context.Context, enrol.Subordinate) error { return o.check() }
func (o *office) CheckMark(context.Context, enrol.Mark) error               { return o.check() }

func officer(name string) desk.Officer { return desk.Officer{Name: name, Sign: func(*audit.Act) {}} }

// terms are those of the app, with a policy.
func (o *office) terms(t *testing.T, policy string) enrol.Terms {
	t.Helper()
	terms, err := enrol.FromConfiguration(federationtest.Parse(t, o.configuration(t)), us, o.now)
	if err == nil {
		err = terms.ReadPolicy([]byte(policy))
	}
	if err != nil {
		t.Fatal(err)
	}
	terms.Agreement, terms.Level, terms.Until = "12/2026", 3, o.now.AddDate(1, 0, 0)
	return terms
}

func (o *office) configuration(t *testing.T) string {
	return o.app.Configuration(t, federationtest.Claims{
		"authority_hints": []federation.EntityID{us},
		"metadata": federationtest.Claims{"openid_relying_party": federationtest.Claims{
			"organization_name": "Đất đai", "subject_type": "pairwise",
		}},
	})
}

// knows lets the federation be known, with the app in it.
func (o *office) knows(t *testing.T) {
	o.known = []statement.Statement{
		federationtest.Parse(t, o.neo.Configuration(t, nil)), federationtest.Parse(t, o.neo.About(t, o.app, nil)),
		federationtest.Parse(t, o.configuration(t)),
	}
}

const (
	harmless = `{}`
	harmful  = `{"metadata_policy":{"openid_relying_party":{"subject_type":{"value":"public"}}}}`
)

// TestApprove: what an approval wants, what it did to others, and what its event says of that.
// What a person may not approve is refused before it is rehearsed, which takes seconds.
func TestApprove(t *testing.T) {
	for _, row := range []struct {
		name, policy, by string
		known            bool
		seen             func(*desk.Seen)
		meanwhile        func(*office)
		err              error
		rehearsed        bool
		says             string // the end of the event's text
	}{
		{"by whom proposed it", harmless, "a@other-host", true, nil, nil, enrol.ErrSamePerson, false, ""},
		{"by somebody of a page", harmless, "account:b", true, nil, nil, enrol.ErrOtherWay, false, ""},
		{"of other terms", harmless, "b", true, func(s *desk.Seen) { s.Terms = "other" }, nil, enrol.ErrOtherTerms, false, ""},
		{"of nothing that is known, without a reason", harmless, "b", false, nil, nil, desk.ErrUnrehearsed, true, ""},
		{"of nothing that is known, with blanks", harmless, "b", false, func(s *desk.Seen) { s.Unrehearsed = " " }, nil, desk.ErrUnrehearsed, true, ""},
		{"of nothing that is known, with a number", harmless, "b", false, func(s *desk.Seen) {
			s.Unrehearsed = "099304000017"
		}, nil, enrol.ErrStep, true, ""},
		{
			"of nothing that is known, with a reason", harmless, "b", false, func(s *desk.Seen) { s.Unrehearsed = "the first of all" }, nil, nil, true,
			"; not rehearsed: the first of all",
		},
		{"of what harms nobody", harmless, "b", true, nil, nil, nil, true, "; harms nobody"},
		{"of what harms nobody, whatever reason is given", harmless, "b", true, func(s *desk.Seen) { s.Unrehearsed = "x" }, nil, nil, true, "; harms nobody"},
		{"of what harms somebody, unseen", harmful, "b", true, func(s *desk.Seen) { s.Effects = "" }, nil, desk.ErrHarms, true, ""},
		{"of what harms somebody, seen", harmful, "b", true, nil, nil, nil, true, "; harms 1 entities, effects EFFECTS"},
		{"of what was proposed anew meanwhile", harmless, "b", true, nil, func(o *office) {
			s := o.records[o.app.ID]
			s.Proposal.Terms.Level = 1
			o.records[o.app.ID] = s
		}, enrol.ErrOtherTerms, true, ""},
		{"of what was suspended meanwhile", harmless, "b", true, nil, func(o *office) { delete(o.records, o.app.ID) }, enrol.ErrStep, true, ""},
		{"of what no event explains", harmless, "b", true, nil, func(o *office) { o.unexplained = true }, approval.ErrUnexplained, true, ""},
		{"on a clock that is behind", harmless, "b", true, nil, func(o *office) { o.now = o.now.Add(-time.Second) }, desk.ErrAgain, true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newOffice(t)
			s, err := o.Propose(t.Context(), officer("a"), o.app.ID, o.terms(t, row.policy), "")
			if err != nil {
				t.Fatal(err)
			}
			seen := desk.Seen{Terms: s.Proposal.Terms.Digest()}
			if row.known {
				o.knows(t)
				r, err := o.Rehearse(s)
				if err != nil {
					t.Fatal(err)
				}
				seen.Effects = r.Digest
			}
			effects := seen.Effects
			if row.seen != nil {
				row.seen(&seen)
			}
			o.asked = 0
			if row.meanwhile != nil {
				o.meanwhile = func() { row.meanwhile(o) }
			}
			after, outcome, err := o.Approve(t.Context(), officer(row.by), o.app.ID, seen)
			if !errors.Is(err, row.err) || (o.asked > 0) != row.rehearsed {
				t.Fatalf("got %v, rehearsed %d times; want %v", err, o.asked, row.err)
			}
			if row.err != nil {
				if len(o.acts) != 1 {
					t.Errorf("an event of what was refused: %+v", o.acts)
				}
				return
			}
			if after.State != enrol.Active || (outcome.Rehearsed != nil) != row.known {
				t.Errorf("got %+v, %+v", after, outcome)
			}
			last := o.acts[len(o.acts)-1]
			want := strings.Replace(row.says, "EFFECTS", effects, 1)
			if !strings.HasSuffix(last.Detail.Text, want) || last.Payload.Digest == "" {
				t.Errorf("the event says %q, want the end %q", last.Detail.Text, want)
			}
		})
	}
}

// TestStepsInOrder: no step is taken before the last one by the clock of another server, and none
// but the end on a record that no event explains.
func TestStepsInOrder(t *testing.T) {
	const kind = "https://neo.example.vn/marks/public"
	o := newOffice(t)
	id := o.app.ID
	if _, err := o.Propose(t.Context(), officer("a"), id, o.terms(t, harmless), ""); err != nil {
		t.Fatal(err)
	}
	if _, err := o.Grant(t.Context(), officer("a"), kind, id, time.Time{}); err != nil {
		t.Fatal(err)
	}
	steps := map[string]func() error{
		"propose": func() error { _, err := o.Propose(t.Context(), officer("a"), id, o.terms(t, harmless), ""); return err },
		"grant":   func() error { _, err := o.Grant(t.Context(), officer("a"), kind, id, time.Time{}); return err },
	}
	ends := map[string]func() error{
		"revoke":    func() error { _, err := o.Revoke(t.Context(), officer("a"), id, "left"); return err },
		"take back": func() error { _, err := o.TakeBack(t.Context(), officer("a"), kind, id, "left"); return err },
	}
	o.now = o.now.Add(-time.Minute)
	for name, step := range steps {
		if err := step(); !errors.Is(err, desk.ErrAgain) {
			t.Errorf("%s before the last step: %v", name, err)
		}
	}
	o.now, o.unexplained = o.now.Add(2*time.Minute), true
	for name, step := range steps {
		if err := step(); !errors.Is(err, approval.ErrUnexplained) {
			t.Errorf("%s on what no event explains: %v", name, err)
		}
	}
	for name, step := range ends {
		if err := step(); err != nil {
			t.Errorf("%s on what no event explains: %v", name, err)
		}
	}
}
