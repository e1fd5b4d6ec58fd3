package statement

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Type is the `typ` of an entity statement (OpenID Federation 1.0 §3).
const Type = "entity-statement+jwt"

// Bounds on a statement.
const (
	MaxBytes = 128 << 10
	maxHints = 32
	maxMarks = 32
	maxNames = 256
	// lastSecond is the end of the year 9999.
	lastSecond = 253402300799
)

// Algorithms are those a statement may be signed with. P-521 is not among them: to verify
// it costs thirty times as much as P-256.
var Algorithms = []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}

// ErrInvalid is what every refusal of a statement wraps.
var ErrInvalid = errors.New("not a valid entity statement")

// FaultError is the refusal of a statement: the section of OpenID Federation 1.0 that it
// breaks, and what it holds.
type FaultError struct {
	Section string
	Saw     string
}

// Error says what was broken, and by what.
func (f FaultError) Error() string {
	return fmt.Sprintf("%v: OpenID Federation 1.0 §%s: %s", ErrInvalid, f.Section, f.Saw)
}

// Unwrap is ErrInvalid.
func (f FaultError) Unwrap() error { return ErrInvalid }

func fault(section, format string, args ...any) error {
	return FaultError{section, fmt.Sprintf(format, args...)}
}

// Mark is a trust mark as a configuration carries it, not validated (§3.1.2).
type Mark struct {
	Type string
	JWT  string
}

// MarkOwner owns a type of trust mark (§3.1.2).
type MarkOwner struct {
	Subject federation.EntityID
	Keys    *jose.Set
}

// Statement is an entity statement that keeps to §3.2 in all that can be told from it
// alone. Its signature is not verified, see [Statement.SignedBy].
type Statement struct {
	Issuer, Subject  federation.EntityID
	IssuedAt, Expiry time.Time
	// Keys are the federation keys of the subject.
	Keys     *jose.Set
	Metadata federation.Metadata
	// Of configurations.
	AuthorityHints, AnchorHints []federation.EntityID
	Marks                       []Mark
	// MarkIssuers and MarkOwners count in the configuration of a trust anchor only.
	MarkIssuers map[string][]federation.EntityID
	MarkOwners  map[string]MarkOwner
	// Of subordinate statements.
	Policy         federation.Policy
	PolicyCritical []string
	Constraints    federation.Constraints
	Source         string

	token    string
	received *jose.Received
}

// IsConfiguration reports whether the entity says this about itself (§3).
func (s Statement) IsConfiguration() bool { return s.Issuer == s.Subject }

// Token is the statement as it was received.
func (s Statement) Token() string { return s.token }

// KeyID names the key that signed it.
func (s Statement) KeyID() keys.KeyID { return s.received.KeyID() }

// Algorithm is that of its signature.
func (s Statement) Algorithm() keys.Algorithm { return s.received.Algorithm() }

// RawKeys are Keys as the claim jwks has them.
func (s Statement) RawKeys() json.RawMessage {
	if s.received == nil {
		return nil
	}
	var c struct {
		Keys json.RawMessage `json:"jwks"`
	}
	if json.Unmarshal(s.received.Claims(), &c) != nil {
		return nil // it was read before
	}
	return c.Keys
}

// SignedBy checks the signature with the key that the statement names, which must be one
// key of the set and no more (§3.2).
func (s Statement) SignedBy(set *jose.Set) error {
	if s.received == nil || set == nil {
		return jose.ErrNoKey
	}
	return s.received.VerifyNamed(set)
}

// Parse reads an entity statement and checks it by §3.2, but for time, signature and what
// other statements say.
func Parse(token string) (Statement, error) {
	return parse(token, false)
}

