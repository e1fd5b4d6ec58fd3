package scenario_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/scenario/clients"
)

const (
	deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"
	cibaGrant   = "urn:openid:params:grant-type:ciba"
)

// decoupledApps registers a television (oidc, device and CIBA poll) and a counter
// (fapi-ciba, ping), whose pings come out of the channel.
func decoupledApps(t *testing.T, n *nation) (tv, counter *party, pings chan ping) {
	t.Helper()
	tv, counter = newParty(t, n, "app-tv"), newParty(t, n, "app-counter")
	pings = make(chan ping, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		_ = json.NewDecoder(r.Body).Decode(&body)
		id, _ := body["auth_req_id"].(string)
		pings <- ping{r.Header.Get("Authorization"), id, len(body), r.Header.Get("Content-Type")}
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(receiver.Close)
	file := filepath.Join(t.TempDir(), "decoupled.yaml")
	text := fmt.Sprintf(`
- client_id: app-tv
  client_name: Truyền hình thử
  client_name#en: Test television
  owner: {vi: Cơ quan thử, en: Test agency}
  profile: oidc
  token_endpoint_auth_method: private_key_jwt
  dpop_bound_access_tokens: true
  id_token_signed_response_alg: ES256
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token, %s, %s]
  backchannel_token_delivery_mode: poll
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
- client_id: app-counter
  client_name: Quầy thử
  client_name#en: Test counter
  owner: {vi: Cơ quan thử, en: Test agency}
  profile: fapi-ciba
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [%s]
  response_types: []
  backchannel_token_delivery_mode: ping
  backchannel_client_notification_endpoint: %s/ping
  backchannel_authentication_request_signing_alg: ES256
  scope: openid
`, tv.public, tv.redirect, deviceGrant, cibaGrant, counter.public, counter.redirect, cibaGrant, receiver.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	return tv, counter, pings
}

type ping struct {
	authorization, id string
	members           int
	media             string
}

// answerAt lets a person go from a page of ours to the end of a decoupled request,
// and tells how it ended.
func (n *nation) answerAt(t *testing.T, b *http.Client, start string, who clients.Person) string {
	t.Helper()
	end, err := clients.SignIn(ctx(t), b, start, n.base+"/approve/done", who)
	if err != nil {
		t.Fatal(err)
	}
	return end.Query().Get("result")
}

var requestLink = regexp.MustCompile(`href="(/authorize/resume\?a=[^"]+)"`)

// waiting are the requests on a person's page; she is signed in by the visit.
func (n *nation) waiting(t *testing.T, b *http.Client, who *person) []string {
	t.Helper()
	page := n.base + "/portal/requests"
	if _, err := clients.SignIn(ctx(t), b, n.base+"/signin?"+
		url.Values{"next": {"/portal/requests"}}.Encode(), page, who.atTheBrowser()); err != nil {
		t.Fatal(err)
	}
	return n.listed(t, b)
}

func (n *nation) listed(t *testing.T, b *http.Client) []string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/portal/requests", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var raw strings.Builder
	if _, err := io.Copy(&raw, response.Body); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("the page of requests answered %d, %v", response.StatusCode, err)
	}
	var out []string
	for _, m := range requestLink.FindAllStringSubmatch(raw.String(), -1) {
		out = append(out, n.base+strings.ReplaceAll(m[1], "&amp;", "&"))
	}
	return out
}

func (p *party) poll(t *testing.T, grant, code string) answer {
	t.Helper()
	name := "device_code"
	if grant == cibaGrant {
		name = "auth_req_id"
	}
	return p.call(t, "/token", url.Values{"grant_type": {grant}, name: {code}})
}

