package claims

import (
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/calendar"
)

// The registers that claims are made of: the population register, and the
// electronic identity system's own record of a person's contacts and mandates.
const (
	Population authz.RegistryID = "population"
	EID        authz.RegistryID = "eid"
)

// The attributes that claims are made of.
const (
	fullName  authz.AttributeID = "population.full_name"
	birthDate authz.AttributeID = "population.birth_date"
	sex       authz.AttributeID = "population.sex"
	residence authz.AttributeID = "population.permanent_address"
	updatedOn authz.AttributeID = "population.updated_on"
	email     authz.AttributeID = "eid.email"
	phone     authz.AttributeID = "eid.phone"
	mandates  authz.AttributeID = "eid.mandates"
)

// Mandates is the claim that lists the organisations a person represents by law.
// Its name is collision-resistant (OpenID Connect Core §5.1.2, RFC 7519 §4.2).
const Mandates = "urn:vn:gov:eid:mandates"

// claim is a row of the table.
type claim struct {
	name      string
	attribute authz.AttributeID
	// scope asks for it, OpenID Connect Core §5.4; empty for a claim that only the
	// claims parameter asks for.
	scope string
	// vietnamese: the value is in Vietnamese and may be asked for as name#vi (§5.2).
	vietnamese bool
	// verified: it may stand in verified_claims (OpenID Connect for Identity
	// Assurance §5).
	verified bool
	value    func(Source) (any, bool)
}

// table is all claims about a person, in the order of OpenID Connect Core §5.1.
// preferred_username, nickname, profile, picture and website are not among them: no
// register knows them.
var table = []claim{
	{name: "name", attribute: fullName, scope: "profile", vietnamese: true, verified: true, value: fullNameOf},
	{name: "given_name", attribute: fullName, scope: "profile", vietnamese: true, verified: true, value: part(func(n fullNameParts) string { return n.given })},
	{name: "family_name", attribute: fullName, scope: "profile", vietnamese: true, verified: true, value: part(func(n fullNameParts) string { return n.family })},
	{name: "middle_name", attribute: fullName, scope: "profile", vietnamese: true, verified: true, value: part(func(n fullNameParts) string { return n.middle })},
	{name: "gender", attribute: sex, scope: "profile", verified: true, value: genderOf},
	{name: "birthdate", attribute: birthDate, scope: "profile", verified: true, value: birthdateOf},
	{name: "zoneinfo", attribute: fullName, scope: "profile", value: zoneinfoOf},
	{name: "locale", attribute: fullName, scope: "profile", value: localeOf},
	{name: "updated_at", attribute: updatedOn, scope: "profile", value: updatedAtOf},
	{name: "email", attribute: email, scope: "email", value: textOf(email)},
	{name: "email_verified", attribute: email, scope: "email", value: verifiedContact(email)},
	{name: "address", attribute: residence, scope: "address", vietnamese: true, verified: true, value: addressOf},
	{name: "phone_number", attribute: phone, scope: "phone", value: textOf(phone)},
	{name: "phone_number_verified", attribute: phone, scope: "phone", value: verifiedContact(phone)},
	{name: Mandates, attribute: mandates, value: mandatesOf},
}

// Source is what claims are made of: what was released, and what the broker knew
// of the account when it decided.
type Source struct {
	// Values are the released attributes.
	Values map[authz.AttributeID]any
	Kind   authz.Kind
	// Account is the proofing level, Proofed when the account was proofed.
	Account authz.AccountLevel
	Proofed time.Time
}

func (s Source) text(id authz.AttributeID) (string, bool) {
	text, ok := s.Values[id].(string)
	return text, ok && text != ""
}

func textOf(id authz.AttributeID) func(Source) (any, bool) {
	return func(s Source) (any, bool) { text, ok := s.text(id); return text, ok }
}

// verifiedContact is true: a contact that was not verified does not leave.
func verifiedContact(id authz.AttributeID) func(Source) (any, bool) {
	return func(s Source) (any, bool) { _, ok := s.text(id); return true, ok }
}

