package scenario_test

import (
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
)

// TestConsentIsWhatWasShown: an app whose registration changes between a page and its
// answer gets nothing by that answer; the person reads the new page first.
func TestConsentIsWhatWasShown(t *testing.T) { onBoth(t, consentIsWhatWasShown) }

// declaring is an app of the tests whose texts a row changes.
type declaring struct {
	name, owner, explanation, life, recipients string
	attributes                                 string
	more                                       string // further declarations, YAML
}

func (d declaring) register(t *testing.T, n *nation, p *party) {
	t.Helper()
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "%s"
  owner: {vi: "%s", en: "Agency"}
  profile: fapi2
  token_endpoint_auth_method: private_key_jwt
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token, client_credentials, "urn:ietf:params:oauth:grant-type:device_code"]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [%s], recipients: [%s], explanation: {vi: "%s", en: Test}, max_days: 30, data_life: %s, frequency: unlimited}%s
`, p.id, d.name, d.owner, p.public, p.redirect, d.attributes, d.recipients, d.explanation, d.life, d.more)
	file := filepath.Join(t.TempDir(), "app.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
}

// answerTo is the form of a page, with every box ticked, and a decision.
func answerTo(t *testing.T, page, decision string) url.Values {
	t.Helper()
	form := url.Values{"decision": {decision}}
	for _, field := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		form.Set(field[1], field[2])
	}
	for _, item := range regexp.MustCompile(`name="item" value="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		form.Add("item", item[1])
	}
	return form
}

// arrive follows redirects of ours to a page.
func arrive(t *testing.T, b *http.Client, a answer) string {
	t.Helper()
	for range 5 {
		to := a.header.Get("Location")
		if to == "" {
			break
		}
		a = open(t, b, http.MethodGet, to, nil)
	}
	if a.status != http.StatusOK {
		t.Fatalf("got %d, want a page", a.status)
	}
	return a.raw
}

// anew is the page that the form of a page leads to when it is to be answered again.
func anew(t *testing.T, n *nation, b *http.Client, a answer) answer {
	t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || !strings.HasPrefix(to, "/") {
		t.Fatalf("got %d to %q, want a page of ours again", a.status, to)
	}
	return open(t, b, http.MethodGet, n.base+to, nil)
}

func consentIsWhatWasShown(t *testing.T, n *nation) {
	as := func(change func(*declaring)) declaring {
		d := declaring{
			name: "Ứng dụng khai báo", owner: "Cơ quan một", explanation: "Để kiểm tra hồ sơ.", life: "P30D",
			attributes: "civil.marital_status",
		}
		change(&d)
		return d
	}
	for i, row := range []struct {
		name   string
		change func(*declaring)
		shows  string
	}{
		{"another purpose text", func(d *declaring) { d.explanation = "Để bán hàng." }, "Để bán hàng."},
		{"a recipient more", func(d *declaring) { d.recipients = "app-b" }, "Ứng dụng thử app-b"},
		{"kept longer", func(d *declaring) { d.life = "P90D" }, ""},
		{"another name", func(d *declaring) { d.name = "Ứng dụng đổi tên" }, "Ứng dụng đổi tên"},
		{"another agency", func(d *declaring) { d.owner = "Cơ quan hai" }, "Cơ quan hai"},
	} {
		t.Run(row.name, func(t *testing.T) {
			name := fmt.Sprintf("Ứng dụng khai báo %d", i)
			as := func(change func(*declaring)) declaring {
				return as(func(d *declaring) { d.name = name; change(d) })
			}
			p := newParty(t, n, fmt.Sprintf("app-shown-%d", i))
			as(func(*declaring) {}).register(t, n, p)
			b, who := browser(t), n.someone(t)
			signIn(t, n, b, who, "/portal")
			a := open(t, b, http.MethodGet, p.pushed(t, random()+random(), civilDetail), nil)
			page := fetch(t, b, a.header.Get("Location"))
			as(row.change).register(t, n, p)
			for _, decision := range []string{"agree", "decline"} {
				a = anew(t, n, b, open(t, b, http.MethodPost, n.base+"/consent", answerTo(t, page, decision)))
				if a.status != http.StatusConflict || !strings.Contains(a.raw, `id="changed"`) || !strings.Contains(a.raw, row.shows) {
					t.Fatalf("the old page was answered with %s: got %d to %q, want the new page: %.300s", decision, a.status, a.header.Get("Location"), a.raw)
				}
			}
			if strings.Contains(fetch(t, b, n.base+"/portal/consents"), "/withdraw") {
				t.Fatal("a consent was recorded that she never read")
			}
			a = open(t, b, http.MethodPost, n.base+"/consent", answerTo(t, a.raw, "agree"))
			if a.status != http.StatusSeeOther || !strings.HasPrefix(a.header.Get("Location"), p.redirect) {
				t.Fatalf("the new page was answered %d to %q", a.status, a.header.Get("Location"))
			}
			if !strings.Contains(fetch(t, b, n.base+"/portal/consents"), "/withdraw") {
				t.Fatal("no consent was recorded")
			}
		})
	}
}

