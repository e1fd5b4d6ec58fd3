package endpoint

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
)

// Path is the registration endpoint below the issuer; an app's own URL is below
// it.
const Path = "/register"

// Registrations keeps apps that registered themselves. Errors wrap
// authz.ErrNotFound, authz.ErrConflict or authz.ErrUnavailable.
type Registrations interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// InitialToken finds an initial access token by its digest, dead ones included.
	InitialToken(ctx context.Context, digest []byte) (registration.Initial, error)
	// SpendInitialToken takes one use of a live initial access token. Of any number of calls
	// for the last use, exactly one returns nil, the others authz.ErrConflict.
	SpendInitialToken(ctx context.Context, id string, now time.Time) error
	// InsertRegistration adds an app and its registration.
	InsertRegistration(ctx context.Context, c *authz.Client, r registration.Registration) error
	// Registration finds an app that registered itself and is not ended.
	Registration(ctx context.Context, id authz.ClientID) (*authz.Client, registration.Registration, error)
	// SettleRegistration forgets the token before: the new one was used.
	SettleRegistration(ctx context.Context, id authz.ClientID, token []byte) error
	// ReplaceRegistration changes an enabled app whose token is still the one that was read;
	// authz.ErrConflict otherwise, registration.ErrMeanwhile where the app is not as it was
	// read any more.
	ReplaceRegistration(ctx context.Context, c *authz.Client, r registration.Registration, read []byte) error
	// EndClient disables an app for good and forgets its keys, secrets and token.
	EndClient(ctx context.Context, id authz.ClientID, at time.Time) error
	// EndGrants revokes live grants of an app, at most limit, and tells how many.
	EndGrants(ctx context.Context, id authz.ClientID, because string, at time.Time, limit int) (int, error)
	// Clients lists apps in the order of their ids, after one.
	Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error)
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Options is what an Endpoint is made of.
type Options struct {
	Issuer string
	// Open lets apps register without an initial access token.
	Open bool
	// Rules are the checks' but for the apps there are, which are looked up.
	Rules         registration.Rules
	Statements    registration.Issuers
	Registrations Registrations
	Evidence      Evidence
	Fetcher       registration.Fetcher
	// Changed is told of a client that was changed, so that this node forgets it.
	Changed func(authz.ClientID)
	// Addresses limits requests by network address.
	Addresses interface {
		Take(address netip.Addr) (wait time.Duration)
	}
	Now func() time.Time
}

// Endpoint registers apps. It is safe for concurrent use.
type Endpoint struct {
	o    Options
	uses useLimit
}

// SecretLife is how long a secret that was given out here is good: an app gets the
// next one by an update in the last quarter of it.
const SecretLife = 365 * 24 * time.Hour

// New makes an Endpoint.
func New(o Options) *Endpoint { return &Endpoint{o: o} }

// URL is the registration endpoint, for the metadata.
func (e *Endpoint) URL() string { return e.o.Issuer + Path }

// Register is RFC 7591 §3.
func (e *Endpoint) Register(w http.ResponseWriter, r *http.Request) {
	a, err := e.register(r)
	if err != nil {
		e.writeError(w, r, err)
		return
	}
	write(w, http.StatusCreated, a)
}

// limited refuses an address that asks too often.
func (e *Endpoint) limited(r *http.Request) error {
	address, _ := netip.ParseAddr(r.RemoteAddr)
	if wait := e.o.Addresses.Take(address); wait > 0 {
		return tooMany(wait)
	}
	return nil
}

func (e *Endpoint) register(r *http.Request) (answer, error) {
	if r.Method != http.MethodPost {
		return answer{}, errMethod
	}
	if err := e.limited(r); err != nil {
		return answer{}, err
	}
	ctx, now := r.Context(), e.o.Now().UTC()
	initial, err := e.initial(r, now)
	if err != nil {
		return answer{}, err
	}
	raw, err := body(r)
	if err != nil {
		return answer{}, err
	}
	m, err := registration.Parse(raw)
	if err != nil {
		return answer{}, err
	}
	m.ClientID = newClientID(authz.NewID) // RFC 7591 §3.2.1: it is for us to say
	c, err := e.client(ctx, m, initial.Policy, now)
	if err != nil {
		return answer{}, err
	}
	c.CreatedAt, c.Verified = now, initial.Policy.Vouched(initial.ID, nil, c, now)
	secret := giveSecret(c, nil, now)
	token := authz.NewSecret()
	kept := registration.Registration{
		Client: c.ID, Initial: initial.ID, Token: authz.HashSecret(token), Statement: m.Statement, Created: now, Updated: now,
		Policy: initial.Policy,
	}
	err = e.recorded(ctx, nil, c, audit.ClientRegistered, initial.ID, now, func(ctx context.Context) error {
		if initial.ID != "" {
			if err := e.o.Registrations.SpendInitialToken(ctx, initial.ID, now); errors.Is(err, authz.ErrConflict) {
				return deadInitial
			} else if err != nil {
				return err
			}
		}
		return e.o.Registrations.InsertRegistration(ctx, c, kept)
	})
	if err != nil {
		return answer{}, err
	}
	return e.answer(c, kept, token, secret), nil
}

