package consent

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"hopnhat/authz"
)

//go:embed catalogue.json
var catalogueJSON []byte

// Purpose is a row of the catalogue of purposes.
type Purpose struct {
	ID           authz.PurposeID `json:"id"`
	VI           string          `json:"vi"`
	EN           string          `json:"en"`
	Sector       string          `json:"sector"`
	DefaultBasis authz.Basis     `json:"default_basis"`
	AllowedBases []authz.Basis   `json:"allowed_bases"`
	// Mode is none, per_release, standing, written_request or forbidden.
	Mode          string `json:"consent_mode"`
	MaxDays       int    `json:"max_validity_days"`
	MaxClass      string `json:"max_class"`
	Visibility    string `json:"citizen_visibility"`
	PredicateOnly bool   `json:"predicate_only"`
	Citation      string `json:"citation"`
}

// Text is the purpose in a language.
func (p Purpose) Text() authz.LocalizedText { return authz.LocalizedText{VI: p.VI, EN: p.EN} }

// Modes of asking that code distinguishes.
const (
	ModeNone           = "none"
	ModeStanding       = "standing"
	ModeWrittenRequest = "written_request"
	ModeForbidden      = "forbidden"
)

// NeedsWrittenRequest reports whether an ordinary consent is not enough: health
// data to an insurer or to another care provider (Law 91/2025/QH15 Art. 26(2)).
func (p Purpose) NeedsWrittenRequest(registry authz.RegistryID) bool {
	return registry == "health" && (p.Mode == ModeWrittenRequest || p.ID == "health.referral")
}

// LegalBasis is a row of the catalogue of legal bases.
type LegalBasis struct {
	ID           authz.Basis `json:"id"`
	VI           string      `json:"vi"`
	EN           string      `json:"en"`
	Citation     string      `json:"citation"`
	NeedsConsent bool        `json:"needs_consent_record"`
}

// Text is the basis in a language.
func (b LegalBasis) Text() authz.LocalizedText { return authz.LocalizedText{VI: b.VI, EN: b.EN} }

// Registry is a national register and its attributes.
type Registry struct {
	ID         authz.RegistryID `json:"id"`
	VI         string           `json:"vi"`
	EN         string           `json:"en"`
	Owner      string           `json:"owner"`
	Subject    string           `json:"subject"`
	Attributes []Attribute      `json:"attributes"`
}

// Text is the register's name in a language.
func (r Registry) Text() authz.LocalizedText { return authz.LocalizedText{VI: r.VI, EN: r.EN} }

// Attribute is one attribute of a register.
type Attribute struct {
	ID       authz.AttributeID `json:"id"`
	VI       string            `json:"vi"`
	EN       string            `json:"en"`
	Class    string            `json:"class"`
	Purposes []authz.PurposeID `json:"purposes"`
	// Predicate says that the value is a yes or a no.
	Predicate bool `json:"predicate"`
}

// Text is the attribute's name in a language.
func (a Attribute) Text() authz.LocalizedText { return authz.LocalizedText{VI: a.VI, EN: a.EN} }

// Sensitive reports whether the person must be told that it is (Decree 356/2025
// Art. 6(4)).
func (a Attribute) Sensitive() bool { return rank(a.Class) >= rank("P2") }

// rank orders the classes: public, internal or basic, sensitive, restricted.
func rank(class string) int {
	switch class {
	case "PUB":
		return 0
	case "O1", "P1":
		return 1
	case "P2":
		return 2
	default:
		return 3
	}
}

// Within reports whether a class is no more restricted than a maximum.
func Within(class, maximum string) bool { return rank(class) <= rank(maximum) }

// Catalogue is the law as data: bases, purposes, registers.
type Catalogue struct {
	// Version is the SHA-256 of the whole, hex.
	Version    string       `json:"-"`
	Bases      []LegalBasis `json:"bases"`
	Purposes   []Purpose    `json:"purposes"`
	Registries []Registry   `json:"registries"`
	bases      map[authz.Basis]LegalBasis
	purposes   map[authz.PurposeID]Purpose
	registries map[authz.RegistryID]Registry
	attributes map[authz.AttributeID]Attribute
}

