package enrol

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/metadata"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// Bounds on terms.
const (
	maxText = 200
	maxPart = 32 << 10 // of the key set, the policy, the constraints and the metadata
	// LongestTerm is how far ahead an enrolment may end.
	LongestTerm = 5 * 366 * 24 * time.Hour
	// lastLevel is the highest security level of an information system (Nghị định
	// 85/2016/NĐ-CP, Điều 7 to 11).
	lastLevel = 5
)

// ErrTerms is what every refusal of terms wraps.
var ErrTerms = errors.New("the terms are not good")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTerms, fmt.Sprintf(format, args...))
}

// Terms are what was agreed with an entity, and what is stated about it.
type Terms struct {
	Organization string `json:"organization"`
	// Agreement is the number of the agreement under which it joins.
	Agreement string `json:"agreement"`
	// Level is the approved security level of its system, 1 to 5.
	Level int                     `json:"level"`
	Types []federation.EntityType `json:"entity_types"`
	// Intermediate says that it has subordinates of its own.
	Intermediate bool `json:"intermediate"`
	// Keys are its federation keys, a JWK Set.
	Keys json.RawMessage `json:"jwks"`
	// Metadata, Policy and Constraints are claims of the statement; empty ones are left out.
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Policy      json.RawMessage `json:"metadata_policy,omitempty"`
	Constraints json.RawMessage `json:"constraints,omitempty"`
	// Until is when the enrolment ends, unless it is renewed.
	Until time.Time `json:"until"`
}

// FromConfiguration takes from an entity's own configuration who it is and its keys. The
// configuration is signed with one of these keys, so who sent it holds them; it is in force
// at a time and names us as its superior (§3.1.2).
func FromConfiguration(c statement.Statement, superior federation.EntityID, now time.Time) (Terms, error) {
	switch {
	case !c.IsConfiguration():
		return Terms{}, bad("it is a statement about another, not a configuration")
	case c.IssuedAt.After(now.Add(trust.Leeway)) || !now.Before(c.Expiry):
		return Terms{}, bad("the configuration of %s is not in force: it was issued at %s and ends at %s", c.Subject, stamp(c.IssuedAt), stamp(c.Expiry))
	case !slices.Contains(c.AuthorityHints, superior):
		return Terms{}, bad("the configuration of %s does not name %s in authority_hints", c.Subject, superior)
	case c.SignedBy(c.Keys) != nil:
		return Terms{}, bad("the configuration of %s is not signed with a key that it states", c.Subject)
	}
	t := Terms{Keys: c.RawKeys(), Types: slices.Sorted(maps.Keys(c.Metadata))}
	for _, kind := range append([]federation.EntityType{federation.FederationEntity}, t.Types...) {
		if name, ok := c.Metadata[kind]["organization_name"].(string); ok && t.Organization == "" {
			t.Organization = name
		}
	}
	_, t.Intermediate = c.Metadata[federation.FederationEntity]["federation_fetch_endpoint"]
	return t, nil
}

// ReadPolicy takes from JSON what is stated besides the keys: an object with metadata,
// metadata_policy and constraints, and no others; nothing from an empty text. Terms that had
// such claims have those of the text alone.
func (t *Terms) ReadPolicy(raw []byte) error {
	var p struct {
		Metadata    json.RawMessage `json:"metadata"`
		Policy      json.RawMessage `json:"metadata_policy"`
		Constraints json.RawMessage `json:"constraints"`
	}
	if len(bytes.TrimSpace(raw)) > 0 {
		if err := jose.CheckJSON(raw); err != nil {
			return bad("the policy: %v", err)
		}
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&p); err != nil {
			return bad("the policy: %v", err)
		}
	}
	t.Metadata, t.Policy, t.Constraints = p.Metadata, p.Policy, p.Constraints
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Check checks terms for a subject of ours: every text is there, the end is ahead, and what
// would be stated is a statement that others take, with a policy whose operators all are
// known and go together (§6.1.4.1).
func (t Terms) Check(issuer, subject federation.EntityID, now time.Time) error {
	for name, text := range map[string]string{"organization": t.Organization, "agreement": t.Agreement} {
		switch {
		case strings.TrimSpace(text) == "":
			return bad("the %s is missing", name)
		case len(text) > maxText || authz.CheckFreeText(text) != nil:
			return bad("the %s is longer than %d bytes, or not a text", name, maxText)
		}
	}
	switch {
	case issuer == subject:
		return bad("an entity is no subordinate of itself")
	case t.Level < 1 || t.Level > lastLevel:
		return bad("the security level is %d, and goes from 1 to %d", t.Level, lastLevel)
	case len(t.Types) == 0:
		return bad("it has no entity type")
	case !t.Until.After(now) || t.Until.After(now.Add(LongestTerm)):
		return bad("it ends at %s, which is past or more than five years ahead", stamp(t.Until))
	}
	for name, part := range map[string]json.RawMessage{"jwks": t.Keys, "metadata": t.Metadata, "metadata_policy": t.Policy, "constraints": t.Constraints} {
		if len(part) > maxPart {
			return bad("%s is longer than %d bytes", name, maxPart)
		}
	}
	s, err := t.tried(issuer, subject, now)
	if err != nil {
		return bad("what would be stated of it: %v", err)
	}
	checked, err := metadata.Check(s.Policy, nil)
	if err != nil {
		return bad("%v", err)
	}
	for kind, parameters := range s.Policy {
		for name, operators := range parameters {
			if len(checked[kind][name]) != len(operators) {
				return bad("metadata_policy of %s: %s has an operator that is not of §6.1.3.1", kind, name)
			}
		}
	}
	return nil
}

