package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// Action is something that a person, an app, an operator or the clock does, and that is
// evidence. The table of actions says what its event is.
type Action string

// What apps are given.
const (
	Release           Action = "release"
	ReleaseDenied     Action = "release.denied"
	RegisterSilent    Action = "release.register-silent"
	TokenExchange     Action = "token-exchange"
	GrantGivenBack    Action = "grant-revoke"
	GrantTokenRevoked Action = "token-revoke"
)

// What a person does with her consents and her account.
const (
	Agree                 Action = "consent.agree"
	Decline               Action = "consent.decline"
	Withdraw              Action = "consent.withdraw"
	SignIn                Action = "sign-in"
	SignInFailed          Action = "sign-in.failed" // all of one account in one window
	SignInFailedElsewhere Action = "sign-in.failed-elsewhere"
	SignOut               Action = "sign-out"
	SignOutOther          Action = "sign-out.session"    // another of her sessions
	SignOutApp            Action = "sign-out.app"        // of one app
	SignOutAll            Action = "sign-out.everywhere" // all sessions and devices
	SignOutReplaced       Action = "sign-out.replaced"   // another person signed in
	SignOutUpstream       Action = "sign-out.upstream"   // at the other provider that she signed in by
	UpstreamSignedIn      Action = "upstream.signed-in"
	UpstreamLinked        Action = "upstream.linked"
	UpstreamUnlinked      Action = "upstream.unlinked"
	UpstreamRefused       Action = "upstream.refused"
	PasskeyAdded          Action = "passkey.added"
	PasskeyRemoved        Action = "passkey.removed"
	PasskeyRefused        Action = "passkey.refused" // its signature counter went back
	Expire                Action = "consent.expire"
	DenyNotMe             Action = "decoupled.not_me"
	DenyWrongSymbol       Action = "decoupled.wrong_symbol"
)

// What operators and their tools do.
const (
	AccountEnrol        Action = "account.enrol"
	AccountLock         Action = "account.lock"
	AccountUnlock       Action = "account.unlock"
	AccountSignOut      Action = "account.sign-out"
	RoleGranted         Action = "role.granted"
	LogTokenMade        Action = "role.log-token"
	RoleRevoked         Action = "role.revoked"
	ClientRegistered    Action = "client.registered"
	ClientUpdated       Action = "client.updated"
	ClientDeleted       Action = "client.deleted"
	ClientDisabled      Action = "client.disabled"
	ClientEnabled       Action = "client.enabled"
	ClientVerified      Action = "client.verified"
	ClientUnverified    Action = "client.unverified"
	ClientSecretRotated Action = "client.secret-rotated"
	ClientTrustEnded    Action = "client.trust-ended"    // its federation vouches no more
	ClientTrustRestored Action = "client.trust-restored" // and does again
	ResourceRegistered  Action = "resource.registered"
	ResourceDisabled    Action = "resource.disabled"
	DeclarationChanged  Action = "declaration.changed"
	InitialTokenCreated Action = "initial-access-token.created"
	InitialTokenRevoked Action = "initial-access-token.revoked"
	DeliveryRetried     Action = "delivery.retried"
	Erase               Action = "evidence.erase"
	LogShardEnded       Action = "log.shard-ended"
	LogRebuilt          Action = "log.rebuilt"
	LogLossAccepted     Action = "log.loss-accepted"
	LogRowsRestored     Action = "log.rows-restored"

	SubordinateProposed  Action = "federation.proposed"
	SubordinateRenewed   Action = "federation.renewal-proposed"
	SubordinateApproved  Action = "federation.approved"
	SubordinateSuspended Action = "federation.suspended"
	SubordinateRevoked   Action = "federation.revoked"

	TrustMarkGranted, TrustMarkRevoked Action = "federation.mark-granted", "federation.mark-revoked"

	IncidentOpened                        Action = "incident.opened"
	IncidentCloseProposed, IncidentClosed Action = "incident.close-proposed", "incident.closed"

	KeyAnnounced, KeyPublished Action = "key.announced", "key.published"
	KeyActive, KeyRetiring     Action = "key.active", "key.retiring"
	KeyRetired, KeyRevoked     Action = "key.retired", "key.revoked"
)

