package scenario_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestAttacks: what somebody tries who holds a browser, a neighbour's address of
// a page, or a raw connection.
func TestAttacks(t *testing.T) { onBoth(t, attacks) }

// victim is a person with a session, a release and a live consent.
type victim struct {
	browser                   *http.Client
	who                       *person
	token                     string
	release, consent, session string
}

func attacks(t *testing.T, n *nation) {
	v := &victim{browser: browser(t), who: n.someone(t)}
	v.token = n.app.tokens(t, v.browser, v.who, civilDetail+","+taxDetail).text("access_token")
	if a := n.app.release(t, v.token, civilRead); a.status != http.StatusOK {
		t.Fatal(a.raw)
	}
	v.release = first(t, `/portal/releases/([0-9a-f-]{36})`, fetch(t, v.browser, n.base+"/portal"))
	v.consent = first(t, `/portal/consents/([0-9a-f-]{36})/withdraw`, fetch(t, v.browser, n.base+"/portal/consents"))
	v.session = first(t, `name="session" value="([0-9a-f-]{36})"`, fetch(t, v.browser, n.base+"/portal/sessions"))

	t.Run("another person's records are not found", func(t *testing.T) { neighbour(t, n, v) })
	t.Run("ids that are none", func(t *testing.T) { oddIDs(t, n, v) })
	t.Run("a planted cookie is worth nothing", func(t *testing.T) { fixation(t, n) })
	t.Run("a form that is sent twice begins one session", func(t *testing.T) { doubleTap(t, n) })
	t.Run("an answer that is sent twice is one", func(t *testing.T) { doubleAnswer(t, n) })
	t.Run("what can only be one number is taken", func(t *testing.T) { pasted(t, n) })
	t.Run("nothing outlives a sign-out", func(t *testing.T) { afterwards(t, n) })
	t.Run("a second person ends the session of the first", func(t *testing.T) { oneAtATime(t, n) })
	t.Run("one person cannot answer what another was asked", func(t *testing.T) { twoTabs(t, n) })
	t.Run("after a sign-in the browser stays here", func(t *testing.T) { openRedirect(t, n) })
	t.Run("the Host header decides nothing", func(t *testing.T) { hostHeader(t, n) })
	t.Run("headers of pages and answers", func(t *testing.T) { headers(t, n, v) })
	t.Run("files outside the folder", func(t *testing.T) { traversal(t, n) })
	t.Run("one request is one request", func(t *testing.T) { smuggling(t, n) })
	t.Run("doubled and over-long parameters", func(t *testing.T) { doubled(t, n, v) })
	t.Run("an auditor's search fields are texts", func(t *testing.T) { searchFields(t, n) })
	t.Run("a withdrawn consent", func(t *testing.T) { withdrawn(t, n, v) })
	t.Run("a text that is none", func(t *testing.T) { noTexts(t, n, v) })
	// The last: the log of everything above, at level debug.
	t.Run("the log holds nobody", func(t *testing.T) { quietLog(t, n, v) })
}

// open makes one request with a browser.
func open(t *testing.T, b *http.Client, method, address string, form url.Values) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return read(t, response)
}

// sent is a form as a browser sends it, which says where it comes from.
func sent(t *testing.T, b *http.Client, address string, form url.Values) answer {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", at.Scheme+"://"+at.Host)
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return read(t, response)
}

// fetch is a page that must be there.
func fetch(t *testing.T, b *http.Client, address string) string {
	t.Helper()
	a := open(t, b, http.MethodGet, address, nil)
	if a.status != http.StatusOK {
		t.Fatalf("%s answered %d: %.300s", address, a.status, a.raw)
	}
	return a.raw
}

func first(t *testing.T, pattern, text string) string {
	t.Helper()
	found := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("%s is not in %.2000s", pattern, text)
	}
	return found[1]
}

// csrf is the anti-forgery token of a browser's forms.
func csrf(t *testing.T, n *nation, b *http.Client) string {
	t.Helper()
	return first(t, `name="csrf" value="([^"]+)"`, fetch(t, b, n.base+"/device"))
}

// signedIn is the browser of somebody who signed in at an app.
func signedIn(t *testing.T, n *nation, who *person) *http.Client {
	t.Helper()
	b := browser(t)
	n.app.tokens(t, b, who, taxDetail)
	return b
}

// signIn signs in at a page of ours, and returns the answer to the last form.
func signIn(t *testing.T, n *nation, b *http.Client, who *person, next string) answer {
	t.Helper()
	return open(t, b, http.MethodPost, n.base+"/signin/code", lastForm(t, n, b, who, next))
}

// lastForm is the form of the code, filled in.
func lastForm(t *testing.T, n *nation, b *http.Client, who *person, next string) url.Values {
	t.Helper()
	token := csrf(t, n, b)
	a := open(
		t, b, http.MethodPost, n.base+"/signin",
		url.Values{"csrf": {token}, "next": {next}, "number": {who.Number}, "password": {who.Password}},
	)
	ticket := first(t, `name="ticket" value="([^"]+)"`, fetch(t, b, n.base+a.header.Get("Location")))
	return url.Values{"csrf": {token}, "next": {next}, "ticket": {ticket}, "code": {who.otp()}}
}

