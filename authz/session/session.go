// Package session is the browser's session: one sign-in on one device. It begins
// with two proven factors, ends by the person, by idleness, by its absolute
// limit or by a lock; and when it is ended, every app that relies on it is told
// (OpenID Connect Back-Channel Logout 1.0).
package session

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/recent"
)

// Session is one sign-in.
type Session struct {
	ID authz.SessionID
	authz.Principal
	AuthTime time.Time
	Methods  []string
	Level    authz.AuthenticationLevel
	Created  time.Time
	Seen     time.Time
	Ended    time.Time
	// Device is a short name of browser and system, for the person's own list.
	Device string
	// Of the account, read along: its kind, its level, its name, its lock.
	Kind    authz.Kind
	Account authz.AccountLevel
	Name    string
	Person  authz.PersonID
	Locked  bool
}

// Store keeps sessions.
type Store interface {
	// InsertSession stores a new session, and records the answer that it begins by, nil for
	// one that was recorded before.
	InsertSession(ctx context.Context, s Session, secretHash []byte, by *authn.Acceptance) error
	// Accept records an answer.
	Accept(ctx context.Context, by *authn.Acceptance) error
	// RenewSession lets a live session of a subject go on with a new sign-in and a new
	// secret, and keeps the sign-in before as one that has ended; authz.ErrNotFound if
	// it is not hers or over.
	RenewSession(ctx context.Context, s Session, secretHash []byte) error
	// SessionBySecret finds a session, ended ones included, with its account.
	SessionBySecret(ctx context.Context, secretHash []byte) (Session, error)
	TouchSession(ctx context.Context, id authz.SessionID, at time.Time) error
	Sessions(ctx context.Context, subject authz.Subject, activeSince time.Time) ([]Session, error)
	// EndSession ends a session of a subject and revokes its grants, and tells
	// which clients had live ones; authz.ErrNotFound if it is not hers or over.
	EndSession(ctx context.Context, subject authz.Subject, id authz.SessionID, because string, at time.Time) ([]authz.ClientID, error)
	// EndAtClient revokes the grants that one client has of a live session of a
	// subject, which goes on; authz.ErrNotFound if there are none.
	EndAtClient(ctx context.Context, subject authz.Subject, id authz.SessionID, client authz.ClientID, because string, at time.Time) error
	// ForgetDevices makes the browsers of a person strangers to the sign-in that were
	// known until then.
	ForgetDevices(ctx context.Context, subject authz.Subject, at time.Time) error
	// QueueLogout puts a logout token's delivery into the outbox.
	QueueLogout(ctx context.Context, d Delivery) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Limits of a session.
type Limits struct {
	Idle     time.Duration // 30 min if zero
	Absolute time.Duration // 12 h if zero
	// Grants is how long grants live, 30 days if zero: an app may go on for so long
	// after the browser's session ran out.
	Grants time.Duration
}

// Sessions begins, finds and ends sessions.
type Sessions struct {
	store  Store
	scribe Evidence
	limits Limits
	now    func() time.Time

	noted  *recent.Map[authz.SessionID, time.Time]
	secure bool
}

// New makes Sessions; secure tells that the issuer is https.
func New(store Store, scribe Evidence, limits Limits, secure bool, now func() time.Time) *Sessions {
	if limits.Idle == 0 {
		limits.Idle = 30 * time.Minute
	}
	if limits.Absolute == 0 {
		limits.Absolute = 12 * time.Hour
	}
	if limits.Grants == 0 {
		limits.Grants = 30 * 24 * time.Hour
	}
	return &Sessions{
		store: store, scribe: scribe, limits: limits, secure: secure, now: now,
		noted: recent.New[authz.SessionID, time.Time](maxNoted, recent.Forever, now),
	}
}

// SignIn is what a session begins with.
type SignIn struct {
	Subject   authz.Subject
	Methods   []string
	At        time.Time
	UserAgent string
	// Secret is for the browser's cookie: [SecretLength] characters that nobody can guess.
	Secret string
	// By is the answer that proves the sign-in, which is recorded with the session; nil for
	// one that was recorded before.
	By *authn.Acceptance
	// Provider is the other provider by which she signed in, empty for a sign-in here. Then Level
	// is the level, which no method tells, and AuthTime when she signed in there.
	Provider string
	Level    authz.AuthenticationLevel
	AuthTime time.Time
}

// SecretLength is the length of a session's secret, see [authz.NewSecret].
const SecretLength = 43

// Begin begins a session. before is the live one of the same browser, nil if it has
// none. A session of the same person goes on under a new secret: the apps that rely on
// it stay signed in, and a planted secret is worthless (session fixation). A session of
// another person ends, and its apps are notified. What begins and ends is recorded by
// one statement; called in a transaction, it is part of it.
func (s *Sessions) Begin(ctx context.Context, clients Clients, in SignIn, before *Session) (Session, error) {
	began := Session{
		ID: authz.SessionID(authz.NewID()), Principal: authz.Herself(in.Subject), AuthTime: in.At, Methods: in.Methods,
		Level: authz.LevelOf(in.Methods), Created: in.At, Seen: in.At, Device: device(in.UserAgent),
	}
	signedIn := audit.SignIn
	if in.Provider != "" {
		began.AuthTime, began.Level, signedIn = in.AuthTime, in.Level, audit.UpstreamSignedIn
	}
	hash := authz.HashSecret(in.Secret)
	acts := []audit.Act{{
		Action: signedIn, Subject: began.Actor, At: in.At, Levels: audit.Levels{ACR: began.Level.ACR()},
		Detail: audit.Detail{Methods: in.Methods, Text: began.Device, Object: in.Provider},
	}}
	if in.By != nil {
		acts[0].Detail.Object = in.By.Passkey()
	}
	record := func(err error) (Session, error) {
		if err == nil {
			_, err = s.scribe.Write(ctx, acts...)
		}
		return began, err
	}
	if before != nil && in.By != nil {
		in.By.Before, in.By.Ends = before.ID, before.Actor != in.Subject
		if err := s.store.Accept(ctx, in.By); err != nil {
			return Session{}, err
		}
		in.By = nil
	}
	switch {
	case before == nil:
	case before.Actor == in.Subject:
		fresh := began.ID
		began.ID = before.ID
		err := s.store.RenewSession(ctx, began, hash)
		if !errors.Is(err, authz.ErrNotFound) { // it ended meanwhile: a new one begins
			return record(err)
		}
		began.ID = fresh
	default:
		_, err := s.end(ctx, clients, before.Actor, before.ID, Replaced, false)
		switch {
		case err == nil:
			acts = append(acts, audit.Act{Action: audit.SignOutReplaced, Subject: before.Actor, At: in.At})
		case !errors.Is(err, authz.ErrNotFound):
			return Session{}, err
		}
	}
	return record(s.store.InsertSession(ctx, began, hash, in.By))
}

// ErrNone means that the browser has no live session.
var ErrNone = errors.New("not signed in")

// Find finds the live session of a cookie's secret: one query. Being seen is
// noted at most once a minute, so that reading costs no commit.
func (s *Sessions) Find(ctx context.Context, secret string) (Session, error) {
	if len(secret) != SecretLength {
		return Session{}, ErrNone
	}
	found, err := s.store.SessionBySecret(ctx, authz.HashSecret(secret))
	if errors.Is(err, authz.ErrNotFound) {
		return Session{}, ErrNone
	}
	if err != nil {
		return Session{}, err
	}
	now := s.now()
	if found.Locked || !found.Ended.IsZero() || now.Sub(found.Seen) >= s.limits.Idle || now.Sub(found.Created) >= s.limits.Absolute {
		return Session{}, ErrNone
	}
	if now.Sub(found.Seen) > time.Minute && s.first(found.ID, now) {
		if err := s.store.TouchSession(ctx, found.ID, now); err != nil {
			return Session{}, err
		}
	}
	return found, nil
}

// maxNoted bounds the sessions of which it is remembered when they were noted.
const maxNoted = 100_000

// first lets one of many concurrent requests note the session.
func (s *Sessions) first(id authz.SessionID, now time.Time) (first bool) {
	s.noted.Update(id, func(noted time.Time, ok bool) time.Time {
		if first = !ok || now.Sub(noted) > time.Minute; first {
			return now
		}
		return noted
	})
	return first
}

// List lists a person's sessions that are still live, newest first.
func (s *Sessions) List(ctx context.Context, subject authz.Subject) ([]Session, error) {
	return s.store.Sessions(ctx, subject, s.now().Add(-s.limits.Idle))
}

// CookieName is the session cookie's name; with https it has the __Host- prefix,
// which pins it to this host (RFC 6265bis §4.1.3.2).
func (s *Sessions) CookieName() string { return cookieName(s.secure, "hn_session") }

// BindingName is the name of the cookie that ties forms to a browser.
func (s *Sessions) BindingName() string { return cookieName(s.secure, "hn_browser") }

// Secure reports whether cookies carry the Secure attribute.
func (s *Sessions) Secure() bool { return s.secure }

func cookieName(secure bool, name string) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

// Of finds the live session of a request.
func (s *Sessions) Of(r *http.Request) (Session, error) {
	c, err := r.Cookie(s.CookieName())
	if err != nil {
		return Session{}, ErrNone
	}
	return s.Find(r.Context(), c.Value)
}

// Expired finds the session of a request that ran out and was never ended: its
// grants live on. The holder of its cookie may end it, and do nothing else.
func (s *Sessions) Expired(r *http.Request) (Session, error) {
	c, err := r.Cookie(s.CookieName())
	if err != nil || len(c.Value) != SecretLength {
		return Session{}, ErrNone
	}
	found, err := s.store.SessionBySecret(r.Context(), authz.HashSecret(c.Value))
	if errors.Is(err, authz.ErrNotFound) || err == nil && !found.Ended.IsZero() {
		return Session{}, ErrNone
	}
	return found, err
}

// device makes a short name out of a User-Agent.
func device(userAgent string) string {
	system := "?"
	for _, s := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(userAgent, s.mark) {
			system = s.name
			break
		}
	}
	for _, b := range []struct{ mark, name string }{
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"coc_coc", "Cốc Cốc"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
	} {
		if strings.Contains(userAgent, b.mark) {
			return b.name + " · " + system
		}
	}
	return system
}
