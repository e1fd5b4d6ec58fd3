package console

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// eventURL is the page of an event, with the way back to the search that found it.
func eventURL(event, search string) string {
	at := EventsPath + "/" + event
	if search != "" {
		at += "?" + url.Values{"search": {search}}.Encode()
	}
	return at
}

// eventRow is an event as a list shows it.
func (p *Pages) eventRow(r audit.Recorded, search string) view.EventRow {
	e := r.Event
	purpose, _ := p.o.Catalogue.Purpose(e.Reason.Purpose)
	register, _ := p.o.Catalogue.Registry(e.Data.Registry)
	return view.EventRow{
		ID: e.ID, URL: eventURL(e.ID, search), At: evidence.At(r), Type: view.EventType(e.Type), App: view.Words{VI: e.Asked.Name},
		Client: string(e.Asked.Client), Pseudonym: e.Person.Pseudonym, Purpose: purpose.Text(), Registry: register.Text(),
		Attributes: len(e.Data.Attributes), Basis: string(e.Reason.Basis), Permit: e.Decision.Permit,
		Decided: e.Type == audit.ReleasePermitted || e.Type == audit.ReleaseRefused, Code: e.Decision.Code, Index: r.Index,
		Logged: r.Logged, Late: r.Late, Fault: view.RecordFault(r.Fault),
	}
}

// Event shows one event to an auditor.
func (p *Pages) Event(v *page.Visit) error {
	found, err := p.open(v)
	if err != nil {
		return err
	}
	back := Path
	if search := v.C.Query("search"); commitment.CheckID(search) == nil {
		back = resultsURL(search, "")
	}
	return v.Show(view.EventDetail{
		Event: p.eventRow(found, ""), Groups: p.groups(found.Event), BackURL: back,
		Proof: p.proofs.Place(v.Context, found, EventsPath+"/"+found.Event.ID+"/proof"),
	}, view.ConsoleNav(Path, view.SectionSearch)...)
}

// groups are the facts of an event as they are grouped in its commitment.
func (p *Pages) groups(e audit.Event) []view.Group {
	fact := func(name string, value any) view.Fact { return view.Fact{Name: name, Value: fmt.Sprint(value)} }
	purpose, _ := p.o.Catalogue.Purpose(e.Reason.Purpose)
	basis, _ := p.o.Catalogue.Basis(e.Reason.Basis)
	data := []view.Fact{fact("registry", e.Data.Registry)}
	for _, id := range e.Data.Attributes {
		a, _ := p.o.Catalogue.Attribute(id)
		data = append(data, view.Fact{Name: "attribute", Value: string(id), Meaning: a.Text()})
	}
	if e.Data.Query != "" {
		data = append(data, fact("query", e.Data.Query))
	}
	groups := []view.Group{
		{Name: "asked", Facts: []view.Fact{
			fact("client", e.Asked.Client), fact("name", e.Asked.Name), fact("owner", e.Asked.Owner),
			fact("grant", e.Trace.Grant), fact("request_id", e.Trace.RequestID),
		}},
		{Name: "person", Facts: []view.Fact{
			fact("pseudonym", e.Person.Pseudonym), fact("kind", e.Person.Kind), fact("relation", e.Person.Relation), fact("actor", e.Person.Actor),
		}},
		{Name: "reason", Facts: []view.Fact{
			{Name: "purpose", Value: string(e.Reason.Purpose), Meaning: purpose.Text()},
			{Name: "basis", Value: string(e.Reason.Basis), Meaning: basis.Text()},
			fact("citation", e.Reason.Citation), fact("consent", e.Consent.ID), fact("consent_version", e.Consent.Version),
			fact("no_consent", e.Consent.NoConsent),
		}},
		{Name: "data", Facts: data},
		{Name: "decision", Facts: []view.Fact{
			fact("permit", e.Decision.Permit), fact("code", e.Decision.Code), fact("determining", strings.Join(e.Decision.Determining, ", ")),
			fact("policy_hash", e.Decision.PolicyHash), fact("acr", e.Levels.ACR), fact("account_level", e.Levels.Account),
		}},
		{Name: "when", Facts: []view.Fact{
			fact("decided", e.When.Decided.UTC().Format(time.RFC3339Nano)), fact("site", e.When.Site), fact("latency_us", e.Trace.Latency),
		}},
	}
	for i := range groups {
		groups[i].Facts = nonEmpty(groups[i].Facts)
	}
	return groups
}

// open finds an event for an auditor and records that she looked at it, before she sees
// it.
func (p *Pages) open(v *page.Visit) (audit.Recorded, error) {
	found, err := p.o.Evidence.Get(v.Context, v.C.Params("id"))
	if err != nil {
		return found, err
	}
	return found, p.recordOpened(v, found.Event)
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

// EventProof sends the proof of an event to an auditor.
func (p *Pages) EventProof(v *page.Visit) error {
	found, err := p.open(v)
	if err != nil {
		return err
	}
	return p.proofs.Send(v, found)
}
