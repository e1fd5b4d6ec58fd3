package signin

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
)

// asked is where the authorization endpoint sends the browser for a sign-in.
func asked(t *testing.T, r *room, life time.Duration) pagetest.Answer {
	t.Helper()
	r.next = response.Next{
		Location: pagetest.Issuer + Path + "?a=handle&ui_locales=en",
		Waits:    &response.Waits{ID: "handle", Client: app.ID, Expires: r.now.Add(life)},
	}
	got := r.b.Get(t, "/authorize", "/authorize", r.Authorize)
	if !strings.HasPrefix(got.Location, r.next.Location+"&"+waitsField+"=") || strings.Contains(got.Location, string(app.ID)) {
		t.Fatalf("leads to %q, %v", got.Location, got.Err)
	}
	return got
}

// TestWhatWaitsIsCarried: a browser that nobody is signed in at carries what the pages of
// its sign-in show, and they read no request. With any other field they read it, as they
// do without one: nothing is lost, and nothing is shown of a request that is over.
func TestWhatWaitsIsCarried(t *testing.T) {
	flip := func(text string) string {
		last := "A"
		if strings.HasSuffix(text, last) {
			last = "B"
		}
		return text[:len(text)-1] + last
	}
	for _, row := range []struct {
		name string
		do   func(r *room, q url.Values)
		read int
		gone bool // the request, by the time of the page
	}{
		{"its own", func(*room, url.Values) {}, 0, false},
		{"none", func(_ *room, q url.Values) { q.Del(waitsField) }, 1, false},
		{"tampered with", func(_ *room, q url.Values) { q.Set(waitsField, flip(q.Get(waitsField))) }, 1, false},
		{"cut short", func(_ *room, q url.Values) { q.Set(waitsField, q.Get(waitsField)[:20]) }, 1, false},
		{"too long", func(_ *room, q url.Values) { q.Set(waitsField, strings.Repeat("A", maxWaits+1)) }, 1, false},
		{"of another browser", func(r *room, _ url.Values) { r.b.SetCookie("binding", strings.Repeat("c", 43)) }, 1, false},
		{"of another request", func(r *room, q url.Values) {
			r.waiting["other"] = r.waiting["handle"]
			q.Set("a", "other")
		}, 1, false},
		{"of another request, which is none", func(_ *room, q url.Values) { q.Set("a", "other") }, 1, true},
		{"a second before its end", func(r *room, _ url.Values) { r.now = r.now.Add(time.Minute - time.Second) }, 0, false},
		{"expired with the request", func(r *room, _ url.Values) {
			r.now = r.now.Add(time.Minute)
			delete(r.waiting, "handle")
		}, 1, true},
		{"of an app that was disabled", func(r *room, _ url.Values) {
			r.disabled = true
			delete(r.waiting, "handle")
		}, 1, true},
		{"again, after the end of the sign-in", func(r *room, _ url.Values) {
			r.finished["handle"] = true
			r.b.SetCookie("session", strings.Repeat("s", 43))
		}, 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			for path, show := range map[string]func(*room) func(*page.Visit) error{
				Path:     func(r *room) func(*page.Visit) error { return r.SignInForm },
				CodePath: func(r *room) func(*page.Visit) error { return r.CodeForm },
			} {
				r := newRoom(t)
				at, err := url.Parse(asked(t, r, time.Minute).Location)
				if err != nil {
					t.Fatal(err)
				}
				q := at.Query()
				q.Set("ticket", "t")
				row.do(r, q)
				r.begun = r.now
				got := r.b.Get(t, path, path+"?"+q.Encode(), show(r))
				if r.read != row.read {
					t.Errorf("%s: the request was read %d times, want %d", path, r.read, row.read)
				}
				if row.gone {
					if got.Err == nil {
						t.Errorf("%s: shown, %d, of a request that is over", path, got.Status)
					}
					continue
				}
				if got.Status != 200 || !strings.Contains(got.Body, "Land book") || !strings.Contains(got.Body, CancelPath+"?a=") {
					t.Errorf("%s: %d, %v: without the app in the language it asked for, or a way back", path, got.Status, got.Err)
				}
			}
		})
	}
}