// ParseRequest reads the configuration by which an app asks a provider to register it (§12.2.1):
// one that is for the provider alone. It may carry trust chains in its header, which are not
// read here.
func ParseRequest(token string, provider federation.EntityID) (Statement, error) {
	s, err := parse(token, true)
	if err != nil {
		return Statement{}, err
	}
	var asked struct {
		Audience any `json:"aud"`
	}
	if err := json.Unmarshal(s.received.Claims(), &asked); err != nil {
		return Statement{}, fault("12.2.1", "aud is of a wrong type")
	}
	list, isList := asked.Audience.([]any)
	if isList && len(list) == 1 {
		asked.Audience = list[0]
	}
	switch {
	case asked.Audience != string(provider):
		return Statement{}, fault("12.2.2", "aud is not this provider, %s, alone", provider)
	case !s.IsConfiguration():
		return Statement{}, fault("12.2.1", "it is not the configuration of the app")
	case len(s.AuthorityHints) == 0:
		return Statement{}, fault("12.2.1", "authority_hints is missing")
	}
	return s, nil
}

// parse reads a statement, which may have chains in its header if it is a request.
func parse(token string, request bool) (Statement, error) {
	received, err := jose.Receive(token, jose.Rule{Type: Type, Algorithms: Algorithms, MaxBytes: MaxBytes})
	if err != nil {
		return Statement{}, fault("3.2", "%v", err)
	}
	s := Statement{token: token, received: received}
	switch {
	case received.Type() != Type:
		return Statement{}, fault("3", "its typ is %q, want %q", received.Type(), Type)
	case received.KeyID() == "":
		return Statement{}, fault("3", "it names no key: the header has no kid")
	case received.HasTrustChain() && !request:
		return Statement{}, fault("4.3", "a statement is a part of chains, and carries none in its header")
	}
	c, err := claimsOf(received.Claims())
	if err != nil {
		return Statement{}, err
	}
	if err := s.read(c); err != nil {
		return Statement{}, err
	}
	return s, nil
}

// Unsigned writes claims as a statement whose signature is nobody's, so that [Parse] says
// whether they would be taken before a key signs them.
func Unsigned(claims any) (string, error) {
	header, err1 := json.Marshal(map[string]string{"alg": string(keys.ES256), "typ": Type, "kid": "-"})
	payload, err2 := json.Marshal(claims)
	encode := base64.RawURLEncoding.EncodeToString
	return encode(header) + "." + encode(payload) + "." + encode(make([]byte, 64)), errors.Join(err1, err2)
}

// claimsOf takes the payload apart. Its names are unique: the signature's reader saw to it.
func claimsOf(payload []byte) (claims, error) {
	var c claims
	if err := json.Unmarshal(payload, &c); err != nil {
		return nil, fault("3", "the payload is not a JSON object")
	}
	return c, nil
}

// claims are the members of an object by their names, compared with their case.
type claims map[string]json.RawMessage

// Claims by where they may stand (§3.1).
var (
	inBoth            = []string{"iss", "sub", "iat", "exp", "jwks", "metadata", "crit"}
	inConfigurations  = []string{"authority_hints", "trust_anchor_hints", "trust_marks", "trust_mark_issuers", "trust_mark_owners"}
	inSubordinates    = []string{"constraints", "metadata_policy", "metadata_policy_crit", "source_endpoint"}
	inRegistration    = []string{"trust_anchor"}
	definedStatements = slices.Concat(inBoth, inConfigurations, inSubordinates, inRegistration)
)

func (s *Statement) read(c claims) error {
	for _, name := range []string{"iss", "sub", "iat", "exp", "jwks"} {
		if c[name] == nil {
			return fault("3.1.1", "%s is missing", name)
		}
	}
	var err error
	if s.Issuer, err = c.entity("iss"); err != nil {
		return err
	}
	if s.Subject, err = c.entity("sub"); err != nil {
		return err
	}
	if s.IssuedAt, err = c.time("iat"); err != nil {
		return err
	}
	if s.Expiry, err = c.time("exp"); err != nil {
		return err
	}
	if !s.IssuedAt.Before(s.Expiry) {
		return fault("3.2", "exp is not after iat")
	}
	if s.Keys, err = readKeys(c["jwks"]); err != nil {
		return err
	}
	foreign, kind := inSubordinates, "an entity configuration"
	if !s.IsConfiguration() {
		foreign, kind = inConfigurations, "a subordinate statement"
	}
	for _, name := range foreign {
		if c[name] != nil {
			return fault("3.2", "%s does not belong in %s", name, kind)
		}
	}
	if c["trust_anchor"] != nil {
		return fault("3.1.4", "trust_anchor belongs in answers to explicit registration only")
	}
	if err := c.critical(); err != nil {
		return err
	}
	if s.Metadata, err = readMetadata(c["metadata"]); err != nil {
		return err
	}
	if s.IsConfiguration() {
		return s.readConfiguration(c)
	}
	return s.readSubordinate(c)
}