// KeyMoved is the action of a key that comes into a state.
func KeyMoved(state string) Action { return Action("key." + state) }

// What auditors do.
const Search, Open, Export Action = "search", "open", "export"

// What becomes of a person's choice of a province, at the centre and at the province.
const (
	RegionalChosen, RegionalWithdrawn Action = "regional.chosen", "regional.withdrawn"
	RegionalHanded, RegionalReceived  Action = "regional.handed", "regional.received"
	// RegionalJoined: something about her came with the log of a province.
	RegionalJoined Action = "regional.joined"
)

// need is a part of an event that an action must fill in.
type need int

const (
	anApp      need = iota // the app that asks, or that is changed
	aPerson                // the person the event is about
	anActor                // the person who acted
	anObject               // the thing that is acted on
	aConsent               // the consent with its version
	thePurpose             // purpose and register
	theCode                // the outcome, where the action alone does not say it
	aCount                 // how often it happened
	aDigest                // which leaf of the log it is about
	theState               // the state of an app or an API after a change, committed to
)

// rule is a row of the table of actions.
type rule struct {
	Action Action
	// Type is the kind of its event.
	Type Type
	// Tree is the log that its leaf goes to.
	Tree Tree
	// Waits is true where the caller is told that it is done only when the leaf is in
	// the log (docs/decisions.md D8). Otherwise nobody waits: the leaf follows.
	Waits bool
	// Permit is true where the event is of something that was done, not refused.
	// Releases say so themselves.
	Permit bool
	// Code is the outcome; empty where the act says it.
	Code string
	// By is what determined the outcome, where that is always the same.
	By string
	// Named is true where the detail of the event carries the action by name.
	Named bool
	// Sight is when the person the event is about sees it; empty where it is about
	// nobody, or where the act says it.
	Sight Sight
	Needs []need
}

