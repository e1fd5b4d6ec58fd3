// Package policy decides whether a release may happen: statutory rules first,
// hard-coded and each with its article, then the policy of the register in
// Cedar. It is pure: facts come in as values with the time, and what is not
// permitted is refused (docs/decisions.md D9).
package policy

import (
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/calendar"
	"hopnhat/authz/consent"
)

// Facts are what a decision rests on, read live at release time.
type Facts struct {
	Now time.Time
	// Client is the app the person dealt with: the grant is its.
	Client *authz.Client
	// Actors are the apps that act for it, newest first: the first of them would
	// receive the result. None where the app acts for itself.
	Actors []*authz.Client
	// Asked is what the app asks to be sent now.
	Asked Asked
	// Granted is the detail of the grant for this purpose and register; nil if
	// there is none.
	Granted *authz.Release
	// Consent is what the subject agreed with this app for this purpose and
	// register, in its current version; nil if there is none.
	Consent *consent.Consent
	// Subject whose record is asked for; her account and session.
	Subject authz.Subject
	Locked  bool
	Level   authz.AuthenticationLevel
	Account authz.AccountLevel
	// AuthTime is when the person signed in.
	AuthTime time.Time
	// Birth is the subject's birth date, the latest it can be where only the year
	// is known; zero if it is not known, which no consent survives.
	Birth time.Time
	// Dead tells that the register knows the subject as dead.
	Dead bool
}

// Asked is one release request.
type Asked struct {
	Registry   authz.RegistryID
	Purpose    authz.PurposeID
	Attributes []authz.AttributeID
}

// Code is a stable name of a refusal, part of the interface to apps.
type Code string

// The refusals of the statutory rules.
const (
	NotGranted        Code = "not-granted"
	PurposeUnknown    Code = "purpose-unknown"
	PurposeForbidden  Code = "purpose-forbidden"
	NotDeclared       Code = "not-declared"
	AttributeNot      Code = "attribute-not-granted"
	ClassTooHigh      Code = "class-too-high"
	ConsentMissing    Code = "consent-missing"
	ConsentWithdrawn  Code = "consent-withdrawn"
	ConsentExpired    Code = "consent-expired"
	ConsentSuperseded Code = "consent-superseded"
	ConsentNotThis    Code = "consent-of-another"
	ConsentSuspended  Code = "consent-suspended"
	ConsentEnded      Code = "consent-ended"
	BasisNotAllowed   Code = "basis-not-allowed"
	AgeUnknown        Code = "age-unknown"
	Expired           Code = "permission-expired"
	AccountLocked     Code = "account-locked"
	LevelTooLow       Code = "level-too-low"
	SignInTooOld      Code = "sign-in-too-old"
	ActorNotDeclared  Code = "actor-not-declared"
	AgencyUnverified  Code = "agency-unverified"
	RecipientNotNamed Code = "recipient-not-named"
	ChildNeedsBoth    Code = "child-needs-representative"
	WrittenRequest    Code = "written-request-needed"
	PredicateOnly     Code = "predicate-only"
	SubjectDead       Code = "subject-dead"
	RegistryPolicy    Code = "registry-policy"
)

// Codes lists all refusals.
func Codes() []Code {
	return []Code{
		NotGranted, PurposeUnknown, PurposeForbidden, NotDeclared, ActorNotDeclared, AgencyUnverified, RecipientNotNamed, AttributeNot, ClassTooHigh, BasisNotAllowed,
		ConsentMissing, ConsentWithdrawn, ConsentExpired, ConsentSuperseded, ConsentNotThis, ConsentSuspended, ConsentEnded,
		Expired, AccountLocked, LevelTooLow, SignInTooOld, ChildNeedsBoth, AgeUnknown, WrittenRequest, PredicateOnly, SubjectDead, RegistryPolicy,
	}
}

// Reason is one cause of a refusal with the rule behind it.
type Reason struct {
	Code    Code
	Article string
}

// Verdict is a decision and what determined it.
type Verdict struct {
	Permit bool
	// Reasons of a refusal, in the order of the rules; none for a permit.
	Reasons []Reason
	// Determining names the statutory rules' version and the Cedar policies that
	// decided; PolicyHash pins the policy set.
	Determining []string
	PolicyHash  string
}

