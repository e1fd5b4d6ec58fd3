package signin

import (
	"time"

	"hopnhat/authz/authorize"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// ConsentPath is the page that asks for consent.
const ConsentPath = "/consent"

// consentPage is what a person is asked for a pending authorization, with what was
// wrong with her answer before.
func (p *Pages) consentPage(v *page.Visit, w authorize.Waiting, who *session.Session, r remark) (view.Consent, error) {
	v.AllowAnyFormAction()
	n, err := p.notices.notice(v.Context, w, who, v.Lang)
	if err != nil {
		return view.Consent{}, err
	}
	ticked := map[string]bool{}
	if r.Notice == n.Digest() {
		for _, id := range r.Ticked {
			ticked[id] = true
		}
	}
	body := view.Consent{
		Form: view.Form{
			Action: ConsentPath,
			Hidden: append([]view.Field{{Name: "a", Value: string(w.ID)}}, p.notices.fields(who, aboutConsent(w.ID), n)...),
		},
		App: page.App(n.Client), Person: who.Name, Level: int(n.Level),
	}
	if body.Changed = r.Problem == changedMeanwhile; !body.Changed {
		body.Problem = view.ConsentProblem(r.Problem)
	}
	for _, old := range n.Kept {
		body.Kept = append(body.Kept, p.notices.want(old))
	}
	for _, item := range n.Items {
		purpose, source := askedFor(item, v.Lang, ticked)
		if w.Request.ClaimsOnly {
			purpose.IfDeclined = signsInAnyway
		}
		if item.Asked {
			body.Asked = join(body.Asked, purpose, source)
		} else {
			body.Informed = join(body.Informed, purpose, source)
		}
	}
	return body, nil
}

// askedFor is one item of a notice as the page shows it.
func askedFor(item consent.Item, lang view.Lang, ticked map[string]bool) (view.Purpose, view.Source) {
	purpose := view.Purpose{
		ID: item.ID, Name: item.Purpose.Text(), Explanation: item.Declaration.Explanation,
		Basis: item.Basis.Text(), Citation: page.Citation(item.Basis.Citation, lang), Frequency: view.Frequency(item.Release.Frequency),
		DataLife: view.DataLife(item.Release.DataLife), ValidUntil: item.Release.ValidUntil,
	}
	source := view.Source{ID: item.ID, Registry: item.Registry.Text(), Owner: page.RegistryOwner(item.Registry), Chosen: ticked[item.ID]}
	for _, r := range item.Recipients {
		source.Recipients = append(source.Recipients, r.Name)
	}
	for _, a := range item.Attributes {
		line := view.Item{ID: a.ID, Name: a.Attribute.Text(), Sensitive: a.Attribute.Sensitive(), Chosen: ticked[a.ID]}
		if a.Required || !item.Asked {
			source.Needed = append(source.Needed, line)
		} else {
			source.Optional = append(source.Optional, line)
		}
	}
	return purpose, source
}

// signsInAnyway: claims about the person are no condition of a sign-in.
var signsInAnyway = view.Words{
	VI: "Bạn có thể để trống các ô rồi bấm “Đồng ý với mục đã chọn”. " +
		"Bạn vẫn đăng nhập được, chỉ là dịch vụ không nhận được những thông tin này.",
	EN: "You may leave the boxes empty and press “Agree to what I ticked”. " +
		"You are signed in all the same; the service just does not get these details.",
}

// join puts sources of one purpose together, where what stands once for all of them is
// true of each: basis, how often, how long kept, until when.
func join(list []view.Purpose, p view.Purpose, source view.Source) []view.Purpose {
	for i := range list {
		if sameTerms(list[i], p) {
			list[i].Sources = append(list[i].Sources, source)
			if why := p.Explanation; why != list[i].Explanation && why.VI != "" {
				list[i].Explanation.VI += " " + why.VI
				list[i].Explanation.EN += " " + why.EN
			}
			return list
		}
	}
	p.Sources = []view.Source{source}
	return append(list, p)
}

// sameTerms reports whether a page says the same of two sources but for the app's own
// words. Requests of one sign-in may be a second apart.
func sameTerms(a, b view.Purpose) bool {
	return a.Name == b.Name && a.Basis == b.Basis && a.Citation == b.Citation && a.Frequency == b.Frequency && a.DataLife == b.DataLife &&
		a.IfDeclined == b.IfDeclined && a.ValidUntil.Sub(b.ValidUntil).Abs() < time.Minute
}