// doubleTap: whoever sends the form of the code twice is signed in, once; the form is
// good for nothing after a sign-out, and never in another browser.
func doubleTap(t *testing.T, n *nation) {
	home, err := url.Parse(n.base)
	if err != nil {
		t.Fatal(err)
	}
	who, b := n.someone(t), browser(t)
	form := lastForm(t, n, b, who, "/portal/sessions")
	binding := cookie(b.Jar.Cookies(home), "hn_browser")
	answers := make(chan answer, 3)
	var taps sync.WaitGroup
	for range 3 {
		taps.Go(func() { answers <- open(t, b, http.MethodPost, n.base+"/signin/code", form) })
	}
	taps.Wait()
	close(answers)
	secrets := map[string]bool{}
	for a := range answers {
		if a.status != http.StatusSeeOther || a.header.Get("Location") != "/portal/sessions" {
			t.Errorf("a tap was answered %d to %q", a.status, a.header.Get("Location"))
		}
		secrets[first(t, "hn_session=([^;]+)", strings.Join(a.header.Values("Set-Cookie"), "\n"))] = true
	}
	if shown := strings.Count(fetch(t, b, n.base+"/portal/sessions"), `name="session"`); len(secrets) != 1 || shown != 1 {
		t.Errorf("%d secrets of %d sessions, want one", len(secrets), shown)
	}
	thief := browser(t)
	form.Set("csrf", csrf(t, n, thief))
	if a := open(t, thief, http.MethodPost, n.base+"/signin/code", form); !strings.HasPrefix(a.header.Get("Location"), "/signin?") {
		t.Errorf("in another browser it leads to %d %q", a.status, a.header.Get("Location"))
	}
	form.Set("csrf", csrf(t, n, b))
	open(t, b, http.MethodPost, n.base+"/logout/confirm", url.Values{"csrf": {csrf(t, n, b)}})
	b.Jar.SetCookies(home, []*http.Cookie{{Name: "hn_browser", Value: binding, Path: "/"}}) // as it was
	if a := open(t, b, http.MethodPost, n.base+"/signin/code", form); a.header.Get("Location") == "/portal/sessions" {
		t.Error("the form signs in after the sign-out")
	}
}

// doubleAnswer: whoever agrees twice, at once, is led to the app each time with the one
// code, which is good once; whoever declines twice likewise with the refusal. Either is
// recorded once. A mistake is a page that can be reloaded.
func doubleAnswer(t *testing.T, n *nation) {
	b := signedIn(t, n, n.someone(t))
	verifier := random() + random()
	begun := func() url.Values {
		ask := n.app.request(verifier, civilDetail)
		ask.Set("prompt", "consent")
		pushed := n.app.call(t, "/par", ask)
		a := open(
			t, b, http.MethodGet,
			n.base+"/authorize?"+url.Values{"client_id": {n.app.id}, "request_uri": {pushed.text("request_uri")}}.Encode(), nil,
		)
		return answerTo(t, fetch(t, b, a.header.Get("Location")), "agree")
	}
	taps := func(form url.Values) (ends []string) {
		answers := make(chan answer, 3)
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { answers <- open(t, b, http.MethodPost, n.base+"/consent", form) })
		}
		all.Wait()
		close(answers)
		for a := range answers {
			if a.status != http.StatusSeeOther {
				t.Errorf("a tap was answered %d", a.status)
			}
			ends = append(ends, a.header.Get("Location"))
		}
		return slices.Compact(ends)
	}
	form := begun()
	empty := maps.Clone(form)
	empty.Del("item")
	a := open(t, b, http.MethodPost, n.base+"/consent", empty)
	if page := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(page, "/consent?") {
		t.Errorf("an empty answer was answered %d to %q", a.status, page)
	}
	for range 2 {
		if again := open(t, b, http.MethodGet, n.base+a.header.Get("Location"), nil); again.status != http.StatusUnprocessableEntity ||
			!strings.Contains(again.raw, `role="alert"`) {
			t.Errorf("the page that says so: %d", again.status)
		}
	}
	agreed := taps(form)
	if len(agreed) != 1 || !strings.HasPrefix(agreed[0], n.app.redirect) || !strings.Contains(agreed[0], "code=") {
		t.Fatalf("agreeing leads to %q", agreed)
	}
	if records := strings.Count(fetch(t, b, n.base+"/portal/consents"), "/withdraw"); records != 1 {
		t.Errorf("%d consents", records)
	}
	to, err := url.Parse(agreed[0])
	if err != nil {
		t.Fatal(err)
	}
	if a := n.app.exchange(t, to.Query().Get("code"), verifier); a.status != http.StatusOK {
		t.Errorf("the code is answered %d %s", a.status, a.raw)
	}
	if a := open(t, b, http.MethodPost, n.base+"/consent", form); a.status != http.StatusGone {
		t.Errorf("after the code was redeemed a tap is answered %d to %q", a.status, a.header.Get("Location"))
	}
	form = begun()
	form.Set("decision", "decline")
	if ends := taps(form); len(ends) != 1 || !strings.HasPrefix(ends[0], n.app.redirect) ||
		!strings.Contains(ends[0], "error=access_denied") {
		t.Errorf("declining leads to %q", ends)
	}
}

// pasted: a number and a code as they come out of other programs.
func pasted(t *testing.T, n *nation) {
	who, b := n.someone(t), browser(t)
	wide := strings.Map(func(r rune) rune { return r - '0' + '０' }, who.Number)
	form := lastForm(
		t, n, b, &person{
			Number: "\u202a" + wide[:9] + "." + wide[9:18] + "\u00a0" + wide[18:] + "\u202c", Password: who.Password, SeedHex: who.SeedHex,
		}, "/portal",
	)
	code := form.Get("code")
	form.Set("code", "\u200e"+code[:3]+"–"+code[3:]+"\ufeff")
	if a := open(t, b, http.MethodPost, n.base+"/signin/code", form); a.status != http.StatusSeeOther ||
		a.header.Get("Location") != "/portal" {
		t.Errorf("answered %d to %q", a.status, a.header.Get("Location"))
	}
}

