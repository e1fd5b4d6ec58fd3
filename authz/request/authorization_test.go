package request_test

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

func noDetails([]byte, *authz.Client) ([]authz.Release, error) { return nil, nil }

var checker = &request.Checker{ScopesKnown: []string{"openid", "offline_access", "email"}, Details: noDetails, Resources: []string{"https://id.example/userinfo"}}

// opted is an app that registered everything the profile lets it.
func opted() *authz.Client {
	age := 600
	return &authz.Client{
		ID: "app", Requests: authz.Requests{
			RedirectURIs:     []string{"https://app.example/cb", "https://app.example/cb?a=1"},
			Scopes:           []string{"openid", "offline_access"},
			GrantTypes:       []string{"authorization_code", "implicit"},
			ResponseTypes:    authz.Profiles[authz.OIDC].ResponseTypes,
			CodeWithoutPKCE:  true,
			DefaultMaxAge:    &age,
			DefaultACRValues: []string{"urn:vn:gov:eid:auth-level:2"},
		},
	}
}

// plain registered nothing beyond the least.
func plain() *authz.Client {
	c := opted()
	c.GrantTypes, c.ResponseTypes, c.CodeWithoutPKCE, c.DefaultMaxAge, c.DefaultACRValues = []string{"authorization_code"}, nil, false, nil, nil
	return c
}

// wanted is a right request of the code flow with changes: name=value, or name=
// to take one out.
func wanted(changes string) url.Values {
	form := url.Values{
		"client_id": {"app"}, "redirect_uri": {"https://app.example/cb"}, "response_type": {"code"}, "scope": {"openid"}, "state": {"s"},
		"nonce":          {"n"},
		"code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
	}
	for change := range strings.SplitSeq(changes, "&") {
		if name, value, ok := strings.Cut(change, "="); ok && value == "" {
			form.Del(name)
		} else if ok {
			form.Set(name, value)
		}
	}
	return form
}

