// Package sampleapp is a government app as an outsider would write it: it knows
// the provider only over HTTP and imports nothing of the product. It speaks the
// fapi2 profile: PAR, PKCE, DPoP with server nonces, private_key_jwt, `iss`, RAR,
// and takes back-channel logout.
//
// It keeps its sessions in memory, so it forgets them when it stops: it is a
// sample, and the demonstration and the tests drive it.
package sampleapp

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Config describes one app.
type Config struct {
	Issuer   string
	ClientID string
	// Key is the app's private signing key.
	Key jose.JSONWebKey
	// Home is the app's own URL, without trailing slash.
	Home string
	// Name, Owner and About are shown on its pages, Vietnamese and English.
	Name, Owner, About [2]string
	// Colour is the accent of its pages: jade or ink.
	Colour string
	// Labels are the names of registers, purposes and attributes on its pages.
	Labels map[string][2]string
	// Details is what it asks for, RFC 9396 authorization_details.
	Details []Detail
	// Profile makes it ask who she is, and read it from UserInfo.
	Profile bool
	// Signed makes it speak the fapi2-message-signing profile: signed requests, signed
	// responses (JARM), signed UserInfo.
	Signed bool
	HTTP   *http.Client
}

// Detail is one data release it asks for.
type Detail struct {
	Type       string   `json:"type"`
	Registry   string   `json:"registry"`
	Attributes []string `json:"attributes"`
	Purpose    string   `json:"purpose"`
	Basis      string   `json:"legal_basis"`
}

// App is a running sample app.
type App struct {
	c      Config
	client *client
	mu     sync.Mutex
	logins map[string]*login    // by state
	people map[string]*visitor  // by cookie
	ended  map[string]time.Time // logout tokens taken, by jti, until they expire
}

// login is a sign-in under way.
type login struct {
	verifier, nonce string
	started         time.Time
}

// visitor is who signed in here, as far as the app knows.
type visitor struct {
	subject, sid    string
	name            string // from UserInfo
	acr             string
	access, id      string
	refresh         string
	granted         []granted
	answers         []answer
	since           time.Time
	endedByProvider bool
	// withdrawn says until when the app must have acted on a withdrawal it was told of.
	withdrawn string
}

type granted struct {
	Detail
	Reference  string    `json:"consent_reference"`
	ValidUntil time.Time `json:"valid_until"`
}

// answer is what the broker said to one release request.
type answer struct {
	Purpose, Registry string
	Records           []map[string]json.RawMessage
	Index             uint64
	Problem           *problem
}

type problem struct {
	Code    string `json:"code"`
	Title   string `json:"title"`
	TitleVI string `json:"title_vi"`
	Status  int    `json:"status"`
}

// New makes an app; it reaches the provider at the first sign-in. What it waits for
// the provider is bounded by the timeout of its HTTP client.
func New(c Config) *App {
	if c.HTTP == nil {
		c.HTTP = &http.Client{Timeout: 15 * time.Second}
	}
	return &App{c: c, client: newClient(c), logins: map[string]*login{}, people: map[string]*visitor{}, ended: map[string]time.Time{}}
}

// Handler serves the app.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.HandleFunc("POST /login", a.login)
	mux.HandleFunc("GET /callback", a.callback)
	mux.HandleFunc("POST /read", a.read)
	mux.HandleFunc("POST /logout", a.logout)
	mux.HandleFunc("GET /signed-out", a.signedOut)
	mux.HandleFunc("POST /backchannel-logout", a.backchannelLogout)
	mux.HandleFunc("POST /consent-notices", a.consentNotice)
	mux.HandleFunc("GET /style.css", style)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; form-action 'self' "+a.c.Issuer+"; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		http.MaxBytesHandler(mux, 64<<10).ServeHTTP(w, r)
	})
}

func random() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// cookies are per app: browsers share them between the ports of one host.
func (a *App) cookieName() string { return "app_" + a.c.ClientID }

func (a *App) visitor(r *http.Request) *visitor {
	c, err := r.Cookie(a.cookieName())
	if err != nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.people[c.Value]
}

// sameSite refuses posts that another site's page sent.
func (a *App) sameSite(w http.ResponseWriter, r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" && origin != a.c.Home && origin != "null" {
		http.Error(w, "forbidden", http.StatusForbidden)
		return false
	}
	return true
}

func (a *App) home(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, nil)
}

func (a *App) login(w http.ResponseWriter, r *http.Request) {
	if !a.sameSite(w, r) {
		return
	}
	state, flow := random(), &login{verifier: random(), nonce: random(), started: time.Now()}
	location, err := a.client.push(r.Context(), state, flow, language(r), a.c.Details)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.mu.Lock()
	for s, l := range a.logins {
		if time.Since(l.started) > 15*time.Minute || len(a.logins) > 10_000 {
			delete(a.logins, s)
		}
	}
	a.logins[state] = flow
	a.mu.Unlock()
	http.SetCookie(
		w, &http.Cookie{
			Name: a.cookieName() + "_state", Value: state, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 900,
		},
	)
	http.Redirect(w, r, location, http.StatusSeeOther)
}

var errState = errors.New("the answer does not belong to a sign-in that this browser began")

