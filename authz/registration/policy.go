package registration

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/claims"
)

// Policy is what an agency's officer lets an app register: it goes with an
// initial access token (RFC 7591 §3) and with every app that was registered with
// it, so that an update cannot widen what was let.
type Policy struct {
	// Open lets the app choose profile, owner and everything else: for a provider
	// on a loopback host, where conformance suites register themselves.
	Open    bool                `json:"open,omitempty"`
	Profile authz.ProfileName   `json:"profile,omitempty"`
	Owner   authz.LocalizedText `json:"owner,omitzero"`
	// GrantTypes and Scopes that may be registered; empty allows those of an
	// ordinary app: authorization_code, refresh_token; openid, offline_access. An app
	// that names none gets what is let.
	GrantTypes []string `json:"grant_types,omitempty"`
	Scopes     []string `json:"scopes,omitempty"`
	// Allow are opt-ins of the profile that an app may register.
	Allow []Allowance `json:"allow,omitempty"`
	// Declarations that may be registered, whole or in part; all of them where an app
	// names none.
	Declarations []authz.Declaration       `json:"declarations,omitempty"`
	MinimumLevel authz.AuthenticationLevel `json:"minimum_level,omitempty"`
	// RequireStatement demands a software statement.
	RequireStatement bool `json:"require_software_statement,omitempty"`
	// Called is what refusals call the policy; empty is the initial access token.
	Called string `json:"-"`
}

// called is what refusals call the policy.
func (p Policy) called() string { return or(p.Called, "the initial access token") }

// Allowance is something of a profile that only apps get which need it.
type Allowance = string

// The allowances. Tokens that are not signed (alg none) are not among them.
const (
	AllowHybrid      Allowance = "hybrid"
	AllowImplicit    Allowance = "implicit"
	AllowWithoutPKCE Allowance = "code_without_pkce"
	AllowSession     Allowance = "session_management"
)

// Allowances lists all.
func Allowances() []Allowance {
	return []Allowance{AllowHybrid, AllowImplicit, AllowWithoutPKCE, AllowSession}
}

// allowancesOf names the allowances a client needs, each with the
// member that needs it.
func allowancesOf(c *authz.Client) (needed map[Allowance]string) {
	needed = map[Allowance]string{}
	for _, one := range c.ResponseTypes {
		switch {
		case needsCode(one) && needsImplicit(one):
			needed[AllowHybrid] = "response_types"
		case needsImplicit(one):
			needed[AllowImplicit] = "response_types"
		}
	}
	if c.CodeWithoutPKCE {
		needed[AllowWithoutPKCE] = "code_without_pkce"
	}
	if c.SessionManagement {
		needed[AllowSession] = "session_management"
	}
	return needed
}

// openDeclarations let an app of an open provider, where all persons are invented,
// ask for all standard claims, as a conformance suite does which knows of no
// declarations.
func openDeclarations() []authz.Declaration {
	var list []authz.Declaration
	for _, id := range claims.OfScopes(claims.Scopes()...) {
		register, _, _ := strings.Cut(string(id), ".")
		i := slices.IndexFunc(list, func(d authz.Declaration) bool { return string(d.Registry) == register })
		if i < 0 {
			i = len(list)
			list = append(list, authz.Declaration{
				Purpose: "dvc.prefill", Basis: authz.BasisConsent, Registry: authz.RegistryID(register), MaxDays: 30,
				Frequency:   "unlimited",
				Explanation: authz.LocalizedText{VI: "Để thử ứng dụng với dữ liệu giả định.", EN: "To try the app with invented data."},
			})
		}
		list[i].Attributes = append(list[i].Attributes, id)
	}
	return list
}

// Initial is an initial access token as it is kept: by its digest.
type Initial struct {
	ID       string
	Policy   Policy
	UsesLeft int
	Created  time.Time
	Expires  time.Time
	Revoked  time.Time
}

// Live reports whether it may register one more app.
func (i Initial) Live(now time.Time) bool {
	return i.Revoked.IsZero() && now.Before(i.Expires) && i.UsesLeft > 0
}

// ordinary is what an app may have without being let more.
var (
	ordinaryGrants = []string{"authorization_code", "refresh_token"}
	ordinaryScopes = []string{"openid", "offline_access"}
)

