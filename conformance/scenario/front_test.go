package scenario_test

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/scenario/clients"
)

// webApp is an app of profile oidc that registered everything it may opt in to.
type webApp struct {
	n          *nation
	id, secret string
	redirect   string
}

func newWebApp(t *testing.T, n *nation) *webApp {
	t.Helper()
	a := &webApp{n: n, id: "trang-mau", redirect: "http://localhost/trang-mau/callback?from=vn"}
	file := filepath.Join(t.TempDir(), "web.yaml")
	text := `
- client_id: trang-mau
  client_name: "Trang mẫu"
  client_name#en: "Sample page"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  client_uri: "http://localhost/trang-mau"
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: ES256
  redirect_uris: ["` + a.redirect + `"]
  response_types: [code, "code id_token", "code token", "code id_token token", id_token, "id_token token"]
  grant_types: [authorization_code, implicit, refresh_token]
  scope: openid offline_access
  code_without_pkce: true
  request_object_signing_alg: none
  minimum_level: 2
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`client_secret: (\S+)`).FindStringSubmatch(n.run(t, "client", "add", file))
	if found == nil {
		t.Fatal("client add printed no secret")
	}
	a.secret = found[1]
	return a
}

// request is a right one, without PKCE; with changes, name and value by turns, an
// empty value takes one out.
func (a *webApp) request(changes ...string) url.Values {
	f := url.Values{
		"client_id": {a.id}, "redirect_uri": {a.redirect}, "response_type": {"code"}, "scope": {"openid"}, "state": {"st"}, "nonce": {"no"},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		f.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			f.Del(changes[i])
		}
	}
	return f
}

// opens makes one request of a browser; a form, if one is given, is posted.
func (a *webApp) opens(t *testing.T, b *http.Client, address string, form url.Values) (status int, location *url.URL, body string) {
	t.Helper()
	method, content := http.MethodGet, ""
	if form != nil {
		method, content = http.MethodPost, form.Encode()
	}
	r, err := http.NewRequestWithContext(ctx(t), method, address, strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	location, _ = response.Location()
	return response.StatusCode, location, string(raw)
}

func (a *webApp) authorize(f url.Values) string { return a.n.base + "/authorize?" + f.Encode() }

var languages = regexp.MustCompile(`(?s)<nav class="langs".*?</nav>`)

// posted is what the page of response_mode=form_post carries.
func posted(t *testing.T, page, action string) url.Values {
	t.Helper()
	if !strings.Contains(page, `action="`+html.EscapeString(action)+`"`) {
		t.Fatalf("no form to %s in %s", action, page)
	}
	fields := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(page, -1) {
		fields.Set(html.UnescapeString(field[1]), html.UnescapeString(field[2]))
	}
	return fields
}

func fragment(t *testing.T, u *url.URL) url.Values {
	t.Helper()
	if u == nil || u.RawQuery != "from=vn" {
		t.Fatalf("RFC 6749 §3.1.2: the registered query is kept as it is: %s", u)
	}
	answer, err := url.ParseQuery(u.EscapedFragment())
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func halfHash(value string) string {
	sum := sha256.Sum256([]byte(value))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// TestFrontChannel: hybrid and implicit flows, codes without PKCE, and what
// becomes of somebody who goes back, from outside.
func TestFrontChannel(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		a := newWebApp(t, n)
		b, who := browser(t), n.someone(t)
		t.Run("hybrid, from sign-in to refresh", func(t *testing.T) { a.hybrid(t, b, who) })
		t.Run("implicit", func(t *testing.T) { a.implicit(t, b) })
		t.Run("form_post and POST", func(t *testing.T) { a.formPost(t, b) })
		t.Run("going back", func(t *testing.T) { a.goingBack(t, who) })
		t.Run("errors", func(t *testing.T) { a.errors(t, b) })
	})
}

func (a *webApp) hybrid(t *testing.T, b *http.Client, who *person) {
	callback, err := clients.SignIn(
		ctx(t), b, a.authorize(a.request("response_type", "code id_token token")), a.redirect, who.atTheBrowser(),
	)
	if err != nil {
		t.Fatal(err)
	}
	answer := fragment(t, callback)
	id := a.n.opened(t, answer.Get("id_token"))
	if id["nonce"] != "no" || id["c_hash"] != halfHash(answer.Get("code")) || id["at_hash"] != halfHash(answer.Get("access_token")) ||
		id["s_hash"] != halfHash("st") {
		t.Fatalf("OpenID Connect Core §3.3.2.11: %v", id)
	}
	if answer.Get("iss") != a.n.base || answer.Get("state") != "st" || answer.Get("token_type") != "Bearer" || answer.Has("refresh_token") {
		t.Fatalf("got %v", answer)
	}
	if info := a.bearer(t, http.MethodGet, "/userinfo", answer.Get("access_token")); info.status != http.StatusOK ||
		info.text("sub") != id["sub"] {
		t.Fatalf("UserInfo before the code is redeemed: %d %s", info.status, info.raw)
	}
	if got := a.bearer(t, http.MethodPost, "/broker/v1/releases", answer.Get("access_token")); got.status != http.StatusUnauthorized {
		t.Fatalf("D8: the broker answered %d %s", got.status, got.raw)
	}
	tokens := a.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {a.redirect}})
	again := a.n.opened(t, tokens.text("id_token"))
	if tokens.text("refresh_token") == "" || again["sub"] != id["sub"] || again["nonce"] != "no" || again["sid"] != id["sid"] {
		t.Fatalf("%d %s", tokens.status, tokens.raw)
	}
	if got := a.token(
		t, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens.text("refresh_token")}},
	); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.raw)
	}
	// RFC 6749 §4.1.2: the code again ends all that came with it.
	a.token(t, url.Values{"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {a.redirect}})
	if got := a.bearer(t, http.MethodGet, "/userinfo", answer.Get("access_token")); got.status != http.StatusUnauthorized {
		t.Fatalf("UserInfo after the code came again: %d", got.status)
	}
}

func (a *webApp) implicit(t *testing.T, b *http.Client) {
	for range 2 { // two grants without a code live beside one another
		_, location, _ := a.opens(t, b, a.authorize(a.request("response_type", "id_token token", "prompt", "none")), nil)
		answer := fragment(t, location)
		if got := a.bearer(t, http.MethodGet, "/userinfo", answer.Get("access_token")); got.status != http.StatusOK || answer.Has("code") {
			t.Fatalf("%v: %d %s", answer, got.status, got.raw)
		}
	}
	_, location, _ := a.opens(t, b, a.authorize(a.request("response_type", "id_token", "prompt", "none")), nil)
	if answer := fragment(t, location); a.n.opened(t, answer.Get("id_token"))["at_hash"] != nil || answer.Has("access_token") {
		t.Fatalf("got %v", answer)
	}
	_, location, _ = a.opens(t, b, a.authorize(a.request("response_type", "code token", "prompt", "none", "response_mode", "jwt")), nil)
	response := a.n.opened(t, fragment(t, location).Get("response"))
	if response["code"] == nil || response["access_token"] == nil || response["aud"] != a.id {
		t.Fatalf("JARM §2.3.4: got %v", response)
	}
}

func (a *webApp) formPost(t *testing.T, b *http.Client) {
	_, _, page := a.opens(t, b, a.authorize(a.request("response_mode", "form_post")), nil)
	if posted(t, page, a.redirect).Get("code") == "" || !strings.Contains(page, "Trang mẫu") && !strings.Contains(page, "Sample page") {
		t.Fatalf("got %s", page)
	}
	_, location, _ := a.opens(t, b, a.n.base+"/authorize", a.request("prompt", "none"))
	if location == nil || location.Query().Get("code") == "" {
		t.Fatalf("OpenID Connect Core §3.1.2.1: a POSTed request gave %s", location)
	}
	// Without our cookie, as a form of the app arrives (SameSite=Lax).
	stranger := browser(t)
	_, location, _ = a.opens(t, stranger, a.n.base+"/authorize", a.request("prompt", "none", "response_mode", "form_post"))
	if location == nil || location.Path != "/authorize/resume" {
		t.Fatalf("sent to %s", location)
	}
	_, _, page = a.opens(t, stranger, location.String(), nil)
	if got := posted(t, page, a.redirect); got.Get("error") != "login_required" || got.Get("state") != "st" {
		t.Fatalf("got %v", got)
	}
}

// goingBack: RFC 9126 §2.2 and §4. Opening a pushed request, and reloading, burns
// nothing; when it was answered, that is what a page says.
func (a *webApp) goingBack(t *testing.T, who *person) {
	r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, a.n.base+"/par", strings.NewReader(a.request().Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(a.id, a.secret)
	start := a.n.base + "/authorize?" + url.Values{"client_id": {a.id}, "request_uri": {send(t, r).text("request_uri")}}.Encode()
	b := browser(t)
	var signIn *url.URL
	for range 3 {
		if _, signIn, _ = a.opens(t, b, start, nil); signIn == nil || signIn.Path != "/signin" {
			t.Fatalf("sent to %s", signIn)
		}
		if status, _, _ := a.opens(t, b, signIn.String(), nil); status != http.StatusOK {
			t.Fatalf("the sign-in page answered %d", status)
		}
	}
	end, err := clients.SignIn(ctx(t), b, start, a.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	// The step that ended it leads where it led, as a double tap needs, until the code
	// is redeemed.
	resume := a.n.base + "/authorize/resume?" + signIn.RawQuery
	if status, location, _ := a.opens(t, b, resume, nil); status != http.StatusSeeOther || location == nil ||
		location.Query().Get("code") != end.Query().Get("code") {
		t.Errorf("once more: %d to %v, the first led to %s", status, location, end)
	}
	if got := a.token(
		t, url.Values{"grant_type": {"authorization_code"}, "code": {end.Query().Get("code")}, "redirect_uri": {a.redirect}},
	); got.status != http.StatusOK {
		t.Fatalf("the code is answered %d %s", got.status, got.raw)
	}
	for _, address := range []string{start, signIn.String(), resume, a.n.base + "/consent?" + signIn.RawQuery} {
		status, location, page := a.opens(t, b, address, nil)
		if status != http.StatusGone || location != nil || !strings.Contains(page, "-finished") ||
			!strings.Contains(page, `href="http://localhost/trang-mau"`) {
			t.Errorf("%s: %d to %v, %s", address, status, location, page)
		}
	}
}

func (a *webApp) errors(t *testing.T, b *http.Client) {
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString(
		[]byte(`{"prompt":"create"}`),
	) + "."
	for _, row := range []struct {
		name, code, mode string
		request          url.Values
	}{
		{"OpenID Connect Core §3.3.2.11: no nonce", "invalid_request", "fragment", a.request("response_type", "code id_token", "nonce", "")},
		{"RFC 9700 §2.1.2: token alone", "unsupported_response_type", "fragment", a.request("response_type", "token")},
		{"Multiple Response Types §3: tokens in a query", "invalid_request", "fragment", a.request("response_type", "id_token", "response_mode", "query")},
		{"OpenID Connect Core §6.1: an object without a redirect URI", "invalid_request", "", a.request("request", none, "redirect_uri", "")},
		{"OpenID Connect Core §6.1: not a JWT", "invalid_request_object", "fragment", a.request("response_type", "id_token", "request", "x")},
		{"OpenID Connect Core §5.5.1.1: an essential acr out of reach", "unmet_authentication_requirements", "fragment", a.request("response_type", "id_token", "claims", `{"id_token":{"acr":{"essential":true,"values":["urn:vn:gov:eid:auth-level:3"]}}}`)},
		{"OpenID Connect Core §7.2.1: registration", "registration_not_supported", "query", a.request("registration", "{}")},
		{"OpenID Connect Core §3.1.2.1: a redirect URI whose query differs", "invalid_request", "", a.request("redirect_uri", a.redirect+"&x=CALL-0900")},
		{"OpenID Connect Core §3.1.2.1: none, one is registered", "invalid_request", "", a.request("redirect_uri", "")},
		{"a parameter twice whose name is a text", "invalid_request", "", url.Values{"CALL-0900": {"1", "2"}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, location, page := a.opens(t, b, a.authorize(row.request), nil)
			var answer url.Values
			switch {
			case row.mode == "" && (status != http.StatusBadRequest || location != nil):
				t.Fatalf("%d to %s", status, location)
			case row.mode == "":
				// The page is for a developer and tells an attacker nothing new; the
				// links to the other language alone lead where the browser is.
				page = languages.ReplaceAllString(page, "")
				if !strings.Contains(page, row.code) || strings.Contains(page, "CALL-0900") ||
					strings.Contains(page, "trang-mau/callback") {
					t.Fatalf("got %s", page)
				}
				return
			case row.mode == "query":
				answer = location.Query()
			default:
				answer = fragment(t, location)
			}
			if answer.Get("error") != row.code || answer.Get("state") != "st" || answer.Get("iss") != a.n.base {
				t.Fatalf("got %v", answer)
			}
		})
	}
	_, location, _ := a.opens(t, b, a.authorize(a.request("code_challenge", strings.Repeat("c", 43), "code_challenge_method", "S256")), nil)
	got := a.token(
		t, url.Values{"grant_type": {"authorization_code"}, "code": {location.Query().Get("code")}, "redirect_uri": {a.redirect}},
	)
	want(t, got, http.StatusBadRequest, "invalid_grant") // RFC 9700 §4.8: PKCE downgrade
}

func (a *webApp) token(t *testing.T, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, a.n.base+"/token", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(a.id, a.secret)
	return send(t, r)
}

func (a *webApp) bearer(t *testing.T, method, path, token string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), method, a.n.base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	return send(t, r)
}