// TestWhatWaitsGoesFromStepToStep, and no further than the sign-in.
func TestWhatWaitsGoesFromStepToStep(t *testing.T) {
	r := newRoom(t)
	first := r.b.Get(t, Path, strings.TrimPrefix(asked(t, r, time.Minute).Location, pagetest.Issuer), r.SignInForm)
	sealed := between(t, first.Body, `name="`+waitsField+`" value="`, `"`)
	form := url.Values{"a": {"handle"}, waitsField: {sealed}, "number": {"099304000017"}, "password": {"p"}}
	right := form.Get("number")
	form.Set("number", "1")
	again := followed(t, r, r.b.Post(t, Path, Path, form, r.SignIn))
	if between(t, again.Body, `name="`+waitsField+`" value="`, `"`) != sealed {
		t.Error("the form forgot it when it was shown again")
	}
	form.Set("number", right)
	code := followed(t, r, r.b.Post(t, Path, Path, form, r.SignIn))
	if r.read != 0 || between(t, code.Body, `name="`+waitsField+`" value="`, `"`) != sealed {
		t.Errorf("the page of the code has it not, or the request was read %d times", r.read)
	}
	if link := between(t, code.Body, `href="`+CancelPath, `"`); strings.Contains(link, waitsField) {
		t.Errorf("the way back has it: %s", link)
	}
	r.step.Ticket = ""
	form = url.Values{"a": {"handle"}, waitsField: {sealed}, "ticket": {"ticket"}, "code": {"123456"}}
	done := r.b.Post(t, CodePath, CodePath, form, r.SignInCode)
	if done.Location != ResumePath+"?a=handle" {
		t.Errorf("ends at %q, %v", done.Location, done.Err)
	}
}

// TestAReplayedSignInEndsClearly: who gave a request up and kept the address of the page
// is shown the form once more; the endpoint then says that it was answered.
func TestAReplayedSignInEndsClearly(t *testing.T) {
	r := newRoom(t)
	address := strings.TrimPrefix(asked(t, r, time.Minute).Location, pagetest.Issuer)
	r.finished["handle"] = true
	if got := r.b.Get(t, Path, address, r.SignInForm); got.Status != 200 {
		t.Errorf("the page answers %d, %v", got.Status, got.Err)
	}
	r.next = response.Next{Location: "https://so-dat.example/back?code=c"}
	if got := r.b.Get(t, "/*", ResumePath+"?a=handle", r.Resume); got.Err == nil || got.Location != "" {
		t.Errorf("went on to %q", got.Location)
	}
}

// TestNobodyElseIsGivenWhatWaits: only the page of a sign-in is told, and a first visit
// has a binding from then on.
func TestNobodyElseIsGivenWhatWaits(t *testing.T) {
	r := newRoom(t)
	r.b.SetCookie("binding", "")
	asked(t, r, time.Minute)
	if len(r.b.Cookie("binding")) != 43 {
		t.Errorf("the binding is %q", r.b.Cookie("binding"))
	}
	for _, next := range []response.Next{
		{Location: pagetest.Issuer + "/consent?a=handle"},
		{Location: "https://so-dat.example/back?code=c"},
		// An id that would make the address too long.
		{Location: pagetest.Issuer + Path + "?a=handle", Waits: &response.Waits{ID: "handle", Client: authz.ClientID(strings.Repeat("x", maxWaits))}},
	} {
		r.next = next
		if got := r.b.Get(t, "/authorize", "/authorize", r.Authorize); got.Location != next.Location {
			t.Errorf("leads to %q, want %q", got.Location, next.Location)
		}
	}
}

// between is what stands between two texts of a page.
func between(t *testing.T, body, before, after string) string {
	t.Helper()
	_, rest, ok := strings.Cut(body, before)
	found, _, end := strings.Cut(rest, after)
	if !ok || !end {
		t.Fatalf("%q is not on the page", before)
	}
	return found
}
