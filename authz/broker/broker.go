package broker

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
	"hopnhat/authz/tally"
)

// Access is a checked access token at the broker.
type Access struct {
	Grant    authz.GrantID
	Client   authz.ClientID
	Pairwise authz.Pairwise
	// Actors are the apps that act for the one the grant was given to, newest
	// first; the first of them is Client. None acts in its own name.
	Actors    []authz.ClientID
	NextNonce string
}

// Verifier checks the token and the proof of a request. Its error is an
// *authz.Error.
type Verifier interface {
	BrokerAccess(r *http.Request) (Access, error)
	Nonce() string
	// ResourceMetadataURL is the address of the broker's protected resource metadata
	// (RFC 9728).
	ResourceMetadataURL() string
	// BrokerSchemes are the authentication schemes of a challenge, with their own
	// attributes.
	BrokerSchemes() []string
}

// Permission is what is live at release time: one query.
type Permission struct {
	// GrantLive is false when the grant was revoked, expired, or never redeemed.
	GrantLive bool
	// Unredeemed is true for a grant whose code was not redeemed yet, and that is
	// neither revoked nor expired.
	Unredeemed bool
	Client     authz.ClientID
	// Who acted when the grant was made, and for whom.
	authz.Principal
	Person  authz.PersonID
	Kind    authz.Kind
	Level   authz.AuthenticationLevel
	Account authz.AccountLevel
	// Proofed is when the account was opened on proof of identity.
	Proofed time.Time
	// AuthTime is when the person signed in.
	AuthTime time.Time
	Locked   bool
	Details  []authz.Release
	// Consent is the subject's with this client for this purpose and register, in
	// its current version and whatever its state; nil if there is none.
	Consent *consent.Consent
	// Agreed is the newest event by which the consent was given; nil if there is none.
	Agreed *commitment.Ground
}

// unexplained reports whether the consent is one that no event gave as it stands: it was
// written past us, or its event was erased. It is as if there were none. pseudonym is the name
// in the evidence of the person whose data it is, and longest how many days a consent for its
// purpose lasts at most.
func (p Permission) unexplained(pseudonym string, longest int) bool {
	c, g := p.Consent, p.Agreed
	if c == nil || c.State != consent.Approved {
		return false
	}
	if g == nil || g.Consent != string(c.ID) || g.Version != c.Version || g.Pseudonym != pseudonym || g.Client != string(c.Client) ||
		g.Purpose != string(c.Purpose) || g.Registry != string(c.Registry) || g.Text != c.TextHash || prolonged(c.ValidUntil, *g, longest) {
		return true
	}
	return slices.ContainsFunc(c.Attributes, func(a authz.AttributeID) bool { return !slices.Contains(g.Attributes, string(a)) })
}

// prolonged reports whether a consent ends later than its event says, in whole microseconds. An
// event of the release before does not say it: then the consent lasts no longer than any for its
// purpose may.
func prolonged(until time.Time, g commitment.Ground, longest int) bool {
	given := g.Until
	if given.IsZero() {
		given = g.Decided.AddDate(0, 0, longest)
	}
	return until.After(given.Add(time.Microsecond))
}

// Use is one use of a permission of limited frequency.
type Use struct {
	// Permission names it: a consent with its version, or, on another basis, person,
	// app, purpose and register, whatever the grant: signing in anew is no new use.
	Permission string
	// Day is the day that counts, empty for a limit that is not by day.
	Day   string
	Limit int
	// Expires is when the count is over, and the next use the first of a new one.
	Expires time.Time
}

// ErrUsedUp means that a permission was used as often as it may be.
var ErrUsedUp = errors.New("used as often as agreed")

// Permissions reads what is live and keeps it so while a release is written.
type Permissions interface {
	// Live reads grant, account and consent; authz.ErrNotFound when there is no
	// grant.
	Live(ctx context.Context, grant authz.GrantID, registry authz.RegistryID, purpose authz.PurposeID) (Permission, error)
	// CountUse counts a use in the transaction of the context; ErrUsedUp when it
	// would be one too many. Of racing calls no more than the limit return nil.
	CountUse(ctx context.Context, u Use) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Record is one row of a register: attribute to value.
type Record map[string]any

// Register reads rows of a national register: one statement that names only the
// attributes asked for.
type Register interface {
	Read(ctx context.Context, registry authz.RegistryID, person authz.PersonID, attributes []authz.AttributeID) ([]Record, error)
}

// Evidence writes what was decided ([audit.Scribe]): with a nil error, outside a
// transaction or from the one that it joined, it is in the database and in the log;
// with any other it is in doubt.
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Clients finds an enabled app's registration, from memory; authz.ErrNotFound
// for an unknown or disabled one.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// People tells what the law asks of a person herself before a consent counts.
type People interface {
	// Facts gives the birth date (the latest it can be, zero if unknown) and
	// whether the person is dead.
	Facts(ctx context.Context, person authz.PersonID) (birth time.Time, dead bool, err error)
}

// Broker answers release requests. It is safe for concurrent use; its fields are
// not changed after the first request.
type Broker struct {
	Verifier    Verifier
	Permissions Permissions
	Register    Register
	Evidence    Evidence
	Pseudonyms  audit.Pseudonyms
	Clients     Clients
	// People is a [Census] over Register if nil.
	People    People
	Catalogue *consent.Catalogue
	Policy    *policy.Engine
	Now       func() time.Time
	// MaxInFlight bounds the requests in work, 1,024 if zero: beyond it a
	// request is turned away at once instead of waiting with the others.
	MaxInFlight int64
	// Deadline bounds one request, 10 s if zero.
	Deadline time.Duration

	once     sync.Once
	inFlight atomic.Int64
	refusals refusalLimit
	silences refusalLimit // of registers that do not answer
	answered tally.Counter[string]
}

func (b *Broker) defaults() {
	if b.Now == nil {
		b.Now = time.Now
	}
	if b.People == nil {
		b.People = NewCensus(b.Register, b.Now)
	}
	if b.MaxInFlight == 0 {
		b.MaxInFlight = 1024
	}
	if b.Deadline == 0 {
		b.Deadline = 10 * time.Second
	}
}
