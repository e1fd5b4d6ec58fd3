package rp

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

//go:embed desk.html
var deskText string

var deskTemplate = template.Must(template.New("desk").Parse(deskText))

// desk is where a person who drives the app by hand is told what to do, and says what
// came of it: on the provider's first page, and on the console.
type desk struct {
	patience time.Duration
	out      io.Writer
	issuer   string

	mu     sync.Mutex
	number int
	asks   *question
}

// question is what the person is asked at the moment.
type question struct {
	Number       int
	Module       string
	Rule, Clause string
	Do           string
	Refresh      bool
	answer       chan view
}

func (d *desk) begin(patience time.Duration, out io.Writer, issuer string) {
	d.patience, d.out, d.issuer = patience, out, issuer
}

func (d *desk) signIn(t *Trial, _ *SignIn) view {
	return d.ask(t, "In a new private window, sign in to your app. When it has come to an end, say what you see.", false)
}

func (d *desk) refresh(t *Trial) bool {
	return d.ask(t, "Still in that window, make your app use its refresh token. Then press done; if there is no way to, press the last button.", true).shown == in
}

func (d *desk) look(t *Trial) view {
	return d.ask(t, "Still in that window, load a page of your app again. Are you signed in?", false)
}

// ask waits for the person, for a while.
func (d *desk) ask(t *Trial, do string, refresh bool) view {
	d.mu.Lock()
	d.number++
	q := &question{
		Number: d.number, Module: t.module.named(t.knows), Rule: t.module.Rule, Clause: t.module.Clause, Do: do, Refresh: refresh,
		answer: make(chan view, 1),
	}
	d.asks = q
	d.mu.Unlock()
	fmt.Fprintf(d.out, "\n%s: %s (%s)\n  %s\n  Answer at %s/ within %s.\n", q.Module, q.Rule, q.Clause, do, d.issuer, d.patience)
	defer func() {
		d.mu.Lock()
		d.asks = nil
		d.mu.Unlock()
	}()
	timer := time.NewTimer(d.patience)
	defer timer.Stop()
	select {
	case v := <-q.answer:
		return v
	case <-timer.C:
		return view{text: "nobody answered within " + d.patience.String()}
	case <-t.ctx.Done():
		return view{text: "the run was ended"}
	}
}

// show is the page.
func (d *desk) show(w http.ResponseWriter, _ *http.Request) {
	d.mu.Lock()
	q := d.asks
	d.mu.Unlock()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	_ = deskTemplate.Execute(w, q)
}

// verdict takes what the person says, to the question it was asked for only.
func (d *desk) verdict(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if origin := r.Header.Get("Origin"); origin != "" && origin != originOf(d.issuer) {
		http.Error(w, "another site sent this", http.StatusForbidden)
		return
	}
	says, ok := map[string]view{"in": {in, "says who drives it"}, "out": {out, "says who drives it"}, "unknown": {unknown, "says who drives it"}}[r.PostFormValue("seen")]
	d.mu.Lock()
	q := d.asks
	d.mu.Unlock()
	if !ok || q == nil || fmt.Sprint(q.Number) != r.PostFormValue("number") {
		http.Error(w, "this question is not asked any more: go back to "+d.issuer+"/", http.StatusConflict)
		return
	}
	select {
	case q.answer <- says:
	default: // she pressed twice
	}
	http.Redirect(w, r, d.issuer+"/", http.StatusSeeOther)
}

// originOf is the origin of an address.
func originOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
