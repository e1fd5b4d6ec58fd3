package authorize

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize/object"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/protocol"
	"hopnhat/authz/redeem/engine"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
)

// SignedIn is what must be known to know of the browser's session.
type SignedIn struct {
	ID authz.SessionID
	authz.Principal
	AuthTime time.Time
	Methods  []string
	Level    authz.AuthenticationLevel
	// Account is the proofing level, 1 or 2.
	Account authz.AccountLevel
	// Reachable is the highest authentication level the person can reach here.
	Reachable authz.AuthenticationLevel
	Kind      authz.Kind
}

// Sessions finds the live session of a browser. ok is false when nobody is
// signed in; an error means that it could not be looked for.
type Sessions interface {
	Current(r *http.Request) (s SignedIn, ok bool, err error)
}

// Consents is what must be asked of the consent part.
type Consents interface {
	// Needed tells what the person must be asked or told, and if nothing, which
	// releases her live consents and other legal bases grant.
	Needed(ctx context.Context, client *authz.Client, s SignedIn, wanted []authz.Release) (question interaction.Question,
		granted []authz.Release, err error)
}

// Strangers limits what anybody may make us keep, by address. Take takes one request,
// or says how long to wait.
type Strangers interface {
	Take(address netip.Addr) (wait time.Duration)
}

// People finds whom a hint names.
type People interface {
	// SubjectOfNumber and SubjectOfPairwise find whom a hint names;
	// authz.ErrNotFound.
	SubjectOfNumber(ctx context.Context, number authz.PersonalNumber) (authz.Subject, error)
	SubjectOfPairwise(ctx context.Context, sector string, sub authz.Pairwise) (authz.Subject, error)
	// KnowPairwise remembers whom a pairwise subject names, for clients that may
	// send it back as a hint.
	KnowPairwise(ctx context.Context, sector string, sub authz.Pairwise, subject authz.Subject) error
}

// Pages are the paths of the pages that do a step; they get the handle of the request as
// query parameter a.
type Pages struct {
	SignIn, Consent string
	// Approve is where a person answers for another device, Device where she types what
	// it shows, Waiting that which lists what waits for her.
	Approve, Device, Waiting string
}

// Lifetimes of what waits, and of a grant.
type Lifetimes struct {
	Pushed      time.Duration // request_uri, until it is opened (RFC 9126 §2.2)
	Interaction time.Duration // the time a person has to answer
	Decoupled   time.Duration // the time to answer on another device
	Grant       time.Duration // refresh tokens
}

// Options is what authorization is made of; Strangers may be nil, which limits nothing.
type Options struct {
	URLs       *protocol.URLs
	Pages      Pages
	Ring       keys.Ring
	Directory  *clientauth.Directory
	Clients    *clientauth.Authenticator
	Checker    *request.Checker
	Objects    *object.Objects
	Responder  *response.Responder
	Store      grant.Store
	Sessions   Sessions
	Consents   Consents
	Pseudonyms token.Pseudonyms
	Verifier   *token.Verifier
	Minter     *token.Minter
	Possession *token.Possession
	Engine     *engine.Engine
	Approvals  *decoupled.Engine
	People     People
	Refusals   *protocol.Refusals
	Strangers  Strangers
	Handles    grant.HandleKey
	Codes      CodeKey
	Lifetimes  Lifetimes
	Now        func() time.Time
}
