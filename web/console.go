package web

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/broker"
	"hopnhat/authz/calendar"
	"hopnhat/web/view"
)

const console = "/console"

// auditorRole is the role of an auditor of the first class: pseudonyms only.
const auditorRole = "auditor"

func (s *Server) consoleRoutes(a *fiber.App) {
	a.Get(console, s.page(s.search))
	a.Post(console, s.page(s.ask))
	a.Get(console+"/events/:id", s.page(s.eventDetail))
	a.Get(console+"/events/:id/proof", s.page(s.eventProof))
	a.Get(console+"/exports", s.page(s.exportForm))
	a.Post(console+"/exports", s.page(s.export))
	a.Get(console+"/apps", s.page(s.apps))
}

// auditor lets in auditors who have signed in with two factors.
func (v *visit) auditor() error { return v.holds(auditorRole) }

// holds lets a person in who has the role and has signed in with two factors.
func (v *visit) holds(role string) error {
	who, err := v.signedIn()
	if err != nil {
		return err
	}
	ok, err := v.s.o.Roles.HasRole(v.ctx, who.Subject, role)
	if err != nil {
		return err
	}
	if !ok || who.Level < 2 {
		return fault(view.ErrorForbidden)
	}
	return nil
}

const formTime = "2006-01-02T15:04"

