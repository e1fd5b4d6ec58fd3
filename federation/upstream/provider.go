package upstream

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Bounds of the operator's file.
const (
	MaxFile      = 256 << 10 // bytes
	maxProviders = 64
	maxAlias     = 40
	maxName      = 80  // bytes of one name
	maxScopes    = 20  // beside openid
	maxLevels    = 32  // rows of a table of levels
	maxText      = 512 // bytes of any other value
)

// Alias names a provider here: in addresses, in evidence and on metrics.
type Alias string

// Trust is how metadata and keys of a provider are come by.
type Trust string

// The ways of trust.
const (
	// ByDiscovery fetches the configuration of the issuer that the file pins, over HTTPS (OpenID
	// Connect Discovery §4).
	ByDiscovery Trust = "discovery"
	// ByFederation takes what is left of its metadata under the trust anchors of this server
	// (OpenID Federation 1.0 §10). No request is made for a sign-in.
	ByFederation Trust = "federation"
)

// Registration is how this server becomes a client of a provider.
type Registration string

// The ways of registration.
const (
	// Agreed is beforehand, by the people of both.
	Agreed Registration = "agreed"
	// Automatic is with the first request (OpenID Federation 1.0 §12.1): client_id is the entity
	// identifier of this server, whom the federation vouches for.
	Automatic Registration = "automatic"
)

// Provider is what an operator says of another provider.
type Provider struct {
	Alias Alias               `json:"alias"`
	Name  authz.LocalizedText `json:"name"`
	// Issuer is compared text by text with what the provider says of itself.
	Issuer string `json:"issuer"`
	Trust  Trust  `json:"trust"`
	// Registration is Agreed if it is left out.
	Registration Registration `json:"registration"`
	// ClientID is what the provider registered this server under; where it does so automatically
	// the entity identifier of this server ([As]).
	ClientID string   `json:"client_id"`
	Scopes   []string `json:"scopes"`
	// Algorithms sign its ID tokens and logout tokens.
	Algorithms []keys.Algorithm `json:"algorithms"`
	// Levels are its acr values, each with the level here; a value without a row is refused.
	Levels map[string]authz.AuthenticationLevel `json:"levels"`
	// NumberClaim is the claim of the ID token with the 12-digit number that a register
	// verified; empty: the provider vouches for none, and links are made after a sign-in here.
	NumberClaim string `json:"number_claim"`
	// LeastLevel is the level that a sign-in needs, LinkLevel that of a link which the number
	// makes; 2 if they are left out.
	LeastLevel authz.AuthenticationLevel `json:"least_level"`
	LinkLevel  authz.AuthenticationLevel `json:"link_level"`
	// Order is the place on the sign-in page, the lowest first.
	Order int `json:"order"`
	// Hidden providers stand on the sign-in page only where the app names them. LinkOnly ones
	// never sign anybody in.
	Hidden   bool `json:"hidden"`
	LinkOnly bool `json:"link_only"`
	// Networks are reached for this provider besides the public internet. Roots is a file of
	// certificates that are believed for it instead of the machine's.
	Networks []netip.Prefix `json:"networks"`
	Roots    string         `json:"ca"`
}

var (
	aliasForm = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	tokenForm = regexp.MustCompile(`^[!#-\[\]-~]+$`) // RFC 6749 §3.3, scope-token
	claimForm = regexp.MustCompile(`^[A-Za-z0-9_:./-]+$`)
)