func (a *App) callback(w http.ResponseWriter, r *http.Request) {
	q, err := a.client.response(r.Context(), r.URL.Query())
	if err != nil {
		a.fail(w, r, err)
		return
	}
	state := q.Get("state")
	cookie, err := r.Cookie(a.cookieName() + "_state")
	if err != nil || cookie.Value != state { // RFC 9700 §4.7.1; the sign-in of the other browser goes on
		a.fail(w, r, errState)
		return
	}
	a.mu.Lock()
	flow := a.logins[state]
	delete(a.logins, state)
	a.mu.Unlock()
	if flow == nil {
		a.fail(w, r, errState)
		return
	}
	if q.Get("iss") != a.c.Issuer { // RFC 9207 §2.4
		a.fail(w, r, errors.New("the answer is from another issuer"))
		return
	}
	if code := q.Get("error"); code != "" {
		a.show(w, r, http.StatusOK, &notice{Declined: code == "access_denied", Text: code})
		return
	}
	who, err := a.client.redeem(r.Context(), q.Get("code"), flow)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	a.releases(r.Context(), who)
	secret := random()
	a.mu.Lock()
	a.people[secret] = who
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: a.cookieName(), Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// releases reads everything that was granted.
func (a *App) releases(ctx context.Context, who *visitor) {
	var answers []answer
	for _, g := range who.granted {
		got, err := a.client.release(ctx, who, g)
		if err != nil {
			slog.Warn("sample app: a release failed", "app", a.c.ClientID, "error", err)
			got = answer{
				Purpose: g.Purpose, Registry: g.Registry,
				Problem: &problem{Code: "unreachable", Title: "The broker does not answer", TitleVI: "Chưa kết nối được"},
			}
		}
		answers = append(answers, got)
	}
	a.mu.Lock()
	who.answers = answers
	a.mu.Unlock()
}

func (a *App) read(w http.ResponseWriter, r *http.Request) {
	if !a.sameSite(w, r) {
		return
	}
	if who := a.visitor(r); who != nil {
		if err := a.client.fresh(r.Context(), who); err != nil {
			slog.Info("sample app: no new token", "app", a.c.ClientID, "error", err)
		}
		a.releases(r.Context(), who)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (a *App) logout(w http.ResponseWriter, r *http.Request) {
	if !a.sameSite(w, r) {
		return
	}
	who := a.visitor(r)
	a.forget(r)
	q := url.Values{"client_id": {a.c.ClientID}, "post_logout_redirect_uri": {a.c.Home + "/signed-out"}}
	if who != nil {
		q.Set("id_token_hint", who.id)
	}
	http.Redirect(w, r, a.c.Issuer+"/logout?"+q.Encode(), http.StatusSeeOther)
}

func (a *App) forget(r *http.Request) {
	if c, err := r.Cookie(a.cookieName()); err == nil {
		a.mu.Lock()
		delete(a.people, c.Value)
		a.mu.Unlock()
	}
}

func (a *App) signedOut(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, &notice{SignedOut: true})
}

// backchannelLogout ends the sessions a logout token names, Back-Channel Logout
// §2.6.
func (a *App) backchannelLogout(w http.ResponseWriter, r *http.Request) {
	t, err := a.client.logoutToken(r.Context(), r.PostFormValue("logout_token"))
	if err == nil {
		err = a.end(t, time.Now())
	}
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		slog.Warn("sample app: a logout token was refused", "app", a.c.ClientID, "error", err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"error":"invalid_request"}`)) // Back-Channel Logout §2.8
		return
	}
	w.WriteHeader(http.StatusOK)
}

// end ends the sessions that a logout token names, once.
func (a *App) end(t *logoutToken, now time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for jti, until := range a.ended {
		if now.After(until) {
			delete(a.ended, jti)
		}
	}
	if _, again := a.ended[t.ID]; again {
		return errors.New("a logout token that was used before")
	}
	a.ended[t.ID] = t.Expiry.Time().Add(leeway)
	for _, who := range a.people {
		if t.SID != "" && who.sid == t.SID || t.SID == "" && who.subject == t.Subject {
			who.endedByProvider, who.answers, who.access, who.refresh = true, nil, "", ""
		}
	}
	return nil
}

// consentNotice takes the notice that somebody withdrew a consent (RFC 8935 §2): what
// was read under it is not shown any more, and a real app begins to delete it.
func (a *App) consentNotice(w http.ResponseWriter, r *http.Request) {
	raw, err := io.ReadAll(r.Body)
	var n *consentNotice
	if err == nil {
		n, err = a.client.consentNotice(r.Context(), string(raw))
	}
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		slog.Warn("sample app: a notice was refused", "app", a.c.ClientID, "error", err)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"err":"invalid_request","description":"not a notice for this app"}`)) // RFC 8935 §2.3
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, who := range a.people {
		if who.subject == n.Subject {
			who.withdrawn = n.event().ProcessBy
			for i, g := range who.granted {
				if g.Reference == n.event().Reference && i < len(who.answers) {
					who.answers[i].Records = nil
				}
			}
		}
	}
	w.WriteHeader(http.StatusAccepted) // §2.2; a second time it changes nothing
}

func (a *App) fail(w http.ResponseWriter, r *http.Request, err error) {
	slog.Warn("sample app: sign-in failed", "app", a.c.ClientID, "error", err)
	a.show(w, r, http.StatusBadGateway, &notice{Text: err.Error()})
}

func language(r *http.Request) string {
	if l := r.URL.Query().Get("lang"); l == "en" || l == "vi" {
		return l
	}
	if c, err := r.Cookie("hn_lang"); err == nil && c.Value == "en" {
		return "en"
	}
	return "vi"
}

var page = template.Must(template.New("page").Parse(pageSource))