var rules = slices.Concat([]rule{
	{Release, ReleasePermitted, ReleaseTree, true, true, "", "", false, "", []need{anApp, aPerson, thePurpose, theCode}},
	{ReleaseDenied, ReleaseRefused, ReleaseTree, true, false, "", "", false, "", []need{anApp, theCode}},
	{RegisterSilent, ReleaseUnanswered, ReleaseTree, true, false, "", "", false, "", []need{anApp, aPerson, thePurpose, theCode}},
	{TokenExchange, TokenExchanged, ReleaseTree, true, true, string(TokenExchanged), "", true, Visible, []need{anApp, aPerson, anObject}},
	{GrantGivenBack, GrantEnded, ReleaseTree, true, true, string(GrantEnded), "", true, Visible, []need{anApp, aPerson, anObject}},
	{GrantTokenRevoked, GrantEnded, ReleaseTree, true, true, string(GrantEnded), "", true, Visible, []need{anApp, aPerson, anObject}},

	{Agree, ConsentApproved, ConsentTree, false, true, string(ConsentApproved), byPerson, false, Visible, []need{anApp, aPerson, thePurpose, aConsent}},
	{Decline, ConsentDeclined, ConsentTree, false, false, string(ConsentDeclined), byPerson, false, Visible, []need{anApp, aPerson, thePurpose}},
	{Withdraw, ConsentWithdrawn, ConsentTree, false, false, string(ConsentWithdrawn), byPerson, false, Visible, []need{anApp, aPerson, thePurpose, aConsent}},
	{Expire, ConsentExpired, ConsentTree, false, true, string(ConsentExpired), "clock", false, Visible, []need{anApp, aPerson, thePurpose, aConsent}},
	{SignIn, SignedIn, ReleaseTree, false, true, string(SignIn), "", true, Visible, []need{aPerson}},
	{SignInFailed, SignInRefused, ReleaseTree, false, false, string(SignInFailed), "", true, Visible, []need{aPerson, aCount}},
	{SignInFailedElsewhere, SignInRefused, ReleaseTree, false, false, string(SignInFailedElsewhere), "", true, "", []need{aCount}},
	{SignOut, SignedOut, ReleaseTree, false, true, string(SignOut), byPerson, true, Visible, []need{aPerson}},
	{SignOutOther, SignedOut, ReleaseTree, false, true, string(SignOutOther), byPerson, true, Visible, []need{aPerson}},
	{SignOutApp, SignedOut, ReleaseTree, false, true, string(SignOutApp), byPerson, true, Visible, []need{aPerson, anApp}},
	{SignOutAll, SignedOut, ReleaseTree, false, true, string(SignOutAll), byPerson, true, Visible, []need{aPerson}},
	{SignOutReplaced, SignedOut, ReleaseTree, false, true, string(SignOutReplaced), "", true, Visible, []need{aPerson}},
	{SignOutUpstream, SignedOut, ReleaseTree, false, true, string(SignOutUpstream), "", true, Visible, []need{aPerson}},
	{UpstreamSignedIn, SignedIn, ReleaseTree, false, true, string(UpstreamSignedIn), "", true, Visible, []need{aPerson, anObject}},
	{UpstreamRefused, SignInRefused, ReleaseTree, false, false, string(UpstreamRefused), "", true, "", []need{anObject}},
	{UpstreamLinked, FactorChanged, ConsentTree, false, true, string(UpstreamLinked), "", true, Visible, []need{aPerson, anObject}},
	{UpstreamUnlinked, FactorChanged, ConsentTree, false, true, string(UpstreamUnlinked), "", true, Visible, []need{aPerson, anObject}},
	{PasskeyAdded, FactorChanged, ConsentTree, false, true, string(PasskeyAdded), "", true, Visible, []need{aPerson, anObject}},
	{PasskeyRemoved, FactorChanged, ConsentTree, false, true, string(PasskeyRemoved), "", true, Visible, []need{aPerson, anObject}},
	{PasskeyRefused, SignInRefused, ReleaseTree, false, false, string(PasskeyRefused), "", true, Visible, []need{aPerson, anObject}},
	{DenyNotMe, SignInRefused, ReleaseTree, false, false, string(DenyNotMe), byPerson, true, Visible, []need{anApp, aPerson}},
	{DenyWrongSymbol, SignInRefused, ReleaseTree, false, false, string(DenyWrongSymbol), byPerson, true, Visible, []need{anApp, aPerson}},

	{AccountEnrol, FactorChanged, ConsentTree, false, true, string(AccountEnrol), "", true, Visible, []need{aPerson}},
	{AccountLock, AccountLocked, ConsentTree, false, true, string(AccountLock), "", true, Visible, []need{aPerson}},
	{AccountUnlock, AccountUnlocked, ConsentTree, false, true, string(AccountUnlock), "", true, Visible, []need{aPerson}},
	{AccountSignOut, SignedOut, ConsentTree, false, true, string(AccountSignOut), "", true, Visible, []need{aPerson}},
	{LogTokenMade, Administered, ConsentTree, false, true, string(LogTokenMade), "", true, Visible, []need{aPerson, anObject}},
	{RoleGranted, Administered, ConsentTree, false, true, string(RoleGranted), "", true, Visible, []need{aPerson, anObject}},
	{RoleRevoked, Administered, ConsentTree, false, true, string(RoleRevoked), "", true, Visible, []need{aPerson, anObject}},
	{InitialTokenCreated, Administered, ConsentTree, false, true, string(InitialTokenCreated), "", true, "", []need{anObject}},
	{InitialTokenRevoked, Administered, ConsentTree, false, true, string(InitialTokenRevoked), "", true, "", []need{anObject}},
	{DeliveryRetried, Administered, ConsentTree, false, true, string(DeliveryRetried), "role:" + byOperator, true, "", []need{anActor, anObject}},
	{Erase, Erased, ConsentTree, false, true, string(Erase), "", true, "", []need{anObject, aDigest}},
	{ResourceRegistered, Administered, ConsentTree, false, true, string(ResourceRegistered), "", true, "", []need{anObject, theState}},
	{ResourceDisabled, Administered, ConsentTree, false, true, string(ResourceDisabled), "", true, "", []need{anObject, theState}},
	{IncidentOpened, Administered, ConsentTree, false, true, string(IncidentOpened), "", true, "", []need{anObject}},
	{IncidentCloseProposed, Administered, ConsentTree, false, true, string(IncidentCloseProposed), "", true, "", []need{anObject}},
	{IncidentClosed, Administered, ConsentTree, false, true, string(IncidentClosed), "", true, "", []need{anObject}},
	{DeclarationChanged, Administered, ConsentTree, false, true, string(DeclarationChanged), "", true, "", []need{anApp, thePurpose}},

	{Search, AuditorQuery, ReleaseTree, true, true, byAuditor, "role:" + byAuditor, true, "", []need{anActor}},
	{Open, AuditorLooked, ReleaseTree, true, true, byAuditor, "role:" + byAuditor, true, "", []need{anActor, anObject}},
	{Export, AuditorExport, ReleaseTree, true, true, byAuditor, "role:" + byAuditor, true, "", []need{anActor}},
},
	// An app that registers itself is told when the log has it.
	rowsOf(Administered, ConsentTree, true, "", []need{anApp, anObject, theState}, ClientRegistered, ClientUpdated, ClientDisabled,
		ClientEnabled, ClientVerified, ClientUnverified, ClientSecretRotated),
	rowsOf(Administered, ConsentTree, true, "", []need{anApp, anObject}, ClientDeleted, ClientTrustEnded, ClientTrustRestored),
	rowsOf(Administered, ConsentTree, false, "", []need{anObject}, LogShardEnded, LogRebuilt, LogLossAccepted, LogRowsRestored),
	rowsOf(Administered, ConsentTree, false, "", []need{anObject}, SubordinateProposed, SubordinateRenewed, SubordinateApproved,
		SubordinateSuspended, SubordinateRevoked, TrustMarkGranted, TrustMarkRevoked),
	rowsOf(FactorChanged, ConsentTree, true, Visible, []need{aPerson, anObject}, RegionalChosen, RegionalWithdrawn, RegionalHanded),
	rowsOf(FactorChanged, ConsentTree, false, Visible, []need{aPerson, anObject}, RegionalReceived),
	rowsOf(Administered, ConsentTree, false, Visible, []need{aPerson, anObject}, RegionalJoined),
	rowsOf(Administered, ConsentTree, false, "", []need{anObject}, KeyAnnounced, KeyPublished, KeyActive, KeyRetiring, KeyRetired, KeyRevoked),
)