// TestTheTermsOfEachSource: of two registers for one purpose the page says of each how
// long what is read there is kept (Decree 356/2025/NĐ-CP Art. 6).
func TestTheTermsOfEachSource(t *testing.T) {
	n := begin(t, usual())
	p := newParty(t, n, "app-terms")
	declaring{
		name: "Ứng dụng hai nguồn", owner: "Cơ quan một", explanation: "Để kiểm tra hồ sơ.", life: "P1D",
		attributes: "civil.marital_status",
		more: `
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: land, attributes: [land.area], explanation: {vi: "Để định giá.", en: Test}, max_days: 30, data_life: P3650D, frequency: unlimited}`,
	}.register(t, n, p)
	b, who := browser(t), n.someone(t)
	signIn(t, n, b, who, "/portal")
	a := open(t, b, http.MethodGet, p.pushed(t, random()+random(), civilDetail+`,{"type":"vn_data_release","registry":"land","attributes":["land.area"],"purpose":"land.mortgage"}`), nil)
	page := fetch(t, b, a.header.Get("Location"))
	for _, life := range []string{"1 ngày, sau đó phải xóa", "3650 ngày, sau đó phải xóa"} {
		if strings.Count(strings.ReplaceAll(page, "3.650", "3650"), ">"+life) != 1 {
			t.Errorf("the page does not say %q", life)
		}
	}
}

// TestAnApprovalIsOfWhatWasShown: the page that asks for another device names the app
// that was shown, or counts for nothing (RFC 8628 §3.3).
func TestAnApprovalIsOfWhatWasShown(t *testing.T) {
	n := begin(t, usual())
	p := newParty(t, n, "app-beside")
	d := declaring{
		name: "Máy tự phục vụ", owner: "Cơ quan một", explanation: "Để kiểm tra hồ sơ.", life: "P30D", attributes: "civil.marital_status",
	}
	d.register(t, n, p)
	b, who := browser(t), n.someone(t)
	signIn(t, n, b, who, "/portal")
	asked := p.begin(t, civilDetail)
	a := open(t, b, http.MethodPost, n.base+"/device", url.Values{"csrf": {csrf(t, n, b)}, "user_code": {asked.text("user_code")}})
	page := arrive(t, b, a)
	d.name = "Máy tự phục vụ của ngân hàng"
	d.register(t, n, p)
	answer := func(page string) answer {
		form := answerTo(t, page, "approve")
		form.Set("symbol", asked.text("user_code")[5:])
		return open(t, b, http.MethodPost, n.base+"/approve", form)
	}
	if a = anew(t, n, b, answer(page)); a.status != http.StatusConflict || !strings.Contains(a.raw, `id="changed"`) ||
		!strings.Contains(a.raw, d.name) {
		t.Fatalf("the old page was answered: got %d to %q, want the new page", a.status, a.header.Get("Location"))
	}
	want(t, p.poll(t, deviceGrant, asked.text("device_code")), 400, "authorization_pending")
	if a = answer(a.raw); a.status != http.StatusSeeOther || !strings.Contains(a.header.Get("Location"), "/consent?") {
		t.Fatalf("the new page was answered %d to %q", a.status, a.header.Get("Location"))
	}
}

