package web

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

const portal = "/portal"

func (s *Server) portalRoutes(a *fiber.App) {
	a.Get(portal, s.page(s.timeline))
	a.Get(portal+"/releases/:id", s.page(s.releaseDetail))
	a.Get(portal+"/releases/:id/proof", s.page(s.ownProof))
	a.Get(portal+"/consents", s.page(s.consents))
	a.Get(portal+"/consents/:id", s.page(s.consentDetail))
	a.Get(portal+"/consents/:id/withdraw", s.page(s.withdrawForm))
	a.Post(portal+"/consents/:id/withdraw", s.page(s.withdraw))
	a.Get(portal+"/sessions", s.page(s.sessions))
	a.Post(portal+"/sessions/end", s.page(s.endSession))
	a.Post(portal+"/sessions/end-all", s.page(s.endAllSessions))
	a.Get(portal+"/sessions/acts/:id/proof", s.page(s.ownProof))
}

// mine is the session and the name under which its person stands in the record.
func (v *visit) mine() (*session.Session, string, error) {
	who, err := v.signedIn()
	if err != nil {
		return nil, "", err
	}
	pseudonym, err := v.s.o.Pseudonyms.Audit(v.ctx, who.Subject)
	return who, pseudonym, err
}

// portalPage is how many events a page of the portal lists; one more is asked for, to
// see whether there are older ones.
const portalPage = 20

// turning cuts events down to one page, and returns the links to the newest page and to the
// older ones, empty where there is none.
func turning(found []audit.Recorded, q audit.Query, address string) (page []audit.Recorded, newer, older string) {
	if q.Before != "" {
		newer = address
	}
	if len(found) <= portalPage {
		return found, newer, ""
	}
	page = found[:portalPage]
	next := url.Values{"before": {page[portalPage-1].Event.ID}}
	if q.Client != "" {
		next.Set("app", string(q.Client))
	}
	return page, newer, address + "?" + next.Encode()
}

func (s *Server) timeline(v *visit) error {
	_, pseudonym, err := v.mine()
	if err != nil {
		return err
	}
	query := audit.Query{Pseudonym: pseudonym, Client: authz.ClientID(v.c.Query("app")), Before: v.c.Query("before"), Limit: portalPage + 1}
	if err := query.Check(); err != nil {
		return fault(view.ErrorBadRequest)
	}
	found, total, err := s.releases(v.ctx, query)
	if err != nil {
		return err
	}
	page := view.Timeline{FilterURL: portal, Filtered: query.Client != ""}
	found, page.Newer, page.Older = turning(found, query, portal)
	for _, r := range found {
		page.Releases = append(page.Releases, s.release(v.ctx, r.Event))
	}
	page.Total = total
	if page.Apps, err = s.appsOf(v, pseudonym, query.Client); err != nil {
		return err
	}
	return v.show(page, view.PortalNav(portal, view.SectionTimeline)...)
}

// releases are a person's releases, permitted and refused, newest first, that she
// may see; and how many there are.
func (s *Server) releases(ctx context.Context, q audit.Query) (found []audit.Recorded, total int, err error) {
	now := s.o.Now()
	if found, err = s.o.Evidence.FindVisible(ctx, q, audit.Releases, now); err != nil {
		return nil, 0, err
	}
	counts, err := s.o.Evidence.CountVisible(ctx, audit.Query{Pseudonym: q.Pseudonym, Client: q.Client}, audit.Releases, now)
	return found, counts.Total, err
}

// appsOf are the apps that asked for data of the person, as far as she may see it, for
// the filter: also those that read by law.
func (s *Server) appsOf(v *visit, pseudonym string, selected authz.ClientID) ([]view.Choice, error) {
	ids, err := s.o.Evidence.ClientsVisible(v.ctx, audit.Query{Pseudonym: pseudonym}, audit.Releases, s.o.Now())
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	names, err := s.o.Consents.Store.Names(v.ctx, ids)
	if err != nil {
		return nil, err
	}
	var out []view.Choice
	for _, id := range ids {
		out = append(out, view.Choice{Value: string(id), Name: nameOf(id, names), Selected: id == selected})
	}
	return out, nil
}

// nameOf is what a person reads of who asked for her data: the app's name, or its
// bare id when it is gone; of the auditors' console, that it was an auditor.
func nameOf(id authz.ClientID, names map[authz.ClientID]view.Words) view.Words {
	if id == consoleClient {
		return auditorName
	}
	if name, ok := names[id]; ok {
		return name
	}
	return view.Words{VI: string(id)}
}

