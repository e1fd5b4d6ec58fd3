package enrolment

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/federated"
)

// ProposeForm is the form of a proposal.
func (p *Pages) ProposeForm(v *page.Visit) error {
	if p.o.Desk == nil {
		return authz.ErrNotFound
	}
	return v.Show(view.Propose{Form: view.Form{Action: ProposePath}, BackURL: Path}, nav()...)
}

// Propose puts an entity before a second person.
func (p *Pages) Propose(v *page.Visit) error {
	if p.o.Desk == nil {
		return authz.ErrNotFound
	}
	v.FormPath = ProposePath
	body := view.Propose{
		Form: view.Form{Action: ProposePath}, BackURL: Path, Entity: strings.TrimSpace(v.Field("entity")),
		Organization: v.Field("organization"),
		Agreement:    v.Field("agreement"), Level: v.Field("level"), Policy: v.Field("policy"), Until: v.Field("until"),
		Reason: v.Field("reason"),
	}
	refuse := func(problem federated.FederationProblem, said error) error {
		if body.Problem = problem; said != nil {
			body.Said = said.Error()
		}
		return v.Show(body, nav()...)
	}
	id, err := federation.ParseEntityID(body.Entity)
	if err != nil {
		return refuse("entity", nil)
	}
	until, err := time.Parse(time.DateOnly, body.Until)
	if err != nil {
		return refuse("date", nil)
	}
	if body.Reason != "" && (len(body.Reason) > maxPart || authz.CheckFreeText(body.Reason) != nil) {
		return refuse("reason", nil)
	}
	t, err := p.o.Terms(v.Context, id)
	switch {
	case errors.Is(err, enrol.ErrTerms):
		return refuse("terms", err)
	case err != nil:
		return refuse("fetch", err)
	}
	t.Agreement, t.Until = body.Agreement, until
	t.Level, _ = strconv.Atoi(body.Level) // 0 is refused with the terms
	if body.Organization != "" {
		t.Organization = body.Organization
	}
	if err := t.ReadPolicy([]byte(body.Policy)); err != nil {
		return refuse("terms", err)
	}
	me, err := p.officer(v)
	if err != nil {
		return err
	}
	if _, err := p.o.Desk.Propose(v.Context, me, id, t, body.Reason); err != nil {
		if problem := problemOf(err); problem != "" {
			return refuse(problem, err)
		}
		return err
	}
	return page.Redirect(entityURL(id))
}

// valueOf is a value as JSON, cut for a page; a dash where there is none.
func valueOf(v any) string {
	if v == nil {
		return "–"
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	if runes := []rune(string(raw)); len(runes) > maxValue {
		return string(runes[:maxValue]) + "…"
	}
	return string(raw)
}

// maxValue bounds a value on a page, in characters.
const maxValue = 300