func TestCheck(t *testing.T) {
	oidc, fapi, signing := authz.Profiles[authz.OIDC], authz.Profiles[authz.FAPI2], authz.Profiles[authz.FAPI2Signing]
	const good = authz.Code("")
	for _, row := range []struct {
		name, clause, changes string
		client                *authz.Client
		profile               authz.Profile
		code                  authz.Code
		mode                  string // of the answer, be it an error
	}{
		{"code", "OpenID Connect Core §3.1.2.1", "", plain(), oidc, good, "query"},
		{"code by form_post", "Form Post §2", "response_mode=form_post", plain(), oidc, good, "form_post"},
		{"code in a fragment", "Multiple Response Types §2.1", "response_mode=fragment", plain(), oidc, good, "fragment"},
		{"an app of FAPI asks for the front channel", "FAPI 2.0 SP §5.3.2.2", "response_type=code id_token", opted(), fapi, authz.UnsupportedResponseType, "query"},
		{"signed answers are signed errors", "FAPI 2.0 MS §5.4", "response_type=code id_token&response_mode=jwt", opted(), signing, authz.UnsupportedResponseType, "jwt"},
		{"signed answers where they are asked for", "FAPI 2.0 MS §5.4", "response_mode=jwt", plain(), signing, good, "jwt"},
		{"and no others", "JARM §2.3", "", plain(), signing, good, "query"},
		{"no redirect in the profile of CIBA", "FAPI-CIBA §5.1", "", plain(), authz.Profiles[authz.FAPICIBA], authz.UnsupportedResponseType, "query"},
		{"an app that did not register it", "RFC 6749 §3.1.1", "response_type=id_token", plain(), oidc, authz.UnauthorizedClient, "fragment"},
		{"its refusal where it asked for it", "Form Post §2", "response_type=id_token&response_mode=form_post", plain(), oidc, authz.UnauthorizedClient, "form_post"},
		{"token alone is never offered", "RFC 9700 §2.1.2", "response_type=token", opted(), oidc, authz.UnsupportedResponseType, "fragment"},
		{"none is not offered", "Multiple Response Types §4", "response_type=none", opted(), oidc, authz.UnsupportedResponseType, "query"},
		{"a word twice", "RFC 6749 §3.1.1", "response_type=code code", opted(), oidc, authz.UnsupportedResponseType, "query"},
		{"no response type", "RFC 6749 §3.1.1", "response_type=", opted(), oidc, authz.InvalidRequest, "query"},
		{"code id_token", "OpenID Connect Core §3.3.2.1", "response_type=code id_token", opted(), oidc, good, "fragment"},
		{"words in another order", "RFC 6749 §3.1.1", "response_type=token id_token code", opted(), oidc, good, "fragment"},
		{"code token", "OpenID Connect Core §3.3.2.1", "response_type=code token", opted(), oidc, good, "fragment"},
		{"id_token", "OpenID Connect Core §3.2.2.1", "response_type=id_token", opted(), oidc, good, "fragment"},
		{"id_token token", "OpenID Connect Core §3.2.2.1", "response_type=id_token token", opted(), oidc, good, "fragment"},
		{"id_token without the grant", "DCR §2", "response_type=id_token", func() *authz.Client {
			c := opted()
			c.GrantTypes = []string{"authorization_code"}
			return c
		}(), oidc, authz.UnauthorizedClient, "fragment"},
		{"a token, and tokens are bound", "RFC 9449 §5.2", "response_type=code token", func() *authz.Client {
			c := opted()
			c.DPoPBound = true
			return c
		}(), oidc, authz.UnauthorizedClient, "fragment"},
		{"tokens by form_post", "Form Post §2", "response_type=id_token&response_mode=form_post", opted(), oidc, good, "form_post"},
		{"tokens in a signed response", "JARM §2.3", "response_type=id_token&response_mode=jwt", opted(), oidc, good, "jwt"},
		{"tokens in a query", "Multiple Response Types §3", "response_type=id_token&response_mode=query", opted(), oidc, authz.InvalidRequest, "fragment"},
		{"tokens in a signed query", "JARM §2.3.1", "response_type=code id_token&response_mode=query.jwt", opted(), oidc, authz.InvalidRequest, "fragment"},
		{"a response mode there is not", "Multiple Response Types §2.1", "response_mode=web_message", opted(), oidc, authz.InvalidRequest, "query"},
		{"no nonce, id_token", "OpenID Connect Core §3.2.2.1", "response_type=id_token&nonce=", opted(), oidc, authz.InvalidRequest, "fragment"},
		{"no nonce, code id_token", "OpenID Connect Core §3.3.2.11", "response_type=code id_token&nonce=", opted(), oidc, authz.InvalidRequest, "fragment"},
		{"no nonce, code token", "OpenID Connect Core §3.1.2.1", "response_type=code token&nonce=", opted(), oidc, good, "fragment"},
		{"no nonce, code", "OpenID Connect Core §3.1.2.1", "nonce=", opted(), oidc, good, "query"},
		{"id_token without openid", "OpenID Connect Core §3.2.2.1", "response_type=id_token&scope=offline_access", opted(), oidc, authz.InvalidScope, "fragment"},
		{"offline_access without a code is passed over", "OpenID Connect Core §11", "response_type=id_token&scope=openid offline_access", opted(), oidc, good, "fragment"},
		{"releases without a code", "RFC 9700 §2.1.2", "response_type=id_token token&authorization_details=[]", opted(), oidc, authz.InvalidRequest, "fragment"},
		{"no challenge", "RFC 7636 §4.4.1", "code_challenge=&code_challenge_method=", plain(), oidc, authz.InvalidRequest, "query"},
		{"no challenge, registered so", "RFC 9700 §2.1.1", "code_challenge=&code_challenge_method=", opted(), oidc, good, "query"},
		{"no challenge, registered so under FAPI", "FAPI 2.0 SP §5.3.2.2", "code_challenge=&code_challenge_method=", opted(), fapi, authz.InvalidRequest, "query"},
		{"a method and no challenge", "RFC 9700 §4.8", "code_challenge=", opted(), oidc, authz.InvalidRequest, "query"},
		{"plain", "RFC 9700 §2.1.1", "code_challenge_method=plain", opted(), oidc, authz.InvalidRequest, "query"},
		{"no method is plain", "RFC 7636 §4.3", "code_challenge_method=", opted(), oidc, authz.InvalidRequest, "query"},
		{"no challenge where there is no code", "RFC 7636 §4.3", "response_type=id_token&code_challenge=&code_challenge_method=", opted(), oidc, good, "fragment"},
		{"an unknown parameter", "OpenID Connect Core §3.1.2.1", "colour=red", plain(), oidc, good, "query"},
		{"a display nobody knows", "OpenID Connect Core §3.1.2.1", "display=wall", plain(), oidc, good, "query"},
		{"a login_hint", "OpenID Connect Core §3.1.2.1", "login_hint=099000000001", plain(), oidc, good, "query"},
		{"registration", "OpenID Connect Core §7.2.1", "registration={}", plain(), oidc, authz.RegistrationNotSupported, "query"},
		{"prompt none with another", "OpenID Connect Core §3.1.2.1", "prompt=none login", plain(), oidc, authz.InvalidRequest, "query"},
		{"prompt login consent", "OpenID Connect Core §3.1.2.1", "prompt=login consent select_account", plain(), oidc, good, "query"},
		{"a prompt there is not", "OpenID Connect Core §3.1.2.1", "prompt=create", plain(), oidc, authz.InvalidRequest, "query"},
	} {
		t.Run(row.name+", "+row.clause, func(t *testing.T) {
			a, err := checker.Check(wanted(row.changes), row.client, row.profile)
			var refusal *authz.Error
			switch {
			case row.code == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case row.code != "" && (!errors.As(err, &refusal) || refusal.Code != row.code || !refusal.Redirectable || refusal.Clause == ""):
				t.Fatalf("got %v, want %s for the app, with its clause", err, row.code)
			case a.ResponseMode != row.mode || a.State != "s" || a.RedirectURI != "https://app.example/cb":
				t.Fatalf("the answer goes by %q to %q with state %q, want %q", a.ResponseMode, a.RedirectURI, a.State, row.mode)
			}
		})
	}
}

