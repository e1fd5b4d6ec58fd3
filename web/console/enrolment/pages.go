// Package enrolment is where operators of a trust anchor or an intermediate see who is stated
// in the federation, and enrol, suspend and revoke: the same steps, with the same evidence, as
// by commands. The route table of package web says who is let in.
package enrolment

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/history"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/weather"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// Paths of the room.
const (
	Path        = page.ConsolePath + "/federation"
	EntityPath  = Path + "/entity"
	ProposePath = Path + "/propose"
	TrustPath   = Path + "/trust"
	WeatherPath = Path + "/weather"
)

// Records are the subordinates as they are kept.
type Records interface {
	// Search lists those whose names hold a part, in a state, or in any if it is empty, after
	// one, in the order of their names, at most limit.
	Search(ctx context.Context, part string, state enrol.State, after federation.EntityID, limit int) ([]enrol.Subordinate, error)
	// Subordinate reads one; authz.ErrNotFound if it was never proposed.
	Subordinate(ctx context.Context, id federation.EntityID) (enrol.Subordinate, error)
}

// Desk takes the steps ([desk.Desk]).
type Desk interface {
	Propose(ctx context.Context, o desk.Officer, id federation.EntityID, t enrol.Terms, why string) (enrol.Subordinate, error)
	Renew(ctx context.Context, o desk.Officer, id federation.EntityID, until time.Time, why string) (enrol.Subordinate, error)
	Approve(ctx context.Context, o desk.Officer, id federation.EntityID, seen desk.Seen) (enrol.Subordinate, desk.Outcome, error)
	Suspend(ctx context.Context, o desk.Officer, id federation.EntityID, why string) (enrol.Subordinate, error)
	Revoke(ctx context.Context, o desk.Officer, id federation.EntityID, why string) (enrol.Subordinate, error)
	Rehearse(s enrol.Subordinate) (desk.Rehearsal, error)
}

// Options is what the room is made of.
type Options struct {
	Records Records
	// Desk is nil where this server has no subordinates; then the pages say so.
	Desk Desk
	// Terms are those that the configuration of an entity says, which is fetched. The error
	// wraps enrol.ErrTerms if it was fetched and is not good.
	Terms      func(ctx context.Context, id federation.EntityID) (enrol.Terms, error)
	Pseudonyms evidence.Pseudonyms
	// Known is what is known of the federation, and since when; the error is desk.ErrNotKnown
	// if nothing is.
	Known func() (rehearsal.Known, time.Time, error)
	// Past is what each node found of an entity at a time.
	Past func(ctx context.Context, id federation.EntityID, at time.Time) ([]history.Answer, error)
	// Weather is the forecast; the error is desk.ErrNotKnown if nothing is known.
	Weather func() (weather.Forecast, error)
	Now     func() time.Time
}

// Pages are the pages of enrolments. They are safe for concurrent use.
type Pages struct{ o Options }

// New makes the pages.
func New(o Options) *Pages { return &Pages{o} }

// Bounds on what a page lists, and on what an address says.
const (
	pageSize   = 50
	maxEffects = 100
	// maxPages bounds how many pages of records are read for one that has a row.
	maxPages = 20
	maxPart  = 200
)

func nav() []view.NavLink { return view.OperatorNav(page.ConsolePath, view.SectionFederation) }

// List lists the subordinates.
func (p *Pages) List(v *page.Visit) error {
	part, state, after := v.C.Query("q"), federated.SubordinateState(v.C.Query("state")), v.C.Query("after")
	if len(part) > maxPart || len(after) > federation.MaxEntityID {
		return page.Fault(view.ErrorBadRequest)
	}
	body := view.Subordinates{URL: Path, Query: part, TrustURL: TrustPath, WeatherURL: WeatherPath}
	known := state == ""
	for _, one := range federated.SubordinateStates() {
		body.States = append(body.States, federated.StateChoice{State: one, Selected: one == state})
		known = known || one == state
	}
	if !known {
		return page.Fault(view.ErrorBadRequest)
	}
	if p.o.Desk == nil {
		return v.Show(body, nav()...)
	}
	body.ProposeURL = ProposePath
	kept := enrol.State(state)
	if state == federated.SubordinateEnded {
		kept = enrol.Active
	}
	last := federation.EntityID(after)
	for range maxPages { // of a state that is none in the record a page may have nobody
		found, err := p.o.Records.Search(v.Context, part, kept, last, pageSize+1)
		if err != nil {
			return err
		}
		body.Next = ""
		if len(found) > pageSize {
			found = found[:pageSize]
			last = found[pageSize-1].ID
			body.Next = Path + "?" + url.Values{"q": {part}, "state": {string(state)}, "after": {string(last)}}.Encode()
		}
		for _, s := range found {
			if row := p.rowOf(s); state == "" || row.State == state {
				body.Rows = append(body.Rows, row)
			}
		}
		if len(body.Rows) > 0 || body.Next == "" {
			break
		}
	}
	return v.Show(body, nav()...)
}

