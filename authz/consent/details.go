package consent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

// Limits of authorization_details.
const (
	maxDetailsBytes = 16 << 10
	maxDetails      = 10
	maxAttributes   = 50
	maxText         = 256
)

// refuse makes the error of RFC 9396 §5. Its text may go to a redirect URI, where
// a double quote may not stand (RFC 6749 §4.1.2.1).
func refuse(format string, args ...any) *authz.Error {
	text := strings.ReplaceAll(fmt.Sprintf(format, args...), `"`, "'")
	return authz.NewError(authz.InvalidAuthorizationDetails, "%s", text).At("authorization_details")
}

// ParseDetails reads RFC 9396 authorization_details. Only type vn_data_release is
// known; an unknown member is refused by name (§5), as are a member given twice,
// a wrong type, and more than the limits. Errors are *authz.Error.
func ParseDetails(raw []byte) ([]authz.Release, error) {
	if len(raw) > maxDetailsBytes {
		return nil, refuse("authorization_details is longer than %d bytes", maxDetailsBytes)
	}
	if !utf8.Valid(raw) {
		return nil, refuse("authorization_details is not UTF-8")
	}
	if err := jose.CheckJSON(raw); err != nil {
		return nil, refuse("authorization_details: %v", err)
	}
	var elements []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil {
		return nil, refuse("authorization_details must be a list of objects of type %s", authz.ReleaseType)
	}
	if len(elements) == 0 || len(elements) > maxDetails {
		return nil, refuse("authorization_details must have 1 to %d elements", maxDetails)
	}
	releases := make([]authz.Release, len(elements))
	for i, element := range elements {
		if err := decodeRelease(element, &releases[i]); err != nil {
			return nil, err
		}
		if err := checkForm(&releases[i]); err != nil {
			return nil, err
		}
		for _, earlier := range releases[:i] {
			if earlier.Purpose == releases[i].Purpose && earlier.Registry == releases[i].Registry {
				return nil, refuse("purpose %q and register %q are asked for twice; join the attributes in one element", earlier.Purpose, earlier.Registry)
			}
		}
	}
	return releases, nil
}

// decodeRelease reads one element member by member, by exact name: encoding/json
// alone would take "Registry" for "registry" and null for nothing, and what one
// parser overlooks another may act on.
func decodeRelease(element map[string]json.RawMessage, r *authz.Release) error {
	fields := map[string]any{
		"type": &r.Type, "registry": &r.Registry, "attributes": &r.Attributes, "purpose": &r.Purpose, "legal_basis": &r.Basis,
		"subject": &r.Subject, "case_reference": &r.CaseReference, "frequency": &r.Frequency, "data_life": &r.DataLife,
		"valid_until": &r.ValidUntil, "locations": &r.Locations,
	}
	for _, member := range slices.Sorted(maps.Keys(element)) {
		field, known := fields[member]
		switch {
		case member == "consent_reference", member == "recipients":
			return refuse("%s is given by the provider, not asked for", member)
		case !known:
			// RFC 9396 §5: unknown fields are refused.
			return refuse("unknown member %s; type %s has registry, attributes, purpose, legal_basis, subject, case_reference, frequency, data_life, valid_until, locations",
				quoted(member), authz.ReleaseType)
		}
		value := bytes.TrimSpace(element[member])
		if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, field) != nil {
			return refuse("member %s is of a wrong type", member)
		}
	}
	return nil
}

// quoted shows a stranger's text in an error: short, and without what could
// harm a header or a log. RFC 6749 §4.1.2.1 allows neither " nor \ there.
func quoted(text string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= ' ' && r < 0x7f && r != '"' && r != '\\' {
			return r
		}
		return '?'
	}, text)
	if len(safe) > 40 {
		safe = safe[:40] + "..."
	}
	return "'" + safe + "'"
}

var name = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

func checkForm(r *authz.Release) error {
	switch {
	case r.Type != authz.ReleaseType:
		return refuse("type must be %s", authz.ReleaseType)
	case !name.MatchString(string(r.Registry)):
		return refuse("registry is missing or malformed")
	case !name.MatchString(string(r.Purpose)):
		return refuse("purpose is missing or malformed")
	case len(r.Attributes) == 0 || len(r.Attributes) > maxAttributes:
		return refuse("attributes must have 1 to %d names", maxAttributes)
	case len(r.CaseReference) > maxText || len(r.Frequency) > 32 || len(r.DataLife) > 32 || len(r.Basis) > 32 || len(r.Locations) > 4:
		return refuse("a member is too long")
	}
	seen := map[authz.AttributeID]bool{}
	for _, a := range r.Attributes {
		if !name.MatchString(string(a)) || seen[a] {
			return refuse("attributes has a malformed name or one that stands twice")
		}
		seen[a] = true
	}
	return nil
}

var (
	frequency = regexp.MustCompile(`^(once|unlimited|[1-9][0-9]{0,2}/day)$`)
	dataLife  = regexp.MustCompile(`^P[1-9][0-9]{0,4}D$`)
)

// Frequency is how often a permission may be used: Limit times a day, or Limit
// times in all when PerDay is false. Limit 0 is without limit.
type Frequency struct {
	Limit  int
	PerDay bool
}

// ParseFrequency reads once, unlimited or N/day. Anything else is read as once,
// the narrowest: no permission is ever wider than its words.
func ParseFrequency(text string) Frequency {
	if text == "unlimited" || text == "" {
		return Frequency{}
	}
	number, perDay := strings.CutSuffix(text, "/day")
	n, err := strconv.Atoi(number)
	if !perDay || err != nil || n < 1 {
		return Frequency{Limit: 1}
	}
	return Frequency{Limit: n, PerDay: true}
}

