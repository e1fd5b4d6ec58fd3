package portal

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

func consentURL(id authz.ConsentID) string { return ConsentsPath + "/" + string(id) }

// card is a consent as a list shows it.
func (p *Pages) card(ctx context.Context, c consent.Consent) view.ConsentCard {
	purpose, _ := p.o.Catalogue.Purpose(c.Purpose)
	client := page.ClientOrID(ctx, p.o.Clients, c.Client)
	out := view.ConsentCard{
		ID: string(c.ID), URL: consentURL(c.ID), App: page.App(client), Purpose: purpose.Text(),
		State: view.ConsentState(c.StateAt(p.o.Now(), false)), Approved: c.Agreed, Until: c.ValidUntil,
	}
	out.App.OpenURL, out.Notified = openURL(client, p.o.Issuer), client.ConsentNoticeURI != ""
	for _, id := range c.Attributes {
		a, _ := p.o.Catalogue.Attribute(id)
		out.Attributes = append(out.Attributes, view.Item{ID: string(id), Name: a.Text(), Sensitive: a.Sensitive()})
	}
	if out.State.Live() {
		out.WithdrawURL = out.URL + "/withdraw"
	} else {
		out.Ended = c.At
		if out.State == view.StateExpired {
			out.Ended = c.ValidUntil
		}
	}
	return out
}

// openURL begins a sign-in at an app that lets itself be asked to (OpenID Connect
// Core §4): with our issuer, so that it knows where to send the person back to.
func openURL(c *authz.Client, issuer string) string {
	u, err := url.Parse(c.InitiateLoginURI)
	if err != nil || c.InitiateLoginURI == "" || c.Disabled {
		return ""
	}
	query := u.Query()
	query.Set("iss", issuer)
	u.RawQuery = query.Encode()
	return u.String()
}

// withUses says on a card how often its consent let data go.
func withUses(card view.ConsentCard, uses consent.Uses) view.ConsentCard {
	card.Counted, card.Uses, card.LastUsed = true, uses.Count, uses.Last
	return card
}

// Consents lists the person's consents.
func (p *Pages) Consents(v *page.Visit) error { return p.showConsents(v, nil) }

func (p *Pages) showConsents(v *page.Visit, withdrawn *view.Withdrawal) error {
	list, err := p.o.Consents.List(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	ids := make([]authz.ConsentID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	uses, err := p.o.Evidence.UsesOf(v.Context, ids)
	if err != nil {
		return err
	}
	body := view.Consents{Withdrawn: withdrawn}
	for _, c := range list {
		if card := withUses(p.card(v.Context, c), uses[c.ID]); card.State.Live() {
			body.Active = append(body.Active, card)
		} else {
			body.Past = append(body.Past, card)
		}
	}
	return v.Show(body, view.PortalNav(Path, view.SectionConsents)...)
}

// Consent shows one consent with its versions.
func (p *Pages) Consent(v *page.Visit) error {
	c, versions, err := p.history(v)
	if err != nil {
		return err
	}
	uses, err := p.o.Evidence.UsesOf(v.Context, []authz.ConsentID{c.ID})
	if err != nil {
		return err
	}
	register, _ := p.o.Catalogue.Registry(c.Registry)
	basis, _ := p.o.Catalogue.Basis(c.Basis)
	body := view.ConsentDetail{
		Consent: withUses(p.card(v.Context, c), uses[c.ID]), Registry: register.Text(), Owner: page.RegistryOwner(register),
		Basis: basis.Text(), Citation: page.Citation(basis.Citation, v.Lang),
		Frequency: view.Frequency(c.Frequency), DataLife: view.DataLife(c.DataLife), BackURL: ConsentsPath,
	}
	if body.Consent.State == view.StateWithdrawn {
		ended := c
		ended.Version-- // the version that the withdrawal ended
		switch notice, err := p.o.Notices.WithdrawalTold(v.Context, ended.Reference()); {
		case err == nil:
			body.Notice = view.DeliveryState(notice.State())
		case !errors.Is(err, authz.ErrNotFound):
			return err
		}
	}
	for i, version := range slices.Backward(versions) {
		row := view.ConsentVersion{
			Number: version.Number, Current: i == len(versions)-1, State: view.ConsentState(version.State), At: version.At,
			Lang: view.Lang(version.Locale), TextHash: version.TextHash,
		}
		if version.Actor != "" { // else it was the clock
			row.Actor = v.Session.Name
		}
		if level, ok := authz.ParseACR(version.ACR); ok {
			row.Level = int(level)
		}
		body.Versions = append(body.Versions, row)
	}
	return v.Show(body, view.PortalNav(Path, view.SectionConsents)...)
}

// history finds the consent of an address; another person's is not found.
func (p *Pages) history(v *page.Visit) (consent.Consent, []consent.Version, error) {
	return p.o.Consents.History(v.Context, v.Session.Actor, authz.ConsentID(v.C.Params("id")))
}

// WithdrawForm asks whether to withdraw a consent.
func (p *Pages) WithdrawForm(v *page.Visit) error {
	c, _, err := p.history(v)
	if err != nil {
		return err
	}
	card := p.card(v.Context, c)
	if card.WithdrawURL == "" {
		return page.Redirect(card.URL)
	}
	return v.Show(withdrawPage(c, card), view.PortalNav(Path, view.SectionConsents)...)
}

// withdrawPage asks once, about the version that it shows.
func withdrawPage(c consent.Consent, card view.ConsentCard) view.WithdrawConfirm {
	return view.WithdrawConfirm{
		Form:    view.Form{Action: card.WithdrawURL, Hidden: []view.Field{{Name: "shown", Value: c.Reference()}}},
		Consent: card, BackURL: ConsentsPath,
	}
}

// Withdraw withdraws a consent.
func (p *Pages) Withdraw(v *page.Visit) error {
	v.FormPath = ConsentsPath
	c, _, err := p.history(v)
	if err != nil {
		return err
	}
	client := page.ClientOrID(v.Context, p.o.Clients, c.Client)
	err = p.o.Consents.Withdraw(v.Context, consent.Withdrawal{
		Client: client, Principal: v.Session.Principal, ID: c.ID, Shown: v.Field("shown"),
		Session: v.Session.ID, ACR: v.Session.Level.ACR(), Locale: string(v.Lang),
	})
	if errors.Is(err, consent.ErrChanged) { // she agreed anew in another tab
		if c, _, err = p.history(v); err != nil {
			return err
		}
		body := withdrawPage(c, p.card(v.Context, c))
		body.Changed = true
		v.C.Status(fiber.StatusConflict)
		return v.Show(body, view.PortalNav(Path, view.SectionConsents)...)
	}
	if err != nil && !errors.Is(err, authz.ErrConflict) { // withdrawn already is as good
		return err
	}
	p.o.LogoutQueued()
	return p.showConsents(v, &view.Withdrawal{App: page.App(client), At: p.o.Now(), Notified: client.ConsentNoticeURI != ""})
}
