package console

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/querytext"
	"hopnhat/authz/calendar"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// formTime is a time as its field has it.
const formTime = "2006-01-02T15:04"

// pseudonymForm is how the name of a person in evidence is written, see
// identity.Pseudonyms. Nothing else is taken for one: a personal number that somebody
// typed there would stand in the record of the search for good.
var pseudonymForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// queryOf reads the form of a search. What is wrong is said before anything is recorded,
// and what was typed for a pseudonym and is none is not given back.
func (p *Pages) queryOf(v *page.Visit) (audit.Query, view.SearchProblem) {
	q := audit.Query{
		Pseudonym: strings.TrimSpace(v.Field("pseudonym")), Client: authz.ClientID(v.Field("client")),
		Purpose: authz.PurposeID(v.Field("purpose")), Type: audit.Type(v.Field("type")), Outcome: audit.Outcome(v.Field("decision")),
	}
	if q.Pseudonym != "" && !pseudonymForm.MatchString(q.Pseudonym) {
		q.Pseudonym = ""
		return q, view.SearchPseudonym
	}
	if q.Client != "" {
		if _, err := p.o.Clients.Client(v.Context, q.Client); err != nil {
			q.Client = ""
			return q, view.SearchUnknown
		}
	}
	if _, known := p.o.Catalogue.Purpose(q.Purpose); q.Purpose != "" && !known {
		q.Purpose = ""
		return q, view.SearchUnknown
	}
	for _, side := range []struct {
		name string
		into *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if text := v.Field(side.name); text != "" {
			at, err := time.ParseInLocation(formTime, text, calendar.Hanoi)
			if err != nil {
				return q, view.SearchTime
			}
			*side.into = at.UTC()
		}
	}
	if err := q.Check(); err != nil {
		if !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To) {
			return q, view.SearchRange
		}
		return q, view.SearchUnknown
	}
	return q, ""
}

// Ask records a search and sends the auditor to what it found. What she looks for is
// in the body alone; the address of the results is the record of the search, which
// says what it was.
func (p *Pages) Ask(v *page.Visit) error {
	q, problem := p.queryOf(v)
	if problem != "" {
		v.FormPath = Path
		return p.showSearch(v, q, func(body *view.Search) { body.Problem = problem })
	}
	counts, err := p.o.Evidence.Count(v.Context, q)
	if err != nil {
		return err
	}
	id, err := p.recordSearch(v, q, counts, "")
	if err != nil {
		return err
	}
	return page.Redirect(resultsURL(id, ""))
}

// resultsURL is a page of what a search found.
func resultsURL(search, before string) string {
	q := url.Values{"search": {search}}
	if before != "" {
		q.Set("before", before)
	}
	return Path + "?" + q.Encode()
}

// fresh is how long the record of a search stands for looking at its first page.
const fresh = 5 * time.Minute

// searched finds a search of the auditor's own by its record; another's is not found.
func (p *Pages) searched(v *page.Visit, id string) (audit.Query, audit.Event, error) {
	found, err := p.o.Evidence.Get(v.Context, id)
	if err != nil {
		return audit.Query{}, audit.Event{}, err
	}
	pseudonym, err := p.o.Pseudonyms.Audit(v.Context, v.Session.Actor)
	if err != nil {
		return audit.Query{}, audit.Event{}, err
	}
	if e := found.Event; found.Fault != "" || e.Type != audit.AuditorQuery || e.Detail.Action != string(audit.Search) ||
		e.Person.Actor != pseudonym {
		return audit.Query{}, audit.Event{}, authz.ErrNotFound
	}
	q, err := querytext.Parse(found.Event.Data.Query)
	return q, found.Event, err
}

// Search is the page of a search, and of what one found.
func (p *Pages) Search(v *page.Visit) error {
	id := v.C.Query("search")
	if id == "" {
		return p.showSearch(v, audit.Query{}, nil)
	}
	q, record, err := p.searched(v, id)
	if err != nil {
		return err
	}
	if q.Before = v.C.Query("before"); q.Check() != nil {
		return page.Fault(view.ErrorBadRequest)
	}
	results, err := p.results(v, id, record, q)
	if err != nil {
		return err
	}
	return p.showSearch(v, q, func(body *view.Search) {
		body.Results = results
		body.ExportURL = ExportsPath + "?" + url.Values{"search": {id}}.Encode()
	})
}

func (p *Pages) showSearch(v *page.Visit, q audit.Query, fill func(body *view.Search)) error {
	body := view.Search{
		URL: Path, Pseudonym: q.Pseudonym, From: formed(q.From), To: formed(q.To),
		Permitted: q.Outcome == audit.Permitted, Refused: q.Outcome == audit.Refused,
	}
	var err error
	if body.Clients, err = page.AppChoices(v.Context, p.o.Clients, q.Client); err != nil {
		return err
	}
	for _, purpose := range p.o.Catalogue.Purposes {
		body.Purposes = append(
			body.Purposes, view.Choice{Value: string(purpose.ID), Name: purpose.Text(), Selected: purpose.ID == q.Purpose},
		)
	}
	for _, t := range view.EventTypes() {
		body.Types = append(body.Types, view.TypeChoice{Type: t, Selected: string(t) == string(q.Type)})
	}
	if fill != nil {
		fill(&body)
	}
	return v.Show(body, view.ConsoleNav(Path, view.SectionSearch)...)
}

// formed is a time as its field has it, empty for none.
func formed(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Hanoi).Format(formTime)
}

// pageSize is how many rows a page of the console lists; one more is asked for, to see
// whether there are others.
const pageSize = 50

// results are a page of what a search found. The record of the search stands for its
// first page for a while; any other look is recorded before anything is shown.
func (p *Pages) results(v *page.Visit, id string, record audit.Event, q audit.Query) (*view.Results, error) {
	counts, err := p.o.Evidence.Count(v.Context, q)
	if err != nil {
		return nil, err
	}
	if q.Before != "" || p.o.Now().Sub(record.When.Decided) > fresh {
		if _, err := p.recordSearch(v, q, counts, id); err != nil {
			return nil, err
		}
	}
	q.Limit = pageSize + 1
	found, err := p.o.Evidence.Find(v.Context, q)
	if err != nil {
		return nil, err
	}
	out := &view.Results{Total: counts.Total, More: counts.Capped, People: counts.People, QueryURL: eventURL(id, id)}
	for kind, into := range map[audit.Type]*int{audit.ReleasePermitted: &out.Permitted, audit.ReleaseRefused: &out.Refused} {
		if narrow := q; q.Type == "" || q.Type == kind {
			narrow.Type = kind
			some, err := p.o.Evidence.Count(v.Context, narrow)
			if err != nil {
				return nil, err
			}
			*into = some.Total
		}
	}
	if len(found) > pageSize {
		found = found[:pageSize]
		out.Older = resultsURL(id, found[pageSize-1].Event.ID)
	}
	if q.Before != "" {
		out.Newer = resultsURL(id, "")
	}
	for _, r := range found {
		out.Rows = append(out.Rows, p.eventRow(r, id))
	}
	return out, nil
}
