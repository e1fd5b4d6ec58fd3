// Package account is what is a person's own about her account: the browsers that she is
// signed in with, which she can sign out, and what was done to the account. She is signed
// in, see the route table of package web.
package account

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/federation/regional"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// The addresses of the room.
const (
	Path       = page.PortalPath + "/sessions"
	EndPath    = Path + "/end"
	EndAllPath = Path + "/end-all"
	ActsPath   = Path + "/acts"
)

// Sessions lists and ends the sessions of a person.
type Sessions interface {
	List(ctx context.Context, who authz.Subject) ([]session.Session, error)
	// End ends one; [authz.ErrNotFound] for another person's. It returns the apps that
	// relied on it.
	End(
		ctx context.Context, clients session.Clients, who authz.Subject, id authz.SessionID, because session.Because,
	) ([]session.Notified, error)
}

// SignOut answers a visit whose own session ends.
type SignOut interface {
	// Ended answers when the session has ended, with the apps that relied on it.
	Ended(v *page.Visit, notified []session.Notified) error
	// Everywhere ends all sessions of the person, and answers.
	Everywhere(v *page.Visit) error
}

// Evidence finds what was done to the account, as far as she may see it at a time.
type Evidence interface {
	evidence.Events
	FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error)
}

// Options is what the room is made of; all but the URLs and Regions are needed.
type Options struct {
	Sessions   Sessions
	SignOut    SignOut
	Evidence   Evidence
	Pseudonyms evidence.Pseudonyms
	Log        evidence.Log
	Clients    page.Clients
	// ProvidersURL is the page of links with other providers; empty where there are none.
	ProvidersURL string
	// PasskeysURL is where she adds and removes passkeys; empty where there are none.
	PasskeysURL string
	// LogoutQueued is called when logout tokens were queued.
	LogoutQueued func()
	Now          func() time.Time
	// Regions is where she chooses provinces; empty where there are none to choose.
	Regions string
}

// Pages are the pages of the room. They are safe for concurrent use.
type Pages struct {
	o      Options
	own    evidence.Own
	proofs evidence.Proofs
}

// New makes the pages.
func New(o Options) *Pages {
	return &Pages{
		o: o, own: evidence.Own{Events: o.Evidence, Pseudonyms: o.Pseudonyms, Now: o.Now},
		proofs: evidence.Proofs{Log: o.Log, Events: o.Evidence, Now: o.Now},
	}
}

// pageSize is how many acts a page lists; one more is asked for, to see whether there are
// older ones.
const pageSize = 20

// Sessions lists the person's sessions, and what was done to her account.
func (p *Pages) Sessions(v *page.Visit) error { return p.show(v, 0) }

func (p *Pages) show(v *page.Visit, ended int) error {
	pseudonym, err := p.own.Pseudonym(v)
	if err != nil {
		return err
	}
	list, err := p.o.Sessions.List(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	body := view.Sessions{
		EndURL: EndPath, EndAllURL: EndAllPath, Ended: ended, ProvidersURL: p.o.ProvidersURL,
		PasskeysURL: p.o.PasskeysURL, RegionsURL: p.o.Regions,
	}
	for _, one := range list {
		body.Sessions = append(body.Sessions, view.Session{
			ID: string(one.ID), Device: one.Device, Level: int(one.Level), Started: one.AuthTime, LastSeen: one.Seen,
			Current: one.ID == v.Session.ID,
		})
	}
	query := audit.Query{Pseudonym: pseudonym, Before: v.C.Query("before"), Limit: pageSize + 1}
	if err := query.Check(); err != nil {
		return page.Fault(view.ErrorBadRequest)
	}
	found, err := p.o.Evidence.FindVisible(v.Context, query, audit.OfTheAccount, p.o.Now())
	if err != nil {
		return err
	}
	found, body.Newer, body.Older = evidence.Paginate(found, pageSize, query, Path)
	for _, r := range found {
		if r.Fault != "" {
			body.Acts = append(body.Acts, view.Act{At: evidence.At(r), Fault: view.RecordFault(r.Fault)})
			continue
		}
		body.Acts = append(body.Acts, p.act(v.Context, r.Event))
	}
	return v.Show(body, view.PortalNav(page.PortalPath, view.SectionSessions)...)
}

// act is something that was done to the account.
func (p *Pages) act(ctx context.Context, e audit.Event) view.Act {
	act := view.Act{Kind: view.EventType(e.Type), At: e.When.Decided, ProofURL: ActsPath + "/" + e.ID + "/proof"}
	switch role, ok := strings.CutPrefix(e.Detail.Action, "role."); {
	case role == "granted", role == "revoked":
		act.Role, act.Revoked = authz.Role(e.Detail.Object), role == "revoked"
	case ok: // as releases before recorded it
		act.Role = authz.Role(role)
	}
	switch audit.Action(e.Detail.Action) {
	case audit.SignIn:
		act.Own, act.Device = true, e.Detail.Text
	case audit.SignOut, audit.SignOutOther, audit.SignOutAll:
		act.Own = true
	case audit.SignInFailed:
		act.Failed = int(e.Detail.Count)
	case audit.SignOutReplaced:
		act.Replaced = true
	case audit.AccountEnrol:
		act.Opened = true
	case audit.UpstreamSignedIn:
		act.Own, act.Provider, act.Device = true, e.Detail.Object, e.Detail.Text
	case audit.SignOutUpstream:
		act.Own = true
	case audit.UpstreamLinked:
		act.Own, act.Linked, act.Provider = true, true, e.Detail.Text
	case audit.UpstreamUnlinked:
		act.Own, act.Unlinked, act.Provider = true, true, e.Detail.Text
	case audit.PasskeyAdded, audit.PasskeyRemoved:
		act.Own, act.Passkey = true, e.Detail.Action
	case audit.PasskeyRefused:
		act.Passkey = e.Detail.Action
	case audit.UpstreamRefused:
		act.Provider = e.Detail.Object
	case audit.RegionalChosen, audit.RegionalWithdrawn:
		act.Own, act.Regional, act.Place = true, e.Detail.Action, e.Detail.Object
	case audit.RegionalHanded, audit.RegionalReceived:
		act.Regional, act.Place = e.Detail.Action, e.Detail.Object
	case audit.RegionalJoined:
		act.Regional, act.Place = e.Detail.Action, e.Detail.Object
		if kind, at, ok := regional.ParseJoined(e.Detail.Text); ok && kind.Known() {
			act.There, act.At = view.EventType(kind), at
		}
	}
	if e.Asked.Client != "" {
		act.By = page.ClientOrID(ctx, p.o.Clients, e.Asked.Client).Name
	}
	return act
}

// EndSession ends one session of the person.
func (p *Pages) EndSession(v *page.Visit) error {
	id := authz.SessionID(v.Field("session"))
	notified, err := p.o.Sessions.End(v.Context, p.o.Clients, v.Session.Actor, id, session.Ended)
	if err != nil {
		return err
	}
	p.o.LogoutQueued()
	if id == v.Session.ID {
		return p.o.SignOut.Ended(v, notified)
	}
	v.FormPath = Path
	return p.show(v, 1)
}

// EndAllSessions ends all sessions of the person.
func (p *Pages) EndAllSessions(v *page.Visit) error { return p.o.SignOut.Everywhere(v) }

// Proof sends the proof of something that was done to the account.
func (p *Pages) Proof(v *page.Visit) error {
	found, err := p.own.Event(v)
	if err != nil {
		return err
	}
	return p.proofs.Send(v, found)
}
