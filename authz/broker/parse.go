package broker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"unicode/utf8"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/keys/jose"
)

// Limits of a release request.
const (
	maxBody       = 16 << 10
	maxAttributes = 50
	maxText       = 256
)

// releaseRequest is a release request that was read and checked for its form.
type releaseRequest struct {
	Registry      authz.RegistryID
	Purpose       authz.PurposeID
	Attributes    []authz.AttributeID // sorted, none twice
	Subject       string
	CaseReference string
}

// readRequest reads the body of a release request. Errors are for the caller.
func readRequest(r *http.Request) (releaseRequest, error) {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return releaseRequest{}, errors.New("send Content-Type: application/json")
	}
	if r.URL.RawQuery != "" {
		return releaseRequest{}, errors.New("parameters belong in the body, not in the URL")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	switch {
	case err != nil:
		return releaseRequest{}, errors.New("the body could not be read")
	case len(body) > maxBody:
		return releaseRequest{}, fmt.Errorf("the body is longer than %d bytes", maxBody)
	}
	return parse(body)
}

// name is how registers, purposes and attributes are written.
var name = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// parse reads the members by exact name: encoding/json alone would take
// "Registry" for "registry" and null for nothing.
func parse(body []byte) (releaseRequest, error) {
	var in releaseRequest
	if !utf8.Valid(body) {
		return in, errors.New("the body is not UTF-8")
	}
	if err := jose.CheckJSON(body); err != nil {
		return in, fmt.Errorf("the body is no JSON object we can read: %w", err)
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil || members == nil {
		return in, errors.New("the body must be a JSON object")
	}
	fields := map[string]any{
		"registry": &in.Registry, "purpose": &in.Purpose, "attributes": &in.Attributes, "subject": &in.Subject, "case_reference": &in.CaseReference,
	}
	for member, value := range members {
		field, known := fields[member]
		if !known {
			return releaseRequest{}, errors.New("the body has a member that is not one of registry, purpose, attributes, subject, case_reference")
		}
		if bytes.Equal(value, []byte("null")) || json.Unmarshal(value, field) != nil {
			return releaseRequest{}, fmt.Errorf("member %s is of a wrong type", member)
		}
	}
	switch {
	case !name.MatchString(string(in.Registry)):
		return releaseRequest{}, errors.New("registry is missing or malformed")
	case !name.MatchString(string(in.Purpose)):
		return releaseRequest{}, errors.New("purpose is missing or malformed")
	case len(in.Attributes) == 0 || len(in.Attributes) > maxAttributes:
		return releaseRequest{}, fmt.Errorf("attributes must have 1 to %d names", maxAttributes)
	case len(in.Subject) > maxText:
		return releaseRequest{}, errors.New("subject is too long")
	case authz.CarriesNumber(string(in.Registry) + " " + string(in.Purpose)):
		return releaseRequest{}, errors.New("registry or purpose is none")
	}
	for _, a := range in.Attributes {
		if !name.MatchString(string(a)) || !consent.InRegistry(a, in.Registry) || authz.CarriesNumber(string(a)) {
			return releaseRequest{}, errors.New("attributes has a name that is not of this register")
		}
	}
	slices.Sort(in.Attributes)
	if n := len(in.Attributes); len(slices.Compact(in.Attributes)) != n {
		return releaseRequest{}, errors.New("attributes has a name twice")
	}
	return in, nil
}