func (s *Statement) readConfiguration(c claims) (err error) {
	if s.AuthorityHints, err = c.hints("authority_hints"); err != nil {
		return err
	}
	if s.AnchorHints, err = c.hints("trust_anchor_hints"); err != nil {
		return err
	}
	if slices.Contains(s.AuthorityHints, s.Subject) {
		return fault("3.1.2", "authority_hints names the entity itself")
	}
	if s.Marks, err = readMarks(c["trust_marks"]); err != nil {
		return err
	}
	if s.MarkIssuers, err = readMarkIssuers(c["trust_mark_issuers"]); err != nil {
		return err
	}
	s.MarkOwners, err = readMarkOwners(c["trust_mark_owners"])
	return err
}

func (s *Statement) readSubordinate(c claims) (err error) {
	if s.Policy, err = readPolicy(c["metadata_policy"]); err != nil {
		return err
	}
	if raw := c["metadata_policy_crit"]; raw != nil {
		if err := json.Unmarshal(raw, &s.PolicyCritical); err != nil || len(s.PolicyCritical) == 0 {
			return fault("3.1.3", "metadata_policy_crit is not a list of one or more operators")
		}
	}
	if s.Constraints, err = readConstraints(c["constraints"]); err != nil {
		return err
	}
	if raw := c["source_endpoint"]; raw != nil {
		if err := json.Unmarshal(raw, &s.Source); err != nil || !isHTTPS(s.Source) {
			return fault("3.2", "source_endpoint is not an https URL")
		}
	}
	return nil
}

func isHTTPS(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == "" && len(text) <= federation.MaxEntityID
}

func (c claims) entity(name string) (federation.EntityID, error) {
	var text string
	if err := json.Unmarshal(c[name], &text); err != nil {
		return "", fault("3.1.1", "%s is not a string", name)
	}
	id, err := federation.ParseEntityID(text)
	if err != nil {
		return "", fault("3.2", "%s: %v", name, err)
	}
	return id, nil
}

// time reads a NumericDate (RFC 7519 §2), between 1970 and the year 9999.
func (c claims) time(name string) (time.Time, error) {
	var seconds float64
	if err := json.Unmarshal(c[name], &seconds); err != nil || isNull(c[name]) {
		return time.Time{}, fault("3.1.1", "%s is not a number", name)
	}
	if seconds < 0 || seconds > lastSecond {
		return time.Time{}, fault("3.1.1", "%s is no time", name)
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*float64(time.Second))), nil
}

func isNull(raw json.RawMessage) bool { return string(bytes.TrimSpace(raw)) == "null" }

// critical refuses claims that must be understood and are not: we know those of §3.1 and
// no others, and those may not be listed.
func (c claims) critical() error {
	raw := c["crit"]
	if raw == nil {
		return nil
	}
	var names []string
	if err := json.Unmarshal(raw, &names); err != nil || len(names) == 0 {
		return fault("3.1.1", "crit is not a list of one or more claims")
	}
	for _, name := range names {
		if slices.Contains(definedStatements, name) {
			return fault("3.2", "crit lists %q, which every reader understands", name)
		}
	}
	return fault("3.2", "crit lists %q, which is not understood here", names[0])
}

func (c claims) hints(name string) ([]federation.EntityID, error) {
	raw := c[name]
	if raw == nil {
		return nil, nil
	}
	ids, err := readEntities(raw)
	switch {
	case err != nil:
		return nil, fault("3.1.2", "%s: %v", name, err)
	case len(ids) == 0:
		return nil, fault("3.1.2", "%s is empty", name)
	case len(ids) > maxHints:
		return nil, fault("3.1.2", "%s has more than %d entities", name, maxHints)
	}
	return ids, nil
}

