package registration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

// maxMetadata bounds one app's metadata; keys are most of it.
const maxMetadata = 96 << 10

// members are the names of [Metadata].
var members = func() map[string]bool {
	names := map[string]bool{}
	t := reflect.TypeFor[Metadata]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}()

// Parse reads metadata from JSON, passing over members it does not know (RFC
// 7591 §2). Names must be exact: a member that differs in case is not known.
// Errors are *authz.Error.
func Parse(raw []byte) (Metadata, error) {
	m, _, err := parse(raw)
	return m, err
}

// parse also names the members that are not known.
func parse(raw []byte) (m Metadata, unknown []string, err error) {
	if len(raw) > maxMetadata {
		return m, nil, authz.NewError(authz.InvalidClientMetadata, "the metadata are longer than %d bytes", maxMetadata)
	}
	if err := jose.CheckJSON(raw); err != nil {
		return m, nil, authz.NewError(authz.InvalidClientMetadata, "the metadata: %v", err)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return m, nil, authz.NewError(authz.InvalidClientMetadata, "the metadata are not a JSON object")
	}
	for name := range object {
		if !members[name] {
			unknown = append(unknown, name)
			delete(object, name)
		}
	}
	known, err := json.Marshal(object)
	if err != nil {
		return m, nil, authz.NewError(authz.InvalidClientMetadata, "the metadata are not a JSON object")
	}
	var mistyped *json.UnmarshalTypeError
	switch err := json.Unmarshal(known, &m); {
	case errors.As(err, &mistyped):
		member, _, _ := strings.Cut(mistyped.Field, ".")
		return m, nil, refuse(or(member, "the metadata"), "a JSON %s does not belong there", mistyped.Value)
	case err != nil:
		return m, nil, authz.NewError(authz.InvalidClientMetadata, "the metadata cannot be read: %v", err)
	}
	if string(m.JWKS) == "null" { // RFC 7592 §2.2: as if it were left out
		m.JWKS = nil
	}
	return m, unknown, nil
}

// ParseYAML reads an operator's file: a list of apps, each with the members of
// [Metadata]. A member that is not known is an error, since it is a slip.
func ParseYAML(raw []byte) ([]Metadata, error) {
	var list []any
	if err := yaml.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("not a list of apps: %w", err)
	}
	var all []Metadata
	for i, one := range list {
		text, err := json.Marshal(one)
		if err != nil {
			return nil, fmt.Errorf("app %d: %w", i+1, err)
		}
		m, unknown, err := parse(text)
		if err == nil && len(unknown) > 0 {
			slices.Sort(unknown)
			err = fmt.Errorf("there is no member %s (members: RFC 7591 §2, and docs/registration.md)", strings.Join(unknown, ", "))
		}
		if err != nil {
			return nil, fmt.Errorf("app %d, %q: %w", i+1, m.ClientID, err)
		}
		all = append(all, m)
	}
	return all, nil
}

// WriteYAML writes apps as [ParseYAML] reads them.
func WriteYAML(list []Metadata) ([]byte, error) {
	text, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	// JSON is YAML, and as nodes it keeps the order of the members.
	var document yaml.Node
	if err := yaml.Unmarshal(text, &document); err != nil {
		return nil, err
	}
	block(&document)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&document), enc.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// block takes the style of JSON off a document.
func block(n *yaml.Node) {
	n.Style = 0
	for _, child := range n.Content {
		block(child)
	}
}
