package console

import (
	"fmt"
	"strings"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// exportLimit bounds an export that one auditor may make alone; maxReason, in
// characters, the reason she gives.
const (
	exportLimit = 500
	maxReason   = 200
)

// queryOfExport is the query of the search that is exported; without one, of everything.
func (p *Pages) queryOfExport(v *page.Visit, id string) (audit.Query, error) {
	if id == "" {
		return audit.Query{Limit: 1}, nil
	}
	q, _, err := p.searched(v, id)
	return q, err
}

// exportPage is the page of an export, and whether the person it is about sees the export.
func (p *Pages) exportPage(v *page.Visit, id string, q audit.Query) (view.Export, audit.Visibility, error) {
	body := view.Export{Form: view.Form{Action: ExportsPath}, Limit: exportLimit, BackURL: Path}
	if id != "" {
		body.BackURL = resultsURL(id, "")
		body.Form.Hidden = []view.Field{{Name: "search", Value: id}}
	}
	counts, err := p.o.Evidence.Count(v.Context, q)
	body.Count, body.TooMany = counts.Total, counts.Total > exportLimit
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
			body.Query = append(body.Query, one)
		}
	}
	return body, p.searchSeen(q, counts), err
}

// ExportForm asks for the reason of an export.
func (p *Pages) ExportForm(v *page.Visit) error {
	id := v.C.Query("search")
	q, err := p.queryOfExport(v, id)
	if err != nil {
		return err
	}
	body, _, err := p.exportPage(v, id, q)
	if err != nil {
		return err
	}
	return v.Show(body, view.ConsoleNav(Path, view.SectionExports)...)
}

// Export sends the result set as one file that proves what it shows and what it
// leaves out. It is recorded before it is sent, and after the events are found: the record
// would be the newest of them, and push the oldest out. They are counted last, so that a
// count within the limit says that all were found.
func (p *Pages) Export(v *page.Visit) error {
	search := v.Field("search")
	q, err := p.queryOfExport(v, search)
	if err != nil {
		return err
	}
	v.FormPath = ExportsPath
	reason := norm.NFC.String(strings.TrimSpace(v.Field("reason"))) // some keyboards compose nothing
	if runes := []rune(reason); len(runes) > maxReason {
		reason = string(runes[:maxReason])
	}
	whole := q
	whole.Limit, whole.Before = exportLimit, ""
	found, err := p.o.Evidence.Find(v.Context, whole)
	if err != nil {
		return err
	}
	body, seen, err := p.exportPage(v, search, q)
	if err != nil {
		return err
	}
	body.Missing, body.Number = reason == "", authz.CarriesNumber(reason)
	if body.Missing || body.Number || body.TooMany {
		return v.Show(body, view.ConsoleNav(Path, view.SectionExports)...)
	}
	id, err := p.recordExport(v, q, seen, len(found), reason)
	if err != nil {
		return err
	}
	file, err := p.bundle(v, q, found)
	if err != nil {
		return err
	}
	if q.Pseudonym == "" || seen.Sight == audit.Hidden { // else she sees that of the export itself
		if err := p.recordExported(v, id, found); err != nil {
			return err
		}
	}
	v.C.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	v.C.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", "hopnhat-export-"+id+".proof"))
	return v.C.Send(file)
}

// bundle is one file that `hopnhat audit verify` reads, of as many quarters as the events
// are of. What has no place in the log yet and what is not genuine is in it as such.
func (p *Pages) bundle(v *page.Visit, q audit.Query, events []audit.Recorded) ([]byte, error) {
	query, err := q.Canonical()
	if err != nil {
		return nil, err
	}
	found := proof.Found{Total: len(events)}
	for _, r := range events {
		canonical, err := r.Event.Canonical()
		record := proof.Record{Event: canonical, Salt: r.Salt}
		switch {
		case r.Fault != "":
			found.Faulty = append(found.Faulty, proof.Faulty{ID: r.Event.ID, Why: string(r.Fault)})
		case err != nil:
			found.Faulty = append(found.Faulty, proof.Faulty{ID: r.Event.ID, Why: "unreadable"})
		case !r.Logged:
			found.Unlogged = append(found.Unlogged, record)
		default:
			found.Placed = append(found.Placed, proof.Placed{ID: r.Event.ID, Origin: r.Origin, Index: r.Index, Record: record})
		}
	}
	return p.o.Log.Bundle(v.Context, query, p.o.Now().UTC(), found)
}