// TestAMergeShowsWhatStays: whoever agrees to more reads what the grant holds already
// (Grant Management §3.3), and a withdrawal is of the version that was shown.
func TestAMergeShowsWhatStays(t *testing.T) {
	n := begin(t, usual())
	b, who := browser(t), n.someone(t)
	before := n.app.tokens(t, b, who, civilDetail)
	verifier := random() + random()
	form := n.app.request(verifier, taxDetail)
	form.Set("grant_management_action", "merge")
	form.Set("grant_id", before.text("grant_id"))
	form.Set("prompt", "consent")
	pushed := n.app.call(t, "/par", form)
	if pushed.status != http.StatusCreated {
		t.Fatal(pushed.raw)
	}
	a := open(
		t, b, http.MethodGet,
		n.base+"/authorize?"+url.Values{"client_id": {n.app.id}, "request_uri": {pushed.text("request_uri")}}.Encode(), nil,
	)
	page := fetch(t, b, a.header.Get("Location"))
	if kept := first(t, `(?s)id="kept"(.*?)</section></section>`, page); !strings.Contains(kept, "Tình trạng hôn nhân") {
		t.Fatalf("the page does not say what stays: %s", kept)
	}
	// The consent is withdrawn by a page that shows an older version of it: nothing
	// happens until the present one was read.
	list := first(t, `(/portal/consents/[0-9a-f-]{36}/withdraw)`, fetch(t, b, n.base+"/portal/consents"))
	old := answerTo(t, fetch(t, b, n.base+list), "withdraw")
	again := n.app.request(verifier, civilDetail)
	again.Set("prompt", "consent")
	pushed = n.app.call(t, "/par", again)
	a = open(
		t, b, http.MethodGet,
		n.base+"/authorize?"+url.Values{"client_id": {n.app.id}, "request_uri": {pushed.text("request_uri")}}.Encode(), nil,
	)
	if a = open(t, b, http.MethodPost, n.base+
		"/consent", answerTo(t, fetch(t, b, a.header.Get("Location")), "agree")); a.status != http.StatusSeeOther {
		t.Fatalf("agreeing anew: %d %.300s", a.status, a.raw)
	}
	a = open(t, b, http.MethodPost, n.base+list, old)
	if a.status != http.StatusConflict || !strings.Contains(a.raw, `id="changed"`) {
		t.Fatalf("a withdrawal of an older version: %d", a.status)
	}
	if a = open(t, b, http.MethodPost, n.base+list, answerTo(t, a.raw, "withdraw")); a.status != http.StatusOK &&
		a.status != http.StatusSeeOther {
		t.Fatalf("a withdrawal of the present version: %d", a.status)
	}
}

