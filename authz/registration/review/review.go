package review

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// Review explains a client: what its profile's row lets it do, and what it still
// uses that ends.
type Review struct {
	ID       authz.ClientID      `json:"client_id"`
	Name     authz.LocalizedText `json:"client_name"`
	Owner    authz.LocalizedText `json:"owner"`
	Profile  authz.ProfileName   `json:"profile"`
	Source   string              `json:"source"`
	State    string              `json:"state"`
	May      []Permission        `json:"may"`
	Findings []Finding           `json:"findings"`
}

// Permission is one thing the client may do or must do, and what says so.
type Permission struct {
	What string `json:"what"`
	How  string `json:"how"`
}

// Finding is something of the client's to change: most is on its way out.
type Finding struct {
	Code string `json:"code"`
	Says string `json:"says"`
	// Until is the sunset; zero where none is set and the advice is all.
	Until time.Time `json:"until,omitzero"`
	Past  bool      `json:"past,omitempty"`
	Next  string    `json:"next"`
}

// outgoing is a use that ends: the one list that the check of a client and the
// page of profiles derive from.
type outgoing struct {
	code, says, next string
	until            time.Time
	used             func(c *authz.Client, profile authz.Profile) bool
}

// sunset is when the uses of the first OpenID Connect apps end, together with
// tokens in the browser's address.
var sunset = authz.Profiles[authz.OIDC].FrontChannelUntil

var outgoings = []outgoing{
	{
		"profile-oidc", "the profile for apps of before; new apps are of profile fapi2", "move to profile fapi2: PAR, PKCE, private_key_jwt or mutual TLS, bound tokens", sunset,
		func(c *authz.Client, _ authz.Profile) bool { return c.Profile == authz.OIDC },
	},
	{
		"client-secret", "it authenticates with a secret, which both sides hold and every request carries", "register keys (jwks or jwks_uri) and token_endpoint_auth_method private_key_jwt", sunset,
		func(c *authz.Client, _ authz.Profile) bool {
			return c.Method == authz.ClientSecretBasic || c.Method == authz.ClientSecretPost
		},
	},
	{
		"secret-without-end", "its secret has no end", "rotate it yearly: hopnhat client rotate-secret, or an update at the registration endpoint",
		time.Time{},
		func(c *authz.Client, _ authz.Profile) bool {
			return len(c.SecretHash) > 0 && c.SecretExpires.IsZero()
		},
	},
	{
		"rs256", "something is signed with RS256 (RSASSA-PKCS1-v1_5), which FAPI 2.0 SP §5.4.1 rules out", "register ES256, EdDSA or PS256 in its place", sunset,
		func(c *authz.Client, _ authz.Profile) bool {
			return slices.Contains([]string{c.SigningAlg, c.AuthorizationAlg, c.UserInfoAlg, c.RequestObjectAlg, c.AssertionAlg}, "RS256")
		},
	},
	{
		"unsaid-algorithm", "it was registered without id_token_signed_response_alg and gets ES256, where a library that was told nothing expects RS256 (OpenID Connect Dynamic Registration §2)", "register the algorithm that it expects: ES256, which its library may have to be told, or RS256",
		time.Time{},
		func(c *authz.Client, profile authz.Profile) bool {
			return c.SigningAlg == "" && profile.DefaultAlgorithm != registration.Of(c).IDTokenAlg
		},
	},
	{
		"without-pkce", "it sends no code_challenge, so that a code that was intercepted can be used (RFC 9700 §2.1.1)", "send code_challenge with S256, then take code_without_pkce out of the registration", sunset,
		func(c *authz.Client, _ authz.Profile) bool { return c.CodeWithoutPKCE },
	},
	{
		"front-channel-tokens", "tokens pass through the browser's address (RFC 9700 §2.1.2)", "use response_type code, then take the others out of response_types", sunset,
		func(c *authz.Client, _ authz.Profile) bool {
			return slices.ContainsFunc(c.ResponseTypes, func(one string) bool { return one != "code" })
		},
	},
	{
		"unsigned-requests", "its request objects are not signed", "sign them, and register request_object_signing_alg ES256", sunset,
		func(c *authz.Client, _ authz.Profile) bool { return c.RequestObjectAlg == "none" },
	},
	{
		"bearer-tokens", "its tokens are bound to nothing: whoever finds one can use it (RFC 9700 §2.2.1)", "send a DPoP proof at the token endpoint and register dpop_bound_access_tokens, or use mutual TLS", sunset,
		func(c *authz.Client, profile authz.Profile) bool {
			return !profile.RequireConstraint && !c.DPoPBound && !c.CertificateBound
		},
	},
	{
		"unvouched-basis", "it reads on another basis than consent, and nobody vouches that the agency it names runs it", "check name, agency and host, then hopnhat client verify ID; or disable it",
		time.Time{},
		func(c *authz.Client, _ authz.Profile) bool {
			return !c.Verified.Holds() && slices.ContainsFunc(c.Declarations, func(d authz.Declaration) bool { return d.Basis != authz.BasisConsent })
		},
	},
	{
		"browser-logout", "it learns of logouts through the browser only, by cookies of another site, which browsers block more and more", "register backchannel_logout_uri, then take frontchannel_logout_uri and session_management out of the registration", sunset,
		func(c *authz.Client, _ authz.Profile) bool {
			return c.FrontchannelLogoutURI != "" || c.SessionManagement
		},
	},
	{
		"static-keys", "its keys change only with its registration", "publish them at a jwks_uri, where they can be rotated without asking anybody",
		time.Time{},
		func(c *authz.Client, _ authz.Profile) bool { return len(c.JWKS) > 0 },
	},
	{
		"grant-of-another-profile", "it is registered for a grant that its profile does not offer, so that it is refused", "register a client of a profile that offers it for this use, and take the grant out of this registration",
		time.Time{},
		func(c *authz.Client, profile authz.Profile) bool {
			return slices.ContainsFunc(c.GrantTypes, func(g string) bool { return !slices.Contains(profile.GrantTypes, g) })
		},
	},
	{
		"loopback-redirect", "a redirect URI is plain HTTP on a loopback host", "register the https URL of the app; a provider that is not on loopback itself refuses this one",
		time.Time{},
		func(c *authz.Client, profile authz.Profile) bool {
			return !profile.AnyLoopbackPort && slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return strings.HasPrefix(uri, "http:") })
		},
	},
}

