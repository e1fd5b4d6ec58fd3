package ciba

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

// GrantType is that of CIBA Core §10.1.
const GrantType = "urn:openid:params:grant-type:ciba"

// delivery is the parameter of the variant: poll or ping.
const delivery = "ciba_mode"

func isKey(v suite.Variant) bool  { return v[suite.Authentication] == "private_key_jwt" }
func isMTLS(v suite.Variant) bool { return !isKey(v) }
func isPing(v suite.Variant) bool { return v[delivery] == "ping" }

// Settings are what the configuration says under extra, ciba.
type Settings struct {
	// LoginHint names the person: "{number}".
	LoginHint string `json:"login_hint"`
	// Scope is asked for, openid if empty.
	Scope string `json:"scope"`
	// Page lists the requests that wait for the person, each with a link whose address
	// has Link in it.
	Page string `json:"page"`
	Link string `json:"link"`
	// Symbol is the member of the answer with what the person has to pick; steps name it
	// {symbol}.
	Symbol string `json:"symbol"`
	// Done is a part of the address where the answer has been given.
	Done string `json:"done"`
	// Automated answers in the person's place: {auth_req_id}, and {action}, which is
	// allow or deny, are filled in.
	Automated string `json:"automated_approval_url"`
}

func settings(r *suite.Run) Settings {
	var s Settings
	raw, err := json.Marshal(r.Config().Extra["ciba"])
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	r.Works(err, "reading extra: ciba")
	r.Must(s.LoginHint != "" && (s.Page != "" || s.Automated != ""), "", "the configuration says under extra, ciba, who is asked and how one answers", nil)
	if s.Scope == "" {
		s.Scope = "openid"
	}
	return s
}

// asking is an authentication request in the making.
type asking struct {
	// object changes the claims of the signed request, sign signs it otherwise.
	object func(r *suite.Run, claims suite.Claims)
	sign   func(r *suite.Run, c *suite.Client, claims suite.Claims) (string, error)
	// form changes what is posted.
	form func(r *suite.Run, form url.Values)
}

// object are the claims of a right signed request (CIBA Core §7.1.1).
func object(r *suite.Run, c *suite.Client) suite.Claims {
	s, now := settings(r), time.Now()
	claims := suite.Claims{
		"iss": c.ID, "aud": r.Config().Issuer, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(),
		"jti":   suite.Random(),
		"scope": s.Scope, "login_hint": r.Fill(s.LoginHint),
	}
	if isPing(r.Variant) {
		claims["client_notification_token"] = suite.Random()
	}
	return claims
}

// ask sends an authentication request and gives the answer, whatever it is.
func ask(r *suite.Run, c *suite.Client, claims suite.Claims, a asking) suite.Answer {
	claims = maps.Clone(claims)
	if a.object != nil {
		a.object(r, claims)
	}
	for name, value := range claims {
		if value == nil {
			delete(claims, name)
		}
	}
	sign := a.sign
	if sign == nil {
		sign = func(_ *suite.Run, c *suite.Client, claims suite.Claims) (string, error) {
			return c.Key.Sign("", claims)
		}
	}
	text, err := sign(r, c, claims)
	r.Works(err, "signing an authentication request")
	form := url.Values{"request": {text}}
	if a.form != nil {
		a.form(r, form)
	}
	return c.Call(c.Endpoint("backchannel_authentication_endpoint"), form)
}

// pending is a request that was taken.
type pending struct {
	id       string
	symbol   string
	message  string // the binding_message, if it tells this request from others that wait
	life     time.Duration
	interval time.Duration
}

// taken checks the answer to an authentication request, which must be a success.
func taken(r *suite.Run, a suite.Answer) pending {
	const clause = "CIBA Core §7.3"
	r.Must(a.Status == http.StatusOK && a.JSON != nil, clause, "the backchannel authentication endpoint answers 200 with a JSON object", a)
	r.Expect(a.MediaType() == "application/json", clause, "the answer is application/json", a.Header.Get("Content-Type"))
	p := pending{id: a.JSON.Text("auth_req_id"), interval: 5 * time.Second}
	r.Must(p.id != "", clause, "auth_req_id is there", a.Raw)
	r.Expect(len(p.id) >= 22 && !strings.ContainsFunc(p.id, unusual), clause, "auth_req_id has at least 128 bits and is of letters, digits, '.', '-' and '_'", p.id)
	life, ok := a.JSON.Number("expires_in")
	r.Expect(ok && life > 0, clause, "expires_in is a positive number", a.JSON["expires_in"])
	p.life = time.Duration(life) * time.Second
	if value, there := a.JSON["interval"]; there {
		n, ok := a.JSON.Number("interval")
		r.Expect(ok && n > 0, clause, "interval is a positive number", value)
		p.interval = time.Duration(n) * time.Second
	}
	if name := settings(r).Symbol; name != "" {
		p.symbol = a.JSON.Text(name)
	}
	return p
}