// TestProviderHint: it is kept as it came, and one that is longer than any alias is passed over.
func TestProviderHint(t *testing.T) {
	for hint, want := range map[string]string{"": "", "vneid": "vneid", strings.Repeat("a", request.MaxProviderHint+1): ""} {
		a, err := checker.Check(wanted("idp_hint="+hint), plain(), authz.Profiles[authz.OIDC])
		if err != nil || a.ProviderHint != want {
			t.Errorf("%q: kept %q, %v, want %q", hint, a.ProviderHint, err, want)
		}
	}
}

// TestScope: what an app cannot have is not granted, and ends no sign-in; only where
// its profile says so does it hear of its slip.
func TestScope(t *testing.T) {
	const api = "https://api.example"
	client := plain()
	client.Scopes, client.Resources = []string{"openid", "offline_access", "land.read"}, []string{api}
	for _, row := range []struct {
		name, clause, scope, resource string
		fapi, oidc                    string // what is granted, or the refusal
	}{
		{"registered", "RFC 6749 §3.3", "openid offline_access", "", "openid offline_access", "openid offline_access"},
		{"asked for twice", "RFC 6749 §3.3", "openid openid", "", "openid", "openid"},
		{"known to nobody", "OpenID Connect Core §3.1.2.1", "openid made-up", "", "openid", "openid"},
		{"known, and not registered", "RFC 6749 §3.3", "openid email", "", "invalid_scope", "openid"},
		{"nothing is left", "RFC 6749 §3.3", "made-up", "", "invalid_scope", "invalid_scope"},
		{"of an API that is named", "RFC 8707 §2", "openid land.read", api, "openid land.read", "openid land.read"},
		{"of an API that is not", "RFC 8707 §2", "openid land.read", "", "invalid_scope", "invalid_scope"},
		{"no scope-token", "RFC 6749 §3.3", `openid "quoted"`, "", "invalid_scope", "invalid_scope"},
		{"no scope-token, in letters of ours", "RFC 6749 §3.3", "openid địa-chỉ", "", "invalid_scope", "invalid_scope"},
	} {
		for profile, want := range map[authz.ProfileName]string{authz.FAPI2: row.fapi, authz.FAPI2Signing: row.fapi, authz.OIDC: row.oidc} {
			t.Run(row.clause+": "+row.name+", "+string(profile), func(t *testing.T) {
				form := wanted("")
				form.Set("scope", row.scope)
				if row.resource != "" {
					form.Set("resource", row.resource)
				}
				a, err := checker.Check(form, client, authz.Profiles[profile])
				got := strings.Join(a.Scope, " ")
				if refusal := (*authz.Error)(nil); errors.As(err, &refusal) {
					got = string(refusal.Code)
				}
				if got != want {
					t.Errorf("got %q (%v), want %q", got, err, want)
				}
			})
		}
	}
}

// TestRedirectURI: until it is found good, nothing goes anywhere.
func TestRedirectURI(t *testing.T) {
	for _, row := range []struct {
		name, uri string
		good      bool
	}{
		{"registered", "https://app.example/cb", true},
		{"registered with a query", "https://app.example/cb?a=1", true},
		{"OpenID Connect Core §3.1.2.1: missing", "", false},
		{"RFC 9700 §2.1: a query added", "https://app.example/cb?b=2", false},
		{"RFC 9700 §2.1: a query that differs", "https://app.example/cb?a=2", false},
		{"RFC 9700 §2.1: a query that goes on", "https://app.example/cb?a=1&b=2", false},
		{"RFC 9700 §2.1: a fragment", "https://app.example/cb#x", false},
		{"RFC 9700 §2.1: another case", "https://APP.example/cb", false},
		{"RFC 9700 §2.1: an encoded letter", "https://app.example/%63b", false},
		{"RFC 9700 §2.1: a default port", "https://app.example:443/cb", false},
		{"RFC 9700 §2.1: a user", "https://a@app.example/cb", false},
		{"RFC 9700 §2.1: below", "https://app.example/cb/../cb", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := wanted("redirect_uri=")
			if row.uri != "" {
				form.Set("redirect_uri", row.uri)
			}
			a, err := checker.Check(form, plain(), authz.Profiles[authz.OIDC])
			var refusal *authz.Error
			if row.good {
				if err != nil || a.RedirectURI != row.uri {
					t.Fatalf("got %q, %v", a.RedirectURI, err)
				}
				return
			}
			if !errors.As(err, &refusal) || refusal.Redirectable || refusal.Parameter != "redirect_uri" || a.RedirectURI != "" {
				t.Fatalf("got %q, %v", a.RedirectURI, err)
			}
			if row.uri != "" && strings.Contains(refusal.Description, row.uri) || strings.Contains(refusal.Description, "app.example") {
				t.Fatalf("the refusal repeats a URI: %s", refusal.Description)
			}
		})
	}
}

