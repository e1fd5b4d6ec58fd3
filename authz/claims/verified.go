package claims

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
)

// What OpenID Connect for Identity Assurance §8 has a provider tell of itself.
// The trust framework is that of electronic identification (Law 26/2023/QH15,
// Decree 69/2024/NĐ-CP), which no registry of names has a value for; the only
// evidence is the person's row in the population register.
const (
	TrustFramework   = "vn_eid"
	EvidenceType     = "electronic_record"
	ElectronicRecord = "population_register"
)

// InVerified are the claims that may stand in verified_claims.
func InVerified() []string {
	var names []string
	for _, c := range table {
		if c.verified {
			names = append(names, c.name)
		}
	}
	return names
}

// Verified is one element of a request for verified_claims.
type Verified struct {
	// Verification is the request's template: what is wanted of the verification
	// data, and what they must be.
	Verification json.RawMessage `json:"verification,omitempty"`
	Claims       map[string]Want `json:"claims,omitempty"`
}

func (v Verified) attributes() []authz.AttributeID {
	var ids []authz.AttributeID
	for name := range v.Claims {
		if c, ok := find(name); ok && c.verified {
			ids = append(ids, c.attribute)
		}
	}
	if len(ids) > 0 && v.wantsRecordDate() {
		ids = append(ids, updatedOn)
	}
	return ids
}

// wantsRecordDate: the day the record is of is an attribute of the register and
// leaves only when asked for.
func (v Verified) wantsRecordDate() bool {
	var wanted struct {
		Evidence []struct {
			Record map[string]json.RawMessage `json:"record"`
		} `json:"evidence"`
	}
	if json.Unmarshal(v.Verification, &wanted) != nil {
		return false
	}
	for _, e := range wanted.Evidence {
		if _, ok := e.Record["created_at"]; ok {
			return true
		}
	}
	return false
}

// AssuranceLevel names an account level in verified_claims (Decree 69/2024/NĐ-CP
// Art. 7).
func AssuranceLevel(level authz.AccountLevel) string { return fmt.Sprintf("level_%d", level) }

// verification is all that can be told of how the person was verified; the request
// chooses from it.
func verification(s Source) map[string]any {
	record := map[string]any{
		"type": ElectronicRecord,
		"source": map[string]any{
			"name": "Cơ sở dữ liệu quốc gia về dân cư", "country_code": "VNM", "jurisdiction": "Việt Nam",
		},
	}
	if day, ok := s.text(updatedOn); ok {
		record["created_at"] = day
	}
	proofed := s.Proofed.UTC().Format(time.RFC3339)
	return map[string]any{
		"trust_framework": TrustFramework,
		"assurance_level": AssuranceLevel(s.Account),
		"time":            proofed,
		"evidence": []any{map[string]any{
			"type": EvidenceType, "time": proofed, "record": record,
			"check_details": []any{map[string]any{"check_method": "data", "organization": "Bộ Công an"}},
		}},
	}
}

// answer is §5.7.3 and §5.7.4: where verification data are not as wanted the whole
// element is left out; where a claim is not, the claim; and with the last claim
// the element.
func (v Verified) answer(s Source, now time.Time) (any, bool) {
	claims := map[string]any{}
	for name, want := range v.Claims {
		c, ok := find(name)
		if !ok || !c.verified {
			continue
		}
		if value, ok := c.value(s); ok && want.accepts(value, now) {
			claims[name] = value
		}
	}
	if len(claims) == 0 {
		return nil, false
	}
	shown := any(map[string]any{})
	if len(v.Verification) > 0 {
		var template any
		if json.Unmarshal(v.Verification, &template) != nil {
			return nil, false
		}
		if _, object := template.(map[string]any); object {
			var ok bool
			if shown, ok = fit(template, verification(s), now); !ok {
				return nil, false
			}
		}
	}
	// The one member a response cannot be without.
	out, _ := shown.(map[string]any)
	out["trust_framework"] = TrustFramework
	return map[string]any{"verification": out, "claims": claims}, true
}

// fit cuts data to a request's template. ok is false where the template has a
// requirement that the data do not meet.
func fit(template, data any, now time.Time) (any, bool) {
	switch t := template.(type) {
	case map[string]any:
		if object, ok := data.(map[string]any); ok {
			return fitObject(t, object, now)
		}
		if list, ok := data.([]any); ok { // a template for each element
			return fitList([]any{t}, list, now)
		}
		want, ok := required(t)
		return data, ok && want.accepts(data, now)
	case []any:
		if list, ok := data.([]any); ok {
			return fitList(t, list, now)
		}
		return nil, false
	default: // null: as it is
		return data, true
	}
}

func fitObject(template, data map[string]any, now time.Time) (any, bool) {
	out := map[string]any{}
	for name, wanted := range template {
		value, have := data[name]
		if !have {
			// Unavailable is left out (§5.7.1), unless it was to be something.
			if demanding(map[string]any{name: wanted}) {
				return nil, false
			}
			continue
		}
		cut, ok := fit(wanted, value, now)
		if !ok {
			return nil, false
		}
		out[name] = cut
	}
	return out, true
}

// fitList keeps the elements that one of the templates fits: they are joined by OR
// (§5.4).
func fitList(templates, data []any, now time.Time) (any, bool) {
	var out []any
	for _, element := range data {
		for _, template := range templates {
			if cut, ok := fit(template, element, now); ok {
				out = append(out, cut)
				break
			}
		}
	}
	return out, len(out) > 0
}

// required reads the special members of a template's leaf; what cannot be read is
// a requirement that nothing meets.
func required(leaf map[string]any) (Want, bool) {
	raw, err := json.Marshal(leaf)
	if err != nil {
		return Want{}, false
	}
	want, err := ParseWant(raw)
	return want, err == nil
}

// demanding reports whether a template holds a requirement at any depth.
func demanding(template any) bool {
	switch t := template.(type) {
	case map[string]any:
		for name, inner := range t {
			if slices.Contains([]string{"value", "values", "max_age"}, name) || demanding(inner) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(t, demanding)
	}
	return false
}

// ParseWant reads how one claim is wanted: null, or an object of which members
// that are not understood are ignored (OpenID Connect Core §5.5.1).
func ParseWant(raw json.RawMessage) (Want, error) {
	var w Want
	if strings.TrimSpace(string(raw)) == "null" {
		return w, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return w, fmt.Errorf("is neither null nor an object")
	}
	if essential, ok := members["essential"]; ok && (string(essential) == "null" || json.Unmarshal(essential, &w.Essential) != nil) {
		return w, fmt.Errorf("has an essential that is neither true nor false")
	}
	value, one := members["value"]
	values, many := members["values"]
	switch {
	case one && many:
		return w, fmt.Errorf("has both value and values")
	case one:
		w.Values = []json.RawMessage{value}
	case many:
		if json.Unmarshal(values, &w.Values) != nil || len(w.Values) == 0 || len(w.Values) > maxValues {
			return w, fmt.Errorf("has values that are not a list of 1 to %d", maxValues)
		}
	}
	if age, ok := members["max_age"]; ok {
		var seconds float64
		if string(age) == "null" || json.Unmarshal(age, &seconds) != nil || seconds < 0 || seconds > 1e12 {
			return w, fmt.Errorf("has a max_age that is not a number of seconds")
		}
		whole := int64(seconds)
		w.MaxAge = &whole
	}
	return w, nil
}

// maxValues bounds the values one claim may be wanted with.
const maxValues = 32
