package request

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/keys/jose"
)

// Limits of the claims parameter. The form bounds its bytes.
const (
	maxClaims   = 64 // at one place
	maxVerified = 4
)

// aboutSignIn are the claims about the sign-in itself that may be asked for with a
// value (OpenID Connect Core §5.5.1).
var aboutSignIn = []string{"sub", "acr", "auth_time"}

// ParseClaims reads the claims parameter, OpenID Connect Core §5.5. A member given
// twice is refused, since two parsers would read it differently; members and claims
// that are not understood are ignored, as the section asks, and not kept. Errors
// are *authz.Error.
func ParseClaims(raw []byte) (claims.Request, error) {
	bad := func(format string, args ...any) *authz.Error {
		return authz.NewError(authz.InvalidRequest, "claims: "+format, args...).At("claims")
	}
	if err := jose.CheckJSON(raw); err != nil {
		return claims.Request{}, bad("it must be JSON without a member that stands twice, nested no deeper than needed").Because(err)
	}
	members, ok := object(raw)
	if !ok {
		return claims.Request{}, bad("it must be a JSON object with the members userinfo and id_token (OpenID Connect Core §5.5)")
	}
	var out claims.Request
	for name, into := range map[string]*claims.Members{"userinfo": &out.UserInfo, "id_token": &out.IDToken} {
		value, ok := members[name]
		if !ok || isNull(value) {
			continue
		}
		if err := parseMembers(value, into); err != nil {
			return claims.Request{}, bad("%s %v", name, err)
		}
	}
	return out, nil
}

func parseMembers(raw json.RawMessage, into *claims.Members) error {
	members, ok := object(raw)
	if !ok {
		return fmt.Errorf("is not an object")
	}
	if len(members) > maxClaims {
		return fmt.Errorf("asks for more than %d claims", maxClaims)
	}
	into.Claims = map[string]claims.Want{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if name == "verified_claims" {
			var err error
			if into.Verified, err = parseVerified(members[name]); err != nil {
				return err
			}
			continue
		}
		want, err := claims.ParseWant(members[name])
		if err != nil {
			return fmt.Errorf("has claim %s, which %w", claimLabel(name), err)
		}
		if claims.Known(name) || slices.Contains(aboutSignIn, name) {
			into.Claims[name] = want
		}
	}
	if len(into.Claims) == 0 {
		into.Claims = nil
	}
	return nil
}

// parseVerified reads one element or a list of them (OpenID Connect for Identity
// Assurance §5.3, §5.6). An element without claims asks for nothing.
func parseVerified(raw json.RawMessage) ([]claims.Verified, error) {
	elements := []json.RawMessage{raw}
	switch text := strings.TrimSpace(string(raw)); {
	case text == "null":
		return nil, nil
	case strings.HasPrefix(text, "["):
		if json.Unmarshal(raw, &elements) != nil || len(elements) > maxVerified {
			return nil, fmt.Errorf("verified_claims is a list of more than %d", maxVerified)
		}
	}
	var out []claims.Verified
	for _, element := range elements {
		members, ok := object(element)
		if !ok {
			return nil, fmt.Errorf("verified_claims is not an object or a list of objects")
		}
		v, err := parseElement(members)
		if err != nil {
			return nil, err
		}
		if len(v.Claims) > 0 {
			out = append(out, v)
		}
	}
	return out, nil
}

func parseElement(members map[string]json.RawMessage) (claims.Verified, error) {
	var v claims.Verified
	if template, ok := members["verification"]; ok && !isNull(template) {
		wanted, ok := object(template)
		if !ok {
			return v, fmt.Errorf("verified_claims has a verification that is not an object")
		}
		if evidence, ok := wanted["evidence"]; ok && !isNull(evidence) && !strings.HasPrefix(strings.TrimSpace(string(evidence)), "[") {
			return v, fmt.Errorf("verified_claims has evidence that is not a list")
		}
		v.Verification = template
	}
	wanted := members["claims"]
	if wanted == nil || isNull(wanted) {
		return v, nil
	}
	names, ok := object(wanted)
	if !ok || len(names) > maxClaims {
		return v, fmt.Errorf("verified_claims has claims that are not an object of at most %d", maxClaims)
	}
	v.Claims = map[string]claims.Want{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want, err := claims.ParseWant(names[name])
		if err != nil {
			return v, fmt.Errorf("has verified claim %s, which %w", claimLabel(name), err)
		}
		if slices.Contains(claims.InVerified(), name) {
			v.Claims[name] = want
		}
	}
	return v, nil
}

// claimLabel names a claim in an answer; a name that somebody made up is not
// repeated.
func claimLabel(name string) string {
	if base, _, _ := strings.Cut(name, "#"); claims.Known(base) || slices.Contains(aboutSignIn, base) {
		return base
	}
	return "(one that is not known here)"
}

// object reads the members of an object by exact name.
func object(raw json.RawMessage) (map[string]json.RawMessage, bool) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, false
	}
	return members, true
}

func isNull(raw json.RawMessage) bool { return strings.TrimSpace(string(raw)) == "null" }

func claimsParameter(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	for _, locale := range strings.Fields(form.Get("claims_locales")) { // OpenID Connect Core §5.2
		if len(a.ClaimsLocales) < 8 && len(locale) <= 35 {
			a.ClaimsLocales = append(a.ClaimsLocales, locale)
		}
	}
	raw := form.Get("claims")
	if raw == "" {
		return nil
	}
	requested, err := ParseClaims([]byte(raw))
	if err != nil {
		return authz.AsError(err)
	}
	if !requested.UserInfo.IsZero() || !requested.IDToken.IsZero() {
		a.Claims = &requested
	}
	return nil
}

// wishes turns what scopes and claims ask for about the person into wishes for
// releases, beside those of authorization_details: what leaves about a person
// leaves on a declaration and a basis, and is recorded (docs/decisions.md D7, D8). A claim
// that no declaration of the app covers is left out, and so is not shown to the
// person (OpenID Connect Core §5.5.1); a scope of which nothing is covered is
// refused.
func wishes(c *Checker, _ url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	if c.Wishes == nil || !slices.Contains(a.Scope, "openid") {
		return nil
	}
	for _, scope := range a.Scope {
		if slices.Contains(claims.Scopes(), scope) && len(c.Wishes(client, claims.OfScopes(scope))) == 0 {
			return authz.NewError(authz.InvalidScope, "scope %s needs a declaration in force of this app for what it asks about the person",
				scope).At("scope")
		}
	}
	requested := claims.Request{}
	if a.Claims != nil {
		requested = *a.Claims
	}
	wanted := claims.Attributes(a.Scope, requested)
	if len(wanted) == 0 {
		return nil
	}
	a.ClaimsOnly = len(a.Details) == 0
	for _, wish := range c.Wishes(client, wanted) {
		i := slices.IndexFunc(a.Details, func(r authz.Release) bool { return r.Purpose == wish.Purpose && r.Registry == wish.Registry })
		if i < 0 {
			a.Details = append(a.Details, wish)
			continue
		}
		if a.Details[i].Basis != wish.Basis {
			continue // one permission a purpose and register, and the app chose its basis
		}
		for _, id := range wish.Attributes {
			if !slices.Contains(a.Details[i].Attributes, id) {
				a.Details[i].Attributes = append(slices.Clip(a.Details[i].Attributes), id)
			}
		}
	}
	a.ClaimsOnly = a.ClaimsOnly && len(a.Details) > 0
	return nil
}
