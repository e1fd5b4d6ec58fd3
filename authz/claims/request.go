package claims

import (
	"encoding/json"
	"reflect"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/calendar"
)

// Request is what the claims request parameter asks for, OpenID Connect Core §5.5,
// after it was read: claims nobody here knows are left out of it.
type Request struct {
	UserInfo Members `json:"userinfo,omitzero"`
	IDToken  Members `json:"id_token,omitzero"`
}

// Members are the claims asked for at one place.
type Members struct {
	// Claims by the name they were asked by, language tag included.
	Claims map[string]Want `json:"claims,omitempty"`
	// Verified are the elements of verified_claims, each answered on its own.
	Verified []Verified `json:"verified_claims,omitempty"`
}

// IsZero reports whether nothing is asked for.
func (m Members) IsZero() bool { return len(m.Claims) == 0 && len(m.Verified) == 0 }

// Want is how one claim is wanted, OpenID Connect Core §5.5.1. Essential changes
// nothing about a claim of a register: it is asked of the person either way.
type Want struct {
	Essential bool `json:"essential,omitempty"`
	// Values are value or values; empty accepts any.
	Values []json.RawMessage `json:"values,omitempty"`
	// MaxAge is in seconds, for dates in verified_claims (OpenID Connect for
	// Identity Assurance §5.5.2).
	MaxAge *int64 `json:"max_age,omitempty"`
}

// accepts reports whether a value is one that is wanted.
func (w Want) accepts(value any, now time.Time) bool {
	if w.MaxAge != nil && !youngEnough(value, *w.MaxAge, now) {
		return false
	}
	return len(w.Values) == 0 || slices.ContainsFunc(w.Values, func(raw json.RawMessage) bool { return same(raw, value) })
}

// same compares as JSON values.
func same(raw json.RawMessage, value any) bool {
	encoded, err := json.Marshal(value)
	if err != nil {
		return false
	}
	var a, b any
	return json.Unmarshal(raw, &a) == nil && json.Unmarshal(encoded, &b) == nil && reflect.DeepEqual(a, b)
}

// youngEnough counts from the last second of a date (OpenID Connect for Identity
// Assurance §5.5.2).
func youngEnough(value any, seconds int64, now time.Time) bool {
	text, _ := value.(string)
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		day, err := time.ParseInLocation(time.DateOnly, text, calendar.Hanoi)
		if err != nil {
			return false
		}
		at = day.AddDate(0, 0, 1).Add(-time.Second)
	}
	const century = 100 * 366 * 24 * 3600
	return now.Sub(at) <= time.Duration(min(seconds, century))*time.Second
}

// ACR is the acr the request wants in the ID token: the values it accepts, nil for
// any, and whether a sign-in at none of them must fail (OpenID Connect Core
// §5.5.1.1).
func (r Request) ACR() (values []string, essential bool) {
	want, requested := r.IDToken.Claims["acr"]
	if !requested {
		return nil, false
	}
	if len(want.Values) > 0 {
		values = []string{} // of which none may be a text: a demand that cannot be met
	}
	for _, raw := range want.Values {
		var v string
		if json.Unmarshal(raw, &v) == nil {
			values = append(values, v)
		}
	}
	return values, want.Essential
}

// Subject is the sub the request is for, where it names one: an answer about
// anybody else must not be given (OpenID Connect Core §3.1.2.2, §5.5.1).
func (r Request) Subject() (subjects []string, named bool) {
	for _, m := range []Members{r.IDToken, r.UserInfo} {
		for _, raw := range m.Claims["sub"].Values {
			var v string
			if json.Unmarshal(raw, &v) == nil {
				subjects = append(subjects, v)
			}
			named = true
		}
	}
	return subjects, named
}

// Attributes are what must be released for what is asked.
func (m Members) Attributes() []authz.AttributeID {
	var ids []authz.AttributeID
	for name := range m.Claims {
		if c, ok := find(name); ok {
			ids = append(ids, c.attribute)
		}
	}
	for _, v := range m.Verified {
		ids = append(ids, v.attributes()...)
	}
	return unique(ids)
}

// Attributes are what must be released for the whole request: its scopes and its
// claims at both places.
func Attributes(scopes []string, r Request) []authz.AttributeID {
	return unique(slices.Concat(OfScopes(scopes...), r.UserInfo.Attributes(), r.IDToken.Attributes()))
}

// WithScopes adds the claims that scopes ask for to what a place was asked for
// (OpenID Connect Core §5.4).
func (m Members) WithScopes(scopes ...string) Members {
	all := Members{Claims: map[string]Want{}, Verified: m.Verified}
	for _, c := range table {
		if c.scope != "" && slices.Contains(scopes, c.scope) {
			all.Claims[c.name] = Want{}
		}
	}
	for name, want := range m.Claims {
		all.Claims[name] = want
	}
	return all
}

// ForBearer leaves what may be told to whoever holds a token that nothing binds to
// its app: the claims that a scope can ask for (OpenID Connect Core §5.4). Verified
// claims and mandates go to bound tokens only.
func (m Members) ForBearer() Members {
	all := Members{}
	for name, want := range m.Claims {
		if c, ok := find(name); ok && c.scope == "" {
			continue
		}
		if all.Claims == nil {
			all.Claims = map[string]Want{}
		}
		all.Claims[name] = want
	}
	return all
}

// Answer makes the claims that are asked for and can be answered: released, known,
// and as wanted. What cannot be is left out without an error (OpenID Connect Core
// §5.5.1, OpenID Connect for Identity Assurance §5.7).
func (m Members) Answer(s Source, now time.Time) map[string]any {
	out := map[string]any{}
	for name, want := range m.Claims {
		c, ok := find(name)
		if !ok {
			continue
		}
		if value, ok := c.value(s); ok && want.accepts(value, now) {
			out[name] = value
		}
	}
	var verified []any
	for _, v := range m.Verified {
		if answer, ok := v.answer(s, now); ok {
			verified = append(verified, answer)
		}
	}
	switch len(verified) {
	case 0:
	case 1:
		out["verified_claims"] = verified[0]
	default:
		out["verified_claims"] = verified
	}
	return out
}
