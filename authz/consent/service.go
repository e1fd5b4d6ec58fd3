package consent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Store keeps consents. Methods join the transaction of their context.
type Store interface {
	// Consents lists a person's consents, with one client or with all if it is
	// empty, newest first, at most 500.
	Consents(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]Consent, error)
	// Consent finds one of a person's consents; authz.ErrNotFound for another's.
	// In a transaction it keeps others from changing it until the end.
	Consent(ctx context.Context, subject authz.Subject, id authz.ConsentID) (Consent, error)
	// Versions lists the life of a consent, oldest first.
	Versions(ctx context.Context, id authz.ConsentID) ([]Version, error)
	// Approve adds a version to the consent of (subject, client, purpose,
	// register), which begins with it if there is none, and returns it.
	Approve(ctx context.Context, c Consent, v Version) (Consent, error)
	// Withdraw adds the version that ends a consent; authz.ErrConflict if it is
	// not approved.
	Withdraw(ctx context.Context, c Consent, v Version) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Pseudonyms gives the name a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// Evidence stages an event in the transaction of the context; what it returns
// puts the event into the log once that transaction has committed.
type Evidence interface {
	Stage(ctx context.Context, e audit.Event) (logIt func(context.Context) error, err error)
}

// Consents asks, records and ends.
type Consents struct {
	Catalogue  *Catalogue
	Store      Store
	Pseudonyms Pseudonyms
	Evidence   Evidence
	// Broker is the URL of our broker, for `locations`.
	Broker string
	Site   string
	Now    func() time.Time
}

// Details reads and checks authorization_details for a client.
func (c *Consents) Details(raw []byte, client *authz.Client) ([]authz.Release, error) {
	releases, err := ParseDetails(raw)
	if err != nil {
		return nil, err
	}
	return c.Catalogue.Check(client, releases, c.Broker, c.Now())
}

// Items is what the person must be asked or told. When nothing would have to be
// asked, what live consents cover is asked again: the page is only shown then
// because the app wants that (prompt=consent).
func (c *Consents) Items(ctx context.Context, client *authz.Client, subject authz.Subject, wanted []authz.Release) ([]Item, error) {
	items, err := c.plan(ctx, client, subject, wanted)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(items, func(i Item) bool { return i.Asked }) {
		Again(items)
	}
	return items, nil
}

func (c *Consents) plan(ctx context.Context, client *authz.Client, subject authz.Subject, wanted []authz.Release) ([]Item, error) {
	if len(wanted) == 0 {
		return nil, nil
	}
	existing, err := c.Store.Consents(ctx, subject, client.ID)
	if err != nil {
		return nil, err
	}
	return c.Catalogue.Plan(client, wanted, existing, c.Now()), nil
}

// Needed tells whether the person must be asked; if not, what is granted.
func (c *Consents) Needed(ctx context.Context, client *authz.Client, subject authz.Subject, wanted []authz.Release) (bool, []authz.Release, error) {
	items, err := c.plan(ctx, client, subject, wanted)
	if err != nil {
		return false, nil, err
	}
	var granted []authz.Release
	for _, item := range items {
		if item.Asked {
			return true, nil, nil
		}
		granted = append(granted, item.granted())
	}
	return false, granted, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Answer is what the person did on the consent page.
type Answer struct {
	Client  *authz.Client
	Subject authz.Subject
	Session authz.SessionID
	ACR     string
	Locale  string
	Wanted  []authz.Release
	// Ticked are the ids of the attributes she ticked.
	Ticked map[string]bool
	// MayGiveNone: all that is wanted are claims of a sign-in (OpenID Connect Core
	// §5.4, §5.5), which goes on without them; agreeing to none is an answer.
	MayGiveNone bool
}

// ErrNothingChosen means that she agreed to nothing of what was asked.
var ErrNothingChosen = errors.New("nothing was chosen")

// ErrRequiredMissing means that she ticked something optional without what it
// needs.
var ErrRequiredMissing = errors.New("an optional item was chosen without the required ones")

// Record writes a consent version for every item of which something was chosen,
// with its event, in the transaction of the context. It returns the releases
// granted and what logs the events after the commit.
func (c *Consents) Record(ctx context.Context, a Answer) (granted []authz.Release, logIt []func(context.Context) error, err error) {
	items, err := c.Items(ctx, a.Client, a.Subject, a.Wanted)
	if err != nil {
		return nil, nil, err
	}
	pseudonym, err := c.Pseudonyms.Audit(ctx, a.Subject)
	if err != nil {
		return nil, nil, err
	}
	asked := false
	for _, item := range items {
		r := item.Release
		if !item.Asked {
			granted = append(granted, item.granted())
			continue
		}
		asked = true
		chosen, complete := item.Chosen(a.Ticked)
		if !complete {
			return nil, nil, ErrRequiredMissing
		}
		if len(chosen) == 0 {
			continue
		}
		now := c.Now().UTC().Truncate(time.Microsecond)
		saved, err := c.Store.Approve(ctx, Consent{
			ID: authz.ConsentID(authz.NewID()), Subject: a.Subject, Client: a.Client.ID, Purpose: r.Purpose, Registry: r.Registry,
		}, Version{
			State: Approved, Attributes: chosen, Offered: r.Attributes, Basis: r.Basis, Frequency: r.Frequency, DataLife: r.DataLife,
			ValidUntil: r.ValidUntil, TextHash: item.TextHash, Locale: a.Locale, Channel: "web", ACR: a.ACR, Session: a.Session,
			Actor: a.Subject, Representation: string(authz.SubjectSelf), At: now,
		})
		if err != nil {
			return nil, nil, err
		}
		log, err := c.Evidence.Stage(ctx, c.event(audit.ConsentApproved, a.Client, pseudonym, saved, item.Basis.Citation, a.ACR, now))
		if err != nil {
			return nil, nil, err
		}
		logIt = append(logIt, log)
		r.Attributes, r.ConsentReference = chosen, saved.Reference()
		granted = append(granted, r)
	}
	if asked && len(logIt) == 0 && !a.MayGiveNone {
		return nil, nil, ErrNothingChosen
	}
	return granted, logIt, nil
}

func (c *Consents) event(kind audit.Type, client *authz.Client, pseudonym string, consent Consent, citation, acr string, at time.Time) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: kind,
		Asked:  audit.Asked{Client: client.ID, Name: client.Name.VI, Owner: client.Owner.VI},
		Person: audit.Person{Pseudonym: pseudonym, Relation: string(authz.SubjectSelf)},
		Reason: audit.Reason{
			Purpose: consent.Purpose, Basis: consent.Basis, Citation: citation, Consent: consent.ID, ConsentVersion: consent.Version,
			ConsentText: consent.TextHash, Channel: "web", Locale: consent.Locale,
		},
		Data:       audit.Data{Registry: consent.Registry, Attributes: consent.Attributes},
		Decision:   audit.Decision{Permit: kind == audit.ConsentApproved, Code: string(kind), Determining: []string{"person"}, ACR: acr},
		When:       audit.When{Decided: at, Site: c.Site},
		Visibility: audit.Visibility{Sight: audit.Visible},
	}
}