var deadInitial = authz.NewError(authz.InvalidToken, "the initial access token is unknown, used up, expired or revoked; ask the agency's officer for one")

// initial finds whose policy a registration is under.
func (e *Endpoint) initial(r *http.Request, now time.Time) (registration.Initial, error) {
	token, err := bearer(r)
	if err != nil {
		return registration.Initial{}, err
	}
	if token == "" {
		if e.o.Open {
			return registration.Initial{Policy: registration.Policy{Open: true}}, nil
		}
		return registration.Initial{}, authz.NewError(authz.InvalidToken, "registration needs an initial access token (RFC 7591 §3); ask the agency's officer for one")
	}
	found, err := e.o.Registrations.InitialToken(r.Context(), authz.HashSecret(token))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return registration.Initial{}, deadInitial
	case err != nil:
		return registration.Initial{}, err
	case !found.Live(now):
		return registration.Initial{}, deadInitial
	case !e.uses.take(found.ID, now):
		return registration.Initial{}, tooMany(time.Minute)
	}
	return found, nil
}

// client decides what may be registered.
func (e *Endpoint) client(ctx context.Context, m registration.Metadata, policy registration.Policy, now time.Time) (*authz.Client, error) {
	m, err := m.Stated(e.o.Statements, policy.RequireStatement, now)
	if err != nil {
		return nil, err
	}
	if m, err = policy.Fill(m); err != nil {
		return nil, err
	}
	rules := e.o.Rules
	if rules.Known, err = registration.KnownApps(ctx, e.o.Registrations.Clients); err != nil {
		return nil, err
	}
	c, err := m.Client(rules)
	if err != nil {
		return nil, err
	}
	if err := policy.Permits(c); err != nil {
		return nil, err
	}
	if !policy.Open { // there all persons are invented
		if err := registration.CheckSectorKeys(c); err != nil {
			return nil, err
		}
	}
	return c, registration.ProveSector(ctx, e.o.Fetcher, c)
}

// newClientID makes an id that cannot be taken for the number of a person: an app that says no
// name and has no redirect URI goes by its id, and a name with a number in it is refused.
func newClientID(make func() string) string {
	id := make()
	for authz.CarriesNumber(id) {
		id = make()
	}
	return id
}

// giveSecret makes a secret where the method needs one and the client has none
// that is good; before is the client as it was.
func giveSecret(c, before *authz.Client, now time.Time) (secret string) {
	if c.Method != authz.ClientSecretBasic && c.Method != authz.ClientSecretPost {
		return ""
	}
	if before != nil && len(before.SecretHash) > 0 &&
		(before.SecretExpires.IsZero() || now.Before(before.SecretExpires.Add(-SecretLife/4))) {
		c.SecretHash, c.SecretExpires = before.SecretHash, before.SecretExpires
		return ""
	}
	secret = authz.NewSecret()
	c.SecretHash, c.SecretExpires = authz.HashSecret(secret), now.Add(SecretLife).Truncate(time.Second)
	return secret
}

// recorded does a change with its event in one transaction.
func (e *Endpoint) recorded(
	ctx context.Context, before, c *authz.Client, action audit.Action, by string, now time.Time, change func(ctx context.Context) error,
) error {
	acts, err := registration.Acts(action, before, c)
	if err != nil {
		return err
	}
	for i := range acts {
		acts[i].At, acts[i].Decision.Determining = now, []string{"registration:" + orOpen(by)}
	}
	err = e.o.Registrations.Tx(ctx, func(ctx context.Context) error {
		if err := change(ctx); err != nil {
			return err
		}
		_, err := e.o.Evidence.Write(ctx, acts...)
		return err
	})
	if err == nil || errors.Is(err, audit.ErrNotLogged) {
		e.o.Changed(c.ID)
	}
	return err
}

func orOpen(initial string) string {
	if initial == "" {
		return "open"
	}
	return initial
}
