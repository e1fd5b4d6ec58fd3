package trust

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// Bounds on a chain. Eight intermediates are twice what any federation has.
const (
	MaxChain = 10
	// Leeway is how far the clock of an issuer may be ahead of ours.
	Leeway = time.Minute
)

// Anchor is a trust anchor whose keys came by a way of their own (§4): never from the
// statements that are verified with them.
type Anchor struct {
	ID   federation.EntityID
	Keys *jose.Set
}

// Check is one line of a trail.
type Check struct {
	Rule Rule
	// Section of OpenID Federation 1.0.
	Section string
	// Statement is the index of the statement in the chain; -1 for the chain as a whole.
	Statement int
	// Want is what has to be, Saw what is.
	Want, Saw string
	Passed    bool
}

// Verdict is what a chain proves.
type Verdict struct {
	Subject federation.EntityID
	// Anchor is the trust anchor at the end.
	Anchor federation.EntityID
	// Chain are the statements, the subject's first.
	Chain []statement.Statement
	// Expiry is the end of the chain: the earliest of its statements (§10.4).
	Expiry time.Time
	// Metadata are what is left of the subject's metadata.
	Metadata federation.Metadata
	// Steps are the changes and checks of metadata in their order.
	Steps []metadata.Step
	Trail []Check
	// Err is nil if the chain is valid. Otherwise it wraps ErrChain, ErrAnchor or
	// ErrMetadata.
	Err error
}

// Valid reports whether the subject is trusted.
func (v Verdict) Valid() bool { return v.Err == nil }

// Verify verifies a chain as it was received: compact JWTs, the configuration of the
// subject first. That of the anchor may be left out at the end (§4).
func Verify(chain []string, anchors []Anchor, now time.Time) Verdict {
	v := Verdict{}
	if !v.bounded(len(chain)) {
		return v
	}
	for i, token := range chain {
		s, err := statement.Parse(token)
		if err != nil {
			if f := (statement.FaultError{}); errors.As(err, &f) {
				v.checkAt(f.Section, false, Form, i, f.Saw)
				return v
			}
			v.check(false, Form, i, err.Error())
			return v
		}
		v.Chain = append(v.Chain, s)
	}
	return verify(v, anchors, now)
}

// VerifyStatements verifies a chain of statements that were parsed before.
func VerifyStatements(chain []statement.Statement, anchors []Anchor, now time.Time) Verdict {
	v := Verdict{Chain: chain}
	if !v.bounded(len(chain)) {
		return v
	}
	return verify(v, anchors, now)
}

// bounded checks how many statements a chain has.
func (v *Verdict) bounded(statements int) bool {
	return v.check(statements > 0 && statements <= MaxChain, Length, -1, strconv.Itoa(statements))
}

// verify makes the verdict. Signatures come after all that is cheaper (§10.2).
func verify(v Verdict, anchors []Anchor, now time.Time) Verdict {
	v.Subject = v.Chain[0].Subject
	v.Expiry = v.Chain[0].Expiry
	for _, s := range v.Chain {
		if s.Expiry.Before(v.Expiry) {
			v.Expiry = s.Expiry
		}
	}
	for _, stage := range []func(*Verdict, []Anchor, time.Time) bool{inTime, linked, anchored, signed, constrained, resolved} {
		if !stage(&v, anchors, now) {
			v.Metadata = nil
			return v
		}
	}
	return v
}

// check writes a line of the trail, and the error if it is the first that fails.
func (v *Verdict) check(passed bool, rule Rule, statement int, saw string) bool {
	return v.checkAt(textOf(rule).Section, passed, rule, statement, saw)
}

// checkAt is check where the section is more exact than that of the rule.
func (v *Verdict) checkAt(section string, passed bool, rule Rule, statement int, saw string) bool {
	text := textOf(rule)
	v.Trail = append(v.Trail, Check{rule, section, statement, text.Want, saw, passed})
	if !passed && v.Err == nil {
		where := "the chain"
		if statement >= 0 {
			where = fmt.Sprintf("statement %d", statement)
		}
		v.Err = fmt.Errorf("%w: OpenID Federation 1.0 §%s: %s: %s; it is: %s", text.Kind, section, where, text.Want, saw)
	}
	return passed
}