// numbered are the actions whose events carry the running number of their person: what is
// released of her, refused or not answered, and what tools do with her account. A missing
// one shows as a gap. The others would cost their route a statement each; that one of them
// is missing is seen by its leaf alone.
var numbered = []Action{
	Release, ReleaseDenied, RegisterSilent,
	AccountEnrol, AccountLock, AccountUnlock, AccountSignOut, RoleGranted, RoleRevoked, Erase,
}

// Numbered reports whether the events of an action carry the running number of the person
// they are about.
func Numbered(a Action) bool { return slices.Contains(numbered, a) }

// What determined an outcome, and the code of what auditors do.
const (
	byPerson   = "person"
	byAuditor  = string(authz.Auditor)
	byOperator = string(authz.Operator)
)

// rowsOf is a row for each of some actions that are done, and that their events name.
func rowsOf(kind Type, tree Tree, waits bool, sight Sight, needs []need, actions ...Action) (rows []rule) {
	for _, a := range actions {
		rows = append(rows, rule{a, kind, tree, waits, true, string(a), "", true, sight, needs})
	}
	return rows
}

// Actions lists all actions, in the order of the table.
func Actions() []Action {
	all := make([]Action, len(rules))
	for i, r := range rules {
		all[i] = r.Action
	}
	return all
}

func ruleOf(a Action) (rule, error) {
	i := slices.IndexFunc(rules, func(r rule) bool { return r.Action == a })
	if i < 0 {
		return rule{}, fmt.Errorf("the table of actions has no %q", a)
	}
	return rules[i], nil
}

