// Package passkeys is where a person adds the passkeys by which she signs in, sees them and
// removes them. She has signed in a short while ago, see the route table of package web.
package passkeys

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/ways"
)

// The addresses of the room.
const (
	Path       = page.PasskeysPath
	RemovePath = Path + "/remove"
)

// Passkeys are those of people.
type Passkeys interface {
	List(ctx context.Context, who authz.Subject) ([]passkey.Passkey, error)
	// Offer is what the script of the page needs to make a new one.
	Offer(who passkey.Person, named string, has []passkey.Passkey) string
	// Add keeps what the script brings; [passkey.ErrName] and a [passkey.Refusal] are answers
	// for the person.
	Add(ctx context.Context, who passkey.Person, named, answer string) error
	// Remove ends one; authz.ErrNotFound if it is not hers, or over.
	Remove(ctx context.Context, who authz.Subject, id authn.FactorID) error
}

// Pages are the pages of the room. They are safe for concurrent use.
type Pages struct{ passkeys Passkeys }

// New makes the pages.
func New(p Passkeys) *Pages { return &Pages{p} }

// person is who is signed in, as a ceremony needs her.
func person(v *page.Visit) passkey.Person {
	return passkey.Person{Subject: v.Session.Actor, Session: v.Session.ID, Binding: v.Bind(), Name: v.Session.Name}
}

// Show lists the passkeys of the person.
func (p *Pages) Show(v *page.Visit) error { return p.show(v, ways.PasskeyList{}) }

// show fills in what the page says beside what was just done.
func (p *Pages) show(v *page.Visit, body ways.PasskeyList) error {
	list, err := p.passkeys.List(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	body.AddURL, body.RemoveURL, body.Most = Path, RemovePath, passkey.Most
	if body.Name == "" {
		body.Name = v.Session.Device
	}
	for _, one := range list {
		body.Passkeys = append(body.Passkeys, ways.Passkey{
			ID: string(one.ID), Name: one.Name, Synced: one.Synced, Added: one.Added, Used: one.Used,
		})
	}
	if len(list) < passkey.Most {
		body.Options = p.passkeys.Offer(person(v), view.ServerName(v.Lang), list)
	}
	return v.Show(view.Passkeys{PasskeyList: body}, view.PortalNav(page.PortalPath, view.SectionSessions)...)
}

// Add keeps a new passkey.
func (p *Pages) Add(v *page.Visit) error {
	body := ways.PasskeyList{Done: ways.PasskeyAdded}
	v.FormPath = Path
	err := p.passkeys.Add(v.Context, person(v), v.Field("passkey_name"), v.Field("credential"))
	var refused passkey.Refusal
	switch {
	case errors.Is(err, passkey.ErrName):
		body = ways.PasskeyList{Problem: ways.PasskeyName}
	case errors.Is(err, authn.ErrLocked):
		return page.Fault(view.ErrorLocked)
	case errors.As(err, &refused):
		body = ways.PasskeyList{Problem: problems[refused.Reason]}
		if body.Problem == "" {
			body.Problem = ways.PasskeyRefused
		}
	case err != nil:
		return err
	}
	if body.Problem != "" {
		v.C.Status(422) // RFC 9110 §15.5.21
	}
	return p.show(v, body)
}

// problems are what a person is told of refusals; of others she is told to try again.
var problems = map[passkey.Reason]ways.PasskeyProblem{
	passkey.Late: ways.PasskeyLate, passkey.Spent: ways.PasskeyLate, passkey.Taken: ways.PasskeyTaken, passkey.Full: ways.PasskeyFull,
}

// Remove ends a passkey.
func (p *Pages) Remove(v *page.Visit) error {
	err := p.passkeys.Remove(v.Context, v.Session.Actor, authn.FactorID(v.Field("passkey")))
	if errors.Is(err, authz.ErrNotFound) {
		return page.Fault(view.ErrorNotFound)
	}
	if err != nil {
		return err
	}
	v.FormPath = Path
	return p.show(v, ways.PasskeyList{Done: ways.PasskeyRemoved})
}