// afterwards: the token of a form that was open at a sign-out is void.
func afterwards(t *testing.T, n *nation) {
	b := signedIn(t, n, n.someone(t))
	token := csrf(t, n, b)
	if a := open(t, b, http.MethodPost, n.base+"/logout/confirm", url.Values{"csrf": {token}}); a.status != http.StatusSeeOther {
		t.Fatalf("the sign-out answered %d", a.status)
	}
	for path, form := range map[string]url.Values{"/logout/confirm": {}, "/portal/sessions/end-all": {}, "/signin": {"number": {"099304000017"}, "password": {"x"}}, "/device": {"user_code": {"x"}}} {
		form.Set("csrf", token)
		if a := open(t, b, http.MethodPost, n.base+path, form); a.status != http.StatusForbidden {
			t.Errorf("%s with the token from before answered %d", path, a.status)
		}
	}
}

// oneAtATime: whoever signs in where somebody else is signed in ends that session.
func oneAtATime(t *testing.T, n *nation) {
	home, err := url.Parse(n.base)
	if err != nil {
		t.Fatal(err)
	}
	b := signedIn(t, n, n.someone(t))
	planted := cookie(b.Jar.Cookies(home), "hn_session")
	token := csrf(t, n, b)
	signIn(t, n, b, n.someone(t), "/portal")
	fetch(t, b, n.base+"/portal")
	if a := open(t, b, http.MethodPost, n.base+"/portal/sessions/end-all", url.Values{"csrf": {token}}); a.status != http.StatusForbidden {
		t.Errorf("a form of the first person, sent by the second, answered %d", a.status)
	}
	b.Jar.SetCookies(home, []*http.Cookie{{Name: "hn_session", Value: planted, Path: "/"}})
	if a := open(t, b, http.MethodGet, n.base+"/portal", nil); a.status != http.StatusSeeOther {
		t.Errorf("the first session still opens the portal: %d", a.status)
	}
}

func neighbour(t *testing.T, n *nation, v *victim) {
	b := signedIn(t, n, n.someone(t))
	for _, path := range []string{
		"/portal/releases/" + v.release, "/portal/releases/" + v.release + "/proof", "/portal/consents/" + v.consent, "/portal/consents/" + v.consent + "/withdraw",
	} {
		if a := open(t, b, http.MethodGet, n.base+path, nil); a.status != http.StatusNotFound {
			t.Errorf("%s of another person answered %d", path, a.status)
		}
		if a := open(t, browser(t), http.MethodGet, n.base+path, nil); a.status != http.StatusSeeOther ||
			!strings.HasPrefix(a.header.Get("Location"), "/signin?") {
			t.Errorf("%s to nobody answered %d to %q", path, a.status, a.header.Get("Location"))
		}
	}
	token := csrf(t, n, b)
	for path, form := range map[string]url.Values{
		"/portal/consents/" + v.consent + "/withdraw": {"csrf": {token}},
		"/portal/sessions/end":                        {"csrf": {token}, "session": {v.session}},
	} {
		if a := open(t, b, http.MethodPost, n.base+path, form); a.status != http.StatusNotFound {
			t.Errorf("%s against another person answered %d", path, a.status)
		}
	}
	for _, path := range []string{"/console", "/console?all=1", "/console/exports", "/console/events/" + v.release, "/console/events/" + v.release + "/proof", "/console/logouts", "/console/logouts?app=app-a"} {
		if a := open(t, b, http.MethodGet, n.base+path, nil); a.status != http.StatusForbidden {
			t.Errorf("%s to a citizen answered %d", path, a.status)
		}
	}
	if a := open(t, b, http.MethodPost, n.base+
		"/console/exports", url.Values{"csrf": {token}, "reason": {"x"}}); a.status != http.StatusForbidden {
		t.Errorf("an export by a citizen answered %d", a.status)
	}
	if a := n.app.release(t, v.token, civilRead); a.status != http.StatusOK {
		t.Errorf("the victim's consent or session was hurt: %s", a.raw)
	}
	fetch(t, v.browser, n.base+"/portal")
}

