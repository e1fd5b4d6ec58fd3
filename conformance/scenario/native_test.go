package scenario_test

import (
	"crypto"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// desktop is an app on a person's own machine, as AppAuth makes them (RFC 8252): it opens
// the person's own browser, waits on whatever loopback port is free, and has no secret.
type desktop struct {
	*party
	heard chan url.Values
}

// newDesktop starts the app: each process has a key of its own and listens anew.
func newDesktop(t *testing.T, n *nation, id, address string) *desktop {
	t.Helper()
	d := &desktop{party: newParty(t, n, id), heard: make(chan url.Values, 1)}
	d.certified = true // it says its client_id, and proves nothing but its key
	listener, err := net.Listen("tcp", address+":0")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "<!doctype html><title>Hồ sơ cá nhân</title>")
		d.heard <- r.URL.Query()
	}))
	server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	d.redirect = server.URL + "/answer"
	return d
}

// jkt is the thumbprint of its key.
func (d *desktop) jkt(t *testing.T) string {
	t.Helper()
	sum, err := (&jose.JSONWebKey{Key: d.proof.Public()}).Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sum)
}

// open lets the browser go to the provider with an authorization request in the address,
// as AppAuth does, and waits for what comes to the app's own server.
func (d *desktop) open(t *testing.T, b *http.Client, who *person, form url.Values) url.Values {
	t.Helper()
	callback, err := clients.SignIn(ctx(t), b, d.n.base+"/authorize?"+form.Encode(), d.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	visit(t, b, callback.String())
	q := <-d.heard
	if q.Get("state") != form.Get("state") || q.Get("iss") != d.n.base {
		t.Fatalf("RFC 9207 §2.4: the answer is %v", q)
	}
	return q
}

// TestNative goes the way of an app without a back end and without a secret.
func TestNative(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		// The metadata name no port, and the app has its own each time.
		if printed := n.run(
			t, "client", "add", filepath.Join(harness.Root(t), frameworksFolder, "native.yaml"),
		); strings.Contains(printed, "client_secret") {
			t.Fatalf("RFC 8252 §8.5: it got a secret:\n%s", printed)
		}
		if review := n.run(t, "client", "check", "ho-so-ca-nhan"); !strings.Contains(review, "It uses nothing that ends.") {
			t.Errorf("what is new ends:\n%s", review)
		}
		const id = "ho-so-ca-nhan"
		d, who, b := newDesktop(t, n, id, "127.0.0.1"), n.someone(t), browser(t)
		verifier := random() + random()
		wanted := d.request(verifier, civilDetail)
		wanted.Set("scope", "openid offline_access made-up")

		t.Run("RFC 9449 §10: nothing of the registers before a key is named", func(t *testing.T) {
			callback, err := clients.SignIn(ctx(t), browser(t), n.base+"/authorize?"+wanted.Encode(), d.redirect, who.atTheBrowser())
			if err != nil || callback.Query().Get("error") != "invalid_request" ||
				!strings.Contains(callback.Query().Get("error_description"), "dpop_jkt") {
				t.Errorf("got %v, %v", callback, err)
			}
		})
		wanted.Set("dpop_jkt", d.jkt(t))
		answered := d.open(t, b, who, wanted)
		thief := newDesktop(t, n, id, "127.0.0.1")
		redeem := func(d *desktop, code, redirect string) answer {
			return d.call(
				t, "/token", url.Values{
					"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}, "code_verifier": {verifier},
				},
			)
		}
		tokens := redeem(d, answered.Get("code"), d.redirect)
		if tokens.status != http.StatusOK || tokens.text("token_type") != "DPoP" || tokens.text("scope") != "openid offline_access" ||
			tokens.text("refresh_token") == "" {
			t.Fatalf("%d %s", tokens.status, tokens.raw)
		}
		provider, err := oidc.NewProvider(ctx(t), n.base)
		if err != nil {
			t.Fatal(err)
		}
		subject, err := provider.Verifier(&oidc.Config{ClientID: id, SupportedSigningAlgs: []string{"ES256"}}).Verify(ctx(t), tokens.text("id_token"))
		if err != nil || subject.Nonce != wanted.Get("nonce") {
			t.Fatalf("the ID token: %v, %v", subject, err)
		}
		if info := d.resource(t, http.MethodGet, "/userinfo", tokens.text("access_token"), "", nil); info.text("sub") != subject.Subject {
			t.Errorf("UserInfo: %d %s", info.status, info.raw)
		}
		const marital = `{"registry":"civil","purpose":"land.mortgage","attributes":["civil.marital_status"]}`
		if a := d.release(t, tokens.text("access_token"), marital); a.status != http.StatusOK {
			t.Errorf("the broker: %d %s", a.status, a.raw)
		}
		if a := thief.release(t, tokens.text("access_token"), marital); a.status != http.StatusUnauthorized {
			t.Errorf("RFC 9449 §7.1: the broker, with another key: %d %s", a.status, a.raw)
		}

		t.Run("RFC 9449 §5: it refreshes with its key, and nobody with another", func(t *testing.T) {
			want(t, thief.refresh(t, tokens.text("refresh_token")), 400, "invalid_grant")
			for range 2 {
				again := d.refresh(t, tokens.text("refresh_token"))
				if again.status != http.StatusOK || again.text("refresh_token") != tokens.text("refresh_token") {
					t.Fatalf("%d %s", again.status, again.raw)
				}
			}
		})
		t.Run("RFC 7636 §4.6, RFC 9449 §10: a code that another program overheard", func(t *testing.T) {
			next := newDesktop(t, n, id, "[::1]")
			form := next.request(verifier, "")
			form.Set("dpop_jkt", next.jkt(t))
			code := next.open(t, browser(t), who, form).Get("code")
			want(t, redeem(thief, code, next.redirect), 400, "invalid_grant")
		})
		t.Run("RFC 8252 §8.6: another program that uses its name does not get in silently", func(t *testing.T) {
			form := thief.request(verifier, "")
			form.Set("prompt", "none")
			if callback, err := clients.SignIn(ctx(t), b, n.base+"/authorize?"+
				form.Encode(), thief.redirect, who.atTheBrowser()); err != nil || callback.Query().Get("error") != "login_required" {
				t.Errorf("silently: %v, %v", callback, err)
			}
		})
		t.Run("RFC 8252 §7.3: a server that is not on the device", func(t *testing.T) {
			form := d.request(verifier, "")
			form.Set("redirect_uri", "http://127.0.0.1.example/answer")
			if status, _, to := visit(t, b, n.base+"/authorize?"+form.Encode()); status < 400 || to != nil {
				t.Errorf("got %d, %v", status, to)
			}
		})
		t.Run("RP-Initiated Logout §3: it comes back to its port", func(t *testing.T) {
			bye := strings.Replace(d.redirect, "/answer", "/bye", 1)
			_, text, to := visit(
				t, b, n.base+"/logout?"+url.Values{"id_token_hint": {tokens.text("id_token")}, "post_logout_redirect_uri": {bye}}.Encode(),
			)
			if to == nil && !strings.Contains(text, "<form") || to != nil && to.String() != bye {
				t.Errorf("got %v: %s", to, text)
			}
		})
		t.Run("RFC 7009 §2.1: it gives back what it has", func(t *testing.T) {
			if a := d.call(t, "/revoke", url.Values{"token": {tokens.text("refresh_token")}}); a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.raw)
			}
			want(t, d.refresh(t, tokens.text("refresh_token")), 400, "invalid_grant")
		})
	})
}

