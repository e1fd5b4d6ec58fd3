package request

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/claims"
)

// Authorization is a checked authorization request. It is what a pending
// authorization and a grant remember of the request.
type Authorization struct {
	ClientID            authz.ClientID  `json:"client_id"`
	RedirectURI         string          `json:"redirect_uri"`
	ResponseType        string          `json:"response_type"`
	ResponseMode        string          `json:"response_mode"`
	Scope               []string        `json:"scope,omitempty"`
	State               string          `json:"state,omitempty"`
	Nonce               string          `json:"nonce,omitempty"`
	CodeChallenge       string          `json:"code_challenge"`
	Prompt              []string        `json:"prompt,omitempty"`
	MaxAge              *int            `json:"max_age,omitempty"` // seconds
	ACRValues           []string        `json:"acr_values,omitempty"`
	IDTokenHint         string          `json:"id_token_hint,omitempty"`
	UILocales           []string        `json:"ui_locales,omitempty"`
	ProviderHint        string          `json:"provider_hint,omitempty"` // see [MaxProviderHint]
	Details             []authz.Release `json:"authorization_details,omitempty"`
	DPoPKeyThumbprint   string          `json:"dpop_jkt,omitempty"`
	AudiencesOfResource []string        `json:"resource,omitempty"`
	// Claims is what the claims parameter asks for; nil if nothing that is offered.
	Claims        *claims.Request `json:"claims,omitempty"`
	ClaimsLocales []string        `json:"claims_locales,omitempty"`
	// ClaimsOnly tells that all of Details come from scopes and claims: the person
	// may sign in and give none of them.
	ClaimsOnly bool `json:"claims_only,omitempty"`
	// Decoupled tells that the answer goes to no redirect URI: it is fetched with the
	// code of authz/decoupled.
	Decoupled   bool          `json:"decoupled,omitempty"`
	GrantAction string        `json:"grant_management_action,omitempty"`
	GrantID     authz.GrantID `json:"grant_id,omitempty"`
}

// What an app may ask to be done with a grant, Grant Management §5.2.
const (
	GrantCreate  = "create"
	GrantReplace = "replace"
	GrantMerge   = "merge"
)

// GrantActions are those offered.
var GrantActions = []string{GrantCreate, GrantReplace, GrantMerge}

// Details reads and checks authorization_details for a client: the consent
// package satisfies it.
type Details func(raw []byte, client *authz.Client) ([]authz.Release, error)

// Wishes makes wishes for releases out of attributes that claims need, one for each
// declaration of the client that covers some of them; attributes that none covers
// are left out. The consent package satisfies it.
type Wishes func(client *authz.Client, attributes []authz.AttributeID) []authz.Release

// Checker checks requests against a client's registration and profile.
type Checker struct {
	// ScopesKnown are the scopes this provider has, beside those of agencies' APIs.
	ScopesKnown []string
	// ScopesOfApps are for tokens of an app itself (RFC 6749 §4.4); a person's token
	// never has one, so that they are passed over.
	ScopesOfApps []string
	Details      Details
	// Wishes may be nil: then nothing is told of a person but by
	// authorization_details.
	Wishes Wishes
	// Resources are the RFC 8707 resource indicators this provider issues
	// tokens for.
	Resources []string
}

// target finds out where an answer may go. Until it returns without error every
// refusal stays on our own page (RFC 6749 §4.1.2.1). The redirect URI must be
// sent always, even when one only is registered (OpenID Connect Core §3.1.2.1).
func (c *Checker) target(form url.Values, client *authz.Client) (redirectURI string, err error) {
	redirectURI = form.Get("redirect_uri")
	switch {
	case redirectURI == "":
		return "", authz.NewError(authz.InvalidRequest,
			"redirect_uri is missing; send one that is registered for this app, even where one only is").At("redirect_uri").Under("OpenID Connect Core §3.1.2.1")
	case !client.HasRedirectURI(redirectURI):
		return "", authz.NewError(authz.InvalidRequest,
			"redirect_uri is not registered for this app; it must match character by character, its query included").At("redirect_uri").Under("RFC 9700 §2.1")
	}
	return redirectURI, nil
}

