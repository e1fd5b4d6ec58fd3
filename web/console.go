package web

import (
	"fmt"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/broker"
	"hopnhat/store/proof"
	"hopnhat/web/view"
)

const console = "/console"

// auditorRole is the role of an auditor of the first class: pseudonyms only.
const auditorRole = "auditor"

func (s *Server) consoleRoutes(a *fiber.App) {
	a.Get(console, s.page(s.search))
	a.Get(console+"/events/:id", s.page(s.eventDetail))
	a.Get(console+"/events/:id/proof", s.page(s.eventProof))
	a.Get(console+"/exports", s.page(s.exportForm))
	a.Post(console+"/exports", s.page(s.export))
	a.Get(console+"/apps", s.page(s.apps))
}

// auditor lets auditors in who signed in with two factors, and nobody else.
func (v *visit) auditor() error { return v.holds(auditorRole) }

// holds lets in who has a role and signed in with two factors.
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

// searchFields are the parameters of a search, for links and hidden fields.
var searchFields = []string{"pseudonym", "client", "purpose", "type", "decision", "from", "to"}

const formTime = "2006-01-02T15:04"

var hanoi = time.FixedZone("ICT", 7*3600)

func (v *visit) query() (audit.Query, view.SearchProblem) {
	q := audit.Query{
		Pseudonym: strings.TrimSpace(v.param("pseudonym")), Client: authz.ClientID(v.param("client")), Purpose: authz.PurposeID(v.param("purpose")),
		Type: audit.Type(v.param("type")), Outcome: audit.Outcome(v.param("decision")), Before: v.c.Query("before"),
	}
	for _, side := range []struct {
		name string
		into *time.Time
	}{{"from", &q.From}, {"to", &q.To}} {
		if text := v.param(side.name); text != "" {
			at, err := time.ParseInLocation(formTime, text, hanoi)
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
		return q, view.SearchLong
	}
	return q, ""
}

func (s *Server) search(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	q, problem := v.query()
	page := view.Search{
		URL: console, Pseudonym: q.Pseudonym, From: v.param("from"), To: v.param("to"), Problem: problem,
		Permitted: q.Outcome == audit.Permitted, Refused: q.Outcome == audit.Refused,
		Export: view.Form{Action: console + "/exports"},
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
	asked := false
	for _, name := range searchFields {
		if value := v.param(name); value != "" {
			asked = true
			page.Export.Hidden = append(page.Export.Hidden, view.Field{Name: name, Value: value})
		}
	}
	if !asked && v.c.Query("all") == "" && v.c.Query("before") == "" || problem != "" {
		return v.show(page, view.ConsoleNav(console, view.SectionSearch)...)
	}
	if page.Results, err = s.results(v, q); err != nil {
		return err
	}
	return v.show(page, view.ConsoleNav(console, view.SectionSearch)...)
}

func (s *Server) results(v *visit, q audit.Query) (*view.Results, error) {
	const pageSize = 50
	counts, err := s.o.Evidence.Count(v.ctx, q)
	if err != nil {
		return nil, err
	}
	// An auditor's look is recorded before anything is shown.
	record, err := s.recordLook(v, audit.AuditorQuery, q, counts.Total, "search")
	if err != nil {
		return nil, err
	}
	q.Limit = pageSize + 1
	found, err := s.o.Evidence.Find(v.ctx, q)
	if err != nil {
		return nil, err
	}
	out := &view.Results{Total: counts.Total, More: counts.Capped, People: counts.People, QueryURL: console + "/events/" + record}
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
		out.Older = v.with("before", found[pageSize-1].Event.ID)
	}
	if q.Before != "" {
		out.Newer = v.with("before", "")
	}
	for _, r := range found {
		out.Rows = append(out.Rows, s.eventRow(v, r))
	}
	return out, nil
}

// with is this search with one parameter changed.
func (v *visit) with(name, value string) string {
	u := *v.http.URL
	q := u.Query()
	q.Del("lang")
	q.Set("all", "1")
	q.Del(name)
	if value != "" {
		q.Set(name, value)
	}
	return console + "?" + q.Encode()
}

// recordLook writes that an auditor looked, with what she asked.
func (s *Server) recordLook(v *visit, kind audit.Type, q audit.Query, count int, reason string) (id string, err error) {
	actor, err := s.o.Pseudonyms.Audit(v.ctx, v.session.Subject)
	if err != nil {
		return "", err
	}
	e := audit.Event{
		ID: authz.NewID(), Type: kind,
		Asked:    audit.Asked{Client: "hopnhat-console", Name: "Bảng kiểm toán", RequestID: v.c.GetRespHeader(fiber.HeaderXRequestID)},
		Person:   audit.Person{Actor: actor, Role: auditorRole},
		Reason:   audit.Reason{Purpose: "supervise.inspect", Basis: authz.BasisSupervision},
		Data:     audit.Data{Query: q.Text()},
		Decision: audit.Decision{Permit: true, Code: "auditor", Determining: []string{"role:auditor"}, ACR: v.session.Level.ACR()},
		When:     audit.When{Decided: s.o.Now().UTC().Truncate(time.Microsecond), Site: s.o.Consents.Site},
		Detail:   audit.Detail{Count: int64(count), Text: reason},
	}
	_, err = s.o.Recorder.Record(v.ctx, e)
	return e.ID, err
}

func (s *Server) eventRow(v *visit, r audit.Recorded) view.EventRow {
	e := r.Event
	catalogue := s.o.Consents.Catalogue
	purpose, _ := catalogue.Purpose(e.Reason.Purpose)
	register, _ := catalogue.Registry(e.Data.Registry)
	return view.EventRow{
		ID: e.ID, URL: console + "/events/" + e.ID, At: e.When.Decided, Type: view.EventType(e.Type), App: view.Words{VI: e.Asked.Name},
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
		{Name: "asked", Facts: []view.Fact{fact("client", e.Asked.Client), fact("name", e.Asked.Name), fact("owner", e.Asked.Owner), fact("grant", e.Asked.Grant), fact("request_id", e.Asked.RequestID)}},
		{Name: "person", Facts: []view.Fact{fact("pseudonym", e.Person.Pseudonym), fact("kind", e.Person.Kind), fact("relation", e.Person.Relation), fact("actor", e.Person.Actor)}},
		{Name: "reason", Facts: []view.Fact{
			{Name: "purpose", Value: string(e.Reason.Purpose), Meaning: purpose.Text()},
			{Name: "basis", Value: string(e.Reason.Basis), Meaning: basis.Text()},
			fact("citation", e.Reason.Citation), fact("consent", e.Reason.Consent), fact("consent_version", e.Reason.ConsentVersion), fact("no_consent", e.Reason.NoConsent),
		}},
		attributes,
		{Name: "decision", Facts: []view.Fact{fact("permit", e.Decision.Permit), fact("code", e.Decision.Code), fact("determining", strings.Join(e.Decision.Determining, ", ")), fact("policy_hash", e.Decision.PolicyHash), fact("acr", e.Decision.ACR), fact("account_level", e.Decision.Account)}},
		{Name: "when", Facts: []view.Fact{fact("decided", e.When.Decided.UTC().Format(time.RFC3339Nano)), fact("site", e.When.Site), fact("latency_us", e.When.Latency)}},
	}
	for i := range groups {
		groups[i].Facts = nonEmpty(groups[i].Facts)
	}
	return v.show(view.EventDetail{
		Event: s.eventRow(v, found), Groups: groups, Proof: s.place(found, console+"/events/"+e.ID+"/proof"), BackURL: console,
	}, view.ConsoleNav(console, view.SectionSearch)...)
}

// openEvent finds an event for an auditor and records that she looked at it,
// before she sees it.
func (s *Server) openEvent(v *visit) (audit.Recorded, error) {
	found, err := s.o.Evidence.Get(v.ctx, v.c.Params("id"))
	if err != nil {
		return found, err
	}
	_, err = s.recordLook(v, audit.AuditorQuery, audit.Query{Limit: 1}, 1, "open "+found.Event.ID)
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

func (s *Server) exportPage(v *visit, q audit.Query) (view.Export, error) {
	counts, err := s.o.Evidence.Count(v.ctx, q)
	page := view.Export{
		Form: view.Form{Action: console + "/exports"}, Count: counts.Total, Limit: exportLimit, TooMany: counts.Total > exportLimit, BackURL: console,
	}
	for _, name := range searchFields {
		if value := v.param(name); value != "" {
			page.Form.Hidden = append(page.Form.Hidden, view.Field{Name: name, Value: value})
			page.Query = append(page.Query, view.Fact{Name: name, Value: value})
		}
	}
	// Of a search comes the same form without a reason: only this page asks for one.
	page.Form.Hidden = append(page.Form.Hidden, view.Field{Name: "confirm", Value: "1"})
	return page, err
}

func (s *Server) exportForm(v *visit) error {
	if err := v.auditor(); err != nil {
		return err
	}
	q, problem := v.query()
	if problem != "" {
		return fault(view.ErrorBadRequest)
	}
	page, err := s.exportPage(v, q)
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
	q, problem := v.query()
	if problem != "" {
		return fault(view.ErrorBadRequest)
	}
	page, err := s.exportPage(v, q)
	if err != nil {
		return err
	}
	reason := norm.NFC.String(strings.TrimSpace(v.field("reason"))) // some keyboards compose nothing
	if runes := []rune(reason); len(runes) > maxReason {
		reason = string(runes[:maxReason])
	}
	if commitment.CheckText(reason) != nil {
		return fault(view.ErrorBadRequest) // a control character: no keyboard writes one
	}
	if reason == "" || page.TooMany {
		if page.Missing = reason == "" && v.field("confirm") != ""; page.Missing {
			v.c.Status(fiber.StatusUnprocessableEntity)
		}
		return v.show(page, view.ConsoleNav(console, view.SectionExports)...)
	}
	v.formPath = console
	id, err := s.recordLook(v, audit.AuditorExport, q, page.Count, reason)
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
	v.c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	v.c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", "hopnhat-export-"+id+".proof"))
	return v.c.Send(body)
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
