package signin

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// maxTicked bounds what was ticked and is carried along in an address, which proxies
// take up to 8 KiB. Beyond it she ticks anew.
const maxTicked = 4096

// aboutConsent is what a form of consent is tied to, beside the person.
func aboutConsent(id grant.Handle) string { return "consent " + string(id) }

// ConsentForm is the page that asks for consent.
func (p *Pages) ConsentForm(v *page.Visit) error {
	w, err := p.o.Requests.Waiting(v.Context, grant.Handle(v.C.Query("a")))
	if err != nil {
		return err
	}
	v.SetUILocales(w.Request.UILocales...)
	who, err := signedInFor(v, w.ID)
	if err != nil {
		return err
	}
	r := p.remarks.openFor(v, w.ID, ConsentPath)
	body, err := p.consentPage(v, w, who, r)
	if err != nil {
		return err
	}
	r.answer(v)
	return v.Show(body)
}

// Consent takes a person's answer.
func (p *Pages) Consent(v *page.Visit) error {
	if err := v.CheckFormOr(purposeOf(v).done()); err != nil {
		return err
	}
	w, err := p.o.Requests.Waiting(v.Context, grant.Handle(v.Field("a")))
	if errors.As(err, new(authorize.Finished)) { // perhaps by this very answer, sent twice
		w, err = authorize.Waiting{ID: grant.Handle(v.Field("a"))}, nil
	}
	if err != nil {
		return err
	}
	v.SetUILocales(w.Request.UILocales...)
	who, err := signedInFor(v, w.ID)
	if err != nil {
		return err
	}
	digest, lang, ok := p.notices.shown(v, who, aboutConsent(w.ID))
	if !ok {
		// Somebody else signed in meanwhile, in another tab: what one person read,
		// another cannot answer.
		return page.Redirect(resume(w.ID))
	}
	answer := consent.Answer{Shown: digest, Session: who.ID, ACR: who.Level.ACR(), MayGiveNone: w.Request.ClaimsOnly}
	if v.Field("decision") != "agree" {
		return p.decline(v, w, who, answer, lang)
	}
	return p.agree(v, w, answer, lang)
}

// agree records what a person ticked.
func (p *Pages) agree(v *page.Visit, w authorize.Waiting, answer consent.Answer, lang view.Lang) error {
	ticked := map[string]bool{}
	for _, id := range v.C.Request().PostArgs().PeekMulti("item") {
		ticked[string(id)] = true
	}
	items := slices.Sorted(maps.Keys(ticked))
	answerText := strings.Join(append([]string{answer.Shown, string(lang)}, items...), "\n")
	record := func(ctx context.Context, w authorize.Waiting, in authorize.SignedIn) (granted []authz.Release, err error) {
		answer.Session, answer.ACR, answer.Ticked = in.ID, in.Level.ACR(), ticked
		if answer.Question, err = p.notices.question(ctx, w, in.Principal, in.Level, lang); err != nil {
			return nil, err
		}
		return p.o.Consents.Record(ctx, answer)
	}
	next, err := p.o.Answers.Approve(v.HTTP, w.ID, answerText, record)
	var problem view.ConsentProblem
	switch {
	case errors.Is(err, consent.ErrNothingChosen):
		problem = view.ConsentNothingChosen
	case errors.Is(err, consent.ErrRequiredMissing):
		problem = view.ConsentRequiredMissing
	case changed(err):
		return p.remarks.againFor(v, w.ID, ConsentPath, remark{Problem: changedMeanwhile})
	case err != nil:
		return err
	}
	if problem != "" {
		r := remark{Problem: string(problem), Notice: answer.Shown, Ticked: items}
		if len(strings.Join(items, "")) > maxTicked {
			r.Ticked = nil
		}
		return p.remarks.againFor(v, w.ID, ConsentPath, r)
	}
	return follow(v, next)
}

// decline records that a person agreed to nothing.
func (p *Pages) decline(v *page.Visit, w authorize.Waiting, who *session.Session, answer consent.Answer, lang view.Lang) error {
	next, err := p.o.Answers.Decline(v.HTTP, w.ID, func(ctx context.Context) (err error) {
		if answer.Question, err = p.notices.question(ctx, w, who.Principal, who.Level, lang); err != nil {
			return err
		}
		return p.o.Consents.Declined(ctx, answer)
	})
	if changed(err) {
		return p.remarks.againFor(v, w.ID, ConsentPath, remark{Problem: changedMeanwhile})
	}
	if err != nil {
		return err
	}
	return follow(v, next)
}
