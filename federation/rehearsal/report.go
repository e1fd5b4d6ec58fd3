package rehearsal

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"hopnhat/federation"
)

// Kind is what becomes of an entity under one anchor.
type Kind string

// The kinds, what is worst first.
const (
	Lost     Kind = "lost"      // trusted before, and no more
	RoleLost Kind = "role-lost" // trusted, without an entity type that it had
	MarkLost Kind = "mark-lost" // trusted, and a mark counts no more
	Altered  Kind = "altered"   // trusted, with other metadata
	Gained   Kind = "gained"    // trusted, or a mark counts, that did not before
)

// Reason is the check that an entity would fail, or why no chain would be there.
type Reason struct {
	// Section of OpenID Federation 1.0.
	Section string `json:"section"`
	Want    string `json:"want"`
	Saw     string `json:"saw"`
	// AdviceVI and AdviceEN say who has to do what.
	AdviceVI string `json:"advice_vi"`
	AdviceEN string `json:"advice_en"`
}

// Parameter is one of the metadata that would be another, or would not comply.
type Parameter struct {
	Type federation.EntityType `json:"entity_type"`
	// Name is empty where the whole entity type would go.
	Name string `json:"parameter,omitempty"`
	// Operator is that of the policy; "metadata" where a superior supplies the value,
	// "allowed_entity_types" where a constraint takes the type out, and empty where no rule
	// is the cause any more.
	Operator   string `json:"operator,omitempty"`
	Configured any    `json:"value,omitempty"`
	Before     any    `json:"before"`
	After      any    `json:"after"`
	// From are the superiors whose statements have the rule, the most superior first.
	From []federation.EntityID `json:"from,omitempty"`
}

// Effect is what would become of one entity under one anchor.
type Effect struct {
	Subject federation.EntityID `json:"subject"`
	Anchor  federation.EntityID `json:"trust_anchor"`
	Kind    Kind                `json:"kind"`
	// Why is nil unless the entity would be trusted no more.
	Why *Reason `json:"why,omitempty"`
	// From are the superiors whose statement makes it so, where trust is lost.
	From        []federation.EntityID `json:"from,omitempty"`
	Parameters  []Parameter           `json:"parameters,omitempty"`
	MarksLost   []string              `json:"marks_lost,omitempty"`
	MarksGained []string              `json:"marks_gained,omitempty"`
}

// Report is what a change would do.
type Report struct {
	// Judged are the entities that the change could reach; of all others the verdict stays.
	Judged int `json:"judged"`
	// Before and After count those of them that are trusted under some anchor.
	Before int `json:"trusted_before"`
	After  int `json:"trusted_after"`
	// Effects are in the order of subjects, then of anchors.
	Effects []Effect `json:"effects"`
	// Digest names the effects that are no gains: two people who see one digest see the same
	// entities harmed, in the same way. It is empty if nobody would be.
	Digest string `json:"digest,omitempty"`
}

// Harms are the effects that are no gains.
func (r Report) Harms() []Effect {
	return slices.DeleteFunc(slices.Clone(r.Effects), func(e Effect) bool { return e.Kind == Gained })
}

// Count counts the effects of a kind.
func (r Report) Count(kind Kind) (n int) {
	for _, e := range r.Effects {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// digest names effects. What a check saw is left out: it may hold times.
func digest(effects []Effect) string {
	if len(effects) == 0 {
		return ""
	}
	sum := sha256.New()
	for _, e := range effects {
		if e.Why != nil {
			e.Why = &Reason{Section: e.Why.Section, Want: e.Why.Want}
		}
		raw, err := json.Marshal(e)
		if err != nil {
			return "" // values came out of JSON
		}
		sum.Write(append(raw, '\n'))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}