// Act is one action as it happened: what the table of actions does not know.
type Act struct {
	Action Action
	// App is the app that asked, or that was changed.
	App *authz.Client
	// Subject is the person the event is about, Actor the one who acted, when another.
	// They stand in the event by their pseudonyms.
	Subject, Actor authz.Subject
	// At is when it was decided; now if zero.
	At time.Time
	// ID is the event's; a new one if empty. Salt hides it; a new one if zero.
	ID   string
	Salt Salt
	// Ground is the event that a release rests on, whose leaf comes first; nil if there is none.
	Ground *commitment.Ground
	// Hold is what must be so for the event to be true; nil if nothing must.
	Hold *Hold

	// Person adds what the pseudonyms do not say, and names a person whose subject is
	// not known here.
	Person     Person
	Consent    Consent
	Data       Data
	Decision   Decision
	Detail     Detail
	Emergency  Emergency
	Levels     Levels
	Payload    Payload
	Reason     Reason
	Trace      Trace
	Visibility Visibility
}

// By is the act as a principal did it. The event of a person who acts for herself is about
// her and names nobody else; that of one who acts for another is about that other, and
// names the person who acted and her mandate beside it.
func (a Act) By(p authz.Principal) Act {
	a.Subject = p.Concerned()
	if !p.ForHerself() {
		a.Actor, a.Person.Kind, a.Person.Mandate, a.Person.Relation = p.Actor, p.For.Kind, p.Mandate, p.Relation()
	}
	return a
}

// event is the event of an act by its rule; the pseudonyms and the site are the
// scribe's.
func (a Act) event(r rule) Event {
	e := Event{
		ID: a.ID, Type: r.Type, Person: a.Person, Consent: a.Consent, Data: a.Data, Decision: a.Decision,
		Detail: a.Detail, Emergency: a.Emergency,
		Levels: a.Levels, Payload: a.Payload, Reason: a.Reason, Trace: a.Trace, Visibility: a.Visibility, When: When{Decided: a.At},
	}
	if a.App != nil {
		e.Asked = Asked{Client: a.App.ID, Name: a.App.Name.VI, Owner: a.App.Owner.VI}
		e.Decision.Determining = slices.Concat(e.Decision.Determining, a.App.Membership.Determining())
	}
	e.Decision.Permit = r.Permit
	e.Decision.Code = cmp.Or(r.Code, e.Decision.Code)
	if a.Ground != nil {
		e.Decision.Determining = append(slices.Clone(e.Decision.Determining), a.Ground.String())
	}
	if r.By != "" {
		e.Decision.Determining = []string{r.By}
	}
	if r.Named {
		e.Detail.Action = string(a.Action)
	}
	e.Visibility.Sight = cmp.Or(e.Visibility.Sight, r.Sight)
	return e
}

// check returns an error for an event that lacks what its action needs.
func (r rule) check(e Event) error {
	for _, n := range r.Needs {
		var what string
		switch {
		case n == anApp && e.Asked.Client == "":
			what = "no app"
		case n == aPerson && e.Person.Pseudonym == "":
			what = "no person"
		case n == anActor && e.Person.Actor == "":
			what = "nobody who acted"
		case n == anObject && e.Detail.Object == "":
			what = "nothing that was acted on"
		case n == aConsent && (e.Consent.ID == "" || e.Consent.Version == 0):
			what = "no consent with its version"
		case n == thePurpose && (e.Reason.Purpose == "" || e.Data.Registry == ""):
			what = "no purpose or no register"
		case n == theCode && e.Decision.Code == "":
			what = "no outcome"
		case n == aCount && e.Detail.Count == 0:
			what = "no count"
		case n == aDigest && e.Payload.Digest == "":
			what = "no leaf"
		case n == theState && e.Payload.Digest == "":
			what = "no state after the change"
		default:
			continue
		}
		return fmt.Errorf("%v of action %q names %s: %w", e, r.Action, what, errIncomplete)
	}
	return nil
}

var errIncomplete = errors.New("an event is incomplete")