// Withdraw ends a consent at once: from its commit on every release that rests
// on it is refused. A person's own consents only; another's is not found. A nil
// error means that it is withdrawn; should its event not come into the log now,
// the recorder brings it there later.
func (c *Consents) Withdraw(ctx context.Context, client *authz.Client, subject authz.Subject, id authz.ConsentID, session authz.SessionID, acr, locale string) error {
	pseudonym, err := c.Pseudonyms.Audit(ctx, subject)
	if err != nil {
		return err
	}
	var logIt func(context.Context) error
	err = c.Store.Tx(ctx, func(ctx context.Context) error {
		found, err := c.Store.Consent(ctx, subject, id)
		if err != nil {
			return err
		}
		state, err := Next(found.State, Withdraw)
		if err != nil {
			return err
		}
		// The clock is read after Consent has taken the row: releases that come
		// to it later see it withdrawn, releases before are decided before.
		now := c.Now().UTC().Truncate(time.Microsecond)
		version := Version{
			Consent: id, Number: found.Version + 1, State: state, Attributes: found.Attributes, Offered: found.Offered, Basis: found.Basis,
			Frequency: found.Frequency, DataLife: found.DataLife, ValidUntil: found.ValidUntil, TextHash: found.TextHash,
			Locale: locale, Channel: "web", ACR: acr, Session: session, Actor: subject, Representation: string(authz.SubjectSelf), At: now,
		}
		if err := c.Store.Withdraw(ctx, found, version); err != nil {
			return err
		}
		found.Version = version.Number
		basis, _ := c.Catalogue.Basis(found.Basis)
		logIt, err = c.Evidence.Stage(ctx, c.event(audit.ConsentWithdrawn, client, pseudonym, found, basis.Citation, acr, now))
		return err
	})
	if err != nil {
		return err
	}
	if err := logIt(context.WithoutCancel(ctx)); err != nil {
		slog.ErrorContext(ctx, "a withdrawal is recorded but not logged yet", "consent", id, "error", err)
	}
	return nil
}

// List is what a person agreed to, with all apps, newest first.
func (c *Consents) List(ctx context.Context, subject authz.Subject) ([]Consent, error) {
	return c.Store.Consents(ctx, subject, "")
}

// Current is what a person agreed to with one app and permits now.
func (c *Consents) Current(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]Consent, error) {
	all, err := c.Store.Consents(ctx, subject, client)
	now := c.Now()
	return slices.DeleteFunc(all, func(k Consent) bool { return !k.Live(now) }), err
}

// History is one of a person's consents with all its versions, oldest first;
// another person's is not found.
func (c *Consents) History(ctx context.Context, subject authz.Subject, id authz.ConsentID) (Consent, []Version, error) {
	found, err := c.Store.Consent(ctx, subject, id)
	if err != nil {
		return Consent{}, nil, err
	}
	versions, err := c.Store.Versions(ctx, id)
	return found, versions, err
}

// Declined writes that the person declined all of a request, in the transaction
// of the context.
func (c *Consents) Declined(ctx context.Context, client *authz.Client, subject authz.Subject, wanted []authz.Release, acr string) ([]func(context.Context) error, error) {
	pseudonym, err := c.Pseudonyms.Audit(ctx, subject)
	if err != nil {
		return nil, err
	}
	var logIt []func(context.Context) error
	for _, r := range wanted {
		basis, _ := c.Catalogue.Basis(r.Basis)
		if !basis.NeedsConsent {
			continue
		}
		log, err := c.Evidence.Stage(ctx, c.event(audit.ConsentDeclined, client, pseudonym, Consent{
			Purpose: r.Purpose, Registry: r.Registry, Basis: r.Basis, Attributes: slices.Clone(r.Attributes),
		}, basis.Citation, acr, c.Now().UTC().Truncate(time.Microsecond)))
		if err != nil {
			return nil, err
		}
		logIt = append(logIt, log)
	}
	return logIt, nil
}
