package registration

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"hopnhat/authz"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// Rules are what this provider asks of apps that a federation vouches for, and lets them do.
type Rules struct {
	// Anchors are the trust anchors, the one to prefer first.
	Anchors []trust.Anchor
	// Let is what every trusted app may register. Its owner is empty: each app has its own.
	Let apps.Policy
	// Marks let more to an app that holds a trust mark, and may demand it.
	Marks []MarkRule
	// Checks are those of every app.
	Checks apps.Rules
	// Sum is that of the file they were read from: an app is judged anew by others.
	Sum [sha256.Size]byte
}

// Accepts reports whether apps are let in under an anchor.
func (r Rules) Accepts(anchor string) bool {
	return slices.ContainsFunc(r.Anchors, func(a trust.Anchor) bool { return string(a.ID) == anchor })
}

// MarkRule is what a type of trust mark lets beyond [Rules.Let].
type MarkRule struct {
	Type string `json:"trust_mark_type"`
	// Required refuses every app without it.
	Required     bool                `json:"required,omitempty"`
	GrantTypes   []string            `json:"grant_types,omitempty"`
	Scopes       []string            `json:"scopes,omitempty"`
	Declarations []authz.Declaration `json:"declarations,omitempty"`
}

// Bounds on an operator's file.
const (
	maxAnchors = 16
	maxMarks   = 32
)

// file is an operator's file.
type file struct {
	Anchors []struct {
		ID   string          `json:"entity_id"`
		JWKS json.RawMessage `json:"jwks"`
	} `json:"trust_anchors"`
	Profile      authz.ProfileName         `json:"profile"`
	GrantTypes   []string                  `json:"grant_types,omitempty"`
	Scopes       []string                  `json:"scopes,omitempty"`
	Declarations []authz.Declaration       `json:"declarations,omitempty"`
	MinimumLevel authz.AuthenticationLevel `json:"minimum_level,omitempty"`
	Marks        []MarkRule                `json:"trust_marks,omitempty"`
}

// ParseRules reads an operator's file, in JSON: trust anchors with their keys (§4), and what
// is let. A member that is not known is an error, since it is a slip. checks are those of
// every app.
func ParseRules(raw []byte, checks apps.Rules) (Rules, error) {
	if err := jose.CheckJSON(raw); err != nil {
		return Rules{}, err
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Rules{}, fmt.Errorf("not the rules of a federation: %w", err)
	}
	r := Rules{Marks: f.Marks, Checks: checks, Sum: sha256.Sum256(raw), Let: apps.Policy{
		Profile: f.Profile, GrantTypes: f.GrantTypes, Scopes: f.Scopes, Declarations: f.Declarations, MinimumLevel: f.MinimumLevel,
	}}
	if r.Let.Profile == "" {
		r.Let.Profile = authz.FAPI2
	}
	if len(f.Anchors) == 0 || len(f.Anchors) > maxAnchors || len(f.Marks) > maxMarks {
		return Rules{}, fmt.Errorf("trust_anchors holds 1 to %d anchors, trust_marks at most %d types", maxAnchors, maxMarks)
	}
	for _, a := range f.Anchors {
		anchor, err := readAnchor(a.ID, a.JWKS)
		if err != nil {
			return Rules{}, fmt.Errorf("trust_anchors: %w", err)
		}
		if slices.ContainsFunc(r.Anchors, func(other trust.Anchor) bool { return other.ID == anchor.ID }) {
			return Rules{}, fmt.Errorf("trust_anchors: %s stands in it twice", anchor.ID)
		}
		r.Anchors = append(r.Anchors, anchor)
	}
	return r, r.check()
}

// readAnchor reads an anchor. Its keys are given here and never taken from what it states.
func readAnchor(id string, jwks json.RawMessage) (trust.Anchor, error) {
	entity, err := federation.ParseEntityID(id)
	if err != nil {
		return trust.Anchor{}, err
	}
	set, err := jose.ParseSet(jwks)
	if err != nil {
		return trust.Anchor{}, fmt.Errorf("%s: jwks: %w", entity, err)
	}
	if set.Len() == 0 {
		return trust.Anchor{}, fmt.Errorf("%s: jwks has no key that can be used", entity)
	}
	return trust.Anchor{ID: entity, Keys: set}, nil
}

// check refuses rules that no app could keep to.
func (r Rules) check() error {
	var types []string
	for _, m := range r.Marks {
		if m.Type == "" || slices.Contains(types, m.Type) {
			return errors.New("trust_marks: a trust_mark_type is missing or stands there twice")
		}
		types = append(types, m.Type)
	}
	if !slices.ContainsFunc(methods, func(m authz.AuthMethod) bool {
		return slices.Contains(authz.Profiles[r.Let.Profile].AuthMethods, m)
	}) {
		return fmt.Errorf("profile: apps of a federation authenticate by %v, which profile %q does not offer", methods, r.Let.Profile)
	}
	// The owner is each app's own; any name stands for it here.
	return r.policy(types, authz.LocalizedText{VI: "Cơ quan"}).Check(r.Checks.Catalogue)
}

// policy is what an app of an owner may register that holds marks of some types.
func (r Rules) policy(held []string, owner authz.LocalizedText) apps.Policy {
	p := r.Let
	p.Owner, p.Called = owner, "what this provider lets apps of a federation"
	for _, m := range r.Marks {
		if slices.Contains(held, m.Type) {
			p = p.And(apps.Policy{GrantTypes: m.GrantTypes, Scopes: m.Scopes, Declarations: m.Declarations})
		}
	}
	return p
}