// TestNativeRegistersItself: RFC 7591 with nothing of ours, under the token of an agency.
func TestNativeRegistersItself(t *testing.T) {
	n := begin(t, "")
	found := regexp.MustCompile(`initial_access_token: (\S+)`).FindStringSubmatch(harness.Run(t, nil, append([]string{"client", "iat", "create", "--profile", "native", "--owner", "Sở Mẫu"}, n.tool...)...))
	if found == nil {
		t.Fatal("no initial access token")
	}
	ask := func(body string) answer {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, n.base+"/register", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+found[1])
		return send(t, r)
	}
	for name, body := range map[string]string{
		"RFC 8252 §8.4: a scheme of its own":   `{"application_type":"native","token_endpoint_auth_method":"none","redirect_uris":["vn.example.so:/answer"]}`,
		"RFC 9700 §2.1.2: an app in a browser": `{"application_type":"web","token_endpoint_auth_method":"none","redirect_uris":["https://so.example.vn/answer"]}`,
	} {
		t.Run(name, func(t *testing.T) {
			if a := ask(body); a.status != http.StatusBadRequest || !strings.Contains(a.text("error_description"), "app") {
				t.Errorf("%d %s", a.status, a.raw)
			}
		})
	}
	registered := ask(`{"application_type":"native","token_endpoint_auth_method":"none","redirect_uris":["http://127.0.0.1/answer"]}`)
	if registered.status != http.StatusCreated || registered.text("client_secret") != "" || registered.text("profile") != "native" {
		t.Fatalf("%d %s", registered.status, registered.raw)
	}
	d, verifier := newDesktop(t, n, registered.text("client_id"), "127.0.0.1"), random()+random()
	code := d.open(t, browser(t), n.someone(t), d.request(verifier, "")).Get("code")
	if tokens := d.exchange(t, code, verifier); tokens.status != http.StatusOK || tokens.text("refresh_token") == "" {
		t.Errorf("%d %s", tokens.status, tokens.raw)
	}
}