// client is an app's registration, or its bare id when it is gone.
func (s *Server) client(ctx context.Context, id authz.ClientID) *authz.Client {
	if c, err := s.o.Clients.Client(ctx, id); err == nil {
		return c
	}
	return &authz.Client{ID: id, Name: view.Words{VI: string(id)}}
}

func (s *Server) release(ctx context.Context, e audit.Event) view.Release {
	catalogue := s.o.Consents.Catalogue
	purpose, _ := catalogue.Purpose(e.Reason.Purpose)
	register, _ := catalogue.Registry(e.Data.Registry)
	basis, _ := catalogue.Basis(e.Reason.Basis)
	out := view.Release{
		ID: e.ID, URL: portal + "/releases/" + e.ID, At: e.When.Decided, App: app(s.client(ctx, e.Asked.Client)),
		Purpose: purpose.Text(), Registry: register.Text(), Basis: basis.Text(), Permitted: e.Decision.Permit,
	}
	if look, ok := looks[e.Type]; ok {
		out.Look, out.App = look, view.App{Name: auditorName}
		return out
	}
	if out.Exchanged = e.Type == audit.TokenExchanged; e.Detail.Object != "" {
		out.ActsFor = s.client(ctx, authz.ClientID(e.Detail.Object)).Name
	}
	if !e.Decision.Permit {
		out.Refusal = refusalText(e.Decision.Code)
	}
	for _, id := range e.Data.Attributes {
		a, _ := catalogue.Attribute(id)
		out.Attributes = append(out.Attributes, view.Item{ID: string(id), Name: a.Text(), Sensitive: a.Sensitive()})
	}
	if e.Consent.ID != "" {
		out.ConsentURL = portal + "/consents/" + string(e.Consent.ID)
	}
	return out
}

// auditorName is what a person reads of an auditor, whose own name is none of hers.
var auditorName = view.Words{VI: "Kiểm toán viên", EN: "An auditor"}

// looks are what auditors did with what is recorded of a person.
var looks = map[audit.Type]view.Look{
	audit.AuditorQuery: view.LookSearched, audit.AuditorLooked: view.LookOpened, audit.AuditorExport: view.LookExported,
}

// own finds an event that is about the person who asks and that she may see now; any
// other is not found.
func (v *visit) own() (audit.Recorded, error) {
	_, pseudonym, err := v.mine()
	if err != nil {
		return audit.Recorded{}, err
	}
	found, err := v.s.o.Evidence.Get(v.ctx, v.c.Params("id"))
	if err != nil {
		return found, err
	}
	from, ever := found.Event.Visibility.SeenFrom(found.Event.When.Decided)
	if found.Event.Person.Pseudonym != pseudonym || !ever || v.s.o.Now().Before(from) {
		return audit.Recorded{}, authz.ErrNotFound
	}
	return found, nil
}

func (s *Server) releaseDetail(v *visit) error {
	found, err := v.own()
	if err != nil {
		return err
	}
	e := found.Event
	page := view.ReleaseDetail{
		Release: s.release(v.ctx, e), Citation: v.citation(e.Reason.Citation), CaseReference: e.Reason.CaseReference,
		Consent: string(e.Consent.ID), ConsentVersion: e.Consent.Version, Code: e.Decision.Code,
		Determining: e.Decision.Determining, RequestID: e.Trace.RequestID, BackURL: portal,
		Proof: s.place(found, portal+"/releases/"+e.ID+"/proof"),
	}
	if page.Release.Look != "" {
		// How the auditor signed in is not shown to the person.
		if e.Type == audit.AuditorLooked {
			page.Looked, page.LookedURL = e.Detail.Object, portal+"/releases/"+e.Detail.Object
		}
		page.Code, page.Determining, page.RequestID = "", nil, ""
	} else if level, ok := authz.ParseACR(e.Levels.ACR); ok {
		page.Level = int(level)
	}
	return v.show(page, view.PortalNav(portal, view.SectionTimeline)...)
}

func (s *Server) place(r audit.Recorded, download string) view.Proof {
	p := view.Proof{Logged: r.Logged, Index: r.Index, Origin: r.Origin, URL: download, File: proofName(r.Event.ID)}
	if r.Logged {
		p.Key = s.o.Log.KeyOf(r.Origin)
	}
	return p
}

func proofName(id string) string { return "hopnhat-" + id + ".proof" }