// Of explains a client at a time.
func Of(c *authz.Client, now time.Time) Review {
	profile := authz.Profiles[c.Profile]
	r := Review{
		ID: c.ID, Name: c.Name, Owner: c.Owner, Profile: c.Profile, Source: profile.Source,
		State: "enabled", May: permissions(c, profile), Findings: []Finding{},
	}
	switch {
	case !c.Ended.IsZero():
		r.State = "deleted"
	case c.Disabled:
		r.State = "disabled"
	}
	for _, o := range outgoings {
		if o.used(c, profile) {
			r.Findings = append(r.Findings, Finding{o.code, o.says, o.until, !o.until.IsZero() && !now.Before(o.until), o.next})
		}
	}
	return r
}

func permissions(c *authz.Client, profile authz.Profile) []Permission {
	metadata := registration.Of(c)
	types := metadata.ResponseTypes
	if len(types) == 0 {
		types = []string{"none"}
	}
	must := func(yes bool) string {
		if yes {
			return "required"
		}
		return "optional"
	}
	list := []Permission{
		{"authenticates with", string(c.Method)},
		{"response types", strings.Join(types, ", ")},
		{"response modes", strings.Join(profile.ResponseModes, ", ")},
		{"grant types", strings.Join(c.GrantTypes, ", ")},
		{"scopes", strings.Join(c.Scopes, " ")},
		{"pushed requests (RFC 9126)", must(profile.RequirePAR)},
		{"signed requests (RFC 9101)", must(profile.RequireRequestObject || c.RequireRequestObject)},
		{"PKCE with S256 (RFC 7636)", must(!c.CodeWithoutPKCE)},
		{"bound tokens (RFC 9449, RFC 8705)", must(profile.RequireConstraint || c.DPoPBound || c.CertificateBound)},
		{"code life", profile.CodeLife.String()},
		{"ID tokens signed with", metadata.IDTokenAlg},
		{"lowest authentication level", fmt.Sprint(int(c.MinimumLevel))},
		{"pseudonyms of sector", c.Sector},
	}
	for _, d := range c.Declarations {
		attributes := make([]string, len(d.Attributes))
		for i, a := range d.Attributes {
			attributes[i] = string(a)
		}
		list = append(list, Permission{
			"reads " + string(d.Registry) + " for " + string(d.Purpose) + " on " + string(d.Basis), strings.Join(attributes, ", "),
		})
	}
	if len(c.Introspect) > 0 {
		list = append(list, Permission{"introspects tokens for", strings.Join(c.Introspect, ", ")})
	}
	return list
}

// Write prints a review for an operator.
func (r Review) Write(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%s), %s\nprofile %s: %s\n\nIt may:\n", r.ID, r.Name.VI, r.Owner.VI, r.State, r.Profile, r.Source)
	for _, p := range r.May {
		fmt.Fprintf(&b, "  %-36s %s\n", p.What, p.How)
	}
	if len(r.Findings) == 0 {
		b.WriteString("\nIt uses nothing that ends.\n")
	} else {
		b.WriteString("\nIt uses what ends:\n")
	}
	for _, f := range r.Findings {
		until := "no date"
		if !f.Until.IsZero() {
			until = "until " + f.Until.Format(time.DateOnly)
		}
		if f.Past {
			until += ", which is past"
		}
		fmt.Fprintf(&b, "  %s (%s): %s\n    next: %s\n", f.Code, until, f.Says, f.Next)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
