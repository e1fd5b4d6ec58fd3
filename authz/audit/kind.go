package audit

import "slices"

// Type is the kind of an event. It is visible in the log, so it tells nothing
// about a person.
type Type string

// The kinds.
const (
	ReleasePermitted Type = "release.permitted"
	ReleaseRefused   Type = "release.refused"
	// ReleaseUnanswered: it was permitted, and the register did not answer, so
	// nothing left and no use was spent.
	ReleaseUnanswered Type = "release.unanswered"

	ConsentApproved   Type = "consent.approved"
	ConsentDeclined   Type = "consent.declined"
	ConsentWithdrawn  Type = "consent.withdrawn"
	ConsentSuperseded Type = "consent.superseded"
	ConsentSuspended  Type = "consent.suspended"
	ConsentExpired    Type = "consent.expired"
	ConsentEnded      Type = "consent.ended"

	SignedIn      Type = "session.signed-in"
	SignInRefused Type = "session.refused"
	SignedOut     Type = "session.signed-out"

	// TokenExchanged: an app acts for another (RFC 8693). GrantEnded: an app gave a
	// grant back (OAuth 2.0 Grant Management) or revoked its tokens (RFC 7009).
	TokenExchanged Type = "grant.exchanged"
	GrantEnded     Type = "grant.ended"

	AccountLocked   Type = "account.locked"
	AccountUnlocked Type = "account.unlocked"
	FactorChanged   Type = "account.factor-changed"

	AuditorQuery Type = "auditor.query"
	// AuditorLooked: an auditor opened one event of a person, who sees that it was
	// looked at where she sees the event.
	AuditorLooked Type = "auditor.looked"
	AuditorExport Type = "auditor.export"
	Administered  Type = "admin.action"
	Erased        Type = "evidence.erased" // the tombstone of an erased event
)

// Types lists all kinds, for the auditor's form.
func Types() []Type {
	return []Type{
		ReleasePermitted, ReleaseRefused, ReleaseUnanswered,
		ConsentApproved, ConsentDeclined, ConsentWithdrawn, ConsentSuperseded, ConsentSuspended, ConsentExpired, ConsentEnded,
		SignedIn, SignInRefused, SignedOut,
		TokenExchanged, GrantEnded,
		AccountLocked, AccountUnlocked, FactorChanged,
		AuditorQuery, AuditorLooked, AuditorExport, Administered, Erased,
	}
}

// What the person sees of herself: Releases in the history of her data, with what
// auditors looked at of hers, OfTheAccount beside her devices. Consents have their own
// pages.
var (
	Releases     = []Type{ReleasePermitted, ReleaseRefused, ReleaseUnanswered, TokenExchanged, AuditorQuery, AuditorLooked, AuditorExport}
	OfTheAccount = []Type{SignedIn, SignInRefused, SignedOut, GrantEnded, AccountLocked, AccountUnlocked, FactorChanged, Administered}
)

// Known reports whether t is one of Types.
func (t Type) Known() bool { return slices.Contains(Types(), t) }

// Sight says when the person sees an event in her own history.
type Sight string

// Visible events are shown at once, delayed ones from a time on, hidden ones
// only to auditors of the second class. Empty means visible.
const (
	Visible Sight = "immediate"
	Delayed Sight = "delayed"
	Hidden  Sight = "hidden"
)
