package scenario_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// listener is where apps hear of logouts: it takes tokens while it is alive.
type listener struct {
	*httptest.Server
	dead   atomic.Bool
	tokens chan string
}

func listen(t *testing.T) *listener {
	t.Helper()
	l := &listener{tokens: make(chan string, 32)}
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if l.dead.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if token := r.FormValue("logout_token"); token != "" {
			l.tokens <- token
		}
	}))
	t.Cleanup(l.Close)
	return l
}

// told waits for a logout token and returns its claims.
func (l *listener) told(t *testing.T, n *nation) map[string]any {
	t.Helper()
	select {
	case token := <-l.tokens:
		return n.opened(t, token)
	case <-ctx(t).Done():
		t.Fatal("no logout token came")
		return nil
	}
}

// silent states that no token is there; what was to come has come.
func (l *listener) silent(t *testing.T) {
	t.Helper()
	select {
	case token := <-l.tokens:
		t.Errorf("a logout token that nobody asked for: %s", token)
	default:
	}
}

const goodbye = "http://localhost/signed-out"

// leavingApp registers an app of profile oidc that is told of logouts as more says.
func leavingApp(t *testing.T, n *nation, id, redirect, more string) *party {
	t.Helper()
	p := newParty(t, n, id)
	if redirect != "" {
		p.redirect = redirect
	}
	file := filepath.Join(t.TempDir(), id+".yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Dịch vụ %s"
  client_name#en: "Service %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: private_key_jwt
  id_token_signed_response_alg: ES256
  jwks: %s
  redirect_uris: ["%s"]
  post_logout_redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token]
  scope: openid offline_access
%s`, id, id, id, p.public, p.redirect, goodbye, more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	return p
}

// page gets a page of ours.
func page(t *testing.T, b *http.Client, address string) answer {
	t.Helper()
	return open(t, b, http.MethodGet, address, nil)
}

// until looks again until a text is on a page: deliveries arrive when they arrive.
func until(t *testing.T, b *http.Client, address, text string) string {
	t.Helper()
	again, over := time.NewTicker(100*time.Millisecond), ctx(t)
	defer again.Stop()
	for {
		seen := page(t, b, address)
		if strings.Contains(seen.raw, text) {
			return seen.raw
		}
		select {
		case <-again.C:
		case <-over.Done():
			t.Fatalf("%q never appeared at %s: %s", text, address, seen.raw)
		}
	}
}

// hiddenFields are those of the forms of a page.
func hiddenFields(text string) url.Values {
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(text, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	return form
}

// alive reports whether a browser is signed in.
func alive(t *testing.T, n *nation, b *http.Client) bool {
	t.Helper()
	return page(t, b, n.base+"/portal").status == http.StatusOK
}

// leaves presses a button of the page that asks at a sign-out.
func (n *nation) leaves(t *testing.T, b *http.Client, asked answer, decision string) answer {
	t.Helper()
	form := hiddenFields(asked.raw)
	form.Set("decision", decision)
	return open(t, b, http.MethodPost, n.base+"/logout/confirm", form)
}

func cookieOf(b *http.Client, at, name string) string {
	u, err := url.Parse(at)
	if err != nil {
		panic(err)
	}
	for _, c := range b.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// TestLogout is a person with four apps who signs out at one of them: one that
// listens, one that is dead, one that can be told only through the browser, and one
// that cannot be told at all.
func TestLogout(t *testing.T) {
	n := begin(t, usual())
	ears, front := listen(t), listen(t)
	sick := listen(t)
	sick.dead.Store(true)
	listens := leavingApp(t, n, "listens", "", fmt.Sprintf("  backchannel_logout_uri: %s/out\n  backchannel_logout_session_required: true\n", ears.URL))
	dead := leavingApp(t, n, "dead", "", fmt.Sprintf("  backchannel_logout_uri: %s/out\n", sick.URL))
	framed := leavingApp(t, n, "framed", front.URL+"/callback", fmt.Sprintf("  frontchannel_logout_uri: %s/bye?a=b\n  frontchannel_logout_session_required: true\n  session_management: true\n", front.URL))
	mute := leavingApp(t, n, "mute", "", "")
	operator := n.someone(t)
	n.run(t, "account", "role", "grant", operator.Number, "operator")
	desk := signedIn(t, n, operator)

	who, b := n.someone(t), browser(t)
	tokens := map[string]answer{"listens": listens.tokens(t, b, who, "")}
	if cookieOf(b, n.base, "hn_state") != "" {
		t.Error("Session Management: a cookie for an app that did not register")
	}
	verifier := random() + random()
	code := framed.code(t, b, who, verifier, "")
	tokens["framed"] = framed.exchange(t, code, verifier)
	state := cookieOf(b, n.base, "hn_state")
	if state == "" {
		t.Error("Session Management §4.2: no browser state for the app that registered")
	}
	for _, p := range []*party{dead, mute} {
		tokens[p.id] = p.tokens(t, b, who, "")
	}
	sid := func(p *party) any { return n.opened(t, tokens[p.id].text("id_token"))["sid"] }
	hint := url.Values{"id_token_hint": {tokens["listens"].text("id_token")}, "post_logout_redirect_uri": {goodbye}, "state": {"x y"}}

	out := page(t, b, n.base+"/logout?"+hint.Encode())
	done := out.header.Get("Location")
	if out.status != http.StatusSeeOther || !strings.HasPrefix(done, "/logout/done?") {
		t.Fatalf("got %d to %q", out.status, done)
	}
	farewell := page(t, b, n.base+done)
	text := html.UnescapeString(farewell.raw)
	frame := front.URL + "/bye?a=b&" + url.Values{"iss": {n.base}}.Encode() + "&sid=" + fmt.Sprint(sid(framed))
	for _, want := range []string{
		`<iframe src="` + frame + `"`, "sandbox=", `href="` + goodbye + `?state=x+y"`, "<noscript><meta http-equiv=\"refresh\"",
		"Dịch vụ listens", "Dịch vụ dead", "Dịch vụ framed", "Đã báo qua trình duyệt", "Dịch vụ mute", "Hãy tự đăng xuất tại dịch vụ này",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	policy := farewell.header.Get("Content-Security-Policy")
	if _, frames, _ := strings.Cut(policy, "frame-src "); frames != front.URL || strings.Count(text, "<iframe") != 1 {
		t.Errorf("Front-Channel Logout §2: the policy lets %q be framed, want %q alone", frames, front.URL)
	}
	if alive(t, n, b) || cookieOf(b, n.base, "hn_state") != "" {
		t.Error("RP-Initiated Logout §2: the browser is still signed in, or its state has not changed")
	}
	for _, p := range []*party{listens, dead, framed, mute} {
		if a := p.refresh(t, tokens[p.id].text("refresh_token")); a.text("error") != "invalid_grant" {
			t.Errorf("decision D6: the grant of %s lives: %s", p.id, a.raw)
		}
	}
	claims := ears.told(t, n)
	if claims["aud"] != "listens" || claims["sid"] != sid(listens) {
		t.Errorf("Back-Channel Logout §2.4: got %v", claims)
	}
	// What came of it, at the same address; and nothing at another browser.
	until(t, b, n.base+done, "Đã đăng xuất</span>")
	until(t, b, n.base+done, "Chưa trả lời, sẽ báo lại")
	if strangers := page(t, browser(t), n.base+done); strangers.status != http.StatusOK ||
		strings.Contains(strangers.raw, "Dịch vụ listens") || strings.Contains(strangers.raw, "<iframe") {
		t.Errorf("another browser reads the page: %d", strangers.status)
	}
	english := page(t, b, n.base+done+"&lang=en")
	if !strings.Contains(english.raw, "You are signed out") {
		t.Error("the page is not there in English")
	}

	// The operator sees it, and no person; the app comes back, and is told at once.
	list := until(t, desk, n.base+"/console/logouts", "503")
	if !strings.Contains(list, "Dịch vụ từ chối:") || strings.Contains(list, who.Number) || strings.Contains(list, fmt.Sprint(sid(dead))) {
		t.Errorf("the operator's page: %s", list)
	}
	if a := page(t, signedIn(t, n, n.someone(t)), n.base+"/console/logouts"); a.status != http.StatusForbidden {
		t.Errorf("to a citizen it answered %d", a.status)
	}
	sick.dead.Store(false)
	if a := open(t, desk, http.MethodPost, n.base+"/console/logouts/retry", hiddenFields(list)); a.status != http.StatusOK {
		t.Fatalf("trying again answered %d: %s", a.status, a.raw)
	}
	if claims := sick.told(t, n); claims["aud"] != "dead" || claims["sid"] != sid(dead) {
		t.Errorf("got %v", claims)
	}
	until(t, desk, n.base+"/console/logouts?app=dead", "Đã tới")
	ears.silent(t)
}

// TestLogoutTabs: whatever tab asks, and however, it comes back to its app, and
// nobody is signed out who did not want it.
func TestLogoutTabs(t *testing.T) {
	n := begin(t, usual())
	ears := listen(t)
	app := leavingApp(t, n, "tab-one", "", fmt.Sprintf("  backchannel_logout_uri: %s/one\n", ears.URL))
	other := leavingApp(t, n, "tab-two", "", fmt.Sprintf("  backchannel_logout_uri: %s/two\n", ears.URL))
	ask := func(token string) url.Values {
		return url.Values{"id_token_hint": {token}, "post_logout_redirect_uri": {goodbye}, "state": {"s"}}
	}
	back := goodbye + "?state=s"

	t.Run("a POST of the app, which brings no cookie", func(t *testing.T) {
		who, b := n.someone(t), browser(t)
		token := app.tokens(t, b, who, "").text("id_token")
		posted := open(t, browser(t), http.MethodPost, n.base+"/logout", ask(token))
		next := posted.header.Get("Location")
		if posted.status != http.StatusSeeOther || !strings.HasPrefix(next, "/logout/continue?logout=") ||
			strings.Contains(next, strings.Split(token, ".")[1]) {
			t.Fatalf("got %d to %q", posted.status, next)
		}
		if a := page(t, b, n.base+next); a.header.Get("Location") != back || alive(t, n, b) {
			t.Fatalf("got %d to %q, signed in %v", a.status, a.header.Get("Location"), alive(t, n, b))
		}
		ears.told(t, n)
		// The second tab, later: nobody is signed in, and it comes back all the same.
		if a := page(t, b, n.base+"/logout?"+ask(token).Encode()); a.header.Get("Location") != back {
			t.Fatalf("the second tab got %d to %q", a.status, a.header.Get("Location"))
		}
		// Signed in anew, an old tab asks: the person is asked.
		other.tokens(t, b, who, "")
		asked := page(t, b, n.base+"/logout?"+ask(token).Encode())
		if asked.status != http.StatusOK || !alive(t, n, b) {
			t.Fatalf("a stale tab ended a later session: %d", asked.status)
		}
		if a := n.leaves(t, b, asked, "stay"); a.header.Get("Location") != "/portal" || !alive(t, n, b) {
			t.Fatalf("staying: %d to %q", a.status, a.header.Get("Location"))
		}
		ears.silent(t)
	})
	t.Run("somebody else's hint", func(t *testing.T) {
		token := app.tokens(t, browser(t), n.someone(t), "").text("id_token")
		b := signedIn(t, n, n.someone(t))
		asked := page(t, b, n.base+"/logout?"+ask(token).Encode())
		if asked.status != http.StatusOK || !strings.Contains(asked.raw, "một người khác") || !alive(t, n, b) {
			t.Fatalf("got %d: %s", asked.status, asked.raw)
		}
		if a := n.leaves(t, b, asked, "signout"); a.header.Get("Location") != back || alive(t, n, b) {
			t.Fatalf("got %d to %q", a.status, a.header.Get("Location"))
		}
	})
	t.Run("only this app", func(t *testing.T) {
		who, b := n.someone(t), browser(t)
		leaves, stays := app.tokens(t, b, who, ""), other.tokens(t, b, who, "")
		asked := page(t, b, n.base+"/logout?"+url.Values{"client_id": {app.id}, "post_logout_redirect_uri": {goodbye}}.Encode())
		if a := n.leaves(t, b, asked, "app"); a.header.Get("Location") != goodbye || !alive(t, n, b) {
			t.Fatalf("got %d to %q", a.status, a.header.Get("Location"))
		}
		if claims := ears.told(t, n); claims["aud"] != app.id {
			t.Errorf("told: %v", claims)
		}
		if a := app.refresh(t, leaves.text("refresh_token")); a.text("error") != "invalid_grant" {
			t.Errorf("the app that was left goes on: %s", a.raw)
		}
		if a := other.refresh(t, stays.text("refresh_token")); a.status != http.StatusOK {
			t.Errorf("the other app does not: %s", a.raw)
		}
		ears.silent(t)
	})
	t.Run("all devices", func(t *testing.T) {
		who, phone, desk := n.someone(t), browser(t), browser(t)
		app.tokens(t, phone, who, "")
		other.tokens(t, desk, who, "")
		asked := page(t, desk, n.base+"/logout")
		a := n.leaves(t, desk, asked, "everywhere")
		if !strings.HasPrefix(a.header.Get("Location"), "/logout/done?") || alive(t, n, phone) || alive(t, n, desk) {
			t.Fatalf("got %d to %q", a.status, a.header.Get("Location"))
		}
		told := []any{ears.told(t, n)["aud"], ears.told(t, n)["aud"]}
		if !slices.Contains(told, any(app.id)) || !slices.Contains(told, any(other.id)) {
			t.Errorf("told: %v", told)
		}
		text := page(t, desk, n.base+a.header.Get("Location")).raw
		if !strings.Contains(text, "Dịch vụ tab-one") || !strings.Contains(text, "Dịch vụ tab-two") {
			t.Errorf("the page does not name both apps: %s", text)
		}
	})
	for _, command := range []string{"lock", "sign-out"} {
		t.Run("hopnhat account "+command, func(t *testing.T) {
			who, b := n.someone(t), browser(t)
			tokens := app.tokens(t, b, who, "")
			n.run(t, "account", command, who.Number)
			if claims := ears.told(t, n); claims["aud"] != app.id || claims["sid"] != n.opened(t, tokens.text("id_token"))["sid"] {
				t.Errorf("told: %v", claims)
			}
			if alive(t, n, b) {
				t.Error("the browser is signed in")
			}
			if a := app.refresh(t, tokens.text("refresh_token")); a.text("error") != "invalid_grant" {
				t.Errorf("the grant lives: %s", a.raw)
			}
		})
	}
	t.Run("a grant that its app revokes, and a sign-in that goes on, tell nobody", func(t *testing.T) {
		who, b := n.someone(t), browser(t)
		tokens := app.tokens(t, b, who, "")
		if a := app.call(t, "/revoke", url.Values{"token": {tokens.text("refresh_token")}}); a.status != http.StatusOK {
			t.Fatalf("revocation answered %d: %s", a.status, a.raw)
		}
		if !alive(t, n, b) {
			t.Error("the session ended")
		}
		// A logout that follows is told of in its turn, so nothing is on its way now.
		other.tokens(t, b, who, "")
		n.leaves(t, b, page(t, b, n.base+"/logout"), "signout")
		if claims := ears.told(t, n); claims["aud"] != other.id {
			t.Errorf("told: %v", claims)
		}
	})
}

// TestCheckSessionFrame: Session Management §3.2: the one page that others may show,
// with one script of ours and nothing else.
func TestCheckSessionFrame(t *testing.T) {
	n := begin(t, usual())
	frame := page(t, browser(t), n.base+"/check-session")
	if frame.status != http.StatusOK || frame.header.Get("X-Frame-Options") != "" ||
		frame.header.Get("Content-Security-Policy") != "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *" {
		t.Fatalf("got %d, %v", frame.status, frame.header)
	}
	if len(frame.header.Values("Set-Cookie")) != 0 || strings.Count(frame.raw, "<script") != 1 {
		t.Fatalf("got %s", frame.raw)
	}
	if other := page(t, browser(t), n.base+"/"); other.header.Get("X-Frame-Options") != "DENY" {
		t.Fatal("other pages may be framed")
	}
}
