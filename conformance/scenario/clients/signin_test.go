package clients

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// pages is a provider reduced to its forms: sign-in, code, consent, callback.
func pages(t *testing.T) (start string, seen *[]string) {
	t.Helper()
	seen = new([]string)
	mux := http.NewServeMux()
	form := func(action, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			http.SetCookie(w, &http.Cookie{Name: "binding", Value: "b", Path: "/"})
			fmt.Fprintf(w, `<!doctype html><title>T</title><form action="/search"><input name="q"></form>
				<form method="post" action="%s"><input type="hidden" name="csrf" value="a&amp;b">%s</form>`, action, body)
		}
	}
	step := func(fields []string, next http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, err := r.Cookie("binding"); err != nil || r.FormValue("csrf") != "a&b" || r.Header.Get("Origin") == "" {
				http.Error(w, "the form was not sent as a browser does", http.StatusForbidden)
				return
			}
			for _, field := range fields {
				*seen = append(*seen, field+"="+strings.Join(r.Form[field], "+"))
			}
			next(w, r)
		}
	}
	mux.Handle("GET /start", http.RedirectHandler("/signin", http.StatusSeeOther))
	mux.Handle("GET /signin", form("signin", `<input name="number"><input name="password" type="password"><button name="cancel" value="1"></button>`))
	mux.Handle("POST /signin", step([]string{"number", "password", "cancel"}, form("/signin/code", `<input name="code">`)))
	mux.Handle("POST /signin/code", step([]string{"code"}, form("/consent", `<input type="checkbox" name="item" value="one"><input type="checkbox" name="item" value="two">
		<button name="decision" value="agree"></button><button name="decision" value="decline"></button>`)))
	mux.Handle("POST /consent", step([]string{"item", "decision"}, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://app.example/callback?code=c", http.StatusSeeOther)
	}))
	mux.Handle("GET /nothing", form("/x", `<input name="unknown">`))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL, seen
}

// TestSignIn goes through pages whose forms are known.
func TestSignIn(t *testing.T) {
	base, seen := pages(t)
	person := Person{Number: "099", Password: "p&q", OTP: func() string { return "123456" }}
	for _, row := range []struct {
		name     string
		start    string
		decline  bool
		decision string
		err      string
	}{
		{name: "to the callback", start: "/start", decision: "decision=agree"},
		{name: "a person who declines", start: "/start", decline: true, decision: "decision=decline"},
		{name: "a page that is missing", start: "/no-such-page", err: "status 404"},
		{name: "a page without a known form", start: "/nothing", err: "no form to go on with"},
	} {
		t.Run(row.name, func(t *testing.T) {
			browser, err := Browser()
			if err != nil {
				t.Fatal(err)
			}
			*seen, person.Decline = nil, row.decline
			callback, err := SignIn(t.Context(), browser, base+row.start, "http://app.example/callback", person)
			if row.err != "" {
				if err == nil || !strings.Contains(err.Error(), row.err) {
					t.Fatalf("got %v, want %q", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if callback.Query().Get("code") != "c" {
				t.Errorf("callback is %s", callback)
			}
			want := "number=099 password=p&q cancel= code=123456 item=one+two " + row.decision
			if got := strings.Join(*seen, " "); got != want {
				t.Errorf("the server saw %q, want %q", got, want)
			}
		})
	}
}
