package upstream

import (
	"time"

	"hopnhat/authz"
)

// Bond binds an account to a person at a provider. It never changes: one that is wrong is
// ended, and another is made.
type Bond struct {
	// ID is a UUIDv7.
	ID      string
	Account authz.Subject
	Alias   Alias
	// Issuer and Subject are the person at the provider (OpenID Connect Core §5.7).
	Issuer, Subject string
	// Level bounds every session that begins by it: how sure it was when it was made.
	Level authz.AuthenticationLevel
	// ByNumber says that a register's number made it, and not the person after a sign-in here.
	ByNumber bool
	Made     time.Time
}

// Holder is an account as far as a sign-in asks.
type Holder struct {
	Account authz.Subject
	Level   authz.AccountLevel
	Locked  bool
}

// Facts are what is known of who comes from a provider. What there is none of is nil.
type Facts struct {
	Identity Identity
	// Bond is that of (issuer, subject), Owner its account.
	Bond  *Bond
	Owner *Holder
	// Named is the account of the number that the provider vouches for, NamedBond what binds it to
	// that provider already, and NamedRemoved that the person removed a link with it once.
	Named        *Holder
	NamedBond    *Bond
	NamedRemoved bool
	// Self is who is signed in here and links her account, SelfBond what binds it already.
	Self     *Holder
	SelfBond *Bond
}

// Outcome is who signs in, and at which level.
type Outcome struct {
	Account authz.Subject
	Level   authz.AuthenticationLevel
	// New is the bond that is made with the sign-in, nil if there was one. ID and Made are
	// the caller's.
	New *Bond
}

// proofed is the account level of a person whose number was verified face to face (Decree
// 69/2024/NĐ-CP Art. 7).
const proofed authz.AccountLevel = 2

// SignIn decides who comes from the provider. Errors are *[Refusal].
func (p *Provider) SignIn(f Facts) (Outcome, error) {
	switch {
	case p.LinkOnly: // CVE-2026-16442
		return Outcome{}, refuse(Unlinked, "this provider signs nobody in; it is for linking alone")
	case f.Identity.Issuer != p.Issuer:
		return Outcome{}, refuse(Mixed, "the person is of another provider")
	}
	if f.Bond != nil {
		return p.bound(f)
	}
	switch {
	case f.Identity.Number.Reveal() == "" || f.Named == nil:
		return Outcome{}, refuse(Unlinked, "no account is linked, and none has a verified number that the provider names")
	case f.Identity.Level < p.LinkLevel:
		return Outcome{}, refuse(Low, "a link by the number needs level %d", p.LinkLevel)
	case f.Named.Locked:
		return Outcome{}, refuse(Closed, "the account is locked")
	case f.Named.Level < proofed: // issue 53041: what was not verified links nobody
		return Outcome{}, refuse(Unlinked, "the number of the account was not verified")
	case f.NamedBond != nil: // the pair of a link is never replaced
		return Outcome{}, refuse(Elsewhere, "the account is linked with another person at this provider")
	// Whoever has her account there does not come back by it: she links it anew, signed in here.
	case f.NamedRemoved:
		return Outcome{}, refuse(Unlinked, "the person removed the link with this provider")
	}
	b := &Bond{
		Account: f.Named.Account, Alias: p.Alias, Issuer: p.Issuer, Subject: f.Identity.Subject, Level: f.Identity.Level, ByNumber: true,
	}
	return p.begin(Outcome{Account: b.Account, Level: f.Identity.Level, New: b})
}

func (p *Provider) bound(f Facts) (Outcome, error) {
	switch b := f.Bond; {
	case b.Issuer != f.Identity.Issuer || b.Subject != f.Identity.Subject || f.Owner == nil || f.Owner.Account != b.Account:
		return Outcome{}, refuse(Mixed, "the link is of another person")
	// A provider that names another number than the account has speaks of another person.
	case f.namesAnother(f.Owner):
		return Outcome{}, refuse(Another, "the provider names another number than the account has")
	case f.Owner.Locked:
		return Outcome{}, refuse(Closed, "the account is locked")
	}
	return p.begin(Outcome{Account: f.Bond.Account, Level: min(f.Identity.Level, f.Bond.Level)})
}

func (p *Provider) begin(o Outcome) (Outcome, error) {
	if o.Level < p.LeastLevel {
		return Outcome{}, refuse(Low, "the lower of the levels of sign-in and link is %d, and a sign-in needs %d", o.Level, p.LeastLevel)
	}
	return o, nil
}

// namesAnother reports whether the provider names a number that the account does not have.
func (f Facts) namesAnother(h *Holder) bool {
	return f.Identity.Number.Reveal() != "" && (f.Named == nil || f.Named.Account != h.Account)
}

// Link decides whether somebody who is signed in here, at a level, may bind her account to
// whom the provider names. Errors are *[Refusal].
func (p *Provider) Link(f Facts, here authz.AuthenticationLevel) (*Bond, error) {
	switch {
	case f.Identity.Issuer != p.Issuer:
		return nil, refuse(Mixed, "the person is of another provider")
	case f.Self == nil || f.Self.Locked:
		return nil, refuse(Closed, "the account is locked")
	case here < usual:
		return nil, refuse(Low, "a link is made by who signed in here at level %d", usual)
	case f.Bond != nil || f.SelfBond != nil:
		return nil, refuse(Elsewhere, "the account, or the person at the provider, is linked already")
	case f.namesAnother(f.Self):
		return nil, refuse(Another, "the provider names another number than the account has")
	}
	level := min(f.Identity.Level, here)
	if level < p.LeastLevel && !p.LinkOnly {
		return nil, refuse(Low, "the sign-in there is of level %d, and %d is needed", f.Identity.Level, p.LeastLevel)
	}
	return &Bond{Account: f.Self.Account, Alias: p.Alias, Issuer: p.Issuer, Subject: f.Identity.Subject, Level: level}, nil
}