// within reports whether f is no wider than a maximum.
func (f Frequency) within(maximum Frequency) bool {
	switch {
	case maximum.Limit == 0:
		return true
	case f.Limit == 0, f.PerDay && !maximum.PerDay:
		return false
	default:
		return !f.PerDay || f.Limit <= maximum.Limit
	}
}

// days reads a data life; ok is false for what is not one.
func days(life string) (n int, ok bool) {
	if !dataLife.MatchString(life) {
		return 0, false
	}
	n, err := strconv.Atoi(life[1 : len(life)-1])
	return n, err == nil
}

// Check holds releases against a client's declarations and the catalogue, and
// fills in what the declaration says where the request was silent. broker is the
// URL of our broker, the only location. Errors are *authz.Error.
func (c *Catalogue) Check(client *authz.Client, releases []authz.Release, broker string, now time.Time) ([]authz.Release, error) {
	out := slices.Clone(releases)
	for i := range out {
		r := &out[i]
		purpose, ok := c.Purpose(r.Purpose)
		if !ok {
			return nil, refuse("purpose %q is not in the catalogue", r.Purpose)
		}
		if purpose.Mode == ModeForbidden {
			return nil, refuse("purpose %q is forbidden: national registers are not for marketing", r.Purpose)
		}
		declaration, ok := declared(client, r, now)
		if !ok {
			return nil, refuse("this app has no declaration in force for purpose %q at register %q%s", r.Purpose, r.Registry, onBasis(r.Basis))
		}
		for _, a := range r.Attributes {
			if !slices.Contains(declaration.Attributes, a) {
				return nil, refuse("attribute %q is not in this app's declaration for purpose %q", a, r.Purpose)
			}
		}
		for _, required := range declaration.Required {
			if !slices.Contains(r.Attributes, required) {
				return nil, refuse("attribute %q is declared as required for purpose %q and must be asked for", required, r.Purpose)
			}
		}
		if err := c.CheckDeclaration(*declaration); err != nil {
			return nil, refuse("the declaration is not allowed any more: %v", err)
		}
		if err := fill(r, declaration, purpose, broker, now); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func onBasis(b authz.Basis) string {
	if b == "" {
		return ""
	}
	return " on legal basis " + quoted(string(b))
}

func declared(client *authz.Client, r *authz.Release, now time.Time) (*authz.Declaration, bool) {
	for i := range client.Declarations {
		d := &client.Declarations[i]
		if d.Purpose == r.Purpose && d.Registry == r.Registry && (r.Basis == "" || r.Basis == d.Basis) &&
			(d.ExpiresAt.IsZero() || now.Before(d.ExpiresAt)) {
			return d, true
		}
	}
	return nil, false
}

func fill(r *authz.Release, d *authz.Declaration, purpose Purpose, broker string, now time.Time) error {
	r.Basis = d.Basis
	if err := CheckCaseReference(r.CaseReference, *d); err != nil {
		return refuse("%v", err)
	}
	switch r.Subject {
	case "":
		r.Subject = authz.RecordOfSelf
	case authz.RecordOfSelf:
	default:
		return refuse("subject %q is not offered yet; only self", r.Subject)
	}
	if r.Frequency == "" {
		r.Frequency = d.Frequency
	}
	if r.Frequency == "" {
		r.Frequency = "unlimited"
	}
	if !frequency.MatchString(r.Frequency) {
		return refuse("frequency must be once, unlimited or N/day")
	}
	if !ParseFrequency(r.Frequency).within(ParseFrequency(d.Frequency)) {
		return refuse("frequency %s is more than this app declared for purpose %q: %s", r.Frequency, r.Purpose, d.Frequency)
	}
	if r.DataLife == "" {
		r.DataLife = d.DataLife
	}
	if r.DataLife != "" {
		life, ok := days(r.DataLife)
		declared, limited := days(d.DataLife)
		switch {
		case !ok:
			return refuse("data_life must be a number of days such as P30D")
		case limited && life > declared:
			return refuse("data_life %s is longer than this app declared for purpose %q: %s", r.DataLife, r.Purpose, d.DataLife)
		}
	}
	limit := Days(*d, purpose)
	latest := now.UTC().AddDate(0, 0, limit).Truncate(time.Second)
	if !d.ExpiresAt.IsZero() && d.ExpiresAt.Before(latest) {
		latest = d.ExpiresAt.UTC()
	}
	switch {
	case r.ValidUntil.IsZero():
		r.ValidUntil = latest
	case !r.ValidUntil.After(now):
		return refuse("valid_until is past")
	case r.ValidUntil.After(latest):
		return refuse("valid_until is more than %d days ahead, the limit for purpose %q, or later than the declaration", limit, r.Purpose)
	default:
		r.ValidUntil = r.ValidUntil.UTC()
	}
	for _, location := range r.Locations {
		if location != broker {
			return refuse("locations: releases are served by %s only", broker)
		}
	}
	r.Locations = []string{broker}
	return nil
}

// Longest is how many days a consent for the purpose lasts at most, whatever an app declared.
func (p Purpose) Longest() int {
	if p.MaxDays > 0 {
		return p.MaxDays
	}
	return maxDays
}

// Days is how long a permission on a declaration lasts at most: the shorter time of
// declaration and purpose, and as short as a visit where neither gives one.
func Days(d authz.Declaration, purpose Purpose) int {
	limit := purpose.MaxDays
	if d.MaxDays > 0 && (limit == 0 || d.MaxDays < limit) {
		limit = d.MaxDays
	}
	return max(limit, 1)
}