// rule is a statutory rule; it returns a code when it forbids.
type rule struct {
	name    string
	article string
	forbids func(c *consent.Catalogue, f Facts) Code
}

// StatutoryVersion names the hard-coded rules in evidence. It changes whenever a
// rule does.
const StatutoryVersion = "statutory-2026.11.3"

// MinimumLevel is the authentication level below which no record leaves, whatever
// an app accepts: two factors (Decree 356/2025/NĐ-CP Art. 9).
const MinimumLevel authz.AuthenticationLevel = 2

// rules are the outer ring. All are asked, so that a refusal names every cause.
var rules = []rule{
	{"purpose known", "Law 91/2025/QH15 Art. 3", purposeKnown},
	{"granted", "Decree 194/2025/NĐ-CP", granted},
	{"basis", "Law 91/2025/QH15 Art. 19", basis},
	{"declared", "Law 26/2023/QH15 Art. 10(8); Decree 70/2024/NĐ-CP Art. 7", declared},
	{"actors declared", "Decree 69/2024/NĐ-CP Art. 19(4); Decree 70/2024/NĐ-CP Art. 7", actorsDeclared},
	{"agency verified", "Law 91/2025/QH15 Art. 19", agencyVerified},
	{"recipient", "Law 91/2025/QH15 Art. 9; Decree 356/2025/NĐ-CP Art. 6", recipient},
	{"attributes", "Law 91/2025/QH15 Art. 3(2)", attributes},
	{"class", "Decree 356/2025/NĐ-CP Art. 3, 4", class},
	{"consent", "Law 91/2025/QH15 Art. 9", consentHolds},
	{"written request", "Law 91/2025/QH15 Art. 26(2)", writtenRequest},
	{"lock", "Decree 69/2024/NĐ-CP Art. 15, 30", lock},
	{"level", "Decree 69/2024/NĐ-CP Art. 20", level},
	{"sign-in", "the app's purpose declaration", fresh},
	{"child", "Law 91/2025/QH15 Art. 24; Decree 330/2026/NĐ-CP Art. 60", child},
	{"predicate", "Law 91/2025/QH15 Art. 3", predicate},
	{"death", "Law 26/2023/QH15 Art. 34", death},
}

func purposeKnown(c *consent.Catalogue, f Facts) Code {
	p, ok := c.Purpose(f.Asked.Purpose)
	switch {
	case !ok:
		return PurposeUnknown
	case p.Mode == consent.ModeForbidden:
		return PurposeForbidden
	}
	return ""
}

func granted(_ *consent.Catalogue, f Facts) Code {
	g := f.Granted
	switch {
	case g == nil || g.Purpose != f.Asked.Purpose || g.Registry != f.Asked.Registry:
		return NotGranted
	case g.ValidUntil.IsZero() || !f.Now.Before(g.ValidUntil):
		return Expired
	}
	return ""
}

func declared(_ *consent.Catalogue, f Facts) Code {
	if declaration(f, f.Client) == nil {
		return NotDeclared
	}
	return ""
}

// declaration is an app's that is in force and covers what is asked; nil if there
// is none.
func declaration(f Facts, c *authz.Client) *authz.Declaration {
	if c == nil || f.Granted == nil {
		return nil
	}
	for i := range c.Declarations {
		d := &c.Declarations[i]
		if d.Purpose == f.Asked.Purpose && d.Registry == f.Asked.Registry && d.Basis == f.Granted.Basis &&
			(d.ExpiresAt.IsZero() || f.Now.Before(d.ExpiresAt)) && contains(d.Attributes, f.Asked.Attributes) {
			return d
		}
	}
	return nil
}

// actorsDeclared: a result is for one relying party only. An app that acts for
// another receives it itself, so it needs a declaration of its own that covers
// what is asked, as does every app between.
func actorsDeclared(_ *consent.Catalogue, f Facts) Code {
	for _, actor := range f.Actors {
		if declaration(f, actor) == nil {
			return ActorNotDeclared
		}
	}
	return ""
}

// agencyVerified: what the law lets a public body read without consent, only that
// body may read. An app is the body's when somebody vouches for it (authz.Verification),
// and so must be every app that acts for it. A basis that is not known counts as law.
func agencyVerified(c *consent.Catalogue, f Facts) Code {
	if f.Granted == nil {
		return ""
	}
	if basis, known := c.Basis(f.Granted.Basis); known && basis.NeedsConsent {
		return ""
	}
	for _, app := range append([]*authz.Client{f.Client}, f.Actors...) {
		if app == nil || !app.Verified.Holds() {
			return AgencyUnverified
		}
	}
	return ""
}

