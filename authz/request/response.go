package request

import (
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
)

// The words of a response type, RFC 6749 §3.1.1 and Multiple Response Types §3.
func hasWord(responseType, word string) bool {
	return slices.Contains(strings.Fields(responseType), word)
}

// HasCode reports whether the answer has a code; what a device or a client of CIBA
// holds is one too.
func (a *Authorization) HasCode() bool { return a.Decoupled || hasWord(a.ResponseType, "code") }

// HasIDToken reports whether the answer has an ID token.
func (a *Authorization) HasIDToken() bool { return hasWord(a.ResponseType, "id_token") }

// HasToken reports whether the answer has an access token.
func (a *Authorization) HasToken() bool { return hasWord(a.ResponseType, "token") }

// FrontChannel reports whether a token passes through the browser: the hybrid and
// the implicit flow of OpenID Connect Core §3.
func (a *Authorization) FrontChannel() bool { return a.HasIDToken() || a.HasToken() }

// canonical is a response type with its words in the order of the table: their
// order carries no meaning (RFC 6749 §3.1.1).
func canonical(responseType string) string {
	words := strings.Fields(responseType)
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Answerable is as much of a request as it takes to answer it, be it with an
// error: where the answer goes, how, and state. The redirect URI is empty when it
// is not registered for the app; then nothing may be sent anywhere.
func Answerable(form url.Values, client *authz.Client, profile authz.Profile) Authorization {
	a := Authorization{ClientID: client.ID, State: form.Get("state"), ResponseType: canonical(form.Get("response_type"))}
	if uri := form.Get("redirect_uri"); client.HasRedirectURI(uri) {
		a.RedirectURI = uri
	}
	a.ResponseMode = defaultMode(&a, profile)
	if requested := form.Get("response_mode"); offersMode(requested, &a, profile) {
		a.ResponseMode = requested
	}
	return a
}

// defaultMode is fragment where a token is asked for, else query (Multiple Response Types
// §2.1, §5), also of a profile that offers signed responses: what was not asked for is not
// sent (JARM §2.3). It is also how an error goes back when the mode asked for is wrong, or
// the response type is none of the profile's.
func defaultMode(a *Authorization, profile authz.Profile) string {
	if a.FrontChannel() && slices.Contains(profile.ResponseModes, "fragment") {
		return "fragment"
	}
	return "query"
}

// offersMode: tokens never go into a query, from where they would reach logs and
// Referer headers; encrypted or not, one rule is easier to keep than two
// (Multiple Response Types §3, JARM §2.3.1).
func offersMode(mode string, a *Authorization, profile authz.Profile) bool {
	if a.FrontChannel() && (mode == "query" || mode == "query.jwt") {
		return false
	}
	return slices.Contains(profile.ResponseModes, mode)
}

func responseType(_ *Checker, form url.Values, client *authz.Client, profile authz.Profile, a *Authorization) *authz.Error {
	switch {
	case a.ResponseType == "":
		return authz.NewError(authz.InvalidRequest, "response_type is missing; send response_type=code").At("response_type")
	case !slices.Contains(profile.ResponseTypes, a.ResponseType):
		return authz.NewError(authz.UnsupportedResponseType, "this response_type is not offered to profile %s; send response_type=code",
			profile.Name).At("response_type")
	case !client.AllowsResponseType(a.ResponseType):
		return authz.NewError(authz.UnauthorizedClient, "this app is not registered for response_type %s; send one of its response_types",
			a.ResponseType).At("response_type")
	case a.HasCode() && !client.AllowsGrant("authorization_code"):
		return authz.NewError(authz.UnauthorizedClient, "this app is not registered for the authorization code grant").At("response_type")
	case a.FrontChannel() && !client.AllowsGrant("implicit"):
		return authz.NewError(authz.UnauthorizedClient, "this app is not registered for the implicit grant").At("response_type")
	case a.HasToken() && (client.DPoPBound || client.CertificateBound):
		// Nothing that a browser carries can be bound to the app (RFC 9449 §5.2,
		// RFC 8705 §3.4).
		return authz.NewError(authz.UnauthorizedClient,
			"this app registered bound access tokens; a response_type with token has none").At("response_type")
	}
	return nil
}

func responseMode(_ *Checker, form url.Values, _ *authz.Client, profile authz.Profile, a *Authorization) *authz.Error {
	mode := form.Get("response_mode")
	switch {
	case mode == "" || offersMode(mode, a, profile):
		return nil // Answerable chose
	case a.FrontChannel() && slices.Contains(profile.ResponseModes, mode):
		return authz.NewError(authz.InvalidRequest, "response_mode %s would put tokens into a URL's query; use fragment or form_post",
			mode).At("response_mode")
	default:
		return authz.NewError(authz.InvalidRequest, "this response_mode is not offered to profile %s", profile.Name).At("response_mode")
	}
}
