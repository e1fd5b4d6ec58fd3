package portal

import (
	"context"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/broker"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// pageSize is how many events a page lists; one more is asked for, to see whether there
// are older ones.
const pageSize = 20

// Timeline lists the person's releases, permitted and refused, newest first, that she
// may see.
func (p *Pages) Timeline(v *page.Visit) error {
	pseudonym, err := p.own.Pseudonym(v)
	if err != nil {
		return err
	}
	query := audit.Query{Pseudonym: pseudonym, Client: authz.ClientID(v.C.Query("app")), Before: v.C.Query("before"), Limit: pageSize + 1}
	if err := query.Check(); err != nil {
		return page.Fault(view.ErrorBadRequest)
	}
	now := p.o.Now()
	found, err := p.o.Evidence.FindVisible(v.Context, query, audit.Releases, now)
	if err != nil {
		return err
	}
	counts, err := p.o.Evidence.CountVisible(v.Context, audit.Query{Pseudonym: pseudonym, Client: query.Client}, audit.Releases, now)
	if err != nil {
		return err
	}
	body := view.Timeline{
		FilterURL: Path, Filtered: query.Client != "", Total: counts.Total, Questioned: p.o.Incidents.ConcernsPerson(pseudonym),
	}
	found, body.Newer, body.Older = evidence.Paginate(found, pageSize, query, Path)
	for _, r := range found {
		if r.Fault != "" {
			body.Releases = append(body.Releases, view.Release{ID: r.Event.ID, At: evidence.At(r), Fault: view.RecordFault(r.Fault)})
			continue
		}
		body.Releases = append(body.Releases, p.release(v.Context, r.Event))
	}
	if body.Apps, err = p.appsOf(v.Context, pseudonym, query.Client); err != nil {
		return err
	}
	return v.Show(body, view.PortalNav(Path, view.SectionTimeline)...)
}

// appsOf are the apps that asked for data of the person, as far as she may see it, for
// the filter: also those that read by law.
func (p *Pages) appsOf(ctx context.Context, pseudonym string, selected authz.ClientID) ([]view.Choice, error) {
	ids, err := p.o.Evidence.ClientsVisible(ctx, audit.Query{Pseudonym: pseudonym}, audit.Releases, p.o.Now())
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	names, err := p.o.Names.Names(ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []view.Choice
	for _, id := range ids {
		out = append(out, view.Choice{Value: string(id), Name: nameOf(id, names), Selected: id == selected})
	}
	return out, nil
}

// nameOf is what a person reads of an app that asked for her data: its name, or its bare
// id when it is gone; of the auditors' console, that it was an auditor.
func nameOf(id authz.ClientID, names map[authz.ClientID]view.Words) view.Words {
	if id == evidence.ConsoleClient {
		return auditorName
	}
	if name, ok := names[id]; ok {
		return name
	}
	return view.Words{VI: string(id)}
}

// auditorName is what a person reads of an auditor, whose own name is none of hers.
var auditorName = view.Words{VI: "Kiểm toán viên", EN: "An auditor"}

// looks are what auditors did with what is recorded of a person.
var looks = map[audit.Type]view.Look{
	audit.AuditorQuery: view.LookSearched, audit.AuditorLooked: view.LookOpened, audit.AuditorExport: view.LookExported,
}

// release is an event as a list of the portal shows it.
func (p *Pages) release(ctx context.Context, e audit.Event) view.Release {
	purpose, _ := p.o.Catalogue.Purpose(e.Reason.Purpose)
	register, _ := p.o.Catalogue.Registry(e.Data.Registry)
	basis, _ := p.o.Catalogue.Basis(e.Reason.Basis)
	out := view.Release{
		ID: e.ID, URL: ReleasesPath + "/" + e.ID, At: e.When.Decided, App: page.App(page.ClientOrID(ctx, p.o.Clients, e.Asked.Client)),
		Purpose: purpose.Text(), Registry: register.Text(), Basis: basis.Text(), Permitted: e.Decision.Permit,
		Questioned: p.o.Incidents.Concerns(e.ID),
	}
	if look, ok := looks[e.Type]; ok {
		out.Look, out.App = look, view.App{Name: auditorName}
		return out
	}
	if out.Exchanged = e.Type == audit.TokenExchanged; e.Detail.Object != "" {
		out.ActsFor = page.ClientOrID(ctx, p.o.Clients, authz.ClientID(e.Detail.Object)).Name
	}
	if !e.Decision.Permit {
		out.Refusal = refusalText(e.Decision.Code)
	}
	for _, id := range e.Data.Attributes {
		a, _ := p.o.Catalogue.Attribute(id)
		out.Attributes = append(out.Attributes, view.Item{ID: string(id), Name: a.Text(), Sensitive: a.Sensitive()})
	}
	if e.Consent.ID != "" {
		out.ConsentURL = consentURL(e.Consent.ID)
	}
	return out
}

// refusalText is what a person reads for the code of a refusal.
func refusalText(code string) view.Words {
	vi, en := broker.Text(code)
	return view.Words{VI: vi, EN: en}
}

// Release shows one release of the person's data.
func (p *Pages) Release(v *page.Visit) error {
	found, err := p.own.Event(v)
	if err != nil {
		return err
	}
	e := found.Event
	body := view.ReleaseDetail{
		Release: p.release(v.Context, e), Citation: page.Citation(e.Reason.Citation, v.Lang), CaseReference: e.Reason.CaseReference,
		Consent: string(e.Consent.ID), ConsentVersion: e.Consent.Version, Code: e.Decision.Code,
		Determining: e.Decision.Determining, RequestID: e.Trace.RequestID, BackURL: Path,
		Proof: p.proofs.Place(v.Context, found, ReleasesPath+"/"+e.ID+"/proof"),
	}
	if body.Release.Look != "" {
		// How the auditor signed in is not shown to the person.
		if e.Type == audit.AuditorLooked {
			body.Looked, body.LookedURL = e.Detail.Object, ReleasesPath+"/"+e.Detail.Object
		}
		body.Code, body.Determining, body.RequestID = "", nil, ""
	} else if level, ok := authz.ParseACR(e.Levels.ACR); ok {
		body.Level = int(level)
	}
	return v.Show(body, view.PortalNav(Path, view.SectionTimeline)...)
}

// Proof sends the proof of any event that the person may see of herself.
func (p *Pages) Proof(v *page.Visit) error {
	found, err := p.own.Event(v)
	if err != nil {
		return err
	}
	return p.proofs.Send(v, found)
}