// TestDecoupled: RFC 8628 and CIBA from end to end, and what is refused.
func TestDecoupled(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		tv, counter, pings := decoupledApps(t, n)
		t.Run("metadata", func(t *testing.T) { decoupledMetadata(t, n) })
		t.Run("a device", func(t *testing.T) { deviceJourney(t, n, tv) })
		t.Run("a device of profile oidc", func(t *testing.T) { deviceLegacy(t, n) })
		t.Run("a locked account", func(t *testing.T) { deviceLocked(t, n, tv) })
		t.Run("a device that is denied", func(t *testing.T) { deviceDenied(t, n, tv) })
		t.Run("the device endpoint refuses", func(t *testing.T) { deviceRefusals(t, n, tv) })
		t.Run("CIBA poll", func(t *testing.T) { cibaPoll(t, n, tv) })
		t.Run("CIBA ping", func(t *testing.T) { cibaPing(t, n, counter, pings) })
		t.Run("CIBA does not tell who is known", func(t *testing.T) { cibaSilence(t, n, tv) })
		t.Run("CIBA refuses", func(t *testing.T) { cibaRefusals(t, n, tv) })
		t.Run("signed authentication requests", func(t *testing.T) { cibaSigned(t, n, counter) })
	})
}

// decoupledMetadata: RFC 8628 §4, CIBA Core §4.
func decoupledMetadata(t *testing.T, n *nation) {
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	a := send(t, r)
	for name, want := range map[string]string{
		"device_authorization_endpoint": n.base + "/device_authorization", "backchannel_authentication_endpoint": n.base + "/bc-authorize",
		"backchannel_token_delivery_modes_supported": "[poll ping]", "backchannel_user_code_parameter_supported": "false",
	} {
		if got := fmt.Sprint(a.body[name]); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	if got := fmt.Sprint(a.body["grant_types_supported"]); !strings.Contains(got, deviceGrant) || !strings.Contains(got, cibaGrant) {
		t.Errorf("grant_types_supported is %s", got)
	}
}

func (p *party) begin(t *testing.T, details string) answer {
	t.Helper()
	form := url.Values{"scope": {"openid"}}
	if details != "" {
		form.Set("authorization_details", "["+details+"]")
	}
	a := p.call(t, "/device_authorization", form)
	if a.status != http.StatusOK {
		t.Fatalf("the device endpoint answered %d: %s", a.status, a.raw)
	}
	return a
}

func deviceJourney(t *testing.T, n *nation, tv *party) {
	a := tv.begin(t, civilDetail)
	code, shown := a.text("device_code"), a.text("user_code")
	if !regexp.MustCompile(`^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$`).MatchString(shown) || a.text("verification_uri") != n.base+"/device" ||
		a.text("verification_uri_complete") != n.base+"/device?user_code="+shown || // RFC 8628 §3.2, §3.3.1
		a.body["interval"] != 5.0 ||
		a.body["expires_in"] != 600.0 {
		t.Fatalf("the device endpoint answered %s", a.raw)
	}
	tooFast(t, n, tv, deviceGrant, code)
	want(t, n.app.call(t, "/token", url.Values{"grant_type": {deviceGrant}, "device_code": {code}}), 400, "unauthorized_client")

	who, b := n.someone(t), browser(t)
	typing := who.atTheBrowser()
	// RFC 8628 §6.1: case and dashes do not matter.
	typing.UserCode, typing.Symbol = strings.ToLower(strings.ReplaceAll(shown, "-", " ")), shown[5:]
	if result := n.answerAt(t, b, a.text("verification_uri"), typing); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	tokens := tv.poll(t, deviceGrant, code)
	if tokens.status != http.StatusOK || tokens.text("token_type") != "DPoP" || tokens.text("refresh_token") == "" ||
		tokens.text("scope") != "openid" {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	id := n.opened(t, tokens.text("id_token"))
	if id["aud"] != tv.id || id["sid"] == nil || id["auth_time"] == nil {
		t.Errorf("the ID token is %v", id)
	}
	want(t, tv.poll(t, deviceGrant, code), 400, "invalid_grant") // once
	if info := tv.resource(t, http.MethodGet, "/userinfo", tokens.text("access_token"), "", nil); info.status != http.StatusOK ||
		info.text("sub") != id["sub"] {
		t.Errorf("UserInfo answered %d: %s", info.status, info.raw)
	}
	if got := tv.release(t, tokens.text("access_token"), `{"registry":"civil","purpose":"land.mortgage","attributes":["civil.marital_status"]}`); got.status != http.StatusOK {
		t.Errorf("the consent of the phone does not hold at the broker: %d: %s", got.status, got.raw)
	}
	if refreshed := tv.refresh(t, tokens.text("refresh_token")); refreshed.status != http.StatusOK {
		t.Errorf("the refresh answered %d: %s", refreshed.status, refreshed.raw)
	}
	// The code in the address is asked for all the same, and a known person is not
	// asked for consent again.
	again := tv.begin(t, civilDetail)
	known := who.atTheBrowser()
	known.OTP, known.Symbol = nil, again.text("user_code")[5:]
	if result := n.answerAt(t, b, again.text("verification_uri_complete"), known); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	if tokens := tv.poll(t, deviceGrant, again.text("device_code")); tokens.status != http.StatusOK {
		t.Errorf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
}

// legacyTV registers a device of profile oidc with a client secret.
func (n *nation) legacyTV(t *testing.T, id string, level int) (call func(path string, form url.Values) answer) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "legacy.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: Truyền hình cũ %d
  owner: {vi: Cơ quan thử, en: Test agency}
  profile: oidc
  token_endpoint_auth_method: client_secret_post
  grant_types: [%s]
  response_types: []
  sector: tivi-cu.example
  minimum_level: %d
`, id, level, deviceGrant, level)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`client_secret: (\S+)`).FindStringSubmatch(n.run(t, "client", "add", file))
	if secret == nil {
		t.Fatal("no secret was printed")
	}
	p := &party{n: n, id: id}
	return func(path string, form url.Values) answer {
		form.Set("client_id", id)
		form.Set("client_secret", secret[1])
		return p.post(t, path, form)
	}
}

func deviceLegacy(t *testing.T, n *nation) {
	who, b := n.someone(t), browser(t)
	for _, row := range []struct {
		name   string
		level  int
		result string
	}{{"level 2", 2, "approved"}, {"a level that she cannot reach", 3, "unreachable"}} {
		t.Run(row.name, func(t *testing.T) {
			call := n.legacyTV(t, fmt.Sprintf("tivi-cu-%d", row.level), row.level)
			a := call("/device_authorization", url.Values{"scope": {"openid"}})
			if a.status != http.StatusOK {
				t.Fatalf("the device endpoint answered %d: %s", a.status, a.raw)
			}
			p := who.atTheBrowser()
			p.UserCode, p.Symbol = a.text("user_code"), a.text("user_code")[5:]
			if result := n.answerAt(t, b, n.base+"/device", p); result != row.result {
				t.Fatalf("it ended %q, want %q", result, row.result)
			}
			tokens := call("/token", url.Values{"grant_type": {deviceGrant}, "device_code": {a.text("device_code")}})
			if row.result != "approved" {
				want(t, tokens, 400, "access_denied")
			} else if tokens.status != http.StatusOK || tokens.text("token_type") != "Bearer" || tokens.text("refresh_token") != "" {
				t.Errorf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
			}
		})
	}
}

// deviceLocked: whom a lock has signed out confirms nothing any more.
func deviceLocked(t *testing.T, n *nation, tv *party) {
	who, b := n.someone(t), browser(t)
	a := tv.ask(t, url.Values{"login_hint": {who.Number}})
	list := n.waiting(t, b, who)
	if len(list) != 1 {
		t.Fatalf("%d requests wait for her", len(list))
	}
	n.run(t, "account", "lock", who.Number)
	picking := who.atTheBrowser()
	picking.Symbol = a.text("binding_number")
	if end, err := clients.SignIn(ctx(t), b, list[0], n.base+"/approve/done", picking); err == nil {
		t.Errorf("a locked account answered: %s", end)
	}
	want(t, tv.poll(t, cibaGrant, a.text("auth_req_id")), 400, "authorization_pending")
}

func deviceDenied(t *testing.T, n *nation, tv *party) {
	who, b := n.someone(t), browser(t)
	for _, row := range []struct {
		name, details, result string
		change                func(p *clients.Person, symbol string)
	}{
		{"RFC 8628 §3.5: she says no", "", "declined", func(p *clients.Person, symbol string) { p.Symbol, p.Decline = symbol, true }},
		{"she did not ask for it", "", "not_me", func(p *clients.Person, symbol string) { p.NotMe = true }},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := tv.begin(t, row.details)
			p := who.atTheBrowser()
			p.UserCode = a.text("user_code")
			row.change(&p, a.text("user_code")[5:])
			if result := n.answerAt(t, b, n.base+"/device", p); result != row.result {
				t.Errorf("it ended %q, want %q", result, row.result)
			}
			want(t, tv.poll(t, deviceGrant, a.text("device_code")), 400, "access_denied")
			if _, err := clients.SignIn(ctx(t), b, n.base+"/device", n.base+"/approve/done", p); err == nil {
				t.Error("the code of a denied request is taken")
			}
		})
	}
	t.Run("a wrong code picked", func(t *testing.T) {
		a := tv.begin(t, "")
		p := who.atTheBrowser()
		p.UserCode, p.Symbol = a.text("user_code"), n.decoy(t, b, a)
		if result := n.answerAt(t, b, n.base+"/device", p); result != "wrong_symbol" {
			t.Errorf("it ended %q", result)
		}
		want(t, tv.poll(t, deviceGrant, a.text("device_code")), 400, "access_denied")
	})
	t.Run("consent declined", func(t *testing.T) {
		a := tv.begin(t, civilDetail)
		p := who.atTheBrowser()
		p.UserCode, p.Symbol = a.text("user_code"), a.text("user_code")[5:]
		if _, err := clients.SignIn(ctx(t), b, n.base+"/device", n.base+"/consent", p); err != nil {
			t.Fatal(err)
		}
		p.Decline = true
		if result := n.answerAt(t, b, n.base+"/device", p); result != "declined" {
			t.Errorf("it ended %q", result)
		}
		want(t, tv.poll(t, deviceGrant, a.text("device_code")), 400, "access_denied")
	})
}

var symbolValue = regexp.MustCompile(`name="symbol" value="([^"]+)"`)

// decoy is a symbol of the page that is not the device's.
func (n *nation) decoy(t *testing.T, b *http.Client, a answer) string {
	t.Helper()
	p := clients.Person{UserCode: a.text("user_code")}
	end, err := clients.SignIn(ctx(t), b, n.base+"/device", n.base+"/approve", p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, end.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var raw strings.Builder
	if _, err := io.Copy(&raw, response.Body); err != nil {
		t.Fatal(err)
	}
	found := symbolValue.FindAllStringSubmatch(raw.String(), -1)
	if len(found) != 3 || strings.Contains(raw.String(), a.text("user_code")) {
		t.Fatalf("the page offers %v, or shows the whole code", found)
	}
	for _, m := range found {
		if m[1] != a.text("user_code")[5:] {
			return m[1]
		}
	}
	return ""
}

func deviceRefusals(t *testing.T, n *nation, tv *party) {
	for _, row := range []struct {
		name   string
		form   url.Values
		status int
		code   string
	}{
		{"RFC 6749 §3.3: a scope that nobody knows, alone", url.Values{"scope": {"admin"}}, 400, "invalid_scope"},
		{"RFC 6749 §3.3: nothing asked for", url.Values{}, 400, "invalid_scope"},
		{"RFC 9396 §5: not JSON", url.Values{"authorization_details": {"{"}}, 400, "invalid_authorization_details"},
		{"RFC 8707 §2: unknown resource", url.Values{"scope": {"openid"}, "resource": {"https://elsewhere.example"}}, 400, "invalid_target"},
		{"RFC 8628 §3.1: wrong client authentication", url.Values{"scope": {"openid"}, "client_assertion": {"x"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}, 401, "invalid_client"},
	} {
		t.Run(row.name, func(t *testing.T) { want(t, tv.call(t, "/device_authorization", row.form), row.status, row.code) })
	}
	t.Run("not registered for the grant", func(t *testing.T) {
		want(t, n.app.call(t, "/device_authorization", url.Values{"scope": {"openid"}}), 400, "unauthorized_client")
	})
	good := tv.begin(t, "").text("device_code")
	for _, row := range []struct{ name, grant, code, want string }{
		{"RFC 8628 §3.4: device_code missing", deviceGrant, "", "invalid_request"},
		{"a made-up device_code", deviceGrant, "hnq." + random() + random()[:11] + "." + random(), "invalid_grant"},
		{"an altered device_code", deviceGrant, good[:len(good)-1] + "_", "invalid_grant"},
		{"a device_code as auth_req_id", cibaGrant, good, "invalid_grant"},
	} {
		t.Run(row.name, func(t *testing.T) { want(t, tv.poll(t, row.grant, row.code), 400, row.want) })
	}
	t.Run("RFC 6749 §5.2: a code nobody has", func(t *testing.T) {
		if _, err := clients.SignIn(ctx(t), browser(t), n.base+"/device", n.base+
			"/approve", clients.Person{UserCode: "BBBB-BBBB"}); err == nil || !strings.Contains(err.Error(), "422") {
			t.Errorf("it went on: %v", err)
		}
	})
}

func (p *party) ask(t *testing.T, form url.Values) answer {
	t.Helper()
	if form.Get("scope") == "" {
		form.Set("scope", "openid")
	}
	a := p.call(t, "/bc-authorize", form)
	if a.status != http.StatusOK || a.text("auth_req_id") == "" || a.text("binding_number") == "" {
		t.Fatalf("the backchannel endpoint answered %d: %s", a.status, a.raw)
	}
	return a
}

// tooFast polls until it is told to slow down, which each node does by itself the
// second time it is asked: of two, one has been asked twice after three polls.
func tooFast(t *testing.T, n *nation, tv *party, grant, code string) {
	t.Helper()
	a := tv.poll(t, grant, code)
	want(t, a, 400, "authorization_pending")
	if a = tv.poll(t, grant, code); n.second != nil && a.text("error") == "authorization_pending" {
		a = tv.poll(t, grant, code)
	}
	want(t, a, 400, "slow_down")
}

func cibaPoll(t *testing.T, n *nation, tv *party) {
	who, b := n.someone(t), browser(t)
	a := tv.ask(t, url.Values{"login_hint": {who.Number}, "authorization_details": {"[" + civilDetail + "]"}, "requested_expiry": {"120"}})
	if a.body["expires_in"] != 120.0 || a.body["interval"] != 5.0 {
		t.Errorf("it answered %s", a.raw)
	}
	code := a.text("auth_req_id")
	tooFast(t, n, tv, cibaGrant, code)
	list := n.waiting(t, b, who)
	if len(list) != 1 {
		t.Fatalf("%d requests wait for her", len(list))
	}
	// Another person who gets hold of the link is none the wiser.
	stranger, other := n.someone(t), browser(t)
	if len(n.waiting(t, other, stranger)) != 0 {
		t.Error("another person's page lists the request")
	}
	picking := who.atTheBrowser()
	picking.OTP, picking.Symbol = nil, a.text("binding_number")
	if result := n.answerAt(t, b, list[0], picking); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	tokens := tv.poll(t, cibaGrant, code)
	if tokens.status != http.StatusOK || tokens.text("refresh_token") == "" {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	id := n.opened(t, tokens.text("id_token"))
	if id["urn:openid:params:jwt:claim:auth_req_id"] != nil { // CIBA Core §10.3.1: of push
		t.Error("the ID token names the request, which is of mode push only")
	}
	want(t, tv.poll(t, cibaGrant, code), 400, "invalid_grant")
	if len(n.listed(t, b)) != 0 {
		t.Error("an answered request is still listed")
	}
	// The ID token names her from now on.
	second := tv.ask(t, url.Values{"id_token_hint": {tokens.text("id_token")}, "binding_message": {"Quầy 7, số 4821"}})
	if second.text("binding_number") != "4821" {
		t.Errorf("the number of the message is not the one to pick: %s", second.raw)
	}
	list = n.listed(t, b)
	if len(list) != 1 {
		t.Fatalf("%d requests wait for her", len(list))
	}
	picking.Symbol = "4821"
	if result := n.answerAt(t, b, list[0], picking); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	if tokens := tv.poll(t, cibaGrant, second.text("auth_req_id")); tokens.status != http.StatusOK {
		t.Errorf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	hint := sign(t, jose.JSONWebKey{Key: tv.key, KeyID: tv.kid}, (&jose.SignerOptions{}).WithType("JWT"), map[string]any{
		"iss": tv.id, "aud": n.base, "exp": time.Now().Add(time.Minute).Unix(), "sub_id": map[string]any{"format": "iss_sub", "iss": n.base, "sub": id["sub"]},
	})
	tv.ask(t, url.Values{"login_hint_token": {hint}})
	if list = n.listed(t, b); len(list) != 1 {
		t.Errorf("%d requests wait for whom the login_hint_token names", len(list))
	}
}

// signedAsk is a signed authentication request; with changes a claim, nil takes one
// out.
func (p *party) signedAsk(t *testing.T, with map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": p.id, "aud": p.n.base, "iat": time.Now().Unix(), "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(), "jti": random(),
		"scope": "openid", "client_notification_token": random(),
	}
	for k, v := range with {
		if v == nil {
			delete(claims, k)
		} else {
			claims[k] = v
		}
	}
	return sign(t, jose.JSONWebKey{Key: p.key, KeyID: p.kid}, (&jose.SignerOptions{}).WithType("JWT"), claims)
}

func cibaPing(t *testing.T, n *nation, counter *party, pings chan ping) {
	who, b := n.someone(t), browser(t)
	ask := func() (answer, string) {
		token := random()
		// CIBA Core §7.1.1: requested_expiry may be a string.
		a := counter.call(t, "/bc-authorize", url.Values{"request": {counter.signedAsk(t, map[string]any{
			"login_hint": who.Number, "client_notification_token": token, "requested_expiry": "300",
		})}})
		if a.status != http.StatusOK || a.body["expires_in"] != 300.0 {
			t.Fatalf("the backchannel endpoint answered %d: %s", a.status, a.raw)
		}
		return a, token
	}
	rang := func(a answer, token string) {
		t.Helper()
		select {
		case got := <-pings:
			if got.authorization != "Bearer "+token || got.id != a.text("auth_req_id") || got.members != 1 ||
				got.media != "application/json" {
				t.Errorf("the ping was %+v", got)
			}
		case <-ctx(t).Done():
			t.Fatal("no ping came")
		}
	}
	a, token := ask()
	want(t, counter.poll(t, cibaGrant, a.text("auth_req_id")), 400, "authorization_pending")
	list := n.waiting(t, b, who)
	if len(list) != 1 {
		t.Fatalf("%d requests wait for her", len(list))
	}
	picking := who.atTheBrowser()
	picking.OTP, picking.Symbol = nil, a.text("binding_number")
	if result := n.answerAt(t, b, list[0], picking); result != "approved" {
		t.Fatalf("it ended %q", result)
	}
	n.listed(t, b) // any page: the end page is not opened by the driver
	rang(a, token)
	if tokens := counter.poll(t, cibaGrant, a.text("auth_req_id")); tokens.status != http.StatusOK || tokens.text("refresh_token") != "" {
		t.Errorf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	a, token = ask()
	picking.NotMe = true
	if result := n.answerAt(t, b, n.listed(t, b)[0], picking); result != "not_me" {
		t.Fatalf("it ended %q", result)
	}
	rang(a, token)
	want(t, counter.poll(t, cibaGrant, a.text("auth_req_id")), 400, "access_denied")
	// An app that she disowned does not reach her for a while, and is not told.
	a, _ = ask()
	if list := n.listed(t, b); len(list) != 0 {
		t.Errorf("%d requests of an app she disowned wait for her", len(list))
	}
	want(t, counter.poll(t, cibaGrant, a.text("auth_req_id")), 400, "authorization_pending")
}

// cibaSilence: of a number that nobody has and of a person who is asked much the
// answers are the same, one by one.
func cibaSilence(t *testing.T, n *nation, tv *party) {
	who, b := n.someone(t), browser(t)
	for range 3 {
		tv.ask(t, url.Values{"login_hint": {who.Number}})
	}
	for name, number := range map[string]string{"a stranger": "099999999999", "one who is asked much already": who.Number} {
		t.Run(name, func(t *testing.T) {
			a := tv.ask(t, url.Values{"login_hint": {number}, "requested_expiry": {"1"}})
			if len(a.body) != 4 || a.body["expires_in"] != 1.0 {
				t.Errorf("it answered %s", a.raw)
			}
			for {
				got := tv.poll(t, cibaGrant, a.text("auth_req_id"))
				if code := got.text("error"); code != "authorization_pending" && code != "slow_down" {
					want(t, got, 400, "expired_token")
					return
				}
			}
		})
	}
	// What was answered with 200 is where she looks for it (CIBA Core §7.3), and the
	// one that expired is not.
	if list := n.waiting(t, b, who); len(list) != 3 {
		t.Errorf("%d requests of one app wait for her, want 3", len(list))
	}
}

func cibaRefusals(t *testing.T, n *nation, tv *party) {
	expired := sign(t, jose.JSONWebKey{Key: tv.key, KeyID: tv.kid}, (&jose.SignerOptions{}).WithType("JWT"), map[string]any{
		"iss": tv.id, "aud": n.base, "exp": time.Now().Add(-time.Minute).Unix(), "sub_id": map[string]any{"format": "opaque", "id": "099000000001"},
	})
	foreign := sign(t, jose.JSONWebKey{Key: n.other.key, KeyID: n.other.kid}, (&jose.SignerOptions{}).WithType("JWT"), map[string]any{
		"iss": tv.id, "aud": n.base, "exp": time.Now().Add(time.Minute).Unix(), "sub_id": map[string]any{"format": "opaque", "id": "099000000001"},
	})
	for _, row := range []struct {
		name, parameter, value, code string
	}{
		{"CIBA Core §7.1: scope without openid", "scope", "offline_access", "invalid_scope"},
		{"CIBA Core §7.1: no hint", "login_hint", "", "invalid_request"},
		{"CIBA Core §7.1: two hints", "id_token_hint", "x", "invalid_request"},
		{"CIBA Core §13: a hint that is no number", "login_hint", "an@example.vn", "unknown_user_id"},
		{"CIBA Core §7.1: binding_message too long", "binding_message", strings.Repeat("1", 65), "invalid_binding_message"},
		{"CIBA Core §13: binding_message with markup", "binding_message", "<b>42</b>", "invalid_binding_message"},
		{"a binding_message that turns the reading direction", "binding_message", "42 \u202e24", "invalid_binding_message"},
		{"user_code is not offered", "user_code", "1234", "invalid_request"},
		{"CIBA Core §7.1: requested_expiry zero", "requested_expiry", "0", "invalid_request"},
		{"CIBA Core §7.1: requested_expiry no number", "requested_expiry", "soon", "invalid_request"},
		{"CIBA Core §7.1.1: request_uri", "request_uri", "https://app.example/r", "invalid_request"},
		{"CIBA Core §7.1.1: an unsigned request", "request", "eyJhbGciOiJub25lIn0.e30.", "invalid_request"},
		{"RFC 9396 §5: unknown type", "authorization_details", `[{"type":"payment"}]`, "invalid_authorization_details"},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}
			form.Set(row.parameter, row.value)
			want(t, tv.call(t, "/bc-authorize", form), 400, row.code)
		})
	}
	for _, row := range []struct{ name, token, code string }{
		{"CIBA Core §13: login_hint_token expired", expired, "expired_login_hint_token"},
		{"login_hint_token by another key", foreign, "invalid_request"},
		{"a client assertion as login_hint_token", tv.assertion(t, nil), "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			want(t, tv.call(t, "/bc-authorize", url.Values{"scope": {"openid"}, "login_hint_token": {row.token}}), 400, row.code)
		})
	}
	t.Run("not registered for the grant", func(t *testing.T) {
		want(t, n.app.call(t, "/bc-authorize", url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}), 400, "unauthorized_client")
	})
	t.Run("CIBA Core §11: another app's auth_req_id", func(t *testing.T) {
		code := tv.ask(t, url.Values{"login_hint": {"099000000001"}}).text("auth_req_id")
		want(t, n.app.call(t, "/token", url.Values{"grant_type": {cibaGrant}, "auth_req_id": {code}}), 400, "unauthorized_client")
	})
}

