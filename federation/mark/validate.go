package mark

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

// ErrMark means that a mark does not count, and that the entity is taken for one that does
// not have it.
var ErrMark = errors.New("the trust mark does not count")

// Rule is a rule that a mark has to keep.
type Rule string

// The rules of marks in the order in which they are checked.
const (
	Form       Rule = "form"
	Beside     Rule = "type"
	Holder     Rule = "holder"
	Issued     Rule = "issued"
	Unexpired  Rule = "unexpired"
	Issuer     Rule = "issuer"
	Anchored   Rule = "anchor"
	Accepted   Rule = "accepted"
	Key        Rule = "key"
	Delegated  Rule = "delegated"
	Right      Rule = "right"
	RightFor   Rule = "right-issuer"
	RightOf    Rule = "right-owner"
	RightType  Rule = "right-type"
	RightSince Rule = "right-issued"
	RightUntil Rule = "right-unexpired"
	RightKey   Rule = "right-key"
)

// texts say for each rule its section, and what has to be.
var texts = map[Rule][2]string{
	Form:       {"7.1", "it is a signed trust mark of the right form"},
	Beside:     {"3.1.2", "it is of the type that stands beside it"},
	Holder:     {"7.3", "it is about the entity whose configuration holds it"},
	Issued:     {"7.3", "it was issued in the past"},
	Unexpired:  {"7.3", "it has not expired"},
	Issuer:     {"7.3", "its issuer is trusted"},
	Anchored:   {"7.3", "the chain of the issuer ends with the configuration of the trust anchor"},
	Accepted:   {"3.1.2", "the trust anchor lets this issuer issue the type (trust_mark_issuers)"},
	Key:        {"7.3", "it is signed with the key of the issuer that it names"},
	Delegated:  {"7.3", "a type that has an owner comes with a delegation"},
	Right:      {"7.2.1", "the delegation is a signed one of the right form"},
	RightFor:   {"7.2.2", "the delegation is for the issuer of the mark"},
	RightOf:    {"7.2.2", "the delegation is from the owner of the type (trust_mark_owners)"},
	RightType:  {"7.2.2", "the delegation is for the type of the mark"},
	RightSince: {"7.2.2", "the delegation was issued in the past"},
	RightUntil: {"7.2.2", "the delegation has not expired"},
	RightKey:   {"7.2.2", "the delegation is signed with the key of the owner that it names"},
}

// Check is one line of a trail.
type Check struct {
	Rule Rule
	// Section of OpenID Federation 1.0.
	Section string
	// Want is what has to be, Saw what is.
	Want, Saw string
	Passed    bool
}

// Verdict is what became of a mark.
type Verdict struct {
	Mark  Mark
	Trail []Check
	// Err is nil if the mark counts. Otherwise it wraps ErrMark.
	Err error
}

// Valid reports whether the mark counts.
func (v Verdict) Valid() bool { return v.Err == nil }

// Question is what is asked of a mark.
type Question struct {
	// Holder is the entity whose configuration holds the mark, and Beside the type that
	// stands there beside it.
	Holder federation.EntityID
	Beside string
	// Issuer is the verdict on the chain of the issuer of the mark, up to the
	// configuration of the anchor under which the mark is to count.
	Issuer trust.Verdict
	Now    time.Time
}

// Validate validates a trust mark by §7.3, its delegation by §7.2.2, and holds it against
// what the anchor says of the type (§3.1.2). Whether the issuer has revoked the mark since,
// only the issuer knows: see [ReadStatus].
func Validate(token string, q Question) Verdict {
	m, err := Parse(token)
	if err != nil {
		v := Verdict{}
		v.check(false, Form, said(err))
		return v
	}
	return m.Judge(q)
}