func inTime(v *Verdict, _ []Anchor, now time.Time) bool {
	for i, s := range v.Chain {
		if !v.check(!s.IssuedAt.After(now.Add(Leeway)), Issued, i, stamp(s.IssuedAt)) ||
			!v.check(now.Before(s.Expiry), Unexpired, i, stamp(s.Expiry)) {
			return false
		}
	}
	return true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// linked checks that each statement leads to the next one, and that no entity comes twice.
func linked(v *Verdict, _ []Anchor, _ time.Time) bool {
	first, last := v.Chain[0], len(v.Chain)-1
	if !v.check(first.IsConfiguration(), First, 0, names(first)) {
		return false
	}
	seen := []federation.EntityID{first.Subject}
	for i, s := range v.Chain[1:] {
		j := i + 1
		if !v.check(!s.IsConfiguration() || j == last && j > 1, Between, j, names(s)) {
			return false
		}
		before := v.Chain[j-1].Issuer
		if !v.check(s.Subject == before, Link, j, names(s)+", after "+string(before)) {
			return false
		}
		if s.IsConfiguration() {
			continue
		}
		if !v.check(!slices.Contains(seen, s.Issuer), NoLoop, j, string(s.Issuer)) {
			return false
		}
		seen = append(seen, s.Issuer)
	}
	if last == 0 {
		return true
	}
	return v.check(slices.Contains(first.AuthorityHints, v.Chain[1].Issuer), Hint, 0,
		fmt.Sprintf("%v, and the superior is %s", first.AuthorityHints, v.Chain[1].Issuer))
}

func names(s statement.Statement) string {
	if s.IsConfiguration() {
		return "the configuration of " + string(s.Subject)
	}
	return fmt.Sprintf("a statement of %s about %s", s.Issuer, s.Subject)
}

// anchored checks that the end of the chain is an anchor of ours.
func anchored(v *Verdict, anchors []Anchor, _ time.Time) bool {
	v.Anchor = v.Chain[len(v.Chain)-1].Issuer
	ids := make([]string, len(anchors))
	for i, a := range anchors {
		ids[i] = string(a.ID)
	}
	return v.check(slices.Contains(ids, string(v.Anchor)), Ends, len(v.Chain)-1,
		fmt.Sprintf("%s, and configured are %v", v.Anchor, ids))
}

// signed verifies each signature with keys of the next statement, those of the anchor with
// the keys configured here, and those of configurations with their own too.
func signed(v *Verdict, anchors []Anchor, _ time.Time) bool {
	anchor := anchors[slices.IndexFunc(anchors, func(a Anchor) bool { return a.ID == v.Anchor })]
	for i, s := range v.Chain {
		saw := "kid " + string(s.KeyID())
		if s.IsConfiguration() &&
			!v.check(s.SignedBy(s.Keys) == nil, OwnKey, i, saw) {
			return false
		}
		if i+1 < len(v.Chain) &&
			!v.check(s.SignedBy(v.Chain[i+1].Keys) == nil, NextKey, i, saw) {
			return false
		}
		if s.Issuer == v.Anchor &&
			!v.check(s.SignedBy(anchor.Keys) == nil, PinnedKey, i, saw) {
			return false
		}
	}
	return true
}

// constrained applies the constraints of each subordinate statement on their own (§6.2).
func constrained(v *Verdict, _ []Anchor, _ time.Time) bool {
	for i, s := range v.Chain {
		if i == 0 || s.IsConfiguration() {
			continue
		}
		c := s.Constraints
		if between := i - 1; c.MaxPathLength != nil && !v.check(between <= *c.MaxPathLength, Path, i,
			fmt.Sprintf("%d between %s and the subject, who allows %d", between, s.Issuer, *c.MaxPathLength)) {
			return false
		}
		// All that stands below the issuer: the subject of this statement and of those before.
		for j := i; j > 0 && (c.Permitted != nil || c.Excluded != nil); j-- {
			id := v.Chain[j].Subject
			if !v.check(named(c, id.Host()), Naming, i,
				fmt.Sprintf("%s; permitted %q, excluded %q", id, c.Permitted, c.Excluded)) {
				return false
			}
		}
	}
	return true
}

// named reports whether naming constraints allow a host (RFC 5280 §4.2.1.10).
func named(c federation.Constraints, host string) bool {
	in := func(rule string) bool {
		if strings.HasPrefix(rule, ".") {
			return strings.HasSuffix(host, rule) && len(host) > len(rule)
		}
		return host == rule
	}
	return !slices.ContainsFunc(c.Excluded, in) && (c.Permitted == nil || slices.ContainsFunc(c.Permitted, in))
}

// resolved derives the metadata: what the superior supplies, the entity types allowed, the
// merged policy, in this order (§6.1.4.2, §6.2.3).
func resolved(v *Verdict, _ []Anchor, _ time.Time) bool {
	m := v.Chain[0].Metadata
	if len(v.Chain) > 1 {
		supplied, steps := metadata.Supply(m, v.Chain[1].Metadata)
		m, v.Steps = supplied, append(v.Steps, steps...)
	}
	var layers []metadata.Layer
	for _, s := range slices.Backward(v.Chain) {
		if s.IsConfiguration() {
			continue
		}
		limited, steps := metadata.Limit(m, s.Constraints)
		m, v.Steps = limited, append(v.Steps, steps...)
		layers = append(layers, metadata.Layer{Policy: s.Policy, Critical: s.PolicyCritical})
	}
	policy, err := metadata.MergeAll(layers)
	if !v.checkPolicy(err) {
		return false
	}
	applied, steps, err := metadata.Apply(m, policy)
	v.Steps = append(v.Steps, steps...)
	if !v.checkPolicy(err) {
		return false
	}
	v.Metadata = applied
	return true
}

// checkPolicy checks what became of policies and metadata. A policy error makes the chain
// invalid, whoever made it (§6.1.4).
func (v *Verdict) checkPolicy(err error) bool {
	rule := Policies
	if errors.Is(err, metadata.ErrMetadata) {
		rule = Complies
	}
	if at := (*metadata.Error)(nil); errors.As(err, &at) {
		return v.checkAt(at.Section, false, rule, -1, err.Error())
	}
	return v.check(true, rule, -1, "they do")
}
