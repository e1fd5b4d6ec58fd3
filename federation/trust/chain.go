package trust

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/metadata"
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

// The reasons for which trust is refused, by their codes (§8.9).
var (
	ErrChain    = errors.New("invalid_trust_chain")
	ErrAnchor   = errors.New("invalid_trust_anchor")
	ErrMetadata = errors.New("invalid_metadata")
)

// Check is one line of a trail.
type Check struct {
	// Section of OpenID Federation 1.0.
	Section string
	// Statement is the index of the statement in the chain; -1 for the chain as a whole.
	Statement int
	// Rule is what has to be, Saw what is.
	Rule, Saw string
	Passed    bool
}

// Verdict is what a chain proves.
type Verdict struct {
	Subject federation.EntityID
	// Anchor is the trust anchor at the end.
	Anchor federation.EntityID
	// Chain are the statements, the subject's first.
	Chain []federation.Statement
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
	if !v.check(len(chain) > 0 && len(chain) <= MaxChain, "4", -1, fmt.Sprintf("a chain has 1 to %d statements", MaxChain),
		fmt.Sprintf("%d", len(chain)), ErrChain) {
		return v
	}
	for i, token := range chain {
		s, err := federation.Parse(token)
		if err != nil {
			section := "3.2"
			if f := (federation.FaultError{}); errors.As(err, &f) {
				section = f.Section
			}
			v.check(false, section, i, "each is a statement that keeps to its form", err.Error(), ErrChain)
			return v
		}
		v.Chain = append(v.Chain, s)
	}
	return verify(v, anchors, now)
}

// VerifyStatements verifies a chain of statements that were parsed before.
func VerifyStatements(chain []federation.Statement, anchors []Anchor, now time.Time) Verdict {
	v := Verdict{Chain: chain}
	if !v.check(len(chain) > 0 && len(chain) <= MaxChain, "4", -1, fmt.Sprintf("a chain has 1 to %d statements", MaxChain),
		fmt.Sprintf("%d", len(chain)), ErrChain) {
		return v
	}
	return verify(v, anchors, now)
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
func (v *Verdict) check(passed bool, section string, statement int, rule, saw string, kind error) bool {
	v.Trail = append(v.Trail, Check{section, statement, rule, saw, passed})
	if !passed && v.Err == nil {
		where := "the chain"
		if statement >= 0 {
			where = fmt.Sprintf("statement %d", statement)
		}
		v.Err = fmt.Errorf("%w: OpenID Federation 1.0 §%s: %s: %s; it is: %s", kind, section, where, rule, saw)
	}
	return passed
}

func inTime(v *Verdict, _ []Anchor, now time.Time) bool {
	for i, s := range v.Chain {
		if !v.check(!s.IssuedAt.After(now.Add(Leeway)), "10.2", i, "it was issued in the past", stamp(s.IssuedAt), ErrChain) ||
			!v.check(now.Before(s.Expiry), "10.2", i, "it has not expired", stamp(s.Expiry), ErrChain) {
			return false
		}
	}
	return true
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// linked checks that each statement leads to the next one, and that no entity comes twice.
func linked(v *Verdict, _ []Anchor, _ time.Time) bool {
	first, last := v.Chain[0], len(v.Chain)-1
	if !v.check(first.IsConfiguration(), "10.2", 0, "the first is the configuration of the subject",
		names(first), ErrChain) {
		return false
	}
	seen := []federation.EntityID{first.Subject}
	for i, s := range v.Chain[1:] {
		j := i + 1
		if !v.check(!s.IsConfiguration() || j == last && j > 1, "4", j,
			"between the first and that of the anchor all are statements about others", names(s), ErrChain) {
			return false
		}
		before := v.Chain[j-1].Issuer
		if !v.check(s.Subject == before, "10.2", j, "it is about the issuer of the one before, "+string(before), names(s), ErrChain) {
			return false
		}
		if s.IsConfiguration() {
			continue
		}
		if !v.check(!slices.Contains(seen, s.Issuer), "10.1", j, "no entity comes twice", string(s.Issuer), ErrChain) {
			return false
		}
		seen = append(seen, s.Issuer)
	}
	if last == 0 {
		return true
	}
	return v.check(slices.Contains(first.AuthorityHints, v.Chain[1].Issuer), "3.2", 0,
		"authority_hints of the subject name its superior, "+string(v.Chain[1].Issuer), fmt.Sprint(first.AuthorityHints), ErrChain)
}

func names(s federation.Statement) string {
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
	return v.check(slices.Contains(ids, string(v.Anchor)), "10.2", len(v.Chain)-1,
		"the chain ends at one of the trust anchors configured here: "+strings.Join(ids, ", "), string(v.Anchor), ErrAnchor)
}

// signed verifies each signature with keys of the next statement, those of the anchor with
// the keys configured here, and those of configurations with their own too.
func signed(v *Verdict, anchors []Anchor, _ time.Time) bool {
	anchor := anchors[slices.IndexFunc(anchors, func(a Anchor) bool { return a.ID == v.Anchor })]
	for i, s := range v.Chain {
		saw := "kid " + string(s.KeyID())
		if s.IsConfiguration() &&
			!v.check(s.SignedBy(s.Keys) == nil, "10.2", i, "it is signed with a key that it states itself", saw, ErrChain) {
			return false
		}
		if i+1 < len(v.Chain) &&
			!v.check(s.SignedBy(v.Chain[i+1].Keys) == nil, "10.2", i, "it is signed with a key that the next one states", saw, ErrChain) {
			return false
		}
		if s.Issuer == v.Anchor &&
			!v.check(s.SignedBy(anchor.Keys) == nil, "4", i, "it is signed with a key of the trust anchor that is configured here", saw, ErrChain) {
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
		if between := i - 1; c.MaxPathLength != nil && !v.check(between <= *c.MaxPathLength, "6.2.1", i,
			fmt.Sprintf("at most %d intermediates between %s and the subject", *c.MaxPathLength, s.Issuer), fmt.Sprint(between), ErrChain) {
			return false
		}
		// All that stands below the issuer: the subject of this statement and of those before.
		for j := i; j > 0 && (c.Permitted != nil || c.Excluded != nil); j-- {
			id := v.Chain[j].Subject
			if !v.check(named(c, id.Host()), "6.2.2", i, "the hosts of all below "+string(s.Issuer)+" are permitted and not excluded",
				string(id), ErrChain) {
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
	if !v.checkPolicy(err, "the policies of the chain go together") {
		return false
	}
	applied, steps, err := metadata.Apply(m, policy)
	v.Steps = append(v.Steps, steps...)
	if !v.checkPolicy(err, "the metadata comply with the policy") {
		return false
	}
	v.Metadata = applied
	return true
}

func (v *Verdict) checkPolicy(err error, rule string) bool {
	if err == nil {
		return v.check(true, "6.1.4", -1, rule, "they do", nil)
	}
	kind, section := ErrMetadata, "6.1.4"
	if errors.Is(err, metadata.ErrPolicy) {
		kind = ErrChain // §6.1.4: a policy error makes the chain invalid
	}
	if at := (*metadata.Error)(nil); errors.As(err, &at) {
		section = at.Section
	}
	return v.check(false, section, -1, rule, err.Error(), kind)
}