// ownProof sends the proof of any event that the person may see of herself.
func (s *Server) ownProof(v *visit) error {
	found, err := v.own()
	if err != nil {
		return err
	}
	return s.sendProof(v, found)
}

// sendProof sends the proof file; while no checkpoint covers the entry it says
// so, with a time to come back.
func (s *Server) sendProof(v *visit, r audit.Recorded) error {
	if !r.Logged {
		return fault(view.ErrorNotAvailable)
	}
	inclusion, key, err := s.o.Log.Proof(v.ctx, r.Origin, r.Index)
	if err != nil {
		return fault(view.ErrorNotAvailable)
	}
	canonical, err := r.Event.Canonical()
	if err != nil {
		return err
	}
	v.c.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	v.c.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", proofName(r.Event.ID)))
	return v.c.Send(proof.File{LogKey: key, Event: canonical, Salt: r.Salt, Inclusion: inclusion}.Marshal())
}

func (s *Server) card(ctx context.Context, c consent.Consent) view.ConsentCard {
	catalogue := s.o.Consents.Catalogue
	purpose, _ := catalogue.Purpose(c.Purpose)
	out := view.ConsentCard{
		ID: string(c.ID), URL: portal + "/consents/" + string(c.ID), App: app(s.client(ctx, c.Client)), Purpose: purpose.Text(),
		State: view.ConsentState(c.StateAt(s.o.Now(), false)), Approved: c.Agreed, Until: c.ValidUntil,
	}
	client := s.client(ctx, c.Client)
	out.App.OpenURL, out.Notified = openURL(client, s.o.Issuer), client.ConsentNoticeURI != ""
	for _, id := range c.Attributes {
		a, _ := catalogue.Attribute(id)
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

// used says on a card how often its consent let data go.
func used(card view.ConsentCard, uses consent.Uses) view.ConsentCard {
	card.Counted, card.Uses, card.LastUsed = true, uses.Count, uses.Last
	return card
}

func (s *Server) consents(v *visit) error {
	if _, _, err := v.mine(); err != nil {
		return err
	}
	return s.showConsents(v, nil)
}

func (s *Server) showConsents(v *visit, withdrawn *view.Withdrawal) error {
	list, err := s.o.Consents.List(v.ctx, v.session.Subject)
	if err != nil {
		return err
	}
	ids := make([]authz.ConsentID, len(list))
	for i, c := range list {
		ids[i] = c.ID
	}
	uses, err := s.o.Evidence.UsesOf(v.ctx, ids)
	if err != nil {
		return err
	}
	page := view.Consents{Withdrawn: withdrawn}
	for _, c := range list {
		if card := used(s.card(v.ctx, c), uses[c.ID]); card.State.Live() {
			page.Active = append(page.Active, card)
		} else {
			page.Past = append(page.Past, card)
		}
	}
	return v.show(page, view.PortalNav(portal, view.SectionConsents)...)
}

func (s *Server) consentDetail(v *visit) error {
	who, _, err := v.mine()
	if err != nil {
		return err
	}
	c, versions, err := s.o.Consents.History(v.ctx, who.Subject, authz.ConsentID(v.c.Params("id")))
	if err != nil {
		return err
	}
	uses, err := s.o.Evidence.UsesOf(v.ctx, []authz.ConsentID{c.ID})
	if err != nil {
		return err
	}
	catalogue := s.o.Consents.Catalogue
	register, _ := catalogue.Registry(c.Registry)
	basis, _ := catalogue.Basis(c.Basis)
	page := view.ConsentDetail{
		Consent: used(s.card(v.ctx, c), uses[c.ID]), Registry: register.Text(), Owner: owner(register), Basis: basis.Text(), Citation: v.citation(basis.Citation),
		Frequency: view.Frequency(c.Frequency), DataLife: view.DataLife(c.DataLife), BackURL: portal + "/consents",
	}
	if page.Consent.State == view.StateWithdrawn {
		ended := c
		ended.Version-- // the version that the withdrawal ended
		switch told, err := s.o.Logouts.WithdrawalTold(v.ctx, ended.Reference()); {
		case err == nil:
			page.Told = view.DeliveryState(told.State())
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
			row.Actor = who.Name
		}
		if level, ok := authz.ParseACR(version.ACR); ok {
			row.Level = int(level)
		}
		page.Versions = append(page.Versions, row)
	}
	return v.show(page, view.PortalNav(portal, view.SectionConsents)...)
}

// mayWithdraw finds a live consent of the person who asks.
func (v *visit) mayWithdraw() (consent.Consent, error) {
	who, _, err := v.mine()
	if err != nil {
		return consent.Consent{}, err
	}
	c, _, err := v.s.o.Consents.History(v.ctx, who.Subject, authz.ConsentID(v.c.Params("id")))
	return c, err
}

func (s *Server) withdrawForm(v *visit) error {
	c, err := v.mayWithdraw()
	if err != nil {
		return err
	}
	card := s.card(v.ctx, c)
	if card.WithdrawURL == "" {
		return redirect(card.URL)
	}
	return v.show(withdrawPage(c, card), view.PortalNav(portal, view.SectionConsents)...)
}

// withdrawPage asks once, about the version that it shows.
func withdrawPage(c consent.Consent, card view.ConsentCard) view.WithdrawConfirm {
	return view.WithdrawConfirm{
		Form:    view.Form{Action: card.WithdrawURL, Hidden: []view.Field{{Name: "shown", Value: c.Reference()}}},
		Consent: card, BackURL: portal + "/consents",
	}
}

func (s *Server) withdraw(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	v.formPath = portal + "/consents"
	c, err := v.mayWithdraw()
	if err != nil {
		return err
	}
	client := s.client(v.ctx, c.Client)
	err = s.o.Consents.Withdraw(v.ctx, consent.Withdrawal{
		Client: client, Subject: v.session.Subject, ID: c.ID, Shown: v.field("shown"), Session: v.session.ID, ACR: v.session.Level.ACR(), Locale: string(v.lang),
	})
	if errors.Is(err, consent.ErrChanged) { // she agreed anew in another tab
		if c, err = v.mayWithdraw(); err != nil {
			return err
		}
		page := withdrawPage(c, s.card(v.ctx, c))
		page.Changed = true
		v.c.Status(fiber.StatusConflict)
		return v.show(page, view.PortalNav(portal, view.SectionConsents)...)
	}
	if err != nil && !errors.Is(err, authz.ErrConflict) { // withdrawn already is as good
		return err
	}
	s.o.LogoutQueued()
	return s.showConsents(v, &view.Withdrawal{App: app(client), At: s.o.Now(), Notified: client.ConsentNoticeURI != ""})
}

func (s *Server) sessions(v *visit) error {
	return s.showSessions(v, 0)
}

func (s *Server) showSessions(v *visit, ended int) error {
	_, pseudonym, err := v.mine()
	if err != nil {
		return err
	}
	list, err := s.o.Sessions.List(v.ctx, v.session.Subject)
	if err != nil {
		return err
	}
	page := view.Sessions{EndURL: portal + "/sessions/end", EndAllURL: portal + "/sessions/end-all", Ended: ended}
	for _, one := range list {
		page.Sessions = append(page.Sessions, view.Session{
			ID: string(one.ID), Device: one.Device, Level: int(one.Level), Started: one.AuthTime, LastSeen: one.Seen, Current: one.ID == v.session.ID,
		})
	}
	if err := s.acts(v, pseudonym, &page); err != nil {
		return err
	}
	return v.show(page, view.PortalNav(portal, view.SectionSessions)...)
}

// acts lists what was done to the account of a person, as far as she may see it.
func (s *Server) acts(v *visit, pseudonym string, page *view.Sessions) error {
	query := audit.Query{Pseudonym: pseudonym, Before: v.c.Query("before"), Limit: portalPage + 1}
	if err := query.Check(); err != nil {
		return fault(view.ErrorBadRequest)
	}
	found, err := s.o.Evidence.FindVisible(v.ctx, query, audit.OfTheAccount, s.o.Now())
	if err != nil {
		return err
	}
	found, page.Newer, page.Older = turning(found, query, portal+"/sessions")
	for _, r := range found {
		act := view.Act{
			Kind: view.EventType(r.Event.Type), At: r.Event.When.Decided, ProofURL: portal + "/sessions/acts/" + r.Event.ID + "/proof",
		}
		switch role, ok := strings.CutPrefix(r.Event.Detail.Action, "role."); {
		case role == "granted", role == "revoked":
			act.Role, act.Revoked = r.Event.Detail.Object, role == "revoked"
		case ok: // of the tool before
			act.Role = role
		}
		if r.Event.Asked.Client != "" {
			act.By = s.client(v.ctx, r.Event.Asked.Client).Name
		}
		page.Acts = append(page.Acts, act)
	}
	return nil
}