func readEntities(raw json.RawMessage) ([]federation.EntityID, error) {
	var texts []*string
	if err := json.Unmarshal(raw, &texts); err != nil || isNull(raw) {
		return nil, errors.New("not a list of strings")
	}
	ids := make([]federation.EntityID, 0, len(texts))
	for _, text := range texts {
		if text == nil {
			return nil, errors.New("not a list of strings")
		}
		id, err := federation.ParseEntityID(*text)
		if err != nil {
			return nil, err
		}
		if slices.Contains(ids, id) {
			return nil, fmt.Errorf("%s stands in it twice", id)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// readKeys reads federation keys, each with a kid of its own (§3.1.1).
func readKeys(raw json.RawMessage) (*jose.Set, error) {
	set, err := jose.ParseSet(raw)
	if err != nil {
		return nil, fault("3.1.1", "jwks: %v", err)
	}
	var named struct {
		Keys []struct {
			KeyID string `json:"kid"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(raw, &named); err != nil || len(named.Keys) == 0 {
		return nil, fault("3.1.1", "jwks has no keys")
	}
	ids := map[string]bool{}
	for _, k := range named.Keys {
		if k.KeyID == "" || ids[k.KeyID] {
			return nil, fault("3.1.1", "jwks: a key has no kid of its own")
		}
		ids[k.KeyID] = true
	}
	return set, nil
}

func readMarks(raw json.RawMessage) ([]Mark, error) {
	if raw == nil {
		return nil, nil
	}
	var list []claims
	if err := json.Unmarshal(raw, &list); err != nil || isNull(raw) {
		return nil, fault("3.1.2", "trust_marks is not a list of objects")
	}
	if len(list) > maxMarks {
		return nil, fault("3.1.2", "trust_marks has more than %d marks", maxMarks)
	}
	marks := make([]Mark, len(list))
	for i, one := range list {
		m := &marks[i]
		if json.Unmarshal(one["trust_mark_type"], &m.Type) != nil || json.Unmarshal(one["trust_mark"], &m.JWT) != nil || m.Type == "" {
			return nil, fault("3.1.2", "trust_marks: mark %d has no trust_mark_type or no trust_mark", i)
		}
		inside, err := jose.PeekClaim(m.JWT, "trust_mark_type")
		if err != nil || inside != m.Type {
			return nil, fault("3.1.2", "trust_marks: mark %d is not of the type %q that stands beside it", i, m.Type)
		}
	}
	return marks, nil
}

func readMarkIssuers(raw json.RawMessage) (map[string][]federation.EntityID, error) {
	if raw == nil {
		return nil, nil
	}
	var c claims
	if err := json.Unmarshal(raw, &c); err != nil || isNull(raw) {
		return nil, fault("3.2", "trust_mark_issuers is not an object")
	}
	issuers := map[string][]federation.EntityID{}
	for kind, list := range c {
		ids, err := readEntities(list)
		if err != nil {
			return nil, fault("3.2", "trust_mark_issuers of %q: %v", kind, err)
		}
		issuers[kind] = ids
	}
	return issuers, nil
}

func readMarkOwners(raw json.RawMessage) (map[string]MarkOwner, error) {
	if raw == nil {
		return nil, nil
	}
	var list map[string]claims
	if err := json.Unmarshal(raw, &list); err != nil || isNull(raw) {
		return nil, fault("3.2", "trust_mark_owners is not an object of objects")
	}
	owners := map[string]MarkOwner{}
	for kind, c := range list {
		if c["sub"] == nil || c["jwks"] == nil {
			return nil, fault("3.2", "trust_mark_owners of %q has no sub or no jwks", kind)
		}
		sub, err := c.entity("sub")
		if err != nil {
			return nil, err
		}
		set, err := readKeys(c["jwks"])
		if err != nil {
			return nil, err
		}
		owners[kind] = MarkOwner{sub, set}
	}
	return owners, nil
}