// rowOf is a record in the list.
func (p *Pages) rowOf(s enrol.Subordinate) federated.SubordinateRow {
	row := federated.SubordinateRow{ID: string(s.ID), URL: entityURL(s.ID), State: p.stateOf(s), Waits: s.Proposal != nil}
	t := s.Terms
	if s.ApprovedBy == "" && s.Proposal != nil {
		t = s.Proposal.Terms
	} else {
		row.Until = t.Until
	}
	row.Organization, row.Level = t.Organization, t.Level
	return row
}

func entityURL(id federation.EntityID) string {
	return EntityPath + "?" + url.Values{"id": {string(id)}}.Encode()
}

// stateOf is the state as people see it.
func (p *Pages) stateOf(s enrol.Subordinate) federated.SubordinateState {
	if s.State == enrol.Active && !s.InForce(p.o.Now()) {
		return federated.SubordinateEnded
	}
	return federated.SubordinateState(s.State)
}

// Show shows one entity.
func (p *Pages) Show(v *page.Visit) error {
	s, err := p.find(v, v.C.Query("id"))
	if err != nil {
		return err
	}
	return p.show(v, s, "", nil)
}

func (p *Pages) find(v *page.Visit, id string) (enrol.Subordinate, error) {
	if p.o.Desk == nil || len(id) > federation.MaxEntityID {
		return enrol.Subordinate{}, authz.ErrNotFound
	}
	s, err := p.o.Records.Subordinate(v.Context, federation.EntityID(id))
	if approval.IsUnexplained(err) { // one that cannot be read is seen, and revoked
		err = nil
	}
	return s, err
}

func (p *Pages) show(v *page.Visit, s enrol.Subordinate, problem federated.FederationProblem, said error) error {
	me, err := p.officer(v)
	if err != nil {
		return err
	}
	body := view.SubordinateDetail{
		ID: string(s.ID), State: p.stateOf(s), By: s.By, Why: s.Why, Since: s.Since, Problem: problem, BackURL: Path,
		TrustURL: TrustPath + "?" + url.Values{"id": {string(s.ID)}}.Encode(),
		Suspend:  form(s.ID, "suspend"), Renew: form(s.ID, "renew"), Revoke: form(s.ID, "revoke"),
		CanSuspend: s.State == enrol.Active, CanRenew: s.State == enrol.Active || s.State == enrol.Suspended,
		CanRevoke: s.State != enrol.Revoked,
	}
	if said != nil {
		body.Said = said.Error()
	}
	if problem != "" {
		body.Reason = v.Field("reason")
	}
	if s.ApprovedBy != "" {
		body.InForce = termsOf(s.Terms)
		body.InForce.By, body.InForce.Approved = s.ProposedBy, s.ApprovedBy
	}
	if w := s.Proposal; w != nil {
		body.Proposal = termsOf(w.Terms)
		body.Proposal.By, body.Proposal.At, body.Proposal.Why = w.By, w.At, w.Why
		body.Mine, body.OtherWay = w.By == me.Name, !strings.HasPrefix(w.By, accounts)
		if body.Rehearsed, err = p.rehearse(s); err != nil {
			return err
		}
		body.Approve = form(s.ID, "approve", view.Field{Name: "terms", Value: w.Terms.Digest()},
			view.Field{Name: "effects", Value: body.Rehearsed.Digest})
	}
	return v.Show(body, nav()...)
}