// recipient: a consent names who receives the data. Where the basis is consent, every
// app that acts must have been named on the page when the person agreed, and still be
// named by the declaration: removing a recipient holds at once, and one that is added
// later is not covered by consents already given.
func recipient(c *consent.Catalogue, f Facts) Code {
	if f.Granted == nil || len(f.Actors) == 0 {
		return ""
	}
	if basis, known := c.Basis(f.Granted.Basis); known && !basis.NeedsConsent {
		return ""
	}
	d := declaration(f, f.Client)
	for _, actor := range f.Actors {
		if actor == nil || d == nil || !slices.Contains(d.Recipients, actor.ID) || !slices.Contains(f.Granted.Recipients, actor.ID) {
			return RecipientNotNamed
		}
	}
	return ""
}

func contains(have, want []authz.AttributeID) bool {
	return !slices.ContainsFunc(want, func(a authz.AttributeID) bool { return !slices.Contains(have, a) })
}

// basis: each purpose closes the list of legal bases it may rest on.
func basis(c *consent.Catalogue, f Facts) Code {
	if f.Granted == nil {
		return BasisNotAllowed
	}
	p, _ := c.Purpose(f.Asked.Purpose)
	if _, known := c.Basis(f.Granted.Basis); !known || !slices.Contains(p.AllowedBases, f.Granted.Basis) {
		return BasisNotAllowed
	}
	return ""
}

func attributes(_ *consent.Catalogue, f Facts) Code {
	if f.Granted == nil || len(f.Asked.Attributes) == 0 || !contains(f.Granted.Attributes, f.Asked.Attributes) {
		return AttributeNot
	}
	for _, id := range f.Asked.Attributes {
		if !consent.InRegistry(id, f.Asked.Registry) {
			return AttributeNot
		}
	}
	return ""
}

func class(c *consent.Catalogue, f Facts) Code {
	p, ok := c.Purpose(f.Asked.Purpose)
	if !ok {
		return ClassTooHigh
	}
	for _, id := range f.Asked.Attributes {
		a, known := c.Attribute(id)
		if !known || !slices.Contains(a.Purposes, p.ID) || !consent.Within(a.Class, p.MaxClass) {
			return ClassTooHigh
		}
	}
	return ""
}

// consentHolds: where the basis needs a consent record, a live one must be of
// exactly this person, app, purpose, register and basis, be the one the grant
// refers to, and cover every attribute in its current version.
func consentHolds(c *consent.Catalogue, f Facts) Code {
	if f.Granted == nil {
		return ConsentMissing
	}
	if basis, ok := c.Basis(f.Granted.Basis); ok && !basis.NeedsConsent {
		return ""
	}
	k := f.Consent
	id, version, referred := consent.ParseReference(f.Granted.ConsentReference)
	switch {
	case k == nil || !referred:
		return ConsentMissing
	case k.ID != id || version > k.Version || f.Subject == "" || k.Subject != f.Subject ||
		f.Client == nil || k.Client != f.Client.ID || k.Purpose != f.Asked.Purpose || k.Registry != f.Asked.Registry:
		return ConsentNotThis
	}
	if k.State == consent.Approved && version < k.Ended {
		return ConsentWithdrawn // and agreed to anew, which is another permission
	}
	switch k.State {
	case consent.Approved:
	case consent.Withdrawn:
		return ConsentWithdrawn
	case consent.Expired:
		return ConsentExpired
	case consent.Suspended:
		return ConsentSuspended
	case consent.Ended:
		return ConsentEnded
	default:
		return ConsentSuperseded
	}
	switch {
	case !f.Now.Before(k.ValidUntil):
		return ConsentExpired
	case k.Basis != f.Granted.Basis, !contains(k.Attributes, f.Asked.Attributes):
		return ConsentSuperseded
	}
	return ""
}