func cibaSigned(t *testing.T, n *nation, counter *party) {
	other := newParty(t, n, counter.id)
	hinted := func(with map[string]any) string {
		if with == nil {
			with = map[string]any{}
		}
		if _, set := with["login_hint"]; !set {
			with["login_hint"] = "099000000001"
		}
		return counter.signedAsk(t, with)
	}
	for _, row := range []struct{ name, object string }{
		{"FAPI-CIBA §5.2.2: not signed at all", ""},
		{"a signature by another key", other.signedAsk(t, map[string]any{"login_hint": "099000000001"})},
		{"CIBA Core §7.1.1: no iss", hinted(map[string]any{"iss": nil})},
		{"CIBA Core §7.1.1: iss of another app", hinted(map[string]any{"iss": "app-a"})},
		{"CIBA Core §7.1.1: no aud", hinted(map[string]any{"aud": nil})},
		{"CIBA Core §7.1.1: aud of another", hinted(map[string]any{"aud": "https://other.example"})},
		{"CIBA Core §7.1.1: no exp", hinted(map[string]any{"exp": nil})},
		{"CIBA Core §7.1.1: expired", hinted(map[string]any{"exp": time.Now().Add(-time.Minute).Unix()})},
		{"FAPI-CIBA §5.2.2: exp 70 minutes after nbf", hinted(map[string]any{"exp": time.Now().Add(70 * time.Minute).Unix()})},
		{"CIBA Core §7.1.1: no nbf", hinted(map[string]any{"nbf": nil})},
		{"nbf ahead", hinted(map[string]any{"nbf": time.Now().Add(4 * time.Minute).Unix()})},
		{"FAPI-CIBA §5.2.2: nbf 70 minutes ago", hinted(map[string]any{"nbf": time.Now().Add(-70 * time.Minute).Unix()})},
		{"CIBA Core §7.1.1: no iat", hinted(map[string]any{"iat": nil})},
		{"CIBA Core §7.1.1: no jti", hinted(map[string]any{"jti": nil})},
		{"a request inside a request", hinted(map[string]any{"request": "x"})},
		{"a client assertion inside", hinted(map[string]any{"client_assertion": "x"})},
		{"CIBA Core §7.1: ping without client_notification_token", hinted(map[string]any{"client_notification_token": nil})},
		{"CIBA Core §7.1: client_notification_token too long", hinted(map[string]any{"client_notification_token": strings.Repeat("a", 1025)})},
		{"CIBA Core §7.1: client_notification_token too short", hinted(map[string]any{"client_notification_token": "short"})},
		{"RFC 6750 §2.1: client_notification_token with a space", hinted(map[string]any{"client_notification_token": "a b" + random()})},
		{"alg none", "eyJhbGciOiJub25lIn0." + strings.Split(hinted(nil), ".")[1] + "."},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}
			if row.object != "" {
				form = url.Values{"request": {row.object}}
			}
			want(t, counter.call(t, "/bc-authorize", form), 400, "invalid_request")
		})
	}
	t.Run("CIBA Core §7.1.1: a parameter beside the signed request", func(t *testing.T) {
		want(t, counter.call(t, "/bc-authorize", url.Values{"request": {hinted(nil)}, "binding_message": {"42"}}), 400, "invalid_request")
	})
	t.Run("CIBA Core §7.1.1: the same request twice", func(t *testing.T) {
		object := hinted(map[string]any{"login_hint": "099999999999"})
		if a := counter.call(t, "/bc-authorize", url.Values{"request": {object}}); a.status != http.StatusOK {
			t.Fatalf("it answered %d: %s", a.status, a.raw)
		}
		want(t, counter.call(t, "/bc-authorize", url.Values{"request": {object}}), 400, "invalid_request")
	})
}

// TestUserCodesAreNotGuessed: RFC 8628 §5.1.
func TestUserCodesAreNotGuessed(t *testing.T) {
	n := begin(t, usual(), "--address-burst", "3")
	// At once, since an address may try again every 2 s, and so many that each node of
	// two is asked more often than it lets.
	tries := make(chan error, 20)
	for range cap(tries) {
		b := browser(t)
		go func() {
			_, err := clients.SignIn(ctx(t), b, n.base+"/device", n.base+"/approve", clients.Person{UserCode: "BBBB-BBBB"})
			tries <- err
		}()
	}
	refused := 0
	for range cap(tries) {
		if strings.Contains(fmt.Sprint(<-tries), "429") {
			refused++
		}
	}
	if refused == 0 {
		t.Errorf("of %d tries at once from one address none is refused", cap(tries))
	}
}
