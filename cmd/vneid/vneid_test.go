package vneid

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/client"
	"hopnhat/keys"
	"hopnhat/keys/single"
)

// party is a relying party and the simulator that it uses, over HTTP.
type party struct {
	*client.Client
	t         *testing.T
	simulator *Simulator
	provider  *upstream.Provider
	told      chan string // logout tokens
	back      string      // the redirect URI
}

func newParty(t *testing.T) *party {
	t.Helper()
	own, err := single.New(keys.TokenSigning)
	if err != nil {
		t.Fatal(err)
	}
	p := &party{t: t, told: make(chan string, 8)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, _ *http.Request) {
		set, err := own.Set()
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(set)
	})
	mux.HandleFunc("POST /signin/upstream/vneid/logout", func(_ http.ResponseWriter, r *http.Request) {
		p.told <- r.PostFormValue("logout_token")
	})
	rp := httptest.NewServer(mux)
	t.Cleanup(rp.Close)
	p.back = rp.URL + "/signin/upstream/vneid/callback"
	var handler http.Handler
	op := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(op.Close)
	if p.simulator, err = New(Options{
		Issuer: op.URL, Client: Registered("hopnhat", rp.URL, "vneid"), Now: time.Now,
		Persons: []Person{{"099201000001", "Trần Thị Mẫu An"}, {"099201000002", "Lê Văn Mẫu Bình"}},
	}); err != nil {
		t.Fatal(err)
	}
	handler = p.simulator.Handler()
	list, err := upstream.Parse(fmt.Appendf(nil, `{"providers": [{"alias": "vneid", "name": {"vi": "VNeID", "en": "VNeID"}, "issuer": %q,
		"client_id": "hopnhat", "levels": {%q: 1, %q: 2}, "number_claim": %q}]}`, op.URL, Level1, Level2, NumberClaim), true)
	if err != nil {
		t.Fatal(err)
	}
	p.provider = list[0]
	p.Client = client.New(client.Options{
		Out: func(*upstream.Provider) client.Outbound { return outbound.New(true) }, Ring: own, Loopback: true, Now: time.Now,
	})
	return p
}

// browse sends the form of the approval page as the person chose, and returns what comes back.
func (p *party) browse(location string, choice url.Values) url.Values {
	p.t.Helper()
	browser := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	u, err := url.Parse(location)
	if err != nil {
		p.t.Fatal(err)
	}
	form := u.Query()
	for name, value := range choice {
		form[name] = value
	}
	answer, err := browser.PostForm(p.provider.Issuer+"/approve", form)
	if err != nil {
		p.t.Fatal(err)
	}
	answer.Body.Close()
	back, err := url.Parse(answer.Header.Get("Location"))
	if err != nil || !strings.HasPrefix(back.String(), p.back) {
		p.t.Fatalf("status %d leads to %q, %v", answer.StatusCode, back, err)
	}
	return back.Query()
}

// signIn goes the whole way as a relying party does.
func (p *party) signIn(choice url.Values) (upstream.Identity, error) {
	p.t.Helper()
	m, err := p.Metadata(p.t.Context(), p.provider)
	if err != nil {
		return upstream.Identity{}, err
	}
	a := upstream.NewAsk(time.Now())
	q := p.browse(p.provider.Request(m, p.back, a), choice)
	if q.Get("state") != a.State {
		p.t.Fatal("another state")
	}
	code, err := p.provider.Response(m, q)
	if err != nil {
		return upstream.Identity{}, err
	}
	id, err := p.Redeem(p.t.Context(), p.provider, p.back, code, a)
	if err == nil {
		if _, again := p.Redeem(p.t.Context(), p.provider, p.back, code, a); again == nil {
			p.t.Error("RFC 6749 §4.1.2: a code was taken twice")
		}
	}
	return id, err
}

var (
	an       = url.Values{"person": {"099201000001"}, "level": {"2"}}
	binh     = url.Values{"person": {"099201000002"}, "level": {"1"}}
	declined = url.Values{"decision": {"decline"}}
)

func TestASignIn(t *testing.T) {
	p := newParty(t)
	id, err := p.signIn(an)
	if err != nil || id.Number != "099201000001" || id.Level != 2 || id.Subject == "" || strings.Contains(id.Subject, "099201000001") {
		t.Fatalf("got %+v, %v", id, err)
	}
	other, err := p.signIn(binh)
	if err != nil || other.Number != "099201000002" || other.Level != 1 || other.Subject == id.Subject {
		t.Errorf("another person, at level 1: got %+v, %v", other, err)
	}
	again, err := p.signIn(an)
	if err != nil || again.Subject != id.Subject {
		t.Errorf("again: got %+v, %v, want the subject of before", again, err)
	}
	var r *upstream.Refusal
	if _, err := p.signIn(declined); !errors.As(err, &r) || r.Reason != upstream.Cancelled {
		t.Errorf("who says no: got %v", err)
	}
}