func oddIDs(t *testing.T, n *nation, v *victim) {
	auditor := n.someone(t)
	n.run(t, "account", "role", "grant", auditor.Number, "auditor")
	n.run(t, "account", "role", "grant", auditor.Number, "operator")
	looker := signedIn(t, n, auditor)
	for _, id := range []string{"x", "%00", "%ff%fe", "..%2f..%2fetc%2fpasswd", "'%20OR%20'1'='1", strings.Repeat("a", 3000), "%E2%80%AE", "01a214e0-b7fb-7c28-8efd-9f2277b2bc65"} {
		for _, path := range []string{
			"/portal/releases/" + id, "/portal/releases/" + id + "/proof", "/portal/consents/" + id, "/portal/consents/" + id + "/withdraw", "/portal?app=" + id, "/portal?before=" + id,
			"/signin?a=" + id, "/signin?next=" + id, "/consent?a=" + id, "/authorize/resume?a=" + id, "/authorize?client_id=" + id, "/logout?client_id=" + id,
			"/logout?id_token_hint=" + id, "/logout/continue?logout=" + id, "/logout/done?t=" + id + "&s=" + id, "/jwks?client_id=" + id, "/?lang=" + id,
		} {
			if a := open(t, v.browser, http.MethodGet, n.base+path, nil); a.status >= 500 {
				t.Errorf("GET %.80s answered %d", path, a.status)
			}
		}
		for _, path := range []string{"/console/events/" + id, "/console/events/" + id + "/proof", "/console?pseudonym=" + id, "/console?client=" + id, "/console?purpose=" + id, "/console?type=" + id, "/console?from=" + id, "/console?all=1&before=" + id, "/console/exports?client=" + id, "/console/logouts?app=" + id, "/console/logouts?before=" + id} {
			if a := open(t, looker, http.MethodGet, n.base+path, nil); a.status >= 500 {
				t.Errorf("GET %.80s answered %d", path, a.status)
			}
		}
	}
	token := csrf(t, n, v.browser)
	// Four long ones stay below the bound of a body: beyond it the server answers and
	// closes while the client may still be writing, and the answer can be lost.
	for _, odd := range []string{"\x00", "\xff", strings.Repeat("9", 30_000), "099\u202e000000017"} {
		for path, form := range map[string]url.Values{
			"/signin":                {"number": {odd}, "password": {odd}},
			"/signin/code":           {"ticket": {odd}, "code": {odd}},
			"/consent":               {"a": {odd}, "item": {odd}},
			"/portal/sessions/end":   {"session": {odd}},
			"/logout/confirm":        {"client_id": {odd}, "post_logout_redirect_uri": {odd}, "state": {odd}, "decision": {"stay"}, "logout": {odd}},
			"/console/logouts/retry": {"delivery": {odd}, "app": {odd}},
		} {
			form.Set("csrf", token)
			if a := open(t, v.browser, http.MethodPost, n.base+path, form); a.status >= 500 || a.status < 300 && path != "/signin" {
				t.Errorf("POST %s with %.10q answered %d", path, odd, a.status)
			}
		}
		for path, form := range map[string]url.Values{
			"/introspect": {"token": {odd}, "token_type_hint": {odd}}, "/revoke": {"token": {odd}, "token_type_hint": {odd}},
			"/token": {"grant_type": {"refresh_token"}, "refresh_token": {odd}}, "/par": {"response_type": {odd}, "redirect_uri": {odd}, "nonce": {odd}},
		} {
			if a := n.app.call(t, path, form); a.status >= 500 {
				t.Errorf("POST %s with %.10q answered %d %s", path, odd, a.status, a.raw)
			}
		}
	}
	for _, body := range []string{"", "null", "[]", `{"registry":"\u0000","purpose":"land.mortgage","attributes":["civil.marital_status"]}`, `{"registry":"civil","purpose":"\ud800","attributes":["civil.marital_status"]}`, strings.Repeat("[", 50_000), `{"attributes":[` + strings.Repeat(`"a",`, 20_000) + `"a"]}`} {
		if a := n.app.release(t, v.token, body); a.status < 400 || a.status >= 500 {
			t.Errorf("a release of %.40q answered %d %.200s", body, a.status, a.raw)
		}
	}
}

// fixation: a session that an attacker put into the browser before the sign-in is
// not the one the person gets, and a form token of his does not fit her browser.
func fixation(t *testing.T, n *nation) {
	home, err := url.Parse(n.base)
	if err != nil {
		t.Fatal(err)
	}
	who, b := n.someone(t), browser(t)
	planted := strings.Repeat("A", 43)
	b.Jar.SetCookies(home, []*http.Cookie{{Name: "hn_session", Value: planted, Path: "/"}})
	n.app.tokens(t, b, who, taxDetail)
	for _, c := range b.Jar.Cookies(home) {
		if c.Name == "hn_session" && c.Value == planted {
			t.Fatal("the planted session was signed in")
		}
	}
	attacker := browser(t)
	attacker.Jar.SetCookies(home, []*http.Cookie{{Name: "hn_session", Value: planted, Path: "/"}})
	if a := open(t, attacker, http.MethodGet, n.base+"/portal", nil); a.status != http.StatusSeeOther {
		t.Fatalf("the planted session opens the portal: %d", a.status)
	}
	// Signing in again ends nothing else, but gives another secret.
	before := cookie(b.Jar.Cookies(home), "hn_session")
	signIn(t, n, b, who, "/portal")
	if after := cookie(b.Jar.Cookies(home), "hn_session"); after == "" || after == before {
		t.Fatalf("a new sign-in kept the session's secret: %q", after)
	}
}

// twoTabs: a consent page is open in one tab while somebody else signs in in
// another. The form that the first was shown is no consent of the second.
func twoTabs(t *testing.T, n *nation) {
	b, second := signedIn(t, n, n.someone(t)), n.someone(t)
	a := open(t, b, http.MethodGet, n.app.pushed(t, random()+random(), civilDetail), nil)
	page := fetch(t, b, a.header.Get("Location"))
	form := answerTo(t, page, "agree")
	signIn(t, n, b, second, "/portal")
	for _, decision := range []string{"agree", "decline"} {
		form.Set("decision", decision)
		if a := sent(t, b, n.base+"/consent", form); a.status != http.StatusSeeOther ||
			!strings.Contains(a.header.Get("Location"), "/authorize/resume?") {
			t.Errorf("%s by another person answered %d to %q", decision, a.status, a.header.Get("Location"))
		}
	}
	if strings.Contains(fetch(t, b, n.base+"/portal/consents"), "/withdraw") {
		t.Error("the second person has a consent that she never saw")
	}
}

func cookie(all []*http.Cookie, name string) string {
	for _, c := range all {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func openRedirect(t *testing.T, n *nation) {
	for _, next := range []string{"https://evil.example/", "//evil.example/", "/\\evil.example", "/portal/../../evil", "/portal/../logout", "/portal/%2e%2e/logout", "/portalx", "javascript:alert(1)"} {
		b, who := browser(t), n.someone(t)
		page := fetch(t, b, n.base+"/signin?"+url.Values{"next": {next}}.Encode())
		if kept := first(t, `name="next" value="([^"]*)"`, page); !strings.HasPrefix(kept, "/portal") {
			t.Errorf("next=%q is kept as %q", next, kept)
		}
		a := signIn(t, n, b, who, next)
		if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), "/portal") {
			t.Errorf("next=%q leads to %d %q", next, a.status, a.header.Get("Location"))
		}
	}
	for _, query := range []string{"post_logout_redirect_uri=https://evil.example/", "client_id=app-a&post_logout_redirect_uri=https://evil.example/", "client_id=app-a&post_logout_redirect_uri=http://localhost/signed-out/"} {
		if a := open(t, browser(t), http.MethodGet, n.base+"/logout?"+query, nil); a.header.Get("Location") != "" &&
			!strings.HasPrefix(a.header.Get("Location"), "/logout/") {
			t.Errorf("%s leads to %q", query, a.header.Get("Location"))
		}
	}
}

