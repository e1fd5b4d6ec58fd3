package scenario_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestStrangersRows: who sends requests of apps without end makes us keep a few, and is
// then told when to come again; apps that authenticate, at the same address, are not.
func TestStrangersRows(t *testing.T) {
	n := begin(t, onPostgres, "--address-burst", "1")
	app := newWebApp(t, n)
	stranger := browser(t)
	var statuses []int
	for range 40 {
		a := open(t, stranger, http.MethodGet, n.base+"/authorize?"+app.request().Encode(), nil)
		if statuses = append(statuses, a.status); a.status != http.StatusTooManyRequests {
			continue
		}
		if a.header.Get("Retry-After") != "1" || !strings.Contains(a.raw, "HN-429-too_many") {
			t.Fatalf("Retry-After %q, %.600s", a.header.Get("Retry-After"), a.raw)
		}
		break
	}
	if len(statuses) < 20 || len(statuses) > 39 || statuses[0] != http.StatusSeeOther {
		t.Fatalf("%v", statuses)
	}
	n.app.pushed(t, random()+random(), taxDetail)
}

// TestGuesses: strangers at one account, beside the person whose it is.
func TestGuesses(t *testing.T) {
	onBoth(t, guesses)
	t.Run("counted", func(t *testing.T) {
		n := begin(t, onPostgres)
		guesses(t, n)
		metrics := fetch(t, browser(t), n.base+"/metrics")
		for _, line := range []string{
			`hopnhat_sign_in_attempts_total{known_device="false",result="right",step="code"} 1`,
			`hopnhat_sign_in_attempts_total{known_device="true",result="right",step="code"} 1`,
			`hopnhat_sign_in_attempts_total{known_device="false",result="wrong",step="password"} 10`,
			`hopnhat_sign_in_attempts_total{known_device="false",result="throttled",step="password"} 29`,
			`hopnhat_sign_in_alarm{scope="nation"} 0`,
		} {
			if !strings.Contains(metrics, line) {
				t.Errorf("metrics lack %s", line)
			}
		}
	})
}

func guesses(t *testing.T, n *nation) {
	who := n.someone(t)
	hers := browser(t)
	if a := signIn(t, n, hers, who, "/portal"); a.status != http.StatusSeeOther {
		t.Fatalf("signing in answered %d", a.status)
	}
	// try gives the page that the form leads to.
	try := func(b *http.Client, token, number, password string) answer {
		a := open(t, b, http.MethodPost, n.base+"/signin", url.Values{"csrf": {token}, "number": {number}, "password": {password}})
		if a.status != http.StatusSeeOther {
			t.Errorf("the form answered %d", a.status)
			return a
		}
		return open(t, b, http.MethodGet, n.base+a.header.Get("Location"), nil)
	}
	guess := func(b *http.Client, token, password string) answer { return try(b, token, who.Number, password) }
	// However many come at once, five are looked at.
	stranger := browser(t)
	token := csrf(t, n, stranger)
	var group sync.WaitGroup
	var wrong, told atomic.Int32
	for range 30 {
		group.Go(func() {
			switch guess(stranger, token, "wrong-password").status {
			case http.StatusUnprocessableEntity:
				wrong.Add(1)
			case http.StatusTooManyRequests:
				told.Add(1)
			}
		})
	}
	group.Wait()
	if wrong.Load() != 5 || told.Load() != 25 {
		t.Errorf("%d guesses were looked at, %d told to wait", wrong.Load(), told.Load())
	}
	if a := guess(stranger, token, who.Password); a.status != http.StatusTooManyRequests {
		t.Errorf("the right password from where it was guessed answered %d", a.status)
	}
	// The browser that she signed in with does not wait for them.
	signOut := func() {
		t.Helper()
		if a := open(t, hers, http.MethodPost, n.base+"/portal/sessions/end-all", url.Values{"csrf": {csrf(t, n, hers)}}); a.status >= 400 {
			t.Fatalf("signing out everywhere answered %d", a.status)
		}
	}
	if a := signIn(t, n, hers, who, "/portal"); a.status != http.StatusSeeOther {
		t.Fatalf("the known browser answered %d", a.status)
	}
	// Everywhere means here too: it is a stranger from then on.
	signOut()
	if a := guess(hers, csrf(t, n, hers), who.Password); a.status != http.StatusTooManyRequests {
		t.Errorf("after signing out everywhere the browser that was known answered %d", a.status)
	}
	// Of a number that nobody holds the same is said.
	nobody := browser(t)
	token = csrf(t, n, nobody)
	for i := range 7 {
		a := try(nobody, token, "099000000000", "wrong-password")
		if want := map[bool]int{true: http.StatusUnprocessableEntity, false: http.StatusTooManyRequests}[i < 5]; a.status != want {
			t.Errorf("guess %d at a number of nobody answered %d", i, a.status)
		}
	}
}

// TestGuessesAreCountedThroughAKill: a guess is counted in a commit before the password is
// looked at, so a server that is killed and started again gives nobody new tries. What it
// had not noted yet for the evidence of failed sign-ins, a minute's at most, is lost.
func TestGuessesAreCountedThroughAKill(t *testing.T) {
	onEach(t, func(t *testing.T, n *nation) {
		who, stranger := n.someone(t), browser(t)
		guess := func(password string) int {
			t.Helper()
			form := url.Values{"csrf": {csrf(t, n, stranger)}, "number": {who.Number}, "password": {password}}
			a := open(t, stranger, http.MethodPost, n.base+"/signin", form)
			return open(t, stranger, http.MethodGet, n.base+a.header.Get("Location"), nil).status
		}
		for i := range 5 {
			if got := guess("wrong-password"); got != http.StatusUnprocessableEntity {
				t.Fatalf("guess %d answered %d", i+1, got)
			}
			if i == 1 || i == 3 { // not after the last: half a minute later one more is free
				n.process.Kill()
				n.start(t)
			}
		}
		if got := guess(who.Password); got != http.StatusTooManyRequests {
			t.Errorf("after five guesses and two kills the sixth try, with the right password, answered %d", got)
		}
	})
}