// TestMisbehaviour: whatever the provider does wrong, nobody signs in, and for the reason that
// it is; and when it is right again, so is the sign-in.
func TestMisbehaviour(t *testing.T) {
	want := map[Fault]upstream.Reason{
		"response-iss": upstream.Mixed, "response-no-iss": upstream.Mixed, "token-iss": upstream.Mixed,
		"token-acr": upstream.Low, "endpoint-silent": upstream.Silent, "metadata-issuer": upstream.Silent, "metadata-no-pkce": upstream.Silent,
	}
	for _, fault := range Faults {
		t.Run(string(fault.Name)+": "+fault.What, func(t *testing.T) {
			p := newParty(t)
			if !strings.HasPrefix(string(fault.Name), "metadata-") { // those are asked for once
				if _, err := p.signIn(an); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.simulator.Misbehave(fault.Name); err != nil {
				t.Fatal(err)
			}
			reason, ok := want[fault.Name]
			if !ok {
				reason = upstream.Untrue
			}
			var r *upstream.Refusal
			id, err := p.signIn(an)
			if !errors.As(err, &r) || r.Reason != reason || id != (upstream.Identity{}) {
				t.Fatalf("got %+v, %v, want %q", id, err, reason)
			}
			if strings.HasPrefix(string(fault.Name), "metadata-") {
				return // nobody asks again for a while
			}
			if err := p.simulator.Misbehave(""); err != nil {
				t.Fatal(err)
			}
			if _, err := p.signIn(an); err != nil {
				t.Errorf("when it is right again: got %v", err)
			}
		})
	}
}

// TestWhatTheSimulatorRefuses: it is strict where a relying party would not notice its own faults.
func TestWhatTheSimulatorRefuses(t *testing.T) {
	p := newParty(t)
	m, err := p.Metadata(t.Context(), p.provider)
	if err != nil {
		t.Fatal(err)
	}
	a := upstream.NewAsk(time.Now())
	code := func() string { return p.browse(p.provider.Request(m, p.back, a), an).Get("code") }
	wrong := a
	wrong.Verifier = upstream.NewAsk(time.Now()).Verifier
	if _, err := p.Redeem(t.Context(), p.provider, p.back, code(), wrong); err == nil {
		t.Error("RFC 7636 §4.6: another verifier was taken")
	}
	if _, err := p.Redeem(t.Context(), p.provider, p.back+"/other", code(), a); err == nil {
		t.Error("RFC 6749 §4.1.3: another redirect URI was taken")
	}
	stranger := *p.provider
	stranger.ClientID = "stranger"
	if _, err := p.Redeem(t.Context(), &stranger, p.back, code(), a); err == nil {
		t.Error("RFC 7523 §3: another client was taken")
	}
	for name, change := range map[string][2]string{
		"RFC 6749 §3.1.2.3: a redirect URI that is not registered": {"redirect_uri", "https://evil.example/"},
		"another client":           {"client_id", "stranger"},
		"RFC 9700 §2.1.1: no PKCE": {"code_challenge", ""},
		"no nonce":                 {"nonce", ""},
	} {
		u, err := url.Parse(p.provider.Request(m, p.back, a))
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(change[0], change[1])
		answer, err := http.Get(p.provider.Issuer + "/authorize?" + q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: status %d", name, answer.StatusCode)
		}
	}
}

// TestALogout: the client is told by a token that holds.
func TestALogout(t *testing.T) {
	p := newParty(t)
	id, err := p.signIn(an)
	if err != nil {
		t.Fatal(err)
	}
	if status, err := p.simulator.SignOut(t.Context(), "099201000001"); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v", status, err)
	}
	end, err := p.Ended(t.Context(), p.provider, <-p.told)
	if err != nil || end.Subject != id.Subject {
		t.Errorf("got %+v, %v", end, err)
	}
}

// TestEachPageSaysWhatItIs: nobody takes the simulator for VNeID, in either language.
func TestEachPageSaysWhatItIs(t *testing.T) {
	p := newParty(t)
	m, err := p.Metadata(t.Context(), p.provider)
	if err != nil {
		t.Fatal(err)
	}
	strip := regexp.MustCompile(`class="strip">[^<]*(không phải VNeID thật|this is not VNeID)`)
	for _, lang := range []string{"vi", "en"} {
		a := upstream.NewAsk(time.Now())
		a.Locales = []string{lang}
		for _, address := range []string{
			p.provider.Request(m, p.back, a), p.provider.Issuer + "/?ui_locales=" + lang, p.provider.Issuer + "/logout?ui_locales=" + lang,
			p.provider.Issuer + "/authorize?ui_locales=" + lang,
		} {
			answer, err := http.Get(address)
			if err != nil {
				t.Fatal(err)
			}
			body := make([]byte, 64<<10)
			n, _ := answer.Body.Read(body)
			answer.Body.Close()
			if !strip.Match(body[:n]) || !strings.Contains(string(body[:n]), `<html lang="`+lang+`"`) {
				t.Errorf("%s does not say in %s that it is a simulator", address, lang)
			}
		}
	}
}

// TestPersonsAreInvented: a number that could be somebody's is not taken.
func TestPersonsAreInvented(t *testing.T) {
	for _, p := range []Person{{"001201000001", "A"}, {"09920100000", "A"}, {"09920100000x", "A"}, {"099201000001", ""}} {
		if _, err := New(Options{Issuer: "http://localhost:1", Persons: []Person{p}, Now: time.Now}); err == nil {
			t.Errorf("took %+v", p)
		}
	}
}