func hostHeader(t *testing.T, n *nation) {
	for _, path := range []string{"/.well-known/openid-configuration", "/portal", "/", "/authorize?client_id=nobody", n.app.pushed(t, random()+random(), "")[len(n.base):]} {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "evil.example"
		r.Header.Set("X-Forwarded-Host", "evil.example")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("Forwarded", "host=evil.example;proto=https")
		response, err := browser(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || strings.Contains(string(raw), "evil.example") || strings.Contains(fmt.Sprint(response.Header), "evil.example") {
			t.Errorf("%.60s repeats the Host header: %v %.300s", path, response.Header, raw)
		}
	}
}

func headers(t *testing.T, n *nation, v *victim) {
	for _, path := range []string{"/", "/signin", "/portal", "/portal/sessions", "/nowhere", "/authorize?client_id=nobody", "/console", "/logout"} {
		a := open(t, v.browser, http.MethodGet, n.base+path, nil)
		for name, want := range map[string]string{
			"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin",
		} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		policy := a.header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s: %s", path, part, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is %s", path, policy)
		}
	}
	b := browser(t)
	for _, line := range open(t, b, http.MethodGet, n.base+"/signin?lang=en", nil).header.Values("Set-Cookie") {
		for _, attribute := range []string{"HttpOnly", "SameSite=Lax", "path=/"} {
			if !strings.Contains(line, attribute) {
				t.Errorf("a cookie lacks %s: %s", attribute, line)
			}
		}
		if strings.Contains(strings.ToLower(line), "domain=") {
			t.Errorf("a cookie is for the whole domain: %s", line)
		}
	}
	for path, form := range map[string]url.Values{
		"/token": {"grant_type": {"client_credentials"}}, "/introspect": {"token": {v.token}}, "/par": n.app.request(random()+random(), ""),
	} {
		if a := n.app.call(t, path, form); a.status >= 300 || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
			t.Errorf("RFC 6749 §5.1: %s answers %d with Cache-Control %q", path, a.status, a.header.Get("Cache-Control"))
		}
	}
	if a := n.app.resource(t, http.MethodGet, "/userinfo", v.token, "", nil); !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("UserInfo may be cached: %q", a.header.Get("Cache-Control"))
	}
	if a := n.app.release(t, v.token, civilRead); a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
		t.Errorf("a release may be cached: %q", a.header.Get("Cache-Control"))
	}
}

// raw sends bytes to a node itself and returns the statuses of all that comes back
// until the server closes.
func raw(t *testing.T, n *nation, request string) (statuses []int, text string) {
	t.Helper()
	connection, err := net.Dial("tcp", n.direct)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, request); err != nil {
		return nil, ""
	}
	if err := connection.(*net.TCPConn).CloseWrite(); err != nil {
		return nil, ""
	}
	reader := bufio.NewReader(connection)
	for {
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return statuses, text
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		statuses, text = append(statuses, response.StatusCode), text+string(body)
	}
}

