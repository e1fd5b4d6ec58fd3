package endsession_test

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authztest"
	"hopnhat/authz/endsession"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// signed is a token of our keys with other claims or another typ.
func signed(t *testing.T, typ string, claims map[string]any) string {
	t.Helper()
	tokens, err := jose.Sign(t.Context(), authztest.Ring(), jose.Token{
		Use: keys.TokenSigning, Algorithm: keys.ES256, Type: typ,
		Claims: claims,
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens[0]
}

const goodbye = "https://app.example/bye?a=b"

func leavingWorld(t *testing.T) *authztest.World {
	w := authztest.New(t)
	w.App.PostLogoutRedirectURIs = []string{goodbye, "https://app.example/plain"}
	w.Clients = map[authz.ClientID]*authz.Client{"other": {
		ID: "other", Profile: authz.OIDC, Authentication: authz.Authentication{Method: authz.ClientSecretBasic},
		Tokens: authz.Tokens{Sector: "other"}, Logout: authz.Logout{PostLogoutRedirectURIs: []string{"https://other.example/bye"}},
	}, "off": {ID: "off", Profile: authz.OIDC, Disabled: true, Logout: authz.Logout{PostLogoutRedirectURIs: []string{goodbye}}}}
	return w
}

// TestEndSession: RP-Initiated Logout 1.0, clause by clause. What is refused has a
// page and leads nowhere.
func TestEndSession(t *testing.T) {
	w := leavingWorld(t)
	token := w.IDToken(t)
	parts := strings.Split(token, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + "."
	good := map[string]any{"iss": "https://id.example", "sub": "app/p", "aud": "app", "sid": "s/app", "exp": w.Now.Add(-time.Hour).Unix()}
	with := func(name string, value any) map[string]any {
		out := map[string]any{}
		for k, v := range good {
			out[k] = v
		}
		if out[name] = value; value == nil {
			delete(out, name)
		}
		return out
	}
	an, somebody, later := &authorize.SignedIn{ID: "s", Principal: authz.Herself("p")}, &authorize.SignedIn{
		ID: "s2", Principal: authz.Herself("q"),
	}, &authorize.SignedIn{ID: "s3", Principal: authz.Herself("p")}
	type want struct {
		at        string // the parameter that is refused
		client    authz.ClientID
		to        string
		confirmed bool
		another   bool
	}
	for _, row := range []struct {
		name, clause string
		at           *authorize.SignedIn
		form         []string
		want         want
	}{
		{"nothing at all", "RP-Initiated Logout §2", an, nil, want{}},
		{"state alone", "RP-Initiated Logout §2", an, []string{"state", "s"}, want{}},
		{"a hint of this session needs no question", "RP-Initiated Logout §2", an, []string{"id_token_hint", token}, want{client: "app", confirmed: true}},
		{"and leads back, the registered query kept", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", goodbye, "state", "a b&c"}, want{client: "app", to: goodbye + "&state=a+b%26c", confirmed: true}},
		{"without state none is made up", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", goodbye}, want{client: "app", to: goodbye, confirmed: true}},
		{"an expired hint will do", "RP-Initiated Logout §4", an, []string{"id_token_hint", signed(t, "JWT", good)}, want{client: "app", confirmed: true}},
		{"hint and client_id agree", "RP-Initiated Logout §2", an, []string{"id_token_hint", token, "client_id", "app"}, want{client: "app", confirmed: true}},
		{"hint and client_id do not agree", "RP-Initiated Logout §2", an, []string{"id_token_hint", token, "client_id", "other"}, want{at: "client_id"}},
		{"a hint for two, without client_id", "RP-Initiated Logout §2", an, []string{"id_token_hint", signed(t, "JWT", with("aud", []string{"app", "other"}))}, want{at: "client_id"}},
		{"a hint for two, and which of them", "RP-Initiated Logout §2", an, []string{"id_token_hint", signed(t, "JWT", with("aud", []string{"app", "other"})), "client_id", "app"}, want{client: "app", confirmed: true}},
		{"client_id alone asks the person", "RP-Initiated Logout §2", an, []string{"client_id", "app", "post_logout_redirect_uri", goodbye}, want{client: "app", to: goodbye}},
		{"an earlier session of hers: a stale tab", "RP-Initiated Logout §2", later, []string{"id_token_hint", token, "post_logout_redirect_uri", goodbye}, want{client: "app", to: goodbye}},
		{"somebody else is signed in", "RP-Initiated Logout §2", somebody, []string{"id_token_hint", token, "post_logout_redirect_uri", goodbye}, want{client: "app", to: goodbye, another: true}},
		{"nobody is signed in any more", "RP-Initiated Logout §2", nil, []string{"id_token_hint", token, "post_logout_redirect_uri", goodbye, "state", "s"}, want{client: "app", to: goodbye + "&state=s"}},
		{"logout_hint names nobody else", "RP-Initiated Logout §2", an, []string{"id_token_hint", token, "logout_hint", "099304000017"}, want{client: "app", confirmed: true}},
		{"a hint without sid asks", "RP-Initiated Logout §2", an, []string{"id_token_hint", signed(t, "JWT", with("sid", nil))}, want{client: "app"}},
		{"alg none", "RP-Initiated Logout §4", an, []string{"id_token_hint", none, "post_logout_redirect_uri", goodbye}, want{at: "id_token_hint"}},
		{"somebody else's signature", "RP-Initiated Logout §4", an, []string{"id_token_hint", parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)), "post_logout_redirect_uri", goodbye}, want{at: "id_token_hint"}},
		{"another issuer's claims", "RP-Initiated Logout §4", an, []string{"id_token_hint", signed(t, "JWT", with("iss", "https://evil.example"))}, want{at: "id_token_hint"}},
		{"a logout token is no hint", "Back-Channel Logout §4", an, []string{"id_token_hint", signed(t, "logout+jwt", good)}, want{at: "id_token_hint"}},
		{"an access token is no hint", "RFC 9068 §4", an, []string{"id_token_hint", signed(t, "at+jwt", good)}, want{at: "id_token_hint"}},
		{"a JWT of ours that never expires is none", "OpenID Connect Core §2", an, []string{"id_token_hint", signed(t, "JWT", with("exp", nil))}, want{at: "id_token_hint"}},
		{"an encrypted hint", "OpenID Connect Core §3.1.2.1", an, []string{"id_token_hint", "a.b.c.d.e"}, want{at: "id_token_hint"}},
		{"rubbish", "RP-Initiated Logout §4", an, []string{"id_token_hint", "rubbish"}, want{at: "id_token_hint"}},
		{"an app that nobody knows", "RP-Initiated Logout §4", an, []string{"client_id", "nobody"}, want{at: "client_id"}},
		{"an app that was disabled", "RP-Initiated Logout §4", an, []string{"client_id", "off", "post_logout_redirect_uri", goodbye}, want{at: "client_id"}},
		{"a URI and nobody to hold it against: she is asked, and stays", "RP-Initiated Logout §2, §3", an, []string{"post_logout_redirect_uri", goodbye, "state", "s"}, want{}},
		{"and where nobody is signed in she stays too", "RP-Initiated Logout §3", nil, []string{"post_logout_redirect_uri", goodbye}, want{}},
		{"another app's URI", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", "https://other.example/bye"}, want{at: "post_logout_redirect_uri"}},
		{"a query added", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", "https://app.example/plain?foo=bar"}, want{at: "post_logout_redirect_uri"}},
		{"a slash added", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", "https://app.example/plain/"}, want{at: "post_logout_redirect_uri"}},
		{"a host in capitals", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", "https://APP.example/plain"}, want{at: "post_logout_redirect_uri"}},
		{"a script", "RP-Initiated Logout §3", an, []string{"id_token_hint", token, "post_logout_redirect_uri", "javascript:alert(1)"}, want{at: "post_logout_redirect_uri"}},
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			t.Run(row.clause+" "+row.name+", "+method, func(t *testing.T) {
				form := url.Values{}
				for i := 0; i+1 < len(row.form); i += 2 {
					form.Set(row.form[i], row.form[i+1])
				}
				r := httptest.NewRequest(http.MethodGet, "/logout?"+form.Encode(), nil)
				if method == http.MethodPost {
					r = httptest.NewRequest(method, "/logout", strings.NewReader(form.Encode()))
				}
				got, err := w.EndSession(r, row.at)
				judge := func(got endsession.Logout, err error) {
					t.Helper()
					var refusal *authz.Error
					if errors.As(err, &refusal) != (row.want.at != "") || refusal != nil &&
						(refusal.Code != authz.InvalidRequest || refusal.Parameter != row.want.at || refusal.Redirectable) {
						t.Fatalf("got %+v, %v", got, err)
					}
					id := authz.ClientID("")
					if got.Client != nil {
						id = got.Client.ID
					}
					if id != row.want.client || got.Return != row.want.to || got.Confirmed != row.want.confirmed ||
						got.Another != row.want.another {
						t.Fatalf("got %s, %q, confirmed %v, another %v", id, got.Return, got.Confirmed, got.Another)
					}
				}
				judge(got, err)
				if err != nil {
					return
				}
				// By its ticket it is the same, and does not show the ID token.
				if strings.Contains(got.Ticket, parts[1]) {
					t.Fatal("the ticket carries the ID token")
				}
				judge(w.ContinueEndSession(t.Context(), got.Ticket, row.at))
			})
		}
	}
}

// TestLogoutTicket: a ticket is ours, unaltered, and young; what it says is held
// against the registration as it is now.
func TestLogoutTicket(t *testing.T) {
	w := leavingWorld(t)
	begin := func() string {
		asked, err := w.EndSession(
			httptest.NewRequest(
				http.MethodGet, "/logout?client_id=app&post_logout_redirect_uri="+url.QueryEscape(goodbye)+"&ui_locales=fr+en-GB+vi", nil,
			), nil,
		)
		if err != nil || asked.Lang != "en" {
			t.Fatalf("got %+v, %v", asked, err)
		}
		return asked.Ticket
	}
	ticket := begin()
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(ticket)-1).Draw(t, "at")
		other := rapid.Byte().Filter(func(b byte) bool { return b != ticket[at] }).Draw(t, "byte")
		if got, err := w.ContinueEndSession(t.Context(), ticket[:at]+string([]byte{other})+ticket[at+1:], nil); err == nil {
			t.Fatalf("an altered ticket was taken: %+v", got)
		}
	})
	w.Now = w.Now.Add(10 * time.Minute)
	if _, err := w.ContinueEndSession(t.Context(), ticket, nil); !errors.Is(err, authorize.ErrGone) {
		t.Fatalf("an old ticket: %v", err)
	}
	ticket = begin()
	changed := *w.App
	changed.PostLogoutRedirectURIs = nil
	w.App = &changed
	w.Now = w.Now.Add(5 * time.Minute)
	if got, err := w.ContinueEndSession(t.Context(), ticket, nil); err == nil {
		t.Fatalf("a URI that is registered no more: %+v", got)
	}
}

// TestEndSessionMethods: GET and POST, and no body without end.
func TestEndSessionMethods(t *testing.T) {
	w := leavingWorld(t)
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPatch} {
		if _, err := w.EndSession(httptest.NewRequest(method, "/logout", nil), nil); err == nil {
			t.Errorf("%s was taken", method)
		}
	}
	if _, err := w.EndSession(httptest.NewRequest(http.MethodPost, "/logout", strings.NewReader("state="+
		strings.Repeat("x", 1<<20))), nil); err == nil {
		t.Error("a body of a megabyte was taken")
	}
	if _, err := w.EndSession(httptest.NewRequest(http.MethodGet, "/logout?client_id=app&client_id=other", nil), nil); err == nil {
		t.Error("a parameter twice was taken (RFC 6749 §3.1)")
	}
}

// TestSessionState: Session Management §2 and §3.2: for who registered, and nobody
// else's answer changes.
func TestSessionState(t *testing.T) {
	w := authztest.New(t)
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization().Encode(), nil))
	if err != nil || next.BrowserState != "" || strings.Contains(next.Location, "session_state") {
		t.Fatalf("an app that did not register: %+v, %v", next, err)
	}
	changed := *w.App
	changed.ID, changed.SessionManagement = "watching", true
	w.Clients = map[authz.ClientID]*authz.Client{"watching": &changed}
	seen := map[string]bool{}
	for range 2 {
		next, err = w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization("client_id",
			"watching").Encode(), nil))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(next.Location)
		if err != nil {
			t.Fatal(err)
		}
		state := u.Query().Get("session_state")
		hash, salt, ok := strings.Cut(state, ".")
		sum := sha256.Sum256([]byte("watching https://app.example " + next.BrowserState + " " + salt))
		if !ok || len(salt) != 22 || hash != base64.RawURLEncoding.EncodeToString(sum[:]) || strings.Contains(state, " ") || seen[state] {
			t.Fatalf("got %q for browser state %q", state, next.BrowserState)
		}
		seen[state] = true
	}
	if next.BrowserState != w.BrowserState("s") || next.BrowserState == w.BrowserState("s2") || strings.Contains(next.BrowserState, "s2") {
		t.Fatalf("the browser's state %q does not stand for the session alone", next.BrowserState)
	}
	// prompt=none without a session: an error, and no state of anybody.
	w.SignedIn = false
	next, err = w.Authorize(
		httptest.NewRequest(http.MethodGet, "/authorize?"+authztest.Authorization("client_id", "watching", "prompt", "none").Encode(), nil),
	)
	if err != nil || !strings.Contains(next.Location, "login_required") || strings.Contains(next.Location, "session_state") ||
		next.BrowserState != "" {
		t.Fatalf("got %+v, %v", next, err)
	}
}

// TestFrontchannelLogout: Front-Channel Logout §2: iss and sid, and the registered
// query stays.
func TestFrontchannelLogout(t *testing.T) {
	w := authztest.New(t)
	for uri, want := range map[string]string{
		"":                            "",
		"https://app.example/out":     "https://app.example/out?iss=https%3A%2F%2Fid.example&sid=s%2Fapp",
		"https://app.example/out?a=b": "https://app.example/out?a=b&iss=https%3A%2F%2Fid.example&sid=s%2Fapp",
	} {
		if got := w.FrontchannelLogout(&authz.Client{ID: "app", Logout: authz.Logout{FrontchannelLogoutURI: uri}}, "s"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
