package registration

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Issuers are the parties that may issue software statements (RFC 7591 §2.3), with their keys.
type Issuers map[string]*jose.Set

// ReadIssuers reads the file of the configuration key registration_statement_issuers; nobody
// may issue statements without one.
func ReadIssuers(file string) (Issuers, error) {
	if file == "" {
		return Issuers{}, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers: %w", err)
	}
	issuers, err := ParseIssuers(raw)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers %s: %w", file, err)
	}
	return issuers, nil
}

// ParseIssuers reads a JSON object of issuers, each with its JWK Set.
func ParseIssuers(raw []byte) (Issuers, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(raw, &in); err != nil {
		return nil, fmt.Errorf("not a JSON object of issuers and their key sets: %w", err)
	}
	issuers := Issuers{}
	for name, set := range in {
		parsed, err := jose.ParseSet(set)
		if err != nil {
			return nil, fmt.Errorf("issuer %q: %w", name, err)
		}
		if parsed.Len() == 0 {
			return nil, fmt.Errorf("issuer %q: no key that we can use", name)
		}
		issuers[name] = parsed
	}
	return issuers, nil
}

// maxStatement bounds a software statement; it may hold keys.
const maxStatement = 64 << 10

// Stated gives the metadata with the claims of their software statement, which
// win over what stands beside it (RFC 7591 §2.3). demanded refuses metadata
// without one.
func (m Metadata) Stated(issuers Issuers, demanded bool, now time.Time) (Metadata, error) {
	if m.Statement == "" {
		if demanded {
			return m, authz.NewError(authz.InvalidSoftwareStatement, "software_statement: the initial access token demands one").At("software_statement")
		}
		return m, nil
	}
	claims, err := statementClaims(m.Statement, issuers, now)
	if err != nil {
		return m, err
	}
	plain, err := json.Marshal(m)
	if err != nil {
		return m, err
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(plain, &object); err != nil {
		return m, err
	}
	for name, value := range claims {
		// A statement inside a statement is none, and an identifier is ours to give.
		if members[name] && name != "software_statement" && name != "client_id" {
			object[name] = value
		}
	}
	merged, err := json.Marshal(object)
	if err != nil {
		return m, err
	}
	stated, err := Parse(merged)
	if err != nil {
		return m, invalidStatement("%v", authz.AsError(err).Description)
	}
	return stated, nil
}

func invalidStatement(format string, args ...any) *authz.Error {
	return authz.NewError(authz.InvalidSoftwareStatement, "software_statement: %s", fmt.Sprintf(format, args...)).At("software_statement")
}

// statementClaims checks a statement: a JWS of an issuer that is configured, in
// its time.
func statementClaims(statement string, issuers Issuers, now time.Time) (map[string]json.RawMessage, error) {
	issuer, err := jose.PeekIssuer(statement)
	if err != nil {
		return nil, invalidStatement("it is not a signed JWT with an iss")
	}
	set, ok := issuers[issuer]
	if !ok {
		return nil, authz.NewError(authz.UnapprovedSoftwareStatement, "software_statement: its issuer is not approved here").At("software_statement")
	}
	verified, err := jose.Verify(statement, set, jose.Rule{Algorithms: keys.FAPI2Signatures, MaxBytes: maxStatement})
	if err != nil {
		return nil, invalidStatement("%v", err)
	}
	var times struct {
		Expires   *float64 `json:"exp"`
		NotBefore *float64 `json:"nbf"`
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal(verified.Claims, &times) != nil || json.Unmarshal(verified.Claims, &claims) != nil {
		return nil, invalidStatement("exp or nbf is of a wrong type")
	}
	at := func(seconds *float64) time.Time { return time.Unix(int64(*seconds), 0) }
	switch {
	case times.Expires != nil && !now.Before(at(times.Expires)):
		return nil, invalidStatement("it has expired")
	case times.NotBefore != nil && at(times.NotBefore).After(now):
		return nil, invalidStatement("it is not valid yet")
	}
	return claims, nil
}