func traversal(t *testing.T, n *nation) {
	for _, path := range []string{
		"/static/../../etc/passwd", "/static/%2e%2e/%2e%2e/etc/passwd", "/static/..%2f..%2fetc%2fpasswd", "/static/....//etc/passwd", "/static//etc/passwd",
		"/static/%00", "/static/", "/static", "/static/..\\..\\hopnhat.db", "/../state/hopnhat.db", "/static/static.go",
	} {
		statuses, text := raw(t, n, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
		if len(statuses) != 1 || statuses[0] < 400 || statuses[0] >= 500 || strings.Contains(text, "root:") {
			t.Errorf("%s answered %v %.100s", path, statuses, text)
		}
	}
}

// smuggling: where two readers of one stream could disagree on where a request
// ends (RFC 9112 §6.3, §11.2), nothing that came with it is taken for a second
// request.
func smuggling(t *testing.T, n *nation) {
	const hidden = "GET /.well-known/openid-configuration HTTP/1.1\r\nHost: localhost\r\n\r\n"
	for name, request := range map[string]string{
		"both lengths":           "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
		"two lengths":            "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"a list of lengths":      "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"a signed length":        "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n" + hidden,
		"an unknown encoding":    "POST /token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n" + hidden,
		"two encodings":          "POST /token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" + hidden,
		"a space before a colon": "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length : " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"GET with a body":        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + fmt.Sprint(len(hidden)) + "\r\n\r\n" + hidden,
		"GET with chunks":        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + fmt.Sprintf("%x", len(hidden)) + "\r\n" + hidden + "\r\n0\r\n\r\n",
		"GET with both lengths":  "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n" + hidden,
		"a chunk that overflows": "POST /token HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n\r\n" + hidden,
	} {
		t.Run(name, func(t *testing.T) {
			statuses, text := raw(t, n, request)
			if strings.Contains(text, "jwks_uri") {
				t.Errorf("what came with it was taken for a request: %v", statuses)
			}
		})
	}
	t.Run("our own header from outside", func(t *testing.T) {
		statuses, _ := raw(t, n, "GET /userinfo HTTP/1.1\r\nHost: localhost\r\nX-Hopnhat-Address: 10.0.0.1\r\nX-Request-Id: mine\r\nConnection: close\r\n\r\n")
		if len(statuses) != 1 || statuses[0] != http.StatusUnauthorized {
			t.Errorf("got %v", statuses)
		}
	})
}

// doubled: RFC 6749 §3.1 and §3.2, a parameter stands once; at every endpoint and
// for each parameter.
func doubled(t *testing.T, n *nation, v *victim) {
	p := n.app
	auth := func() url.Values {
		return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {p.assertion(t, nil)}}
	}
	for path, form := range map[string]url.Values{
		"/token":      {"grant_type": {"authorization_code"}, "code": {random()}, "redirect_uri": {p.redirect}, "code_verifier": {random() + random()}, "refresh_token": {"x"}, "scope": {"openid"}, "resource": {"https://x.example"}, "client_id": {p.id}},
		"/introspect": {"token": {v.token}, "token_type_hint": {"access_token"}, "client_id": {p.id}},
		"/revoke":     {"token": {"made-up"}, "token_type_hint": {"refresh_token"}, "client_id": {p.id}},
		"/par":        p.request(random()+random(), taxDetail),
	} {
		names := []string{"client_assertion", "client_assertion_type"}
		for name := range form {
			if name != "resource" { // RFC 8707 §2: may be repeated
				names = append(names, name)
			}
		}
		for _, name := range names {
			for what, more := range map[string]func(url.Values) string{
				"doubled":   func(f url.Values) string { return f.Encode() + "&" + url.Values{name: {"x"}}.Encode() },
				"over-long": func(f url.Values) string { f.Set(name, strings.Repeat("x", 66_000)); return f.Encode() },
			} {
				f := auth()
				for k, values := range form {
					f[k] = values
				}
				a := p.postRaw(t, path, more(f), p.dpop(t, http.MethodPost, n.base+path, "", nil))
				if a.status != 400 && a.status != 401 && a.status != 413 || a.text("error") == "" {
					t.Errorf("%s with %s %s answered %d %.200s", path, name, what, a.status, a.raw)
				}
				if strings.Contains(a.raw, `"active":true`) {
					t.Errorf("%s with %s %s told of a token", path, name, what)
				}
			}
		}
	}
	for _, path := range []string{"/token", "/par", "/introspect", "/revoke"} {
		t.Run(path+" takes POST of a form only", func(t *testing.T) {
			if a := open(t, browser(t), http.MethodGet, n.base+path+"?"+auth().Encode(), nil); a.status != 400 &&
				a.status != http.StatusMethodNotAllowed {
				t.Errorf("GET answered %d", a.status)
			}
			r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, n.base+path, strings.NewReader(`{"grant_type":"client_credentials"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			if a := send(t, r); a.status != 400 && a.status != 415 {
				t.Errorf("JSON answered %d", a.status)
			}
		})
		t.Run(path+": what stands in the URL does not count", func(t *testing.T) {
			f := url.Values{"grant_type": {"client_credentials"}, "token": {"x"}}
			a := p.postRaw(t, path+"?"+auth().Encode(), f.Encode(), p.dpop(t, http.MethodPost, n.base+path, "", nil))
			if a.status != 400 && a.status != 401 {
				t.Errorf("answered %d %s", a.status, a.raw)
			}
		})
	}
}

// searched is what an auditor's search finds: the form is posted, and leads to an
// address with nothing of it.
func searched(t *testing.T, n *nation, b *http.Client, form url.Values) string {
	t.Helper()
	form.Set("csrf", csrf(t, n, b))
	a := open(t, b, http.MethodPost, n.base+"/console", form)
	if to := a.header.Get("Location"); a.status == http.StatusSeeOther {
		if !regexp.MustCompile(`^/console\?search=[0-9a-f-]{36}$`).MatchString(to) {
			t.Errorf("a search leads to %s", to)
		}
		return fetch(t, b, n.base+to)
	}
	return a.raw
}

// aRow begins each row of what a search found.
const aRow = `<tr role="row"><td`

func searchFields(t *testing.T, n *nation) {
	who, other := n.someone(t), n.someone(t)
	for _, p := range []*person{who, other} {
		n.run(t, "account", "role", "grant", p.Number, "auditor")
	}
	b := signedIn(t, n, who)
	all := searched(t, n, b, url.Values{})
	if !strings.Contains(all, aRow) {
		t.Fatal("an auditor finds nothing")
	}
	for _, field := range []string{"pseudonym", "client", "purpose"} {
		for _, text := range []string{"' OR '1'='1", "x' OR 1=1 --", "%", "_", "*", "x'; DROP TABLE events; --", `\' OR 1=1 --`} {
			if page := searched(t, n, b, url.Values{field: {text}}); strings.Contains(page, aRow) {
				t.Errorf("%s=%q found something", field, text)
			}
		}
	}
	t.Run("a number in the place of a pseudonym comes nowhere", func(t *testing.T) { numberAsPseudonym(t, n, b, who) })
	t.Run("the person sees who looked", func(t *testing.T) { lookedAt(t, n, b) })
	t.Run("pages, the way back and the export are of the search", func(t *testing.T) { searchKept(t, n, b, signedIn(t, n, other)) })
	if n.second != nil {
		return // an export is of the log of one site
	}
	search := first(t, `/console/exports\?search=([0-9a-f-]{36})`, searched(t, n, b, url.Values{"client": {n.app.id}}))
	token := csrf(t, n, b)
	for name, reason := range map[string]string{
		"as long as the field takes": strings.Repeat("ế", 200), "longer": strings.Repeat("ế", 5000), "decomposed": "kie\u0302\u0309m tra", "with quotes": `"<script>'`,
	} {
		a := open(t, b, http.MethodPost, n.base+"/console/exports", url.Values{"csrf": {token}, "search": {search}, "reason": {reason}})
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("an export with a reason %s: %d %.400s", name, a.status, a.raw)
		}
	}
	t.Run("who is in an export sees that, whatever was searched for", func(t *testing.T) { exportedAt(t, n, b) })
	for name, reason := range map[string]string{"blank": "  ", "with a number": "hồ sơ của 099 304 000 017"} {
		a := open(t, b, http.MethodPost, n.base+"/console/exports", url.Values{"csrf": {token}, "search": {search}, "reason": {reason}})
		if a.header.Get("Content-Disposition") != "" || !strings.Contains(a.raw, `href="#reason"`) || strings.Contains(a.raw, "099 304") {
			t.Errorf("an export with a reason %s: %d %.400s", name, a.status, a.raw)
		}
	}
	if a := open(t, b, http.MethodPost, n.base+
		"/console/exports", url.Values{"csrf": {token}, "search": {search}, "reason": {"a\u202eb"}}); a.status != http.StatusBadRequest {
		t.Errorf("a reason that reads backwards: %d", a.status)
	}
}

// numberAsPseudonym: what is no pseudonym is refused before anything is recorded, and
// not given back.
func numberAsPseudonym(t *testing.T, n *nation, b *http.Client, who *person) {
	count := func() int {
		return strings.Count(searched(t, n, b, url.Values{"type": {"auditor.query"}}), aRow)
	}
	before := count()
	for _, text := range []string{who.Number, who.Number[:3] + " " + who.Number[3:], strings.Repeat("0", 43) + "1", "Trần Thị Mẫu An"} {
		form := url.Values{"csrf": {csrf(t, n, b)}, "pseudonym": {text}}
		a := open(t, b, http.MethodPost, n.base+"/console", form)
		if a.status != http.StatusOK || a.header.Get("Location") != "" || !strings.Contains(a.raw, `href="#pseudonym"`) ||
			strings.Contains(a.raw, text) {
			t.Errorf("%q was answered %d %q", text, a.status, a.header.Get("Location"))
		}
	}
	if after := count(); after != before+1 { // the count itself
		t.Errorf("%d searches on record, were %d", after, before)
	}
	if page := fetch(t, b, n.base+"/console?pseudonym="+who.Number); strings.Contains(page, aRow) ||
		strings.Contains(page, `value="`+who.Number) {
		t.Error("an address takes a pseudonym")
	}
}

// lookedAt: an auditor's look at an event of a person stands in her own history, and so
// does a search for her.
func lookedAt(t *testing.T, n *nation, b *http.Client) {
	her := n.someone(t)
	tokens := n.app.tokens(t, browser(t), her, taxDetail)
	released := n.app.release(t, tokens.text("access_token"), taxRead)
	if released.status != http.StatusOK {
		t.Fatal(released.raw)
	}
	event := released.text("release_id")
	own := signedIn(t, n, her)
	if page := fetch(t, own, n.base+"/portal?lang=en"); strings.Contains(page, "An auditor looked") {
		t.Fatal("somebody looked already")
	}
	detail := fetch(t, b, n.base+"/console/events/"+event)
	pseudonym := first(t, `<span class="code">([A-Za-z0-9_-]{43})</span>`, detail)
	searched(t, n, b, url.Values{"pseudonym": {pseudonym}})
	page := fetch(t, own, n.base+"/portal?lang=en")
	if strings.Count(page, ">An auditor looked<") != 2 || !strings.Contains(page, "One entry of your history") ||
		!strings.Contains(page, "What is recorded under your pseudonym") {
		t.Errorf("she does not see who looked: %d times", strings.Count(page, "An auditor looked"))
	}
	look := first(t, `href="/portal/releases/([0-9a-f-]{36})"`, page)
	if one := fetch(t, own, n.base+"/portal/releases/"+look+"?lang=en"); !strings.Contains(one, "An auditor looked") ||
		strings.Contains(one, "role:auditor") {
		t.Errorf("the page of a look says %.2000s", one)
	}
	t.Run("but not by a look that tells of what the law hides from her", func(t *testing.T) { lookedAtHidden(t, n, b, her, own, pseudonym) })
}

// exportedAt: an export holds all of each event, so it is a look at the history of
// everybody who is in it, also where nobody was searched for by her pseudonym.
func exportedAt(t *testing.T, n *nation, b *http.Client) {
	her, apart := n.someone(t), n.someone(t)
	p := newParty(t, n, "app-exported")
	declaring{
		name: "Ứng dụng xuất", owner: "Cơ quan một", explanation: "Để kiểm tra hồ sơ.", life: "P30D", attributes: "civil.marital_status",
	}.register(t, n, p)
	released := p.release(t, p.tokens(t, browser(t), her, civilDetail).text("access_token"), civilRead)
	own, other := signedIn(t, n, her), signedIn(t, n, apart)
	until(t, own, n.base+"/portal/releases/"+released.text("release_id")+"/proof", p.id) // it is in a checkpoint
	search := first(t, `/console/exports\?search=([0-9a-f-]{36})`, searched(t, n, b, url.Values{"client": {p.id}}))
	a := open(
		t, b, http.MethodPost, n.base+"/console/exports", url.Values{"csrf": {csrf(t, n, b)}, "search": {search}, "reason": {"kiểm tra"}},
	)
	if !strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
		t.Fatalf("the export: %d %.300s", a.status, a.raw)
	}
	page := fetch(t, own, n.base+"/portal?lang=en")
	if strings.Count(page, ">An auditor looked<") != 1 {
		t.Errorf("she is in an export and sees %d looks", strings.Count(page, ">An auditor looked<"))
	}
	if page := fetch(t, other, n.base+"/portal?lang=en"); strings.Contains(page, ">An auditor looked<") {
		t.Error("somebody who is not in it sees it too")
	}
}