// form posts a step about an entity.
func form(id federation.EntityID, step string, more ...view.Field) view.Form {
	return view.Form{Action: EntityPath, Hidden: append([]view.Field{{Name: "id", Value: string(id)}, {
		Name:  "step",
		Value: step,
	}}, more...)}
}

func termsOf(t enrol.Terms) *federated.Terms {
	out := &federated.Terms{
		Organization: t.Organization, Agreement: t.Agreement, Level: t.Level, Intermediate: t.Intermediate, Until: t.Until,
		Keys: desk.Thumbprints(t), Metadata: string(t.Metadata), Policy: string(t.Policy),
		Constraints: string(t.Constraints), Digest: t.Digest(),
	}
	for _, kind := range t.Types {
		out.Types = append(out.Types, string(kind))
	}
	return out
}

// accounts begins the names of officers who act at these pages.
const accounts = "account:"

// officer is who looks: an operator, by the pseudonym that evidence has of her.
func (p *Pages) officer(v *page.Visit) (desk.Officer, error) {
	name, err := p.o.Pseudonyms.Audit(v.Context, v.Session.Actor)
	if err != nil {
		return desk.Officer{}, err
	}
	name = accounts + name
	return desk.Officer{Name: name, Sign: func(a *audit.Act) {
		a.Actor, a.Person = v.Session.Actor, audit.Person{Role: authz.Operator}
		a.Decision.Determining = []string{string(authz.Operator), name}
		a.Levels, a.Trace = audit.Levels{ACR: v.Session.Level.ACR()}, audit.Trace{RequestID: v.C.GetRespHeader(fiber.HeaderXRequestID)}
	}}, nil
}

// problems are what a person reads of a step that was not taken, in the order in which they
// are looked for.
var problems = []struct {
	err  error
	page federated.FederationProblem
}{
	{enrol.ErrSamePerson, "same"},
	{enrol.ErrOtherWay, "way"},
	{enrol.ErrOtherTerms, "moved"},
	{desk.ErrAgain, "moved"},
	{desk.ErrHarms, "harms"},
	{desk.ErrUnrehearsed, "unrehearsed"},
	{approval.ErrUnexplained, "unexplained"},
	{enrol.ErrTerms, "terms"},
	{enrol.ErrStep, "step"},
}

// problemOf is what a person reads of an error; empty for one that is not hers.
func problemOf(err error) federated.FederationProblem {
	for _, one := range problems {
		if errors.Is(err, one.err) {
			return one.page
		}
	}
	return ""
}

// Step takes a step about an entity.
func (p *Pages) Step(v *page.Visit) error {
	s, err := p.find(v, v.Field("id"))
	if err != nil {
		return err
	}
	v.FormPath = entityURL(s.ID)
	me, err := p.officer(v)
	if err != nil {
		return err
	}
	reason := v.Field("reason")
	if reason != "" && (len(reason) > maxPart || authz.CheckFreeText(reason) != nil) {
		return p.show(v, s, "reason", nil)
	}
	switch step := v.Field("step"); step {
	case "approve":
		seen := desk.Seen{Terms: v.Field("terms"), Effects: v.Field("effects"), Unrehearsed: reason}
		_, _, err = p.o.Desk.Approve(v.Context, me, s.ID, seen)
	case "suspend", "revoke":
		if strings.TrimSpace(reason) == "" {
			return p.show(v, s, "reason", nil)
		}
		take := p.o.Desk.Suspend
		if step == "revoke" {
			take = p.o.Desk.Revoke
		}
		_, err = take(v.Context, me, s.ID, reason)
	case "renew":
		until, wrong := time.Parse(time.DateOnly, v.Field("until"))
		if wrong != nil {
			return p.show(v, s, "date", nil)
		}
		_, err = p.o.Desk.Renew(v.Context, me, s.ID, until, reason)
	default:
		return page.Fault(view.ErrorBadRequest)
	}
	if err == nil {
		return page.Redirect(v.FormPath)
	}
	problem := problemOf(err)
	if problem == "" {
		return err
	}
	if s, wrong := p.find(v, string(s.ID)); wrong == nil {
		return p.show(v, s, problem, err)
	}
	return err
}
