// Package incidents is where auditors and operators see what is wrong in the evidence, and
// where two of them, one after the other, close an incident with a reason each. The route
// table of package web says who is let in.
package incidents

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Path lists incidents; one of them is below it by its id.
const Path = page.IncidentsPath

// Incidents finds and closes incidents.
type Incidents interface {
	// ListIncidents lists them, the newest first, before one of them; with closed set, also
	// those that are closed.
	ListIncidents(ctx context.Context, closed bool, before string, limit int) ([]incident.Incident, error)
	// Incident finds one; [authz.ErrNotFound] if there is none.
	Incident(ctx context.Context, id string) (incident.Incident, error)
}

// Desk takes the words of those who close one ([incident.Desk]).
type Desk interface {
	Propose(ctx context.Context, id string, p incident.Person, why string) error
	Close(ctx context.Context, id string, p incident.Person, why string) error
}

// Options is what the room is made of; all are needed.
type Options struct {
	Incidents  Incidents
	Desk       Desk
	Pseudonyms evidence.Pseudonyms
}

// Pages are the pages of incidents. They are safe for concurrent use.
type Pages struct{ o Options }

// New makes the pages.
func New(o Options) *Pages { return &Pages{o} }

// pageSize is how many a page lists.
const pageSize = 50

// List lists incidents: those that are open, or with all=1 all.
func (p *Pages) List(v *page.Visit) error {
	before, all := v.C.Query("before"), v.C.Query("all") == "1"
	if before != "" && commitment.CheckID(before) != nil {
		return page.Fault(view.ErrorBadRequest)
	}
	found, err := p.o.Incidents.ListIncidents(v.Context, all, before, pageSize+1)
	if err != nil {
		return err
	}
	body := view.Incidents{All: all, OtherURL: listURL(!all, "")}
	if before != "" {
		body.Newer = listURL(all, "")
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		body.Older = listURL(all, found[pageSize-1].ID)
	}
	for _, i := range found {
		body.Rows = append(body.Rows, rowOf(i))
	}
	return v.Show(body, nav(v)...)
}

func listURL(all bool, before string) string {
	q := url.Values{}
	if all {
		q.Set("all", "1")
	}
	if before != "" {
		q.Set("before", before)
	}
	if len(q) == 0 {
		return Path
	}
	return Path + "?" + q.Encode()
}

// nav is the navigation of the role for which somebody was let in.
func nav(v *page.Visit) []view.NavLink {
	if v.Role == authz.Operator {
		return view.OperatorNav(page.ConsolePath, view.SectionIncidents)
	}
	return view.ConsoleNav(page.ConsolePath, view.SectionIncidents)
}

func rowOf(i incident.Incident) view.IncidentRow {
	return view.IncidentRow{
		ID: i.ID, URL: Path + "/" + i.ID, Kind: view.IncidentKind(i.Kind), State: view.IncidentState(i.State),
		Found: i.FoundAt, Seen: i.SeenAt, Node: i.Node, About: about(i.Finding),
	}
}

// about is what a finding is about, in one line.
func about(f reconcile.Finding) string {
	switch {
	case f.Object != "":
		return f.Object
	case f.Origin != "":
		return fmt.Sprintf("%s#%d", f.Origin, f.Index)
	case f.Number > 0:
		return fmt.Sprintf("#%d", f.Number)
	}
	return f.Event
}

// Show shows one incident.
func (p *Pages) Show(v *page.Visit) error {
	i, err := p.find(v)
	if err != nil {
		return err
	}
	return p.show(v, i, "")
}

func (p *Pages) find(v *page.Visit) (incident.Incident, error) {
	id := v.C.Params("id")
	if commitment.CheckID(id) != nil {
		return incident.Incident{}, authz.ErrNotFound
	}
	return p.o.Incidents.Incident(v.Context, id)
}

func (p *Pages) show(v *page.Visit, i incident.Incident, problem view.IncidentProblem) error {
	name, err := p.o.Pseudonyms.Audit(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	step := "propose"
	if i.State == incident.Proposed {
		step = "close"
	}
	body := view.IncidentDetail{
		Incident: rowOf(i), Event: i.Event, Pseudonym: i.Pseudonym,
		Proposal: wordOf(i.Proposal), Confirmation: wordOf(i.Confirmation),
		Form: view.Form{Action: Path + "/" + i.ID, Hidden: []view.Field{{Name: "step", Value: step}}},
		Mine: i.State == incident.Proposed && i.Proposal.By == name, Problem: problem, BackURL: Path,
	}
	if word, numbers, known := i.More(); known {
		body.More = &view.IncidentMore{Word: string(word)}
		for _, n := range numbers {
			body.More.Numbers = append(body.More.Numbers, int(n))
		}
	} else {
		body.Text = i.Text
	}
	if problem != "" {
		body.Reason = v.Field("reason")
	}
	// Of an event that was deleted there is no page, and only auditors open one.
	if v.Role == authz.Auditor && i.Event != "" && i.Kind != reconcile.LeafWithoutRow {
		body.EventURL = page.ConsolePath + "/events/" + i.Event
	}
	return v.Show(body, nav(v)...)
}

func wordOf(w incident.Word) *view.IncidentWord {
	if w.By == "" {
		return nil
	}
	return &view.IncidentWord{By: w.By, Reason: w.Reason, At: w.At}
}

// problems are what a person reads of a word that was not taken.
var problems = []struct {
	err  error
	page view.IncidentProblem
}{
	{incident.ErrReason, view.IncidentReason},
	{incident.ErrLong, view.IncidentLong},
	{incident.ErrNumber, view.IncidentNumber},
	{incident.ErrText, view.IncidentText},
	{incident.ErrSame, view.IncidentSame},
	{incident.ErrNotOpen, view.IncidentMoved},
	{incident.ErrNoPropose, view.IncidentMoved},
}

// Say takes a word: the proposal to close an incident, or the confirmation of another one's.
func (p *Pages) Say(v *page.Visit) error {
	i, err := p.find(v)
	if err != nil {
		return err
	}
	v.FormPath = Path + "/" + i.ID
	name, err := p.o.Pseudonyms.Audit(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	who := incident.Person{
		Subject: v.Session.Actor, Name: name, Role: v.Role, Levels: audit.Levels{ACR: v.Session.Level.ACR()},
		Trace: audit.Trace{RequestID: v.C.GetRespHeader(fiber.HeaderXRequestID)},
	}
	say := p.o.Desk.Propose
	switch v.Field("step") {
	case "propose":
	case "close":
		say = p.o.Desk.Close
	default:
		return page.Fault(view.ErrorBadRequest)
	}
	if err = say(v.Context, i.ID, who, v.Field("reason")); err == nil {
		return page.Redirect(v.FormPath)
	}
	for _, one := range problems {
		if errors.Is(err, one.err) {
			if one.page == view.IncidentMoved {
				if i, err = p.find(v); err != nil {
					return err
				}
			}
			return p.show(v, i, one.page)
		}
	}
	return err
}
