// Package portal is what a citizen sees of herself: the releases of her data with their
// proofs, and her consents, which she can withdraw. She is signed in, see the route table
// of package web.
package portal

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/evidence"
	"hopnhat/web/page"
)

// Path is the start of the portal, the list of releases.
const Path = page.PortalPath

// The addresses of the portal.
const (
	ReleasesPath = Path + "/releases"
	ConsentsPath = Path + "/consents"
)

// Evidence is what the portal reads of recorded events. All of it leaves out what the
// person herself may not see at a time.
type Evidence interface {
	evidence.Events
	FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error)
	// CountVisible counts what FindVisible finds, over all pages.
	CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (evidence.Counts, error)
	// ClientsVisible are the apps in what FindVisible finds, over all pages.
	ClientsVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]authz.ClientID, error)
	// UsesOf says how often consents let data go, those without a release left out.
	UsesOf(ctx context.Context, ids []authz.ConsentID) (map[authz.ConsentID]consent.Uses, error)
}

// Consents finds and withdraws the consents of a person; another's are not found.
type Consents interface {
	List(ctx context.Context, who authz.Subject) ([]consent.Consent, error)
	History(ctx context.Context, who authz.Subject, id authz.ConsentID) (consent.Consent, []consent.Version, error)
	Withdraw(ctx context.Context, w consent.Withdrawal) error
}

// Names are the names of apps, those that are not there left out.
type Names interface {
	Names(ctx context.Context, clients []authz.ClientID) (map[authz.ClientID]authz.LocalizedText, error)
}

// Notices finds where the notice of a withdrawal stands.
type Notices interface {
	// WithdrawalTold finds the notice of a consent that was withdrawn in the version of a
	// reference; [authz.ErrNotFound] where there is none.
	WithdrawalTold(ctx context.Context, reference string) (session.Delivery, error)
}

// Incidents knows what in the evidence is being looked into.
type Incidents interface {
	// Concerns reports whether an open incident is about an event, and ConcernsPerson
	// whether one is about what is recorded of a person.
	Concerns(event string) bool
	ConcernsPerson(pseudonym string) bool
}

// Options is what the portal is made of; all are needed.
type Options struct {
	Issuer     string
	Evidence   Evidence
	Pseudonyms evidence.Pseudonyms
	Log        evidence.Log
	Consents   Consents
	Catalogue  *consent.Catalogue
	Clients    page.Clients
	Names      Names
	Notices    Notices
	Incidents  Incidents
	// LogoutQueued is called when a notice was queued.
	LogoutQueued func()
	Now          func() time.Time
}

// Pages are the pages of the portal. They are safe for concurrent use.
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