// Load reads the catalogue built into the program.
func Load() *Catalogue {
	c := &Catalogue{
		bases: map[authz.Basis]LegalBasis{}, purposes: map[authz.PurposeID]Purpose{},
		registries: map[authz.RegistryID]Registry{}, attributes: map[authz.AttributeID]Attribute{},
	}
	if err := json.Unmarshal(catalogueJSON, c); err != nil {
		panic(fmt.Sprintf("consent: the built-in catalogue is damaged: %v", err))
	}
	sum := sha256.Sum256(catalogueJSON)
	c.Version = hex.EncodeToString(sum[:])
	for _, b := range c.Bases {
		c.bases[b.ID] = b
	}
	for _, p := range c.Purposes {
		c.purposes[p.ID] = p
	}
	for _, r := range c.Registries {
		c.registries[r.ID] = r
		for _, a := range r.Attributes {
			c.attributes[a.ID] = a
		}
	}
	return c
}

// Basis finds a legal basis.
func (c *Catalogue) Basis(id authz.Basis) (LegalBasis, bool) { b, ok := c.bases[id]; return b, ok }

// Purpose finds a purpose.
func (c *Catalogue) Purpose(id authz.PurposeID) (Purpose, bool) {
	p, ok := c.purposes[id]
	return p, ok
}

// Registry finds a register.
func (c *Catalogue) Registry(id authz.RegistryID) (Registry, bool) {
	r, ok := c.registries[id]
	return r, ok
}

// Attribute finds an attribute.
func (c *Catalogue) Attribute(id authz.AttributeID) (Attribute, bool) {
	a, ok := c.attributes[id]
	return a, ok
}

// CheckDeclaration refuses a declaration that the catalogue does not allow, with
// the rule it breaks: at registration, so that it never comes to a person.
func (c *Catalogue) CheckDeclaration(d authz.Declaration) error {
	purpose, ok := c.Purpose(d.Purpose)
	if !ok {
		return fmt.Errorf("purpose %q is not in the catalogue", d.Purpose)
	}
	if purpose.Mode == ModeForbidden {
		return fmt.Errorf("purpose %q is forbidden: national registers are not for marketing", d.Purpose)
	}
	if !slices.Contains(purpose.AllowedBases, d.Basis) {
		return fmt.Errorf("purpose %q does not allow basis %q; it allows %v", d.Purpose, d.Basis, purpose.AllowedBases)
	}
	if _, ok := c.Registry(d.Registry); !ok {
		return fmt.Errorf("register %q is not in the catalogue", d.Registry)
	}
	if purpose.NeedsWrittenRequest(d.Registry) && d.Basis == authz.BasisConsent {
		return fmt.Errorf("health data for purpose %q need a written request (LB-WRITTEN-REQUEST), a consent is not enough", d.Purpose)
	}
	if d.MaxDays < 0 || d.MaxDays > maxDays {
		return fmt.Errorf("max_days must be 0 to %d", maxDays)
	}
	if d.Frequency != "" && !frequency.MatchString(d.Frequency) {
		return fmt.Errorf("frequency %q must be once, unlimited or N/day", d.Frequency)
	}
	if d.DataLife != "" && !dataLife.MatchString(d.DataLife) {
		return fmt.Errorf("data_life %q must be a number of days such as P30D", d.DataLife)
	}
	if _, err := casePattern(d.CaseReference); err != nil {
		return err
	}
	if len(d.Attributes) == 0 || len(d.Attributes) > maxAttributes {
		return fmt.Errorf("a declaration names 1 to %d attributes", maxAttributes)
	}
	for _, id := range d.Attributes {
		a, ok := c.Attribute(id)
		switch {
		case !ok || !InRegistry(id, d.Registry):
			return fmt.Errorf("attribute %q is not in register %q", id, d.Registry)
		case !slices.Contains(a.Purposes, d.Purpose):
			return fmt.Errorf("attribute %q may not be used for purpose %q", id, d.Purpose)
		case !Within(a.Class, purpose.MaxClass):
			return fmt.Errorf("attribute %q is of class %s, purpose %q goes up to %s", id, a.Class, d.Purpose, purpose.MaxClass)
		case purpose.PredicateOnly && !a.Predicate:
			return fmt.Errorf("purpose %q gets a yes or no only, attribute %q is a value", d.Purpose, id)
		}
	}
	for _, id := range d.Required {
		if !slices.Contains(d.Attributes, id) {
			return fmt.Errorf("required attribute %q is not among the declared ones", id)
		}
	}
	return nil
}

// maxDays bounds what a declaration may ask for: ten years.
const maxDays = 3660

// InRegistry reports whether an attribute belongs to a register, by its name.
func InRegistry(id authz.AttributeID, registry authz.RegistryID) bool {
	name, ok := strings.CutPrefix(string(id), string(registry)+".")
	return ok && name != ""
}
