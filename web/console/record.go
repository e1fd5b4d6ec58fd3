package console

import (
	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/querytext"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
)

// recordSearch records a search, or another page of one that was recorded before, and
// returns the id of the record.
func (p *Pages) recordSearch(v *page.Visit, q audit.Query, counts evidence.Counts, before string) (id string, err error) {
	return p.record(v, audit.Act{
		Action: audit.Search, Visibility: p.searchSeen(q, counts), Detail: audit.Detail{Object: before, Count: int64(counts.Total)},
	}, q)
}

// recordOpened records that an auditor opened an event. The person it is about sees the
// look where and when she sees the event.
func (p *Pages) recordOpened(v *page.Visit, opened audit.Event) error {
	_, err := p.record(v, audit.Act{
		Action: audit.Open, Person: audit.Person{Pseudonym: opened.Person.Pseudonym}, Visibility: opened.Visibility,
		Detail: audit.Detail{Object: opened.ID, Count: 1},
	}, audit.Query{Limit: 1})
	return err
}

// recordExport records an export with its reason, and returns the id of the record.
func (p *Pages) recordExport(v *page.Visit, q audit.Query, seen audit.Visibility, count int, reason string) (id string, err error) {
	return p.record(v, audit.Act{Action: audit.Export, Visibility: seen, Detail: audit.Detail{Count: int64(count), Text: reason}}, q)
}

// recordExported records, for each person of whom an export holds something, that it
// does: else an auditor who searches by app and minute would read all of an event unseen.
// The record counts what she may see now; where that is nothing it is hidden as that is.
func (p *Pages) recordExported(v *page.Visit, export string, found []audit.Recorded) error {
	looks := map[string]*audit.Act{}
	var order []string
	for _, r := range found {
		pseudonym := r.Event.Person.Pseudonym
		if pseudonym == "" {
			continue
		}
		look := looks[pseudonym]
		if look == nil {
			look = &audit.Act{
				Action: audit.Export, Person: audit.Person{Pseudonym: pseudonym}, Visibility: r.Event.Visibility,
				Detail: audit.Detail{Object: export},
			}
			looks[pseudonym], order = look, append(order, pseudonym)
		}
		if from, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided); ever && !p.o.Now().Before(from) {
			look.Visibility = audit.Visibility{Sight: audit.Visible}
			look.Detail.Count++
		}
	}
	var all []audit.Act
	for _, pseudonym := range order {
		all = append(all, p.look(v, *looks[pseudonym], audit.Query{Limit: 1}))
	}
	_, err := p.o.Scribe.Write(v.Context, all...)
	return err
}

// record writes that an auditor looked, at what and with what she asked. The person of
// the event is the one whose events she looked for, or whose event she opened, who sees
// it in her own history.
func (p *Pages) record(v *page.Visit, a audit.Act, q audit.Query) (id string, err error) {
	written, err := p.o.Scribe.Write(v.Context, p.look(v, a, q))
	if err != nil {
		return "", err
	}
	return written[0].Event.ID, nil
}

// look fills in the act of a look.
func (p *Pages) look(v *page.Visit, a audit.Act, q audit.Query) audit.Act {
	basis, _ := p.o.Catalogue.Basis(authz.BasisSupervision)
	if a.Person.Pseudonym == "" {
		a.Person.Pseudonym = q.Pseudonym
	}
	a.App = &authz.Client{ID: evidence.ConsoleClient, Name: authz.LocalizedText{VI: "Bảng kiểm toán"}}
	a.Trace.RequestID = v.C.GetRespHeader(fiber.HeaderXRequestID)
	a.Actor, a.Person.Role = v.Session.Actor, authz.Auditor
	a.Reason = audit.Reason{Purpose: "supervise.inspect", Basis: authz.BasisSupervision, Citation: basis.Citation}
	a.Data.Query = querytext.Text(q)
	a.Levels.ACR = v.Session.Level.ACR()
	a.At = p.o.Now()
	return a
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
