package consent

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

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

func refuse(format string, args ...any) *authz.Error {
	return authz.Refuse(authz.InvalidAuthorizationDetails, format, args...).At("authorization_details")
}

// ParseDetails reads RFC 9396 authorization_details. Only type vn_data_release is
// known; an unknown member is refused by name (§5), as are a member given twice,
// a wrong type, and more than the limits. Errors are *authz.Error.
func ParseDetails(raw []byte) ([]authz.Release, error) {
	if len(raw) > maxDetailsBytes {
		return nil, refuse("authorization_details is longer than %d bytes", maxDetailsBytes)
	}
	if err := jose.CheckJSON(raw); err != nil {
		return nil, refuse("authorization_details: %v", err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	var releases []authz.Release
	if err := d.Decode(&releases); err != nil {
		return nil, refuse("authorization_details must be a list of objects of type %s: %s", authz.ReleaseType, jsonFault(err))
	}
	if len(releases) == 0 || len(releases) > maxDetails {
		return nil, refuse("authorization_details must have 1 to %d elements", maxDetails)
	}
	for i := range releases {
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
	case r.ConsentReference != "":
		return refuse("consent_reference is given by the provider, not asked for")
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

// jsonFault says what was wrong without echoing a stranger's text at length.
func jsonFault(err error) string {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return "member " + kind.Field + " is of a wrong type"
	}
	text := err.Error()
	if strings.HasPrefix(text, "json: unknown field ") && len(text) < 100 {
		return "unknown member " + strings.ReplaceAll(strings.TrimPrefix(text, "json: unknown field "), `"`, "'")
	}
	return "a member is of a wrong type"
}

var frequency = regexp.MustCompile(`^(once|unlimited|[1-9][0-9]{0,2}/day)$`)

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
		if purpose.Mode == "forbidden" {
			return nil, refuse("purpose %q is forbidden: national registers are not for marketing", r.Purpose)
		}
		declaration, ok := declared(client, r, now)
		if !ok {
			return nil, refuse("this app has no declaration in force for purpose %q at register %q", r.Purpose, r.Registry)
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
	switch r.Subject {
	case "":
		r.Subject = authz.SubjectSelf
	case authz.SubjectSelf:
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
	if r.DataLife == "" {
		r.DataLife = d.DataLife
	}
	days := purpose.MaxDays
	if d.MaxDays > 0 && (days == 0 || d.MaxDays < days) {
		days = d.MaxDays
	}
	if days == 0 {
		days = 1 // the catalogue gives no time: as short as a visit
	}
	latest := now.UTC().AddDate(0, 0, days).Truncate(time.Second)
	switch {
	case r.ValidUntil.IsZero():
		r.ValidUntil = latest
	case !r.ValidUntil.After(now):
		return refuse("valid_until is past")
	case r.ValidUntil.After(latest):
		return refuse("valid_until is more than %d days ahead, the limit for purpose %q", days, r.Purpose)
	}
	for _, location := range r.Locations {
		if location != broker {
			return refuse("locations: only %s serves releases", broker)
		}
	}
	r.Locations = []string{broker}
	return nil
}