// TestPagesSayWhatIs: what a citizen and an auditor read is so.
func TestPagesSayWhatIs(t *testing.T) {
	n := begin(t, "")
	b, who := browser(t), n.someone(t)
	token := n.app.tokens(t, b, who, civilDetail).text("access_token")
	law := n.other.tokens(t, b, who, taxDetail).text("access_token")
	for _, a := range []answer{n.app.release(t, token, civilRead), n.other.release(t, law, taxRead)} {
		if a.status != http.StatusOK {
			t.Fatal(a.raw)
		}
	}
	t.Run("the filter has the app that reads by law", func(t *testing.T) {
		page := fetch(t, b, n.base+"/portal")
		for _, id := range []string{n.app.id, n.other.id} {
			if !strings.Contains(page, `<option value="`+id+`">`) {
				t.Errorf("%s is not in the filter", id)
			}
		}
	})
	t.Run("the command beside a proof ends green with nothing else", func(t *testing.T) {
		release := first(t, `(/portal/releases/[0-9a-f-]{36})`, fetch(t, b, n.base+"/portal"))
		page := html.UnescapeString(fetch(t, b, n.base+release))
		command := first(t, `<code>(hopnhat-verify --log-key '[^']+' hopnhat-[0-9a-f-]+\.proof)</code>`, page)
		words := strings.Fields(strings.ReplaceAll(command, "'", ""))
		file := filepath.Join(t.TempDir(), words[3])
		if err := os.WriteFile(file, []byte(proofAt(t, b, n.base+release+"/proof")), 0o600); err != nil {
			t.Fatal(err)
		}
		if out := harness.Run(t, nil, "audit", "verify", "--lang", "en", words[1], words[2], file); !strings.Contains(out, "GREEN") {
			t.Errorf("got %s", out)
		}
	})
	t.Run("the history is newest first and keeps the time of agreement", func(t *testing.T) {
		detail := first(t, `(/portal/consents/[0-9a-f-]{36})/withdraw`, fetch(t, b, n.base+"/portal/consents"))
		agreed := func() string {
			return first(t, `(?s)<dt>Đồng ý lúc</dt><dd>.*?datetime="([^"]+)"`, fetch(t, b, n.base+detail))
		}
		at := agreed()
		a := open(t, b, http.MethodPost, n.base+detail+"/withdraw", answerTo(t, fetch(t, b, n.base+detail+"/withdraw"), "withdraw"))
		if a.status != http.StatusOK && a.status != http.StatusSeeOther {
			t.Fatal(a.status)
		}
		if got := agreed(); got != at {
			t.Errorf("agreed at %s, and after the withdrawal at %s", at, got)
		}
		if !strings.Contains(fetch(t, b, n.base+"/portal/consents"), `datetime="`+at+`"`) {
			t.Error("the list has another time of agreement")
		}
		page := fetch(t, b, n.base+detail)
		if newest, oldest := strings.Index(page, "Phiên bản 2: Bạn rút lại"), strings.Index(
			page, "Phiên bản 1: Bạn đồng ý",
		); newest < 0 || oldest < newest {
			t.Errorf("version 2 at %d, version 1 at %d", newest, oldest)
		}
		if strings.Contains(first(t, `(?s)(<ol class="versions".*?</ol>)`, page), "Đang có hiệu lực") {
			t.Error("a version of a withdrawn consent is said to hold")
		}
	})
}

// TestAReadByLawIsTold: the page comes before the first read, with one button, and
// again when it says something else; silently nothing is read that was not told.
func TestAReadByLawIsTold(t *testing.T) { onBoth(t, readByLawIsTold) }