// Check is whether a policy can let anything at all: at its making, so that it
// does not come to an app's developer.
func (p Policy) Check(catalogue Declarations) error {
	profile, ok := authz.Profiles[p.Profile]
	if !ok && !p.Open {
		return refuse("profile", "there is no profile %q", p.Profile)
	}
	if p.Owner.VI == "" && !p.Open {
		return refuse("owner", "it is missing; citizens read it on the consent page")
	}
	if err := checkOwner(p.Owner); err != nil {
		return err
	}
	for _, g := range p.GrantTypes {
		if !slices.Contains(profile.GrantTypes, g) {
			return refuse("grant_types", "profile %s does not offer the grant %s%s", profile.Name, clip(g), authz.OfferedBy(g))
		}
	}
	for _, a := range p.Allow {
		switch {
		case !slices.Contains(Allowances(), a):
			return refuse("allow", "there is no %q; there are %v", clip(a), Allowances())
		case profile.Name != authz.OIDC && !p.Open:
			return refuse("allow", "profile %s has no opt-ins", profile.Name)
		}
	}
	if err := acceptDeclarations(catalogue, p.Declarations); err != nil {
		return err
	}
	if undeclared := claims.Undeclared(
		&authz.Client{Requests: authz.Requests{Scopes: p.Scopes}, Releases: authz.Releases{Declarations: p.Declarations}},
	); len(undeclared) > 0 && !p.Open {
		return refuse("scopes", "%s asks about the person, and no declaration of the token covers it", undeclared[0])
	}
	return nil
}

// Fill sets what the officer decides. An app may repeat it, as it does when it
// sends back what it read (RFC 7592 §2.2), and may not say otherwise.
func (p Policy) Fill(m Metadata) (Metadata, error) {
	// These two are given by hand to resource servers and to apps that share a
	// pseudonym: see sector_identifier_uri for what an app can prove.
	if m.Sector != "" {
		return m, refuse("sector", "leave it out; several hosts are joined by sector_identifier_uri")
	}
	if len(m.Introspect) > 0 {
		return m, refuse("introspect", "leave it out; it is given by an operator")
	}
	if len(m.Resources) > 0 || len(m.TokenExchange) > 0 || m.MayAct != "" || len(m.TrustedIssuers) > 0 {
		return m, refuse("token_exchange", "leave out resources, token_exchange, may_act and trusted_issuers; they are given by an operator")
	}
	if p.Open {
		if m.Profile == "" && m.ApplicationType == "native" && m.AuthMethod == string(authz.PublicClient) {
			m.Profile = string(authz.Native)
		}
		m.Profile = or(m.Profile, string(authz.OIDC))
		// A certified client of the oidc profile sends no PKCE, may ask the frame of
		// session management, and has no member to say so.
		m.CodeWithoutPKCE = m.CodeWithoutPKCE || m.Profile == string(authz.OIDC)
		m.SessionManagement = m.SessionManagement || m.Profile == string(authz.OIDC)
		if len(m.Scope) == 0 && len(m.Declarations) == 0 {
			m.Scope, m.Declarations = slices.Concat(ordinaryScopes, claims.Scopes()), openDeclarations()
		}
		return m, nil
	}
	if m.Profile != "" && m.Profile != string(p.Profile) {
		return m, refuse("profile", "%s is for profile %s", p.called(), p.Profile)
	}
	if m.Owner != nil && *m.Owner != p.Owner {
		return m, refuse("owner", "%s is for %q", p.called(), p.Owner.VI)
	}
	m.Profile, m.Owner = string(p.Profile), &p.Owner
	if m.MinimumLevel == 0 {
		m.MinimumLevel = int(p.MinimumLevel)
	}
	return p.usual(m), nil
}

// usual fills in what an app leaves out with what its token lets (RFC 7591 §2): a client
// that knows nothing of declarations, scopes or members of ours gets what the officer
// meant it to have.
func (p Policy) usual(m Metadata) Metadata {
	if m.Declarations == nil {
		m.Declarations = p.Declarations
	}
	if len(m.Scope) == 0 {
		scopes := p.lets(p.Scopes, ordinaryScopes)
		undeclared := claims.Undeclared(
			&authz.Client{Requests: authz.Requests{Scopes: scopes}, Releases: authz.Releases{Declarations: m.Declarations}},
		)
		m.Scope = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return slices.Contains(undeclared, s) })
	}
	if len(m.GrantTypes) == 0 && len(p.GrantTypes) > 0 {
		let := func(grant string) bool { return grant == "implicit" || slices.Contains(p.GrantTypes, grant) }
		usual := grantsFor(responseTypes(m.ResponseTypes))
		if m.GrantTypes = slices.DeleteFunc(usual, func(grant string) bool { return !let(grant) }); len(m.GrantTypes) == 0 {
			m.GrantTypes = p.GrantTypes
		}
	}
	// No standard has a member to say these with.
	m.CodeWithoutPKCE = m.CodeWithoutPKCE || slices.Contains(p.Allow, AllowWithoutPKCE)
	m.SessionManagement = m.SessionManagement || slices.Contains(p.Allow, AllowSession)
	return m
}