// pseudonymForm is how the name of a person in evidence is written, see
// identity.Pseudonyms. Nothing else is taken for one: a personal number that somebody
// typed there would stand in the record of the search for good.
var pseudonymForm = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// query reads the form of a search. What is wrong is said before anything is recorded,
// and what was typed for a pseudonym and is none is not given back.
func (v *visit) query() (audit.Query, view.SearchProblem) {
	q := audit.Query{
		Pseudonym: strings.TrimSpace(v.field("pseudonym")), Client: authz.ClientID(v.field("client")), Purpose: authz.PurposeID(v.field("purpose")),
		Type: audit.Type(v.field("type")), Outcome: audit.Outcome(v.field("decision")),
	}
	if q.Pseudonym != "" && !pseudonymForm.MatchString(q.Pseudonym) {
		q.Pseudonym = ""
		return q, view.SearchPseudonym
	}
	if q.Client != "" {
		if _, err := v.s.o.Clients.Client(v.ctx, q.Client); err != nil {
			q.Client = ""
			return q, view.SearchUnknown
		}
	}
	if _, known := v.s.o.Consents.Catalogue.Purpose(q.Purpose); q.Purpose != "" && !known {
		q.Purpose = ""
		return q, view.SearchUnknown
	}
	for _, side := range []struct {
		name string
		into *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if text := v.field(side.name); text != "" {
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

// ask records a search and sends the auditor to what it found. What she looks for is
// in the body alone; the address of the results is the record of the search, which
// says what it was.
func (s *Server) ask(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	if err := v.auditor(); err != nil {
		return err
	}
	q, problem := v.query()
	if problem != "" {
		v.formPath = console
		return s.showSearch(v, q, func(page *view.Search) { page.Problem = problem })
	}
	counts, err := s.o.Evidence.Count(v.ctx, q)
	if err != nil {
		return err
	}
	id, err := s.recordLook(v, audit.Event{Type: audit.AuditorQuery, Visibility: s.searchSeen(q, counts), Detail: audit.Detail{Action: lookSearch, Count: int64(counts.Total)}}, q)
	if err != nil {
		return err
	}
	return redirect(resultsURL(id, ""))
}

// What an auditor did, in the detail of its event.
const (
	lookSearch = "search"
	lookOpen   = "open"
	lookExport = "export"
)

// resultsURL is a page of what a search found.
func resultsURL(search, before string) string {
	q := url.Values{"search": {search}}
	if before != "" {
		q.Set("before", before)
	}
	return console + "?" + q.Encode()
}

// fresh is how long the record of a search stands for looking at its first page.
const fresh = 5 * time.Minute

// searched finds a search of the auditor's own by its record; another's is not found.
func (s *Server) searched(v *visit, id string) (audit.Query, audit.Event, error) {
	found, err := s.o.Evidence.Get(v.ctx, id)
	if err != nil {
		return audit.Query{}, audit.Event{}, err
	}
	own, err := s.o.Pseudonyms.Audit(v.ctx, v.session.Subject)
	if err != nil {
		return audit.Query{}, audit.Event{}, err
	}
	if e := found.Event; e.Type != audit.AuditorQuery || e.Detail.Action != lookSearch || e.Person.Actor != own {
		return audit.Query{}, audit.Event{}, authz.ErrNotFound
	}
	q, err := audit.ParseQuery(found.Event.Data.Query)
	return q, found.Event, err
}

func (s *Server) search(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	id := v.c.Query("search")
	if id == "" {
		return s.showSearch(v, audit.Query{}, nil)
	}
	q, record, err := s.searched(v, id)
	if err != nil {
		return err
	}
	if q.Before = v.c.Query("before"); q.Check() != nil {
		return fault(view.ErrorBadRequest)
	}
	results, err := s.results(v, id, record, q)
	if err != nil {
		return err
	}
	return s.showSearch(v, q, func(page *view.Search) {
		page.Results = results
		page.ExportURL = console + "/exports?" + url.Values{"search": {id}}.Encode()
	})
}

func (s *Server) showSearch(v *visit, q audit.Query, fill func(page *view.Search)) error {
	page := view.Search{
		URL: console, Pseudonym: q.Pseudonym, From: formed(q.From), To: formed(q.To),
		Permitted: q.Outcome == audit.Permitted, Refused: q.Outcome == audit.Refused,
	}
	clients, err := s.o.Clients.Clients(v.ctx, "", 500)
	if err != nil {
		return err
	}
	for _, c := range clients {
		page.Clients = append(page.Clients, view.Choice{Value: string(c.ID), Name: c.Name, Selected: c.ID == q.Client})
	}
	for _, p := range s.o.Consents.Catalogue.Purposes {
		page.Purposes = append(page.Purposes, view.Choice{Value: string(p.ID), Name: p.Text(), Selected: p.ID == q.Purpose})
	}
	for _, t := range view.EventTypes() {
		page.Types = append(page.Types, view.TypeChoice{Type: t, Selected: string(t) == string(q.Type)})
	}
	if fill != nil {
		fill(&page)
	}
	return v.show(page, view.ConsoleNav(console, view.SectionSearch)...)
}

// formed is a time as its field has it, empty for none.
func formed(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(calendar.Hanoi).Format(formTime)
}

// results are a page of what a search found. The record of the search stands for its
// first page for a while; any other look is recorded before anything is shown.
func (s *Server) results(v *visit, id string, record audit.Event, q audit.Query) (*view.Results, error) {
	const pageSize = 50
	counts, err := s.o.Evidence.Count(v.ctx, q)
	if err != nil {
		return nil, err
	}
	if q.Before != "" || s.o.Now().Sub(record.When.Decided) > fresh {
		again := audit.Event{Type: audit.AuditorQuery, Visibility: s.searchSeen(q, counts), Detail: audit.Detail{Action: lookSearch, Object: id, Count: int64(counts.Total)}}
		if _, err := s.recordLook(v, again, q); err != nil {
			return nil, err
		}
	}
	q.Limit = pageSize + 1
	found, err := s.o.Evidence.Find(v.ctx, q)
	if err != nil {
		return nil, err
	}
	out := &view.Results{Total: counts.Total, More: counts.Capped, People: counts.People, QueryURL: eventURL(id, id)}
	for kind, into := range map[audit.Type]*int{audit.ReleasePermitted: &out.Permitted, audit.ReleaseRefused: &out.Refused} {
		if narrow := q; q.Type == "" || q.Type == kind {
			narrow.Type = kind
			some, err := s.o.Evidence.Count(v.ctx, narrow)
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
		out.Rows = append(out.Rows, s.eventRow(r, id))
	}
	return out, nil
}

// eventURL is the page of an event, with the way back to the search that found it.
func eventURL(event, search string) string {
	at := console + "/events/" + event
	if search != "" {
		at += "?" + url.Values{"search": {search}}.Encode()
	}
	return at
}

// searchSeen is whether a person sees that an auditor searched for her. The record says
// with what and how much was found, also of what the law hides from her: a search that
// found such, or asked for a purpose of that kind, is hidden as that is.
func (s *Server) searchSeen(q audit.Query, counts Counts) audit.Visibility {
	purpose, known := s.o.Consents.Catalogue.Purpose(q.Purpose)
	if counts.Concealed > 0 || known && audit.Sight(purpose.Visibility) != audit.Visible {
		return audit.Visibility{Sight: audit.Hidden}
	}
	return audit.Visibility{Sight: audit.Visible}
}

// recordLook writes that an auditor looked, at what and with what she asked. Whose
// events she looked for, or whose event she opened, is the person of it, who sees it in
// her own history.
func (s *Server) recordLook(v *visit, e audit.Event, q audit.Query) (id string, err error) {
	if e, err = s.look(v, e, q); err != nil {
		return "", err
	}
	_, err = s.o.Recorder.Record(v.ctx, e)
	return e.ID, err
}

// look fills in the event of a look.
func (s *Server) look(v *visit, e audit.Event, q audit.Query) (audit.Event, error) {
	actor, err := s.o.Pseudonyms.Audit(v.ctx, v.session.Subject)
	if err != nil {
		return e, err
	}
	if e.Person.Pseudonym == "" {
		e.Person.Pseudonym = q.Pseudonym
	}
	purpose := authz.PurposeID("supervise.inspect")
	basis, _ := s.o.Consents.Catalogue.Basis(authz.BasisSupervision)
	e.ID = authz.NewID()
	e.Asked = audit.Asked{Client: consoleClient, Name: "Bảng kiểm toán"}
	e.Trace.RequestID = v.c.GetRespHeader(fiber.HeaderXRequestID)
	e.Person.Actor, e.Person.Role = actor, auditorRole
	e.Reason = audit.Reason{Purpose: purpose, Basis: authz.BasisSupervision, Citation: basis.Citation}
	e.Data.Query = q.Text()
	e.Decision = audit.Decision{Permit: true, Code: "auditor", Determining: []string{"role:auditor"}}
	e.Levels.ACR = v.session.Level.ACR()
	e.When = audit.When{Decided: s.o.Now().UTC().Truncate(time.Microsecond), Site: s.o.Consents.Site}
	return e, nil
}

// consoleClient stands in evidence for the auditors' console.
const consoleClient authz.ClientID = "hopnhat-console"

func (s *Server) eventRow(r audit.Recorded, search string) view.EventRow {
	e := r.Event
	catalogue := s.o.Consents.Catalogue
	purpose, _ := catalogue.Purpose(e.Reason.Purpose)
	register, _ := catalogue.Registry(e.Data.Registry)
	return view.EventRow{
		ID: e.ID, URL: eventURL(e.ID, search), At: e.When.Decided, Type: view.EventType(e.Type), App: view.Words{VI: e.Asked.Name},
		Client: string(e.Asked.Client), Pseudonym: e.Person.Pseudonym, Purpose: purpose.Text(), Registry: register.Text(),
		Attributes: len(e.Data.Attributes), Basis: string(e.Reason.Basis), Permit: e.Decision.Permit,
		Decided: e.Type == audit.ReleasePermitted || e.Type == audit.ReleaseRefused, Code: e.Decision.Code, Index: r.Index, Logged: r.Logged,
	}
}

func (s *Server) eventDetail(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	found, err := s.openEvent(v)
	if err != nil {
		return err
	}
	e := found.Event
	fact := func(name string, value any) view.Fact { return view.Fact{Name: name, Value: fmt.Sprint(value)} }
	catalogue := s.o.Consents.Catalogue
	purpose, _ := catalogue.Purpose(e.Reason.Purpose)
	basis, _ := catalogue.Basis(e.Reason.Basis)
	attributes := view.Group{Name: "data", Facts: []view.Fact{fact("registry", e.Data.Registry)}}
	for _, id := range e.Data.Attributes {
		a, _ := catalogue.Attribute(id)
		attributes.Facts = append(attributes.Facts, view.Fact{Name: "attribute", Value: string(id), Meaning: a.Text()})
	}
	if e.Data.Query != "" {
		attributes.Facts = append(attributes.Facts, fact("query", e.Data.Query))
	}
	groups := []view.Group{
		{Name: "asked", Facts: []view.Fact{fact("client", e.Asked.Client), fact("name", e.Asked.Name), fact("owner", e.Asked.Owner), fact("grant", e.Trace.Grant), fact("request_id", e.Trace.RequestID)}},
		{Name: "person", Facts: []view.Fact{fact("pseudonym", e.Person.Pseudonym), fact("kind", e.Person.Kind), fact("relation", e.Person.Relation), fact("actor", e.Person.Actor)}},
		{Name: "reason", Facts: []view.Fact{
			{Name: "purpose", Value: string(e.Reason.Purpose), Meaning: purpose.Text()},
			{Name: "basis", Value: string(e.Reason.Basis), Meaning: basis.Text()},
			fact("citation", e.Reason.Citation), fact("consent", e.Consent.ID), fact("consent_version", e.Consent.Version), fact("no_consent", e.Consent.NoConsent),
		}},
		attributes,
		{Name: "decision", Facts: []view.Fact{fact("permit", e.Decision.Permit), fact("code", e.Decision.Code), fact("determining", strings.Join(e.Decision.Determining, ", ")), fact("policy_hash", e.Decision.PolicyHash), fact("acr", e.Levels.ACR), fact("account_level", e.Levels.Account)}},
		{Name: "when", Facts: []view.Fact{fact("decided", e.When.Decided.UTC().Format(time.RFC3339Nano)), fact("site", e.When.Site), fact("latency_us", e.Trace.Latency)}},
	}
	for i := range groups {
		groups[i].Facts = nonEmpty(groups[i].Facts)
	}
	back := console
	if search := v.c.Query("search"); commitment.CheckID(search) == nil {
		back = resultsURL(search, "")
	}
	return v.show(view.EventDetail{
		Event: s.eventRow(found, ""), Groups: groups, Proof: s.place(found, console+"/events/"+e.ID+"/proof"), BackURL: back,
	}, view.ConsoleNav(console, view.SectionSearch)...)
}

// openEvent finds an event for an auditor and records that she looked at it, before
// she sees it. The person it is about sees the look where and when she sees the event.
func (s *Server) openEvent(v *visit) (audit.Recorded, error) {
	found, err := s.o.Evidence.Get(v.ctx, v.c.Params("id"))
	if err != nil {
		return found, err
	}
	_, err = s.recordLook(v, audit.Event{
		Type: audit.AuditorLooked, Person: audit.Person{Pseudonym: found.Event.Person.Pseudonym}, Visibility: found.Event.Visibility,
		Detail: audit.Detail{Action: lookOpen, Object: found.Event.ID, Count: 1},
	}, audit.Query{Limit: 1})
	return found, err
}

func nonEmpty(facts []view.Fact) []view.Fact {
	var out []view.Fact
	for _, f := range facts {
		if f.Value != "" && f.Value != "0" {
			out = append(out, f)
		}
	}
	return out
}

func (s *Server) eventProof(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	found, err := s.openEvent(v)
	if err != nil {
		return err
	}
	return s.sendProof(v, found)
}

// exportLimit bounds an export that one auditor may make alone; maxReason, in
// characters, the reason she gives.
const (
	exportLimit = 500
	maxReason   = 200
)

// exported is the search that is exported, everything without one, its page, and
// whether the person it is about sees it.
func (s *Server) exported(v *visit, id string) (audit.Query, view.Export, audit.Visibility, error) {
	page := view.Export{Form: view.Form{Action: console + "/exports"}, Limit: exportLimit, BackURL: console}
	q := audit.Query{Limit: 1}
	if id != "" {
		var err error
		if q, _, err = s.searched(v, id); err != nil {
			return q, page, audit.Visibility{}, err
		}
		page.BackURL = resultsURL(id, "")
		page.Form.Hidden = []view.Field{{Name: "search", Value: id}}
	}
	counts, err := s.o.Evidence.Count(v.ctx, q)
	page.Count, page.TooMany = counts.Total, counts.Total > exportLimit
	for _, one := range []view.Fact{
		{Name: "pseudonym", Value: q.Pseudonym},
		{Name: "client", Value: string(q.Client)},
		{Name: "purpose", Value: string(q.Purpose)},
		{Name: "type", Value: string(q.Type)},
		{Name: "decision", Value: string(q.Outcome)},
		{Name: "from", Value: formed(q.From)},
		{Name: "to", Value: formed(q.To)},
	} {
		if one.Value != "" {
			page.Query = append(page.Query, one)
		}
	}
	return q, page, s.searchSeen(q, counts), err
}

func (s *Server) exportForm(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	_, page, _, err := s.exported(v, v.c.Query("search"))
	if err != nil {
		return err
	}
	return v.show(page, view.ConsoleNav(console, view.SectionExports)...)
}

// export sends the result set as one file that proves what it shows and what it
// leaves out. It is recorded first.
func (s *Server) export(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	if err := v.auditor(); err != nil {
		return err
	}
	q, page, seen, err := s.exported(v, v.field("search"))
	if err != nil {
		return err
	}
	v.formPath = console + "/exports"
	reason := norm.NFC.String(strings.TrimSpace(v.field("reason"))) // some keyboards compose nothing
	if runes := []rune(reason); len(runes) > maxReason {
		reason = string(runes[:maxReason])
	}
	page.Missing, page.Number = reason == "", authz.CarriesNumber(reason)
	if page.Missing || page.Number || page.TooMany {
		return v.show(page, view.ConsoleNav(console, view.SectionExports)...)
	}
	id, err := s.recordLook(v, audit.Event{Type: audit.AuditorExport, Visibility: seen, Detail: audit.Detail{Action: lookExport, Count: int64(page.Count), Text: reason}}, q)
	if err != nil {
		return err
	}
	q.Limit, q.Before = exportLimit, ""
	found, err := s.o.Evidence.Find(v.ctx, q)
	if err != nil {
		return err
	}
	body, err := s.bundle(v, q, found)
	if err != nil {
		return err
	}
	if q.Pseudonym == "" || seen.Sight == audit.Hidden { // else she sees that of the export itself
		if err := s.recordExported(v, id, found); err != nil {
			return err
		}
	}
	v.c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	v.c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", "hopnhat-export-"+id+".proof"))
	return v.c.Send(body)
}

// recordExported writes, for each person of whom an export holds something, that it
// does: else an auditor who searches by app and minute would read all of an event unseen.
// The record counts what she may see now; where that is nothing it is hidden as that is.
func (s *Server) recordExported(v *visit, export string, found []audit.Recorded) error {
	looks := map[string]*audit.Event{}
	var order []string
	for _, r := range found {
		pseudonym := r.Event.Person.Pseudonym
		if pseudonym == "" {
			continue
		}
		look := looks[pseudonym]
		if look == nil {
			look = &audit.Event{
				Type: audit.AuditorExport, Person: audit.Person{Pseudonym: pseudonym}, Visibility: r.Event.Visibility,
				Detail: audit.Detail{Action: lookExport, Object: export},
			}
			looks[pseudonym], order = look, append(order, pseudonym)
		}
		if from, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided); ever && !s.o.Now().Before(from) {
			look.Visibility = audit.Visibility{Sight: audit.Visible}
			look.Detail.Count++
		}
	}
	const atOnce = 16 // commits and log entries are made in groups
	for some := range slices.Chunk(order, atOnce) {
		var all sync.WaitGroup
		failed := make([]error, len(some))
		for i, pseudonym := range some {
			e, err := s.look(v, *looks[pseudonym], audit.Query{Limit: 1})
			if err != nil {
				failed[i] = err
				continue
			}
			all.Go(func() { _, failed[i] = s.o.Recorder.Record(v.ctx, e) })
		}
		all.Wait()
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
	return nil
}

// bundle is one file that `hopnhat audit verify` reads. An export is of one
// quarter's log, that of the newest event; for an earlier one the auditor narrows
// the time.
func (s *Server) bundle(v *visit, q audit.Query, found []audit.Recorded) ([]byte, error) {
	query, err := q.Canonical()
	if err != nil {
		return nil, err
	}
	origin := s.o.Log.Origin()
	shown := map[uint64]proof.Record{}
	for _, r := range found {
		if !r.Logged {
			continue // its place is noted within a second
		}
		if len(shown) == 0 {
			origin = r.Origin
		}
		if r.Origin != origin {
			break
		}
		canonical, err := r.Event.Canonical()
		if err != nil {
			return nil, err
		}
		shown[r.Index] = proof.Record{Event: canonical, Salt: r.Salt}
	}
	if len(shown) == 0 {
		return nil, fault(view.ErrorNotAvailable)
	}
	return s.o.Log.Bundle(v.ctx, origin, query, s.o.Now().UTC(), shown)
}

// refusalText is what a person reads for the code of a refusal.
func refusalText(code string) view.Words {
	vi, en := broker.Text(code)
	return view.Words{VI: vi, EN: en}
}