func readByLawIsTold(t *testing.T, n *nation) {
	p := newParty(t, n, "app-law")
	register := func(explanation string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "app.yaml")
		text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng theo luật"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  token_endpoint_auth_method: private_key_jwt
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: "%s", en: Test}, max_days: 30}
`, p.id, p.public, p.redirect, explanation)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.run(t, "client", "add", file)
	}
	register("Để mở hồ sơ thuế.")
	b, who := browser(t), n.someone(t)
	signIn(t, n, b, who, "/portal")
	ask := func(prompt string) answer {
		t.Helper()
		form := p.request(random()+random(), taxDetail)
		if prompt != "" {
			form.Set("prompt", prompt)
		}
		pushed := p.call(t, "/par", form)
		if pushed.status != http.StatusCreated {
			t.Fatal(pushed.raw)
		}
		return open(
			t, b, http.MethodGet,
			n.base+"/authorize?"+url.Values{"client_id": {p.id}, "request_uri": {pushed.text("request_uri")}}.Encode(), nil,
		)
	}
	there := func(when string, a answer, with string) {
		t.Helper()
		if to := a.header.Get("Location"); !strings.HasPrefix(to, p.redirect) || !strings.Contains(to, with) {
			t.Fatalf("%s: got %d to %q, want the app with %s", when, a.status, to, with)
		}
	}
	there("silently, untold", ask("none"), "error=interaction_required")
	page := arrive(t, b, ask(""))
	if !strings.Contains(page, "Dữ\u00a0liệu được cung\u00a0cấp theo luật") || !strings.Contains(page, "Để mở hồ sơ thuế.") ||
		strings.Count(page, `name="decision"`) != 1 || strings.Contains(page, "checkbox") {
		t.Fatalf("the page is not the one that tells: %.2000s", page)
	}
	there("the button", open(t, b, http.MethodPost, n.base+"/consent", answerTo(t, page, "agree")), "code=")
	there("told", ask(""), "code=")
	there("silently, told", ask("none"), "code=")
	register("Để tính lệ phí trước bạ.")
	if page := arrive(t, b, ask("")); !strings.Contains(page, "Để tính lệ phí trước bạ.") {
		t.Fatalf("what is said otherwise is not told again: %.2000s", page)
	}
}

// TestAWithdrawalIsTold: what the withdraw page promises happens: the app is sent a
// signed notice, in the commit of the withdrawal, and the person sees where it stands.
func TestAWithdrawalIsTold(t *testing.T) { onBoth(t, withdrawalIsTold) }

func withdrawalIsTold(t *testing.T, n *nation) {
	type pushed struct{ kind, token string }
	notices := make(chan pushed, 4)
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		notices <- pushed{r.Header.Get("Content-Type"), string(raw)}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer app.Close()
	p := newParty(t, n, "app-told")
	file := filepath.Join(t.TempDir(), "app.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng được báo"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  token_endpoint_auth_method: private_key_jwt
  jwks: %s
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token]
  scope: openid
  minimum_level: 2
  consent_notice_uri: %s/notices
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
`, p.id, p.public, p.redirect, app.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	b, who := browser(t), n.someone(t)
	tokens := p.tokens(t, b, who, civilDetail)
	details, _ := tokens.body["authorization_details"].([]any)
	granted, _ := details[0].(map[string]any)
	detail := first(t, `(/portal/consents/[0-9a-f-]{36})/withdraw`, fetch(t, b, n.base+"/portal/consents"))
	page := fetch(t, b, n.base+detail+"/withdraw")
	if !strings.Contains(page, "Dịch vụ được báo ngay") {
		t.Error("the page does not say that the service is told")
	}
	if a := open(t, b, http.MethodPost, n.base+detail+"/withdraw", answerTo(t, page, "withdraw")); a.status != http.StatusOK &&
		a.status != http.StatusSeeOther {
		t.Fatalf("withdrawing answered %d", a.status)
	}
	select {
	case got := <-notices:
		claims := n.opened(t, got.token)
		events, _ := claims["events"].(map[string]any)
		event, _ := events["urn:vn:gov:eid:event:consent-withdrawn"].(map[string]any)
		if got.kind != "application/secevent+jwt" || claims["aud"] != p.id ||
			claims["sub"] != n.opened(t, tokens.text("id_token"))["sub"] || claims["exp"] != nil ||
			event["consent_reference"] != granted["consent_reference"] || event["purpose"] != "land.mortgage" ||
			event["registry"] != "civil" || event["process_by"] == nil {
			t.Errorf("the notice is %s %v, of %v", got.kind, claims, granted)
		}
	case <-ctx(t).Done():
		t.Fatal("no notice came")
	}
	if page := fetch(t, b, n.base+detail); !strings.Contains(page, "Thông báo cho dịch vụ") {
		t.Error("she does not see where the notice stands")
	}
	// An app without an address cannot be told, and the page does not say so.
	n.app.tokens(t, b, who, civilDetail)
	other := first(t, `(/portal/consents/[0-9a-f-]{36}/withdraw)`, fetch(t, b, n.base+"/portal/consents"))
	if page := fetch(t, b, n.base+other); strings.Contains(page, "Dịch vụ được báo ngay") ||
		!strings.Contains(page, "chưa đăng ký nơi nhận thông báo") {
		t.Error("the page promises a notice that nobody can take")
	}
}