// tried reads what would be stated, as another would, but for the signature.
func (t Terms) tried(issuer, subject federation.EntityID, now time.Time) (statement.Statement, error) {
	token, err := statement.Unsigned(t.Claims(issuer, subject, now, now.Add(time.Hour)))
	if err != nil {
		return statement.Statement{}, err
	}
	return statement.Parse(token)
}

// Claims are the payload of the subordinate statement (§3.1.1, §3.1.3).
func (t Terms) Claims(issuer, subject federation.EntityID, issued, expiry time.Time) map[string]any {
	claims := map[string]any{
		"iss": issuer, "sub": subject, "iat": issued.Unix(), "exp": expiry.Unix(), "jwks": t.Keys, "metadata": t.supplied(),
	}
	if len(t.Policy) > 0 {
		claims["metadata_policy"] = t.Policy
	}
	if limits := t.limits(); limits != nil {
		claims["constraints"] = limits
	}
	return claims
}

// limits are the constraints of the terms. An entity that is no intermediate states nobody
// (§6.2.1), and plays the roles that were agreed and no others (§6.2.3), whatever it says of
// itself later. Nil is for none.
func (t Terms) limits() any {
	all := map[string]json.RawMessage{}
	if len(t.Constraints) > 0 && (json.Unmarshal(t.Constraints, &all) != nil || all == nil) {
		return t.Constraints // refused by Check
	}
	if t.Intermediate {
		if len(all) == 0 {
			return nil
		}
		return all
	}
	all["max_path_length"] = json.RawMessage("0")
	allowed := slices.DeleteFunc(slices.Clone(t.Types),
		func(kind federation.EntityType) bool { return kind == federation.FederationEntity })
	if given := all["allowed_entity_types"]; given != nil {
		var narrower []federation.EntityType
		if json.Unmarshal(given, &narrower) != nil || narrower == nil || slices.Contains(narrower, federation.FederationEntity) {
			return all // refused by Check
		}
		allowed = slices.DeleteFunc(allowed, func(kind federation.EntityType) bool { return !slices.Contains(narrower, kind) })
	}
	if allowed == nil {
		allowed = []federation.EntityType{}
	}
	all["allowed_entity_types"], _ = json.Marshal(allowed) // names are texts
	return all
}

// Digest names the terms: two people who see one digest see the same keys, names, roles,
// policies and end.
func (t Terms) Digest() string {
	raw := canonical(t)
	if raw == nil {
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// supplied are the metadata of the terms, with the name that was agreed for each role that
// the entity plays: others read it as its own, and a superior vouches for it.
func (t Terms) supplied() any {
	all := map[federation.EntityType]map[string]any{}
	if len(t.Metadata) > 0 {
		d := json.NewDecoder(bytes.NewReader(t.Metadata))
		d.UseNumber()
		if d.Decode(&all) != nil || all == nil {
			return t.Metadata // refused by Check
		}
	}
	for _, kind := range t.Types {
		if all[kind] == nil {
			all[kind] = map[string]any{}
		}
		if _, said := all[kind]["organization_name"]; !said {
			all[kind]["organization_name"] = t.Organization
		}
	}
	return all
}
