package console

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
)

// What an auditor did, in the detail of its event.
const (
	lookSearch = "search"
	lookOpen   = "open"
	lookExport = "export"
)

// recordSearch records a search, or another page of one that was recorded before, and
// returns the id of the record.
func (p *Pages) recordSearch(v *page.Visit, q audit.Query, counts evidence.Counts, before string) (id string, err error) {
	return p.record(v, audit.Event{
		Type: audit.AuditorQuery, Visibility: p.searchSeen(q, counts),
		Detail: audit.Detail{Action: lookSearch, Object: before, Count: int64(counts.Total)},
	}, q)
}

// recordOpened records that an auditor opened an event. The person it is about sees the
// look where and when she sees the event.
func (p *Pages) recordOpened(v *page.Visit, opened audit.Event) error {
	_, err := p.record(v, audit.Event{
		Type: audit.AuditorLooked, Person: audit.Person{Pseudonym: opened.Person.Pseudonym}, Visibility: opened.Visibility,
		Detail: audit.Detail{Action: lookOpen, Object: opened.ID, Count: 1},
	}, audit.Query{Limit: 1})
	return err
}

// recordExport records an export with its reason, and returns the id of the record.
func (p *Pages) recordExport(v *page.Visit, q audit.Query, seen audit.Visibility, count int, reason string) (id string, err error) {
	return p.record(v, audit.Event{
		Type: audit.AuditorExport, Visibility: seen,
		Detail: audit.Detail{Action: lookExport, Count: int64(count), Text: reason},
	}, q)
}

// recordExported records, for each person of whom an export holds something, that it
// does: else an auditor who searches by app and minute would read all of an event unseen.
// The record counts what she may see now; where that is nothing it is hidden as that is.
func (p *Pages) recordExported(v *page.Visit, export string, found []audit.Recorded) error {
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
		if from, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided); ever && !p.o.Now().Before(from) {
			look.Visibility = audit.Visibility{Sight: audit.Visible}
			look.Detail.Count++
		}
	}
	const atOnce = 16 // commits and log entries are made in groups
	for some := range slices.Chunk(order, atOnce) {
		var all sync.WaitGroup
		failed := make([]error, len(some))
		for i, pseudonym := range some {
			e, err := p.look(v, *looks[pseudonym], audit.Query{Limit: 1})
			if err != nil {
				failed[i] = err
				continue
			}
			all.Go(func() { _, failed[i] = p.o.Recorder.Record(v.Context, e) })
		}
		all.Wait()
		if err := errors.Join(failed...); err != nil {
			return err
		}
	}
	return nil
}

// record writes that an auditor looked, at what and with what she asked. The person of
// the event is the one whose events she looked for, or whose event she opened, who sees
// it in her own history.
func (p *Pages) record(v *page.Visit, e audit.Event, q audit.Query) (id string, err error) {
	if e, err = p.look(v, e, q); err != nil {
		return "", err
	}
	_, err = p.o.Recorder.Record(v.Context, e)
	return e.ID, err
}

// look fills in the event of a look.
func (p *Pages) look(v *page.Visit, e audit.Event, q audit.Query) (audit.Event, error) {
	actor, err := p.o.Pseudonyms.Audit(v.Context, v.Session.Subject)
	if err != nil {
		return e, err
	}
	if e.Person.Pseudonym == "" {
		e.Person.Pseudonym = q.Pseudonym
	}
	purpose := authz.PurposeID("supervise.inspect")
	basis, _ := p.o.Catalogue.Basis(authz.BasisSupervision)
	e.ID = authz.NewID()
	e.Asked = audit.Asked{Client: evidence.ConsoleClient, Name: "Bảng kiểm toán"}
	e.Trace.RequestID = v.C.GetRespHeader(fiber.HeaderXRequestID)
	e.Person.Actor, e.Person.Role = actor, authz.Auditor
	e.Reason = audit.Reason{Purpose: purpose, Basis: authz.BasisSupervision, Citation: basis.Citation}
	e.Data.Query = q.Text()
	e.Decision = audit.Decision{Permit: true, Code: "auditor", Determining: []string{"role:auditor"}}
	e.Levels.ACR = v.Session.Level.ACR()
	e.When = audit.When{Decided: p.o.Now().UTC().Truncate(time.Microsecond), Site: p.o.Site}
	return e, nil
}

// searchSeen is whether a person sees that an auditor searched for her. The record says
// with what and how much was found, also of what the law hides from her: a search that
// found such, or asked for a purpose of that kind, is hidden as that is.
func (p *Pages) searchSeen(q audit.Query, counts evidence.Counts) audit.Visibility {
	purpose, known := p.o.Catalogue.Purpose(q.Purpose)
	if counts.Concealed > 0 || known && audit.Sight(purpose.Visibility) != audit.Visible {
		return audit.Visibility{Sight: audit.Hidden}
	}
	return audit.Visibility{Sight: audit.Visible}
}