// zoneinfoOf: the country has one time zone, and the register its residents.
func zoneinfoOf(s Source) (any, bool) {
	_, ok := s.text(fullName)
	return "Asia/Ho_Chi_Minh", ok
}

// localeOf is known for citizens only: no register says what language a foreigner
// reads.
func localeOf(s Source) (any, bool) {
	_, ok := s.text(fullName)
	return "vi-VN", ok && s.Kind == authz.Citizen
}

// genderOf is OpenID Connect Core §5.1, which names these two values.
func genderOf(s Source) (any, bool) {
	text, _ := s.text(sex)
	switch text {
	case "nam":
		return "male", true
	case "nữ":
		return "female", true
	}
	return nil, false
}

// birthdateOf is YYYY-MM-DD, or YYYY where the record holds no more (OpenID
// Connect Core §5.1).
func birthdateOf(s Source) (any, bool) {
	text, ok := s.text(birthDate)
	if !ok {
		return nil, false
	}
	if _, err := time.Parse(time.DateOnly, text); err == nil {
		return text, true
	}
	for _, form := range []string{"2006-01", "2006"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.Format("2006"), true
		}
	}
	return nil, false
}

// updatedAtOf is the beginning of the day on which the record changed last, in
// seconds (OpenID Connect Core §5.1).
func updatedAtOf(s Source) (any, bool) {
	text, _ := s.text(updatedOn)
	day, err := time.ParseInLocation(time.DateOnly, text, calendar.Hanoi)
	return day.Unix(), err == nil
}

func mandatesOf(s Source) (any, bool) {
	list, ok := s.Values[mandates].([]any)
	return list, ok && len(list) > 0
}

// split takes the language tag off a claim's name, OpenID Connect Core §5.2.
func split(name string) (base, tag string) {
	base, tag, _ = strings.Cut(name, "#")
	return base, tag
}

// find looks a claim up by the name it was asked by; a language we do not have is
// a claim we do not have.
func find(name string) (claim, bool) {
	base, tag := split(name)
	i := slices.IndexFunc(table, func(c claim) bool { return c.name == base })
	if i < 0 {
		return claim{}, false
	}
	if strings.Contains(name, "#") {
		primary, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if !table[i].vietnamese || primary != "vi" {
			return claim{}, false
		}
	}
	return table[i], true
}

// Known reports whether a name asks for a claim about a person that is offered.
func Known(name string) bool { _, ok := find(name); return ok }

// Names are the claims about a person that are offered, for claims_supported.
func Names() []string {
	names := make([]string, 0, len(table)+1)
	for _, c := range table {
		names = append(names, c.name)
	}
	return append(names, "verified_claims")
}

// Scopes are the scopes that ask for claims about a person, OpenID Connect Core
// §5.4.
func Scopes() []string { return []string{"profile", "email", "address", "phone"} }

// OfScopes are the attributes that the scopes ask for.
func OfScopes(scopes ...string) []authz.AttributeID {
	var ids []authz.AttributeID
	for _, c := range table {
		if c.scope != "" && slices.Contains(scopes, c.scope) {
			ids = append(ids, c.attribute)
		}
	}
	return unique(ids)
}

// Undeclared names the scopes of a client that ask about the person and of which
// its declarations cover nothing: they are refused at registration, as they would
// be in a request.
func Undeclared(client *authz.Client) []string {
	var undeclared []string
	for _, scope := range Scopes() {
		covered := slices.ContainsFunc(OfScopes(scope), func(id authz.AttributeID) bool {
			return slices.ContainsFunc(client.Declarations, func(d authz.Declaration) bool { return slices.Contains(d.Attributes, id) })
		})
		if slices.Contains(client.Scopes, scope) && !covered {
			undeclared = append(undeclared, scope)
		}
	}
	return undeclared
}

func unique(ids []authz.AttributeID) []authz.AttributeID {
	slices.Sort(ids)
	return slices.Compact(ids)
}
