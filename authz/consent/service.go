package consent

import (
	"context"
	"errors"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
)

// Store keeps consents. Methods join the transaction of their context.
type Store interface {
	// Consents lists a person's consents, with one client or with all if it is
	// empty, newest first, at most 500.
	Consents(ctx context.Context, subject authz.Subject, client authz.ClientID) ([]Consent, error)
	// Standing reads, in one statement, an app as it is registered now and what a
	// person agreed to with it; authz.ErrNotFound where there is no such app. In a
	// transaction the registration is locked until the end: a change of it waits.
	Standing(ctx context.Context, subject authz.Subject, client authz.ClientID) (Standing, error)
	// Names are the names of apps, those that are not there left out. In a transaction
	// they stay too.
	Names(ctx context.Context, clients []authz.ClientID) (map[authz.ClientID]authz.LocalizedText, error)
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
	// ExpireConsents ends consents whose time is over, at most limit of them, and returns
	// them as they are then.
	ExpireConsents(ctx context.Context, now time.Time, limit int) ([]Consent, error)
	// Announce remembers what a person was told, each in the place of what she was told
	// before of the same app, purpose and register.
	Announce(ctx context.Context, all []Announcement) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Outbox queues what an app must be told, in the transaction of the context.
type Outbox interface {
	// QueueWithdrawal queues the notice that a version of a consent was withdrawn, to
	// the address that the app registered.
	QueueWithdrawal(ctx context.Context, client authz.ClientID, uri string, withdrawn Consent, at time.Time) error
}

// DaysToProcess is how many days an app has to act on a withdrawal (Decree
// 356/2025/NĐ-CP); calendar days, the stricter reading.
const DaysToProcess = 15

// Consents asks, records and ends.
type Consents struct {
	Catalogue *Catalogue
	Store     Store
	Evidence  Evidence
	Outbox    Outbox
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

// Standing is what a question is made of beside the request: an app as it is
// registered now, and what the person agreed to with it.
type Standing struct {
	Client   *authz.Client
	Consents []Consent
	// Informed is what she was told of what the app reads by law, by [Item.ID].
	Informed map[string]Informed
}

// Informed is what a person was told that an app reads on another basis than her
// consent, for one purpose at one register: in these words, these attributes.
type Informed struct {
	TextHash   string
	Attributes []authz.AttributeID
}

// Announcement is a [Informed] as it is remembered, with the page that told it.
type Announcement struct {
	Informed
	Subject  authz.Subject
	Client   authz.ClientID
	Purpose  authz.PurposeID
	Registry authz.RegistryID
	Notice   string
	Locale   string
	Session  authz.SessionID
	At       time.Time
}

// Question is what a person has to be asked or told for a request that waits.
type Question struct {
	Client authz.ClientID
	authz.Principal
	Wanted []authz.Release
	// Kept are what a grant that the request adds to holds already (Grant Management
	// §3.3).
	Kept []authz.Release
	// Level is that of the session, of which the sign-in tells the app.
	Level authz.AuthenticationLevel
	// Locale is the language of the page, and Texts the version of its own words.
	Locale, Texts string
}

// ErrAppGone means that the app that asks was disabled or deleted meanwhile.
var ErrAppGone = errors.New("the app that asks is disabled or deleted")

// Notice is what the person must be shown, from one reading. When nothing would
// have to be asked, what live consents cover is asked again: the page is only
// shown then because the app wants that (prompt=consent).
func (c *Consents) Notice(ctx context.Context, q Question) (Notice, error) {
	n, err := c.plan(ctx, q)
	if err != nil {
		return Notice{}, err
	}
	if !slices.ContainsFunc(n.Items, func(i Item) bool { return i.Asked }) {
		Again(n.Items)
	}
	return n, c.name(ctx, n.Items)
}

func (c *Consents) plan(ctx context.Context, q Question) (Notice, error) {
	now := c.Now()
	standing, err := c.Store.Standing(ctx, q.Concerned(), q.Client)
	if errors.Is(err, authz.ErrNotFound) || err == nil && standing.Client.Disabled {
		return Notice{}, ErrAppGone
	}
	if err != nil {
		return Notice{}, err
	}
	items := c.Catalogue.Plan(standing.Client, q.Wanted, standing.Consents, now)
	for i := range items {
		items[i].Informed = standing.Informed[items[i].ID]
	}
	return Notice{
		Client: standing.Client, Items: items, Kept: q.Kept, Level: q.Level,
		Locale: q.Locale, Texts: q.Texts, Catalogue: c.Catalogue.Version,
	}, nil
}

// name gives the recipients of items their names.
func (c *Consents) name(ctx context.Context, items []Item) error {
	var ids []authz.ClientID
	for _, item := range items {
		for _, r := range item.Recipients {
			if !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	names, err := c.Store.Names(ctx, ids)
	if err != nil {
		return err
	}
	for _, item := range items {
		for i, r := range item.Recipients {
			if name, ok := names[r.ID]; ok {
				item.Recipients[i].Name = name
			}
		}
	}
	return nil
}

// Need is what stands between a request and its grant: whether the person must be
// asked, or at least told. Granted are the releases that nothing stands before.
type Need struct {
	Ask, Tell bool
	Granted   []authz.Release
}

// Needed tells what the person must be asked or told; if nothing, what is granted.
func (c *Consents) Needed(ctx context.Context, client authz.ClientID, who authz.Principal, wanted []authz.Release) (Need, error) {
	if len(wanted) == 0 {
		return Need{}, nil
	}
	n, err := c.plan(ctx, Question{Client: client, Principal: who, Wanted: wanted})
	if err != nil {
		return Need{}, err
	}
	var need Need
	for _, item := range n.Items {
		need.Ask = need.Ask || item.Asked
		need.Tell = need.Tell || item.news()
		need.Granted = append(need.Granted, item.grantedRelease())
	}
	if need.Ask || need.Tell {
		need.Granted = nil
	}
	return need, nil
}

func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// Answer is what the person did on the consent page.
type Answer struct {
	Question
	// Shown is the digest of the page she answers ([Notice.Digest]).
	Shown   string
	Session authz.SessionID
	ACR     string
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

// ErrChanged means that what she answered is not what she would be shown now.
// Nothing of the answer counts; she is shown the page anew.
var ErrChanged = errors.New("what was shown has changed since")

// shown is the notice of an answer, read and kept in the transaction of the
// context; ErrChanged if it is not the one she answers.
func (c *Consents) shown(ctx context.Context, a Answer) (Notice, error) {
	n, err := c.Notice(ctx, a.Question)
	if err == nil && n.Digest() != a.Shown {
		err = ErrChanged
	}
	return n, err
}

// Record writes a consent version for every item of which something was chosen,
// with its event, in the transaction of the context, in which the app's
// registration stays what was shown. It returns the releases granted.
func (c *Consents) Record(ctx context.Context, a Answer) (granted []authz.Release, err error) {
	n, err := c.shown(ctx, a)
	if err != nil {
		return nil, err
	}
	if err := c.announce(ctx, n, a); err != nil {
		return nil, err
	}
	var approvals []audit.Act
	anyAsked := false
	for _, item := range n.Items {
		r := item.Release
		if !item.Asked {
			granted = append(granted, item.grantedRelease())
			continue
		}
		anyAsked = true
		chosen, complete := item.Chosen(a.Ticked)
		if !complete {
			return nil, ErrRequiredMissing
		}
		if len(chosen) == 0 {
			continue
		}
		now := c.Now().UTC().Truncate(time.Microsecond)
		saved, err := c.Store.Approve(ctx, Consent{
			ID: authz.ConsentID(authz.NewID()), Subject: a.Concerned(), Client: n.Client.ID, Purpose: r.Purpose, Registry: r.Registry,
		}, Version{
			State: Approved, Attributes: chosen, Offered: r.Attributes, Basis: r.Basis, Frequency: r.Frequency, DataLife: r.DataLife,
			ValidUntil: r.ValidUntil, TextHash: item.TextHash, Locale: a.Locale, Notice: a.Shown, Channel: "web", ACR: a.ACR,
			Session:   a.Session,
			Principal: a.Principal, At: now,
		})
		if err != nil {
			return nil, err
		}
		approvals = append(approvals, act(audit.Agree, n.Client, saved, item.Basis.Citation, a, now))
		r.Attributes, r.ConsentReference = chosen, saved.Reference()
		granted = append(granted, r)
	}
	if anyAsked && len(approvals) == 0 && !a.MayGiveNone {
		return nil, ErrNothingChosen
	}
	_, err = c.Evidence.Write(ctx, approvals...)
	return granted, err
}

// announce remembers what the page told that was new to her, in one statement.
func (c *Consents) announce(ctx context.Context, n Notice, a Answer) error {
	var all []Announcement
	for _, item := range n.Items {
		if item.news() {
			all = append(all, Announcement{
				Informed: item.telling(), Subject: a.Concerned(), Client: n.Client.ID, Purpose: item.Release.Purpose,
				Registry: item.Release.Registry,
				Notice:   a.Shown, Locale: a.Locale, Session: a.Session, At: c.Now().UTC().Truncate(time.Microsecond),
			})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return c.Store.Announce(ctx, all)
}

// act is what a person did with a consent.
func act(action audit.Action, client *authz.Client, consent Consent, citation string, a Answer, at time.Time) audit.Act {
	done := audit.Act{
		Action: action, App: client, At: at,
		Reason:  audit.Reason{Purpose: consent.Purpose, Basis: consent.Basis, Citation: citation},
		Consent: audit.Consent{ID: consent.ID, Version: consent.Version, Text: consent.TextHash, Channel: "web", Locale: consent.Locale},
		Data:    audit.Data{Registry: consent.Registry, Attributes: consent.Attributes},
		Levels:  audit.Levels{ACR: a.ACR},
	}
	if a.Shown != "" {
		done.Detail = audit.Detail{Action: "notice", Object: a.Shown}
	}
	if action == audit.Agree {
		done.Detail.Text = commitment.UntilText(consent.ValidUntil)
	}
	return done.By(a.Principal)
}

// Withdrawal is a person's word that a consent ends.
type Withdrawal struct {
	Client *authz.Client
	authz.Principal
	ID authz.ConsentID
	// Shown is the reference of the version that she saw ([Consent.Reference]).
	Shown   string
	Session authz.SessionID
	ACR     string
	Locale  string
}

// Withdraw ends a consent at once: from its commit on every release that rests
// on it is refused. A person's own consents only; another's is not found. A nil
// error means that it is withdrawn. An app that registered for it is told, by a notice
// that is queued in the same commit. ErrChanged means that she agreed to another
// version since she was asked.
func (c *Consents) Withdraw(ctx context.Context, w Withdrawal) error {
	return c.Store.Tx(ctx, func(ctx context.Context) error {
		found, err := c.Store.Consent(ctx, w.Concerned(), w.ID)
		if err != nil {
			return err
		}
		state, err := Next(found.State, Withdraw)
		if err != nil {
			return err
		}
		if found.Reference() != w.Shown {
			return ErrChanged
		}
		// The clock is read after Consent has taken the row: releases that come
		// to it later see it withdrawn, releases before are decided before.
		now := c.Now().UTC().Truncate(time.Microsecond)
		version := Version{
			Consent: w.ID, Number: found.Version + 1, State: state, Attributes: found.Attributes, Offered: found.Offered,
			Basis:     found.Basis,
			Frequency: found.Frequency, DataLife: found.DataLife, ValidUntil: found.ValidUntil, TextHash: found.TextHash,
			Locale: w.Locale, Channel: "web", ACR: w.ACR, Session: w.Session, Principal: w.Principal, At: now,
		}
		if err := c.Store.Withdraw(ctx, found, version); err != nil {
			return err
		}
		if w.Client.ConsentNoticeURI != "" {
			if err := c.Outbox.QueueWithdrawal(ctx, w.Client.ID, w.Client.ConsentNoticeURI, found, now); err != nil {
				return err
			}
		}
		found.Version = version.Number
		basis, _ := c.Catalogue.Basis(found.Basis)
		_, err = c.Evidence.Write(
			ctx, act(audit.Withdraw, w.Client, found, basis.Citation, Answer{Question: Question{Principal: w.Principal}, ACR: w.ACR}, now),
		)
		return err
	})
}

// Expire ends consents whose time is over, at most limit of them, with their events, in
// one commit. It returns how many.
func (c *Consents) Expire(ctx context.Context, now time.Time, limit int) (n int, err error) {
	err = c.Store.Tx(ctx, func(ctx context.Context) error {
		expired, err := c.Store.ExpireConsents(ctx, now, limit)
		if err != nil || len(expired) == 0 {
			return err
		}
		var apps []authz.ClientID
		for _, one := range expired {
			apps = append(apps, one.Client)
		}
		names, err := c.Store.Names(ctx, apps)
		if err != nil {
			return err
		}
		acts := make([]audit.Act, len(expired))
		for i, one := range expired {
			basis, _ := c.Catalogue.Basis(one.Basis)
			app := &authz.Client{ID: one.Client, Name: names[one.Client]}
			acts[i] = act(audit.Expire, app, one, basis.Citation, Answer{Question: Question{Principal: authz.Herself(one.Subject)}}, now)
			acts[i].Consent.Channel = "clock"
		}
		_, err = c.Evidence.Write(ctx, acts...)
		n = len(expired)
		return err
	})
	return n, err
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
	for _, v := range versions {
		if v.State == Approved {
			found.Agreed = v.At
		}
	}
	return found, versions, err
}

// Declined writes that the person declined all of what she was shown, in the
// transaction of the context; ErrChanged as for [Consents.Record].
func (c *Consents) Declined(ctx context.Context, a Answer) error {
	n, err := c.shown(ctx, a)
	if err != nil {
		return err
	}
	var declined []audit.Act
	for _, item := range n.Items {
		if !item.Asked {
			continue
		}
		r := item.Release
		declined = append(declined, act(audit.Decline, n.Client, Consent{
			Purpose: r.Purpose, Registry: r.Registry, Basis: r.Basis, Attributes: slices.Clone(r.Attributes), TextHash: item.TextHash,
			Locale: a.Locale,
		}, item.Basis.Citation, a, c.Now().UTC().Truncate(time.Microsecond)))
	}
	_, err = c.Evidence.Write(ctx, declined...)
	return err
}
