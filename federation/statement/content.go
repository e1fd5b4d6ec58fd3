package statement

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"hopnhat/federation"
)

// readMetadata reads the claim metadata: objects by entity type, without null (§5).
func readMetadata(raw json.RawMessage) (federation.Metadata, error) {
	if raw == nil {
		return nil, nil
	}
	var types map[federation.EntityType]json.RawMessage
	if err := json.Unmarshal(raw, &types); err != nil || isNull(raw) {
		return nil, fault("5", "metadata is not an object")
	}
	m := federation.Metadata{}
	for kind, one := range types {
		var parameters federation.Parameters
		if err := decode(one, &parameters); err != nil || parameters == nil {
			return nil, fault("5", "metadata of %s is not an object", kind)
		}
		for name, value := range parameters {
			if value == nil {
				return nil, fault("5", "metadata of %s: %s is null", kind, name)
			}
		}
		if err := checkKeys(kind, parameters); err != nil {
			return nil, err
		}
		m[kind] = parameters
	}
	return m, nil
}

// checkKeys refuses key sets where they may not stand: the keys of a federation entity
// are those of its statement (§5.2.1).
func checkKeys(kind federation.EntityType, p federation.Parameters) error {
	if kind != federation.FederationEntity {
		return nil
	}
	for _, name := range []string{"jwks", "jwks_uri", "signed_jwks_uri"} {
		if _, ok := p[name]; ok {
			return fault("5.2.1", "metadata of %s: %s does not belong there", kind, name)
		}
	}
	return nil
}

// decode keeps numbers as they are written.
func decode(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	return d.Decode(into)
}

// ReadMetadata reads metadata from JSON, as the claim of that name holds it.
func ReadMetadata(raw []byte) (federation.Metadata, error) { return readMetadata(raw) }

// ReadPolicy reads a metadata policy from JSON, as the claim metadata_policy holds it. What
// its operators are and whether they go together is judged in package metadata.
func ReadPolicy(raw []byte) (federation.Policy, error) { return readPolicy(raw) }

func readPolicy(raw json.RawMessage) (federation.Policy, error) {
	if raw == nil {
		return nil, nil
	}
	var types map[federation.EntityType]json.RawMessage
	if err := json.Unmarshal(raw, &types); err != nil || isNull(raw) {
		return nil, fault("6.1.2", "metadata_policy is not an object")
	}
	p := federation.Policy{}
	for kind, one := range types {
		var parameters map[string]json.RawMessage
		if err := json.Unmarshal(one, &parameters); err != nil || isNull(one) {
			return nil, fault("6.1.2", "metadata_policy of %s is not an object", kind)
		}
		p[kind] = map[string]federation.Operators{}
		for name, two := range parameters {
			var operators federation.Operators
			if err := decode(two, &operators); err != nil || operators == nil {
				return nil, fault("6.1.2", "metadata_policy of %s: %s is not an object of operators", kind, name)
			}
			p[kind][name] = operators
		}
	}
	return p, nil
}

// readConstraints reads the claim constraints. Constraints that are not known are passed
// over (§6.2).
func readConstraints(raw json.RawMessage) (federation.Constraints, error) {
	var out federation.Constraints
	if raw == nil {
		return out, nil
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil || isNull(raw) {
		return out, fault("6.2", "constraints is not an object")
	}
	if length := c["max_path_length"]; length != nil {
		var n float64
		if err := json.Unmarshal(length, &n); err != nil || isNull(length) || n < 0 || n != math.Trunc(n) {
			return out, fault("6.2.1", "max_path_length is not a whole number from 0 on")
		}
		whole := int(min(n, 1<<20))
		out.MaxPathLength = &whole
	}
	if err := readNaming(&out, c["naming_constraints"]); err != nil {
		return out, err
	}
	types := c["allowed_entity_types"]
	if types == nil {
		return out, nil
	}
	if err := json.Unmarshal(types, &out.AllowedTypes); err != nil || isNull(types) || slices.Contains(out.AllowedTypes, "") {
		return out, fault("6.2.3", "allowed_entity_types is not a list of entity types")
	}
	if slices.Contains(out.AllowedTypes, federation.FederationEntity) {
		return out, fault("6.2.3", "allowed_entity_types lists federation_entity, which is always allowed")
	}
	out.LimitsTypes = true
	return out, nil
}

func readNaming(out *federation.Constraints, raw json.RawMessage) error {
	if raw == nil {
		return nil
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil || isNull(raw) {
		return fault("6.2.2", "naming_constraints is not an object")
	}
	for name, into := range map[string]*[]string{"permitted": &out.Permitted, "excluded": &out.Excluded} {
		list := c[name]
		if list == nil {
			continue
		}
		if err := json.Unmarshal(list, into); err != nil || isNull(list) || len(*into) > maxNames {
			return fault("6.2.2", "%s is not a list of up to %d hosts and domains", name, maxNames)
		}
		for i, host := range *into {
			if strings.TrimPrefix(host, ".") == "" || strings.ContainsAny(host, "/:@?#* ") || strings.HasPrefix(host, "..") {
				return fault("6.2.2", "%s: %q is no host, and no domain with a period before it", name, host)
			}
			(*into)[i] = strings.ToLower(host)
		}
		if *into == nil {
			*into = []string{}
		}
	}
	return nil
}