// TestDefaultsOfTheRegistration: OpenID Connect Dynamic Registration §2; what the
// request says goes first.
func TestDefaultsOfTheRegistration(t *testing.T) {
	oidc := authz.Profiles[authz.OIDC]
	a, err := checker.Check(wanted(""), opted(), oidc)
	if err != nil || a.MaxAge == nil || *a.MaxAge != 600 || !slices.Equal(a.ACRValues, []string{"urn:vn:gov:eid:auth-level:2"}) {
		t.Fatalf("got %+v, %v", a, err)
	}
	a, err = checker.Check(wanted("max_age=0&acr_values=urn:vn:gov:eid:auth-level:1"), opted(), oidc)
	if err != nil || *a.MaxAge != 0 || !slices.Equal(a.ACRValues, []string{"urn:vn:gov:eid:auth-level:1"}) {
		t.Fatalf("got %+v, %v", a, err)
	}
}

// TestNothingForeignIsRepeated: what a stranger writes into a request is not in
// the texts that a page of ours, or a developer's log, would show.
func TestNothingForeignIsRepeated(t *testing.T) {
	const foreign = "call-0900-now"
	for _, name := range []string{
		"response_type", "response_mode", "scope", "code_challenge", "code_challenge_method", "prompt", "max_age", "acr_values", "dpop_jkt", "resource", "redirect_uri", "display",
	} {
		if _, err := checker.Check(wanted(name+"="+foreign), plain(), authz.Profiles[authz.OIDC]); err != nil &&
			strings.Contains(err.Error(), foreign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, raw := range []string{foreign + "=1&" + foreign + "=2", foreign + "=%ff", foreign + "=" + strings.Repeat("x", 5000)} {
		if _, err := request.ParseForm(raw); err == nil || strings.Contains(err.Error(), foreign) {
			t.Errorf("%.40s: %v", raw, err)
		}
	}
}

// FuzzCheck: whatever is accepted has a registered redirect URI, and a response
// type, mode, proof key, nonce and scopes that this app may have; whatever is
// refused goes to a registered redirect URI or nowhere, and never tokens into a
// query.
func FuzzCheck(f *testing.F) {
	for _, changes := range []string{"max_age=1&prompt=login", "response_type=id_token token", "response_type=code id_token&response_mode=form_post", "code_challenge=&code_challenge_method=", "response_type=code token&response_mode=query"} {
		f.Add(wanted(changes).Encode())
	}
	f.Fuzz(func(t *testing.T, raw string) {
		form, err := request.ParseForm(raw)
		if err != nil {
			return
		}
		for _, client := range []*authz.Client{plain(), opted()} {
			for _, name := range authz.ProfileNames {
				profile := authz.Profiles[name]
				a, err := checker.Check(form, client, profile)
				if a.RedirectURI != "" && !client.HasRedirectURI(a.RedirectURI) {
					t.Fatalf("an answer goes to %q", a.RedirectURI)
				}
				if a.FrontChannel() && strings.HasPrefix(a.ResponseMode, "query") && slices.Contains(profile.ResponseModes, "fragment") {
					t.Fatalf("tokens go by %q", a.ResponseMode)
				}
				var refusal *authz.Error
				if err != nil {
					if !errors.As(err, &refusal) || refusal.Redirectable && a.RedirectURI == "" {
						t.Fatalf("a refusal without a code or an address: %v", err)
					}
					continue
				}
				pkce := len(a.CodeChallenge) == 43 || !a.HasCode() || a.CodeChallenge == "" && client.CodeWithoutPKCE && name == authz.OIDC
				if a.RedirectURI == "" || !pkce || !slices.Contains(profile.ResponseTypes, a.ResponseType) ||
					!client.AllowsResponseType(a.ResponseType) ||
					a.HasIDToken() && a.Nonce == "" || slices.ContainsFunc(
					a.Scope, func(s string) bool { return !slices.Contains(client.Scopes, s) },
				) || a.FrontChannel() && !slices.Contains(a.Scope, "openid") {
					t.Fatalf("%s accepted %+v", name, a)
				}
			}
		}
	})
}