func unusual(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-_", c)
}

// approve lets the person answer.
func approve(r *suite.Run, p pending, decline bool) {
	s := settings(r)
	if s.Automated != "" {
		action := map[bool]string{false: "allow", true: "deny"}[decline]
		a := r.Get(strings.NewReplacer("{auth_req_id}", url.QueryEscape(p.id), "{action}", action).Replace(s.Automated))
		r.Must(a.Status < 400, "", "the address that answers in the person's place does so", a)
		return
	}
	r.Say("symbol", p.symbol)
	b := r.Browser()
	list := b.Visit(s.Page)
	r.Must(list.Page != nil, "", "the page lists the requests that wait for the person", list)
	link := ""
	for _, at := range list.Page.Links {
		if !strings.Contains(at, s.Link) {
			continue
		}
		// Others may wait too, and one of them may offer the same symbol among its own.
		if p.symbol == "" && p.message == "" || offers(b, at, p) {
			link = at
			break
		}
	}
	r.Must(link != "", "CIBA Core §7.4", "the request waits for the person at the page, with its binding_message and its symbol", list.Page)
	b.Declines = decline
	end := b.Visit(link)
	r.Must(end.Page != nil && strings.Contains(end.Page.URL.Path, s.Done), "", "the person has answered", end)
}

// offers reports whether the page behind a link shows the message of a request and
// offers its symbol.
func offers(b *suite.Browser, link string, p pending) bool {
	for range 5 {
		a := b.Load(link)
		to, err := url.Parse(a.Header.Get("Location"))
		if a.Status/100 != 3 || err != nil {
			return strings.Contains(a.Raw, p.message) && (p.symbol == "" || strings.Contains(a.Raw, `value="`+p.symbol+`"`))
		}
		from, err := url.Parse(link)
		if err != nil {
			return false
		}
		link = from.ResolveReference(to).String()
	}
	return false
}

// poll asks the token endpoint once.
func poll(r *suite.Run, c *suite.Client, id string, change ...func(url.Values)) suite.Answer {
	form := url.Values{"grant_type": {GrantType}, "auth_req_id": {id}}
	for _, f := range change {
		f(form)
	}
	return c.Call(c.Endpoint("token_endpoint"), form)
}

// finish polls, or waits for the ping, and checks the tokens.
func finish(r *suite.Run, c *suite.Client, p pending, pings *receiver) suite.Tokens {
	if pings != nil {
		pings.expect(r, p.id)
	} else {
		r.Wait(p.interval, "the interval between two polls")
	}
	t := c.TokenResponse(poll(r, c, p.id))
	r.Must(t.ID != "", "CIBA Core §10.1.1", "an ID token comes", t.JSON)
	c.VerifyIDToken(t.ID, suite.Binds{Token: t.Access, HashOptional: true})
	return t
}

// authenticate is the whole flow.
func authenticate(r *suite.Run, c *suite.Client, a asking) (suite.Tokens, pending) {
	claims := object(r, c)
	pings := receive(r, c, claims, nil)
	p := taken(r, ask(r, c, claims, a))
	approve(r, p, false)
	return finish(r, c, p, pings), p
}

// client is the first client, second another.
func client(r *suite.Run) *suite.Client { return ready(r, r.Client()) }

func second(r *suite.Run) *suite.Client { client(r); return ready(r, r.Second()) }

func ready(r *suite.Run, c *suite.Client) *suite.Client {
	r.Must(c.Certificate != nil && c.Key.Valid(), "", "the configuration has a certificate and a private key for client "+c.ID, nil)
	if isKey(r.Variant) && c.Assertion == nil {
		c.Assertion = forEndpoint(r, "token_endpoint") // RFC 7523 §3, item 3
	}
	return c
}

// forEndpoint makes a client's assertions for an endpoint of the provider.
func forEndpoint(r *suite.Run, name string) func(suite.Claims) {
	at := r.Endpoint(name)
	return func(claims suite.Claims) { claims["aud"] = at }
}