// lookedAtHidden: the record of a search says what was looked for and how much was
// found, and the person may take its proof away. So one that is about a purpose that is
// hidden, or found such a read, is hidden too.
func lookedAtHidden(t *testing.T, n *nation, b *http.Client, her *person, own *http.Client, pseudonym string) {
	looks := func() int {
		return strings.Count(fetch(t, own, n.base+"/portal?lang=en"), ">An auditor looked<")
	}
	before := looks()
	searched(t, n, b, url.Values{"pseudonym": {pseudonym}, "purpose": {"security.national"}})
	if now := looks(); now != before {
		t.Errorf("she learns that somebody asked for what is hidden")
	}
	police := newParty(t, n, "app-hidden")
	declaring{
		name: "Ứng dụng an ninh", owner: "Cơ quan một", explanation: "Để kiểm tra hồ sơ.", life: "P1D", attributes: "civil.marital_status",
		more: `
    - {purpose: security.national, legal_basis: LB-EMERGENCY-SECURITY, registry: judicial, attributes: [judicial.warrant], explanation: {vi: "Theo luật.", en: Test}, frequency: unlimited}`,
	}.register(t, n, police)
	const hidden = `"registry":"judicial","attributes":["judicial.warrant"],"purpose":"security.national"`
	tokens := police.tokens(t, own, her, `{"type":"vn_data_release",`+hidden+`}`)
	// Whether there is a record of her, or a rule against it, is all the same.
	if a := police.release(t, tokens.text("access_token"), `{`+hidden+`}`); a.status >= 500 || a.status == http.StatusUnauthorized {
		t.Fatal(a.raw)
	}
	searched(t, n, b, url.Values{"pseudonym": {pseudonym}})
	if now := looks(); now != before {
		t.Error("she learns how much was found of her, with what is hidden from her")
	}
	found := searched(t, n, b, url.Values{"pseudonym": {pseudonym}, "client": {police.id}})
	event := first(t, `/console/events/([0-9a-f-]{36})`, found)
	for _, path := range []string{"/portal/releases/" + event, "/portal/releases/" + event + "/proof"} {
		if a := open(t, own, http.MethodGet, n.base+path, nil); a.status != http.StatusNotFound {
			t.Errorf("%s answered %d", path, a.status)
		}
	}
}