// And is a policy that lets what either of two lets; all else is of the first.
func (p Policy) And(more Policy) Policy {
	join := func(list, ordinary, add []string) []string {
		if len(add) == 0 {
			return list
		}
		return slices.Concat(p.lets(list, ordinary), add)
	}
	p.GrantTypes = join(p.GrantTypes, ordinaryGrants, more.GrantTypes)
	p.Scopes = join(p.Scopes, ordinaryScopes, more.Scopes)
	p.Declarations = slices.Concat(p.Declarations, more.Declarations)
	return p
}

// lets is what a list of the token lets: itself, or the ordinary where it is empty.
func (p Policy) lets(list, ordinary []string) []string {
	if len(list) == 0 {
		return ordinary
	}
	return list
}

// Vouched is who vouches for a client that registers or updates itself under the
// policy of an initial access token: the officer who gave the token, for the agency
// that it names, or who did before where nothing has changed that people know the app
// by. What an operator took back stays so. before is nil for a new one.
func (p Policy) Vouched(initial string, before, c *authz.Client, now time.Time) authz.Verification {
	switch {
	case before != nil && (before.Verified.WasTakenBack() || before.Verified.Holds() && sameFace(before, c)):
		return before.Verified
	case p.Open || p.Owner.VI == "" || initial == "":
		return authz.Verification{}
	}
	return authz.Verification{By: "initial-access-token:" + initial, At: now}
}

// sameFace reports whether people know an app by what they knew it by before: its name,
// its agency, and the hosts they are sent back to, of which there is none more.
func sameFace(before, c *authz.Client) bool {
	known := hosts(before)
	return before.Name == c.Name && before.Owner == c.Owner && before.Site() == c.Site() &&
		!slices.ContainsFunc(hosts(c), func(host string) bool { return !slices.Contains(known, host) })
}

// hosts are those of an app's redirect URIs; a URI without one stands for itself.
func hosts(c *authz.Client) []string {
	var all []string
	for _, raw := range c.RedirectURIs {
		if u, err := url.Parse(raw); err == nil && u.Host != "" {
			raw = u.Host
		}
		all = append(all, raw)
	}
	return all
}

// Permits refuses a client that goes beyond the policy.
func (p Policy) Permits(c *authz.Client) error {
	if p.Open {
		// What needs no consent needs somebody who answers for it: an app that nobody
		// vouches for cannot claim the duty of an agency.
		for _, d := range c.Declarations {
			if d.Basis != authz.BasisConsent {
				return refuse("declarations", "purpose %q on legal basis %s needs an initial access token of the agency; an app that registers without one declares %s alone",
					d.Purpose, d.Basis, authz.BasisConsent)
			}
		}
		return nil
	}
	for _, one := range []struct {
		member      string
		wanted, let []string
	}{
		{"grant_types", c.GrantTypes, p.lets(p.GrantTypes, ordinaryGrants)},
		{"scope", c.Scopes, p.lets(p.Scopes, ordinaryScopes)},
	} {
		for _, w := range one.wanted {
			if w == "implicit" {
				continue // follows from the response types, which are looked at below
			}
			if !slices.Contains(one.let, w) {
				return refuse(one.member, "%q is not let by %s, which lets %v", clip(w), p.called(), one.let)
			}
		}
	}
	for needed, member := range allowancesOf(c) {
		if !slices.Contains(p.Allow, needed) {
			return refuse(member, "it needs %q, which %s does not allow", needed, p.called())
		}
	}
	if c.MinimumLevel < p.MinimumLevel {
		return refuse("minimum_level", "%s demands %d or more", p.called(), p.MinimumLevel)
	}
	for _, d := range c.Declarations {
		if !slices.ContainsFunc(p.Declarations, func(let authz.Declaration) bool { return within(d, let) }) {
			return refuse("declarations", "purpose %q at register %q is not let by %s, or not with these attributes and limits", d.Purpose, d.Registry, p.called())
		}
	}
	return nil
}

// within reports whether a declaration asks for nothing more than another lets.
func within(d, let authz.Declaration) bool {
	subset := !slices.ContainsFunc(d.Attributes, func(id authz.AttributeID) bool { return !slices.Contains(let.Attributes, id) })
	recipients := !slices.ContainsFunc(d.Recipients, func(id authz.ClientID) bool { return !slices.Contains(let.Recipients, id) })
	return recipients && (let.MaxAuthAge == 0 || d.MaxAuthAge > 0 && d.MaxAuthAge <= let.MaxAuthAge) && d.Purpose == let.Purpose &&
		d.Basis == let.Basis && d.Registry == let.Registry && subset && d.CaseReference == let.CaseReference &&
		(let.MaxDays == 0 || d.MaxDays > 0 && d.MaxDays <= let.MaxDays) &&
		(let.DataLife == "" || d.DataLife == let.DataLife) && (let.Frequency == "" || d.Frequency == let.Frequency) &&
		(let.ExpiresAt.IsZero() || !d.ExpiresAt.IsZero() && !d.ExpiresAt.After(let.ExpiresAt))
}