// check is one row of the table: what it proves, and how.
type check struct {
	clause string
	run    func(c *Checker, form url.Values, client *authz.Client, profile authz.Profile, into *Authorization) *authz.Error
}

// checks run in this order; the first refusal wins.
var checks = []check{
	{"OpenID Connect Core §7.2.1", noRegistration},
	{"RFC 6749 §3.1.1; Multiple Response Types §3", responseType},
	{"Multiple Response Types §2.1; JARM §2.3", responseMode},
	{"RFC 6749 §3.3; OpenID Connect Core §11", scope},
	{"RFC 7636 §4.3; RFC 9700 §2.1.1", codeChallenge},
	{"OpenID Connect Core §3.1.2.1, §3.2.2.1", nonce},
	{"OpenID Connect Core §3.1.2.1 prompt", prompt},
	{"OpenID Connect Core §3.1.2.1 max_age", maxAge},
	{"OpenID Connect Core §3.1.2.1 acr_values", acrValues},
	{"OpenID Connect Core §3.1.2.1 hints", hints},
	{"OpenID Connect Core §3.1.2.1 locales", locales},
	{"RFC 9449 §10", dpopJKT},
	{"RFC 8707 §2", resource},
	{"RFC 9396 §5", details},
	{"OpenID Connect Core §5.5, §5.2", claimsParameter},
	{"OpenID Connect Core §5.4, §5.5", wishes},
	{"Grant Management §5.2", grantManagement},
}

// Check checks a whole request. Errors are *authz.Error; those after the
// redirect URI was found good are marked as fit for the client.
func (c *Checker) Check(form url.Values, client *authz.Client, profile authz.Profile) (Authorization, error) {
	target, err := c.target(form, client)
	if err != nil {
		return Authorization{}, err
	}
	a := Answerable(form, client, profile)
	a.RedirectURI = target
	if refusal := c.run(checks, form, client, profile, &a); refusal != nil {
		return a, refusal.ToClient()
	}
	return a, nil
}

// run asks the rows of a table in their order.
func (c *Checker) run(rows []check, form url.Values, client *authz.Client, profile authz.Profile, a *Authorization) *authz.Error {
	for _, row := range rows {
		if refusal := row.run(c, form, client, profile, a); refusal != nil {
			if refusal.Clause == "" {
				refusal = refusal.Under(row.clause)
			}
			return refusal
		}
	}
	return nil
}

func noRegistration(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, _ *Authorization) *authz.Error {
	if form.Get("registration") != "" {
		return authz.NewError(authz.RegistrationNotSupported, "registration is not offered").At("registration")
	}
	return nil
}

// scope grants what is registered for the app. What nobody here knows is passed over
// (OpenID Connect Core §3.1.2.1); what is known and not registered, too, unless the
// profile says that the app is to hear of its slip. Neither is granted, and the answer
// says so (RFC 6749 §3.3).
func scope(c *Checker, form url.Values, client *authz.Client, profile authz.Profile, a *Authorization) *authz.Error {
	for _, s := range strings.Fields(form.Get("scope")) {
		switch {
		case strings.ContainsFunc(s, notOfScope):
			return authz.NewError(authz.InvalidScope, "scope has a character that no scope has").At("scope")
		case s == "offline_access" && !a.HasCode():
			// OpenID Connect Core §11: without a code there is no refresh token.
		case slices.Contains(a.Scope, s), slices.Contains(c.ScopesOfApps, s):
		case slices.Contains(client.Scopes, s) && (slices.Contains(c.ScopesKnown, s) || c.agency(form, client)):
			// A scope of an agency's API; whether of one that is named, the provider
			// asks, which knows them.
			a.Scope = append(a.Scope, s)
		case slices.Contains(client.Scopes, s):
			return authz.NewError(authz.InvalidScope, "scope %s is of an API; name it with resource (RFC 8707)", s).At("scope")
		case slices.Contains(c.ScopesKnown, s) && profile.RegisteredScopes:
			return authz.NewError(authz.InvalidScope, "scope %s is not registered for this app", s).At("scope")
		}
	}
	switch {
	case a.FrontChannel() && !slices.Contains(a.Scope, "openid"):
		return authz.NewError(authz.InvalidScope, "response_type %s needs scope=openid",
			a.ResponseType).At("scope").Under("OpenID Connect Core §3.2.2.1")
	case len(a.Scope) == 0 && form.Get("authorization_details") == "":
		return authz.NewError(authz.InvalidScope,
			"the request asks for nothing that this app can have; send scope=openid or authorization_details").At("scope")
	}
	return nil
}