// searchKept: an address holds the record of the search and nothing of it; another
// auditor's search is not found.
func searchKept(t *testing.T, n *nation, b, other *http.Client) {
	page := searched(t, n, b, url.Values{"client": {n.app.id}})
	search := first(t, `/console/exports\?search=([0-9a-f-]{36})`, page)
	for _, link := range regexp.MustCompile(`href="(/console[^"]*)"`).FindAllStringSubmatch(page, -1) {
		if strings.Contains(link[1], n.app.id) {
			t.Errorf("an address holds what was looked for: %s", link[1])
		}
	}
	event := first(t, `(/console/events/[0-9a-f-]{36}\?search=[0-9a-f-]{36})`, page)
	back := first(t, `<p class="back"><a href="([^"]+)"`, fetch(t, b, n.base+event))
	if back != "/console?search="+search || !strings.Contains(fetch(t, b, n.base+back), `value="`+n.app.id+`" selected`) {
		t.Errorf("the way back is %s", back)
	}
	if older := regexp.MustCompile(`href="(/console\?before=[^"]+)"`).FindStringSubmatch(page); older != nil {
		if next := fetch(t, b, n.base+strings.ReplaceAll(older[1], "&amp;", "&")); !strings.Contains(next, aRow) ||
			!strings.Contains(next, `rel="prev"`) {
			t.Error("the next page is empty")
		}
	}
	if form := fetch(t, b, n.base+"/console/exports?search="+search); !strings.Contains(form, n.app.id) || !strings.Contains(form, search) {
		t.Error("the export is not of the search")
	}
	for _, path := range []string{"/console?search=" + search, "/console/exports?search=" + search, "/console?search=01a22c06-d466-7e71-ad1d-8044dd48f852"} {
		if a := open(t, other, http.MethodGet, n.base+path, nil); a.status != http.StatusNotFound {
			t.Errorf("%s of another auditor answered %d", path, a.status)
		}
	}
}

func withdrawn(t *testing.T, n *nation, v *victim) {
	if a := n.app.release(t, v.token, civilRead); a.status != http.StatusOK {
		t.Fatal(a.raw)
	}
	page := n.base + "/portal/consents/" + v.consent + "/withdraw"
	a := open(t, v.browser, http.MethodPost, page, answerTo(t, fetch(t, v.browser, page), "withdraw"))
	if a.status != http.StatusOK {
		t.Fatalf("withdrawing answered %d", a.status)
	}
	a = n.app.release(t, v.token, civilRead)
	want(t, a, 403, "consent-withdrawn")
	if strings.Contains(a.raw, `"records"`) {
		t.Errorf("records came with the refusal: %s", a.raw)
	}
	if a := n.app.release(t, v.token, taxRead); a.status != http.StatusOK {
		t.Errorf("what needs no consent was refused too: %s", a.raw)
	}
}

func quietLog(t *testing.T, n *nation, v *victim) {
	log := n.logs(t)
	text := log + n.process.Output()
	for _, p := range []*person{v.who} {
		for _, secret := range []string{p.Password, p.SeedHex, v.token} {
			if strings.Contains(text, secret) {
				t.Errorf("the log holds %q", secret)
			}
		}
	}
	if found := regexp.MustCompile(`\b\d{12}\b`).FindString(log); found != "" {
		t.Errorf("the log holds the number %s", found)
	}
	if strings.Contains(log, v.who.Number) {
		t.Error("the log holds the victim's number")
	}
	for _, found := range loud(log, "ERROR") {
		t.Errorf("an attack was an internal error: %.600s", found)
	}
}