// writtenRequest: health data to an insurer or another care provider.
func writtenRequest(c *consent.Catalogue, f Facts) Code {
	p, ok := c.Purpose(f.Asked.Purpose)
	if ok && f.Granted != nil && p.NeedsWrittenRequest(f.Asked.Registry) && f.Granted.Basis == authz.BasisConsent {
		return WrittenRequest
	}
	return ""
}

// survives reports whether a basis outlives lock and death: the four that do not
// rest on the person's own doing.
func survives(b authz.Basis) bool {
	switch b {
	case authz.BasisCourt, authz.BasisVital, authz.BasisSecurity, authz.BasisSupervision:
		return true
	}
	return false
}

// lock: a locked account blocks every basis but four.
func lock(_ *consent.Catalogue, f Facts) Code {
	if f.Locked && (f.Granted == nil || !survives(f.Granted.Basis)) {
		return AccountLocked
	}
	return ""
}

func level(_ *consent.Catalogue, f Facts) Code {
	if f.Level < NeededLevel(f.Client, f.Actors) {
		return LevelTooLow
	}
	return ""
}

// NeededLevel is the lowest authentication level at which a record leaves for an
// app and those that act for it.
func NeededLevel(client *authz.Client, actors []*authz.Client) authz.AuthenticationLevel {
	needed := MinimumLevel
	for _, app := range append([]*authz.Client{client}, actors...) {
		if app != nil {
			needed = max(needed, app.MinimumLevel)
		}
	}
	return needed
}

// fresh: a declaration may say how old the sign-in may be. It is the app's word on
// itself, so it counts as soon as it is written.
func fresh(_ *consent.Catalogue, f Facts) Code {
	age := NeededAge(f.Asked.Purpose, f.Asked.Registry, f.Client, f.Actors)
	if age > 0 && f.Now.Sub(f.AuthTime) > time.Duration(age)*time.Second {
		return SignInTooOld
	}
	return ""
}

// NeededAge is how old the sign-in may be, in seconds, by the declarations of an
// app and those that act for it: the shortest they say, 0 if none says any.
func NeededAge(purpose authz.PurposeID, registry authz.RegistryID, client *authz.Client, actors []*authz.Client) int {
	shortest := 0
	for _, app := range append([]*authz.Client{client}, actors...) {
		if app == nil {
			continue
		}
		for _, d := range app.Declarations {
			if d.Purpose == purpose && d.Registry == registry && d.MaxAuthAge > 0 && (shortest == 0 || d.MaxAuthAge < shortest) {
				shortest = d.MaxAuthAge
			}
		}
	}
	return shortest
}

// child: below 18 a consent needs the representative, from 7 on the child too;
// the basis for that is LB-CHILD, so an ordinary consent of a child releases
// nothing. Age is verified first, so a consent of someone of unknown age releases
// nothing either. Dual consent is not implemented yet, so LB-CHILD releases nothing.
func child(_ *consent.Catalogue, f Facts) Code {
	if f.Granted == nil {
		return ""
	}
	switch f.Granted.Basis {
	case authz.BasisChild:
		return ChildNeedsBoth
	case authz.BasisConsent, authz.BasisWrittenRequest, authz.BasisDualAuthority:
	default:
		return ""
	}
	switch {
	case f.Birth.IsZero():
		return AgeUnknown
	case Age(f.Birth, f.Now) < 18:
		return ChildNeedsBoth
	}
	return ""
}

// Age is a person's age in full years at a time, by the calendar of Hà Nội. Who
// was born on 29 February becomes a year older on 1 March.
func Age(birth, now time.Time) int {
	local := now.In(calendar.Hanoi)
	years := local.Year() - birth.Year()
	if local.Month() < birth.Month() || local.Month() == birth.Month() && local.Day() < birth.Day() {
		years--
	}
	return years
}

// predicate: such purposes get a yes or no, never what it was worked out from.
func predicate(c *consent.Catalogue, f Facts) Code {
	p, ok := c.Purpose(f.Asked.Purpose)
	if !ok || !p.PredicateOnly {
		return ""
	}
	for _, a := range f.Asked.Attributes {
		if known, ok := c.Attribute(a); !ok || !known.Predicate {
			return PredicateOnly
		}
	}
	return ""
}

// death ends every consent and every doing of her own.
func death(_ *consent.Catalogue, f Facts) Code {
	if f.Dead && (f.Granted == nil || !survives(f.Granted.Basis)) {
		return SubjectDead
	}
	return ""
}