// notOfScope is what no scope-token has (RFC 6749 §3.3).
func notOfScope(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// agency reports whether the request names a resource of an agency that the app is
// registered for.
func (c *Checker) agency(form url.Values, client *authz.Client) bool {
	return slices.ContainsFunc(form["resource"], func(r string) bool { return slices.Contains(client.Resources, r) })
}

// codeChallenge: PKCE with S256, of every app that did not register that it goes
// without. An app that registered so and sends one is held to it
// (RFC 9700 §2.1.1, §4.8).
func codeChallenge(_ *Checker, form url.Values, client *authz.Client, profile authz.Profile, a *Authorization) *authz.Error {
	if !a.HasCode() {
		return nil // nothing to prove later
	}
	a.CodeChallenge = form.Get("code_challenge")
	method := form.Get("code_challenge_method")
	switch {
	case a.CodeChallenge == "" && method == "" && profile.AllowWithoutPKCE && client.CodeWithoutPKCE:
		return nil
	case a.CodeChallenge == "":
		return authz.NewError(authz.InvalidRequest, "code_challenge is missing; send PKCE with S256").At("code_challenge")
	case method != "S256":
		return authz.NewError(authz.InvalidRequest, "code_challenge_method must be S256").At("code_challenge_method")
	case len(a.CodeChallenge) != 43 || !unreserved(a.CodeChallenge):
		return authz.NewError(authz.InvalidRequest,
			"code_challenge must be the base64url SHA-256 of the verifier, 43 characters").At("code_challenge")
	}
	return nil
}

func unreserved(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-._~", r)
	}) < 0
}

// nonce is optional, save where an ID token comes through the browser.
func nonce(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	a.Nonce = form.Get("nonce")
	switch {
	case len(a.Nonce) > 256:
		return authz.NewError(authz.InvalidRequest, "nonce is longer than 256 bytes").At("nonce")
	case a.Nonce == "" && a.HasIDToken():
		return authz.NewError(authz.InvalidRequest, "nonce is missing; response_type %s needs one", a.ResponseType).At("nonce")
	}
	return nil
}

func prompt(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	for _, p := range strings.Fields(form.Get("prompt")) {
		switch p {
		case "none", "login", "consent", "select_account":
			if !slices.Contains(a.Prompt, p) {
				a.Prompt = append(a.Prompt, p)
			}
		default:
			return authz.NewError(authz.InvalidRequest,
				"prompt has an unknown value; use none, login, consent or select_account").At("prompt")
		}
	}
	if len(a.Prompt) > 1 && slices.Contains(a.Prompt, "none") {
		return authz.NewError(authz.InvalidRequest, "prompt=none stands alone").At("prompt")
	}
	return nil
}

func maxAge(_ *Checker, form url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	raw := form.Get("max_age")
	if raw == "" {
		a.MaxAge = client.DefaultMaxAge // the request's own overrides it
		return nil
	}
	seconds, err := strconv.Atoi(raw)
	if err != nil || seconds < 0 {
		return authz.NewError(authz.InvalidRequest, "max_age must be a number of seconds, 0 or more").At("max_age")
	}
	a.MaxAge = &seconds
	return nil
}

// acrValues are wishes (OpenID Connect Core §3.1.2.1): values we do not know are
// left out, and the best of ours that can be reached is reached for.
func acrValues(_ *Checker, form url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	wanted := strings.Fields(form.Get("acr_values"))
	if len(wanted) == 0 {
		wanted = client.DefaultACRValues
	}
	for _, v := range wanted {
		if _, ours := authz.ParseACR(v); ours && !slices.Contains(a.ACRValues, v) {
			a.ACRValues = append(a.ACRValues, v)
		}
	}
	return nil
}

// providerHint names another provider by its alias, which stands first on the sign-in page then.
// No standard has such a parameter; it is a hint, decides nothing, and one that names no
// provider is passed over (RFC 6749 §3.1).
const providerHint = "idp_hint"