// Parse reads the file of an operator, an object with the member providers: strict in names,
// duplicate members and bounds. loopback lets issuers be http on this machine. The providers
// come in the order of the sign-in page.
func Parse(raw []byte, loopback bool) ([]*Provider, error) {
	if len(raw) > MaxFile {
		return nil, fmt.Errorf("it is longer than %d bytes", MaxFile)
	}
	if err := jose.CheckJSON(raw); err != nil {
		return nil, err
	}
	var file struct {
		Providers []*Provider `json:"providers"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the object")
	}
	if n := len(file.Providers); n == 0 || n > maxProviders {
		return nil, fmt.Errorf("it has %d providers; name 1 to %d, or leave the file out", n, maxProviders)
	}
	aliases, issuers := map[Alias]bool{}, map[string]bool{}
	for i, p := range file.Providers {
		if p == nil {
			return nil, fmt.Errorf("provider %d is null", i+1)
		}
		p.fill()
		if err := p.check(loopback); err != nil {
			return nil, fmt.Errorf("provider %d, %q: %w", i+1, p.Alias, err)
		}
		// RFC 9700 §4.4: two providers of one issuer could not be told apart by their answers.
		if aliases[p.Alias] || issuers[p.Issuer] {
			return nil, fmt.Errorf("provider %d, %q: its alias or its issuer stands there twice", i+1, p.Alias)
		}
		aliases[p.Alias], issuers[p.Issuer] = true, true
	}
	slices.SortStableFunc(file.Providers, func(a, b *Provider) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Alias, b.Alias))
	})
	return file.Providers, nil
}

// usual is the level of every sign-in here (Decree 69/2024/NĐ-CP Art. 20).
const usual authz.AuthenticationLevel = 2

func (p *Provider) fill() {
	p.Registration = cmp.Or(p.Registration, Agreed)
	if p.Registration == Automatic {
		p.Trust = cmp.Or(p.Trust, ByFederation)
	}
	p.Trust = cmp.Or(p.Trust, ByDiscovery)
	p.LeastLevel, p.LinkLevel = cmp.Or(p.LeastLevel, usual), cmp.Or(p.LinkLevel, usual)
	if len(p.Algorithms) == 0 {
		p.Algorithms = []keys.Algorithm{keys.ES256}
	}
	for i, n := range p.Networks {
		p.Networks[i] = n.Masked()
	}
}

func (p *Provider) check(loopback bool) error {
	name := func(text string) bool {
		return strings.TrimSpace(text) != "" && len(text) <= maxName && authz.CheckText(text) == nil
	}
	switch {
	case !aliasForm.MatchString(string(p.Alias)) || len(p.Alias) > maxAlias:
		return fmt.Errorf("alias is 1 to %d lower-case letters, digits and dashes, a letter first", maxAlias)
	case !name(p.Name.VI) || !name(p.Name.EN):
		return fmt.Errorf("name has vi and en, each a text of at most %d bytes", maxName)
	case p.Trust != ByDiscovery && p.Trust != ByFederation:
		return fmt.Errorf("trust is %q; it is %s or %s", p.Trust, ByDiscovery, ByFederation)
	case p.Registration != Agreed && p.Registration != Automatic:
		return fmt.Errorf("registration is %q; it is %s or %s", p.Registration, Agreed, Automatic)
	case p.Registration == Automatic && p.Trust != ByFederation:
		return fmt.Errorf("registration %s is by a federation: trust is %s", Automatic, ByFederation)
	case p.Registration == Automatic && p.ClientID != "":
		return fmt.Errorf("client_id is left out where registration is %s: it is the entity identifier of this server", Automatic)
	case p.Registration == Agreed && p.ClientID == "" || len(p.ClientID) > maxText || authz.CheckText(p.ClientID) != nil:
		return errors.New("client_id is missing, or too long: it is what the provider registered this server under")
	case len(p.Scopes) > maxScopes:
		return fmt.Errorf("scopes are more than %d", maxScopes)
	case p.NumberClaim != "" && (len(p.NumberClaim) > maxText || !claimForm.MatchString(p.NumberClaim)):
		return errors.New("number_claim is no name of a claim")
	case slices.Contains(contacts, p.NumberClaim):
		return fmt.Errorf("number_claim is %q; nobody is ever linked by an address or a telephone number", p.NumberClaim)
	case p.LeastLevel < 1 || p.LeastLevel > 4 || p.LinkLevel < usual || p.LinkLevel > 4:
		return errors.New("least_level is 1 to 4, link_level 2 to 4")
	case p.Roots != "" && len(p.Roots) > maxText:
		return errors.New("ca is too long")
	}
	if p.Trust == ByFederation {
		if _, err := federation.ParseEntityID(p.Issuer); err != nil {
			return fmt.Errorf("issuer: %w", err)
		}
	} else if err := secure(p.Issuer, loopback); err != nil || strings.ContainsAny(p.Issuer, "?#") {
		return fmt.Errorf("issuer %q is no https URL without query and fragment (OpenID Connect Discovery §4.3)", p.Issuer)
	}
	for _, s := range p.Scopes {
		if !tokenForm.MatchString(s) || len(s) > maxText {
			return fmt.Errorf("%q is no scope (RFC 6749 §3.3)", s)
		}
	}
	for _, alg := range p.Algorithms {
		if !slices.Contains(keys.OpenIDSignatures, alg) {
			return fmt.Errorf("algorithms: %q is none of %v; what is symmetric or unsigned is never taken", alg, keys.OpenIDSignatures)
		}
	}
	if len(p.Levels) == 0 || len(p.Levels) > maxLevels {
		return fmt.Errorf("levels has %d rows; it says for 1 to %d acr values which level they are here", len(p.Levels), maxLevels)
	}
	reached := authz.AuthenticationLevel(0)
	for acr, level := range p.Levels {
		odd := strings.ContainsFunc(acr, func(r rune) bool { return r <= ' ' || r > '~' })
		if acr == "" || odd || len(acr) > maxText || level < 1 || level > 4 {
			return fmt.Errorf("levels: %q is %d; an acr value has no spaces, and a level is 1 to 4", acr, level)
		}
		reached = max(reached, level)
	}
	if reached < p.LeastLevel {
		return fmt.Errorf("levels reach %d, and least_level is %d: nobody could sign in", reached, p.LeastLevel)
	}
	return nil
}

// As makes this server, by its entity identifier, the client of the providers at which it registers
// automatically.
func As(self string, list []*Provider) error {
	for _, p := range list {
		if p.Registration != Automatic {
			continue
		}
		if _, err := federation.ParseEntityID(self); err != nil {
			return fmt.Errorf("provider %q: registration is %s, and the issuer of this server names no entity: %w", p.Alias, Automatic, err)
		}
		p.ClientID = self
	}
	return nil
}

// contacts are claims that name no person, whoever verified them (CVE-2026-14781).
var contacts = []string{"email", "email_verified", "phone_number", "phone_number_verified", "preferred_username", "name"}

// secure returns an error unless a URL is https with a host and without credentials; loopback
// lets it be http on this machine.
func secure(text string, loopback bool) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || len(text) > federation.MaxEntityID || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fmt.Errorf("%q is not a URL", text)
	case u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return errors.New("it has no host, or credentials or a fragment")
	case u.Scheme == "https" || u.Scheme == "http" && loopback && onLoopback(u.Hostname()):
		return nil
	}
	return fmt.Errorf("%q is not https", text)
}

func onLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// ACRValues are its acr values that reach a level, the lowest such level first.
func (p *Provider) ACRValues(level authz.AuthenticationLevel) []string {
	var out []string
	for acr, l := range p.Levels {
		if l >= level {
			out = append(out, acr)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(p.Levels[a], p.Levels[b]), cmp.Compare(a, b))
	})
	return out
}