// Judge is [Validate] for a mark that was parsed before: its signature and that of its
// delegation are not verified again with the keys that made them.
func (m Mark) Judge(q Question) Verdict {
	v := Verdict{Mark: m}
	v.check(true, Form, said(nil))
	if !v.check(m.Type == q.Beside, Beside, fmt.Sprintf("%q, beside %q", m.Type, q.Beside)) ||
		!v.check(m.Subject == q.Holder, Holder, fmt.Sprintf("about %s, held by %s", m.Subject, q.Holder)) ||
		!v.check(!m.IssuedAt.After(q.Now.Add(trust.Leeway)), Issued, stamp(m.IssuedAt)) ||
		!v.check(m.Expiry.IsZero() || q.Now.Before(m.Expiry), Unexpired, until(m.Expiry)) {
		return v
	}
	issuer := q.Issuer
	trusted := issuer.Valid() && issuer.Subject == m.Issuer && q.Now.Before(issuer.Expiry)
	if !v.check(trusted, Issuer, said(issuer.Err)+", "+string(m.Issuer)) {
		return v
	}
	anchor := issuer.Chain[len(issuer.Chain)-1]
	if !v.check(anchor.IsConfiguration() && anchor.Subject == issuer.Anchor, Anchored, string(issuer.Anchor)) ||
		!v.check(accepts(anchor, m), Accepted, fmt.Sprintf("%s for %q", m.Issuer, m.Type)) ||
		!v.check(m.SignedBy(issuer.Chain[0].Keys) == nil, Key, "kid "+string(m.received.KeyID())) {
		return v
	}
	v.delegated(m, anchor, q.Now)
	return v
}

// accepts reports whether the anchor lets the issuer issue marks of this type. An empty
// list lets everybody (§3.1.2); of a type that is not listed none counts.
func accepts(anchor statement.Statement, m Mark) bool {
	issuers, listed := anchor.MarkIssuers[m.Type]
	return listed && (len(issuers) == 0 || slices.Contains(issuers, m.Issuer))
}

// delegated checks the right of an issuer who does not own the type (§7.2.2).
func (v *Verdict) delegated(m Mark, anchor statement.Statement, now time.Time) {
	owner, owned := anchor.MarkOwners[m.Type]
	if !v.check(!owned || m.Delegation != "", Delegated, fmt.Sprintf("an owner: %v, a delegation: %v", owned, m.Delegation != "")) ||
		m.Delegation == "" {
		return
	}
	d, err := m.right()
	_ = v.check(err == nil, Right, said(err)) &&
		v.check(d.Issuer == m.Issuer, RightFor, fmt.Sprintf("for %s, issued by %s", d.Issuer, m.Issuer)) &&
		v.check(owned && d.Owner == owner.Subject, RightOf, fmt.Sprintf("from %s, owned by %q", d.Owner, owner.Subject)) &&
		v.check(d.Type == m.Type, RightType, fmt.Sprintf("%q for a mark of %q", d.Type, m.Type)) &&
		v.check(!d.IssuedAt.After(now.Add(trust.Leeway)), RightSince, stamp(d.IssuedAt)) &&
		v.check(d.Expiry.IsZero() || now.Before(d.Expiry), RightUntil, until(d.Expiry)) &&
		v.check(d.SignedBy(owner.Keys) == nil, RightKey, "kid "+string(d.received.KeyID()))
}

// check writes a line of the trail, and the error if it is the first that fails.
func (v *Verdict) check(passed bool, rule Rule, saw string) bool {
	section, want := texts[rule][0], texts[rule][1]
	v.Trail = append(v.Trail, Check{rule, section, want, saw, passed})
	if !passed && v.Err == nil {
		v.Err = fmt.Errorf("%w: OpenID Federation 1.0 §%s: %s; it is: %s", ErrMark, section, want, saw)
	}
	return passed
}

func said(err error) string {
	if err != nil {
		return err.Error()
	}
	return "it is"
}

func until(t time.Time) string {
	if t.IsZero() {
		return "it has no end"
	}
	return stamp(t)
}