// MaxProviderHint bounds it, in bytes.
const MaxProviderHint = 40

func hints(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	a.IDTokenHint = form.Get("id_token_hint")
	if hint := form.Get(providerHint); len(hint) <= MaxProviderHint {
		a.ProviderHint = hint
	}
	// login_hint is not kept (§3.1.2.1 leaves its use to us): it may be a personal
	// number, which would then lie in a request's row unsealed, and a form that
	// comes filled in with a number is how a link steers a person to sign in as
	// somebody else. display needs nothing: every page fits every display.
	return nil
}

func locales(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	for _, locale := range strings.Fields(form.Get("ui_locales")) {
		if len(a.UILocales) < 8 && len(locale) <= 35 {
			a.UILocales = append(a.UILocales, locale)
		}
	}
	return nil
}

func dpopJKT(_ *Checker, form url.Values, _ *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	jkt := form.Get("dpop_jkt")
	if jkt == "" {
		return nil
	}
	if len(jkt) != 43 || !unreserved(jkt) {
		return authz.NewError(authz.InvalidRequest, "dpop_jkt must be a base64url SHA-256 thumbprint, 43 characters").At("dpop_jkt")
	}
	a.DPoPKeyThumbprint = jkt
	return nil
}

// resource: RFC 8707 §2. Ours are for every app, an agency's for those that are
// registered for it.
func resource(c *Checker, form url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	for _, r := range form["resource"] {
		switch {
		case slices.Contains(a.AudiencesOfResource, r):
		case slices.Contains(c.Resources, r), slices.Contains(client.Resources, r):
			a.AudiencesOfResource = append(a.AudiencesOfResource, r)
		default:
			return authz.NewError(authz.InvalidTarget,
				"resource has a value that this provider issues no tokens for, or none for this app").At("resource")
		}
	}
	return nil
}

// grantManagement: Grant Management §5.2, §5.3. That the grant is there
// and this app's is asked by the provider.
func grantManagement(_ *Checker, form url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	a.GrantAction, a.GrantID = form.Get("grant_management_action"), authz.GrantID(form.Get("grant_id"))
	switch {
	case a.GrantAction == "" && a.GrantID == "":
		return nil
	case client.Method == authz.PublicClient:
		return authz.NewError(authz.InvalidRequest, "grant management is for apps that authenticate").At("grant_management_action")
	case a.GrantAction == "":
		return authz.NewError(authz.InvalidRequest, "grant_id needs grant_management_action").At("grant_management_action")
	case !slices.Contains(GrantActions, a.GrantAction):
		return authz.NewError(authz.InvalidRequest,
			"grant_management_action has a value that is not offered; use create, replace or merge").At("grant_management_action")
	case a.GrantAction == GrantCreate && a.GrantID != "":
		return authz.NewError(authz.InvalidRequest, "grant_management_action create makes a new grant; leave grant_id out").At("grant_id")
	case a.GrantAction != GrantCreate && (a.ResponseType != "code" || a.Decoupled):
		// The new grant replaces the old one when its code is redeemed, so there must be one.
		return authz.NewError(authz.InvalidRequest, "grant_management_action %s needs response_type=code", a.GrantAction).At("response_type")
	case a.GrantAction != GrantCreate && (a.GrantID == "" || len(a.GrantID) > 64):
		return authz.NewError(authz.InvalidGrantID, "grant_management_action %s needs the grant_id of a grant of this app",
			a.GrantAction).At("grant_id")
	}
	return nil
}

func details(c *Checker, form url.Values, client *authz.Client, _ authz.Profile, a *Authorization) *authz.Error {
	raw := form.Get("authorization_details")
	if raw == "" {
		return nil
	}
	if !a.HasCode() {
		// A token for the broker never passes through a browser.
		return authz.NewError(authz.InvalidRequest,
			"authorization_details needs a response_type with code").At("authorization_details").Under("RFC 9700 §2.1.2")
	}
	releases, err := c.Details([]byte(raw), client)
	if err != nil {
		return authz.AsError(err).At("authorization_details")
	}
	a.Details = releases
	return nil
}
