package signin

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/session"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// followed is the page that an answer to a form leads to.
func followed(t *testing.T, r *room, got pagetest.Answer) pagetest.Answer {
	t.Helper()
	path, _, _ := strings.Cut(got.Location, "?")
	pages := map[string]func() pagetest.Answer{
		Path:        func() pagetest.Answer { return r.b.Get(t, Path, got.Location, r.SignInForm) },
		CodePath:    func() pagetest.Answer { return r.b.Get(t, CodePath, got.Location, r.CodeForm) },
		ConsentPath: func() pagetest.Answer { return r.b.Get(t, ConsentPath, got.Location, r.ConsentForm) },
		ApprovePath: func() pagetest.Answer { return r.b.Get(t, ApprovePath, got.Location, r.ApproveForm) },
		DevicePath:  func() pagetest.Answer { return r.b.Get(t, DevicePath, got.Location, r.DeviceForm) },
	}
	show, ok := pages[path]
	if !ok {
		t.Fatalf("%d, %v: leads to %q", got.Status, got.Err, got.Location)
	}
	return show()
}

// TestTheFirstStep: what is wrong is said on the form again, with the number that was
// typed and never the password, and the status for programs.
func TestTheFirstStep(t *testing.T) {
	const number, password = "099304000017", "mật-khẩu-rất-riêng"
	for _, row := range []struct {
		name, number, password string
		err                    error
		status                 int
		wait                   string
		checked                bool
	}{
		{"a number that is none", "09930400001x", password, nil, 422, "", false},
		{"a number of eleven digits", "09930400001", password, nil, 422, "", false},
		{"a letter that looks like a digit", "O99304000017", password, nil, 422, "", false},
		{"no number", "", password, nil, 422, "", false},
		{"no password", number, "", nil, 422, "", false},
		{"the password is wrong", number, password, authn.ErrWrong, 422, "", true},
		{"too often", number, password, authn.Throttled{Wait: 90 * time.Second}, 429, "90", true},
		{"too many at once", number, password, authn.Busy{Wait: 5 * time.Second}, 503, "5", true},
		{"an error that wraps one", number, password, fmt.Errorf("step: %w", authn.Throttled{Wait: time.Second}), 429, "1", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.stepErr = row.err
			got := r.b.Post(t, Path, Path, url.Values{"a": {"handle"}, "number": {row.number}, "password": {row.password}}, r.SignIn)
			if strings.Contains(got.Location, "mật") || strings.Contains(got.Location, url.QueryEscape(password)) ||
				strings.Contains(got.Location, number) {
				t.Errorf("the address has what was typed: %s", got.Location)
			}
			if (len(r.tried) == 1) != row.checked {
				t.Errorf("checked %d times", len(r.tried))
			}
			shown := followed(t, r, got)
			if shown.Status != row.status || shown.Header.Get("Retry-After") != row.wait {
				t.Errorf("the form answers %d, Retry-After %q", shown.Status, shown.Header.Get("Retry-After"))
			}
			if strings.Contains(shown.Body, password) || !strings.Contains(shown.Body, `value="`+row.number+`"`) && row.number != "" {
				t.Error("the form has not what was typed for a number, or has the password")
			}
			if !strings.Contains(shown.Body, `name="a" value="handle"`) || !strings.Contains(shown.Body, "Sổ đất") {
				t.Error("the form forgot what the sign-in is for")
			}
		})
	}
}

// TestTheFirstStepEnds in what is not the form again.
func TestTheFirstStepEnds(t *testing.T) {
	down := errors.New("the database does not answer")
	form := url.Values{"a": {"handle"}, "number": {"099 304-000017"}, "password": {"p"}, "ui_locales": {"en"}}
	for _, row := range []struct {
		name  string
		step  authn.Step
		err   error
		fault string
		want  error
		leads string
	}{
		{"the next factor", authn.Step{Ticket: "t", Next: authn.TOTPFactor}, nil, "", nil, CodePath + "?a=handle&ticket=t&ui_locales=en"},
		{"a factor that has no page", authn.Step{Ticket: "t", Next: "unheard"}, nil, "", errors.ErrUnsupported, ""},
		{"a locked account", authn.Step{}, authn.ErrLocked, string(view.ErrorLocked), nil, ""},
		{"a fault of ours", authn.Step{}, down, "", down, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.step, r.stepErr = row.step, row.err
			got := r.b.Post(t, Path, Path, form, r.SignIn)
			if got.Location != row.leads || got.Fault() != row.fault || row.want != nil && got.Err == nil ||
				errors.Is(row.want, down) && !errors.Is(got.Err, down) {
				t.Errorf("leads to %q, fault %q, %v", got.Location, got.Fault(), got.Err)
			}
			if try := r.tried[0]; try.Number != "099304000017" || try.Origin.Address.String() != "192.0.2.7" ||
				try.Origin.Binding != r.b.Cookie("binding") || try.Origin.App() != app.ID {
				t.Errorf("tried as %+v", try)
			}
		})
	}
}

// TestOrigin: an attempt counts for the app whose request waits, and for none where none
// does.
func TestOrigin(t *testing.T) {
	for a, want := range map[string]authz.ClientID{"": "", "handle": app.ID, "gone": "", strings.Repeat("h", 300): ""} {
		r := newRoom(t)
		r.b.Post(t, Path, Path, url.Values{"a": {a}, "number": {"099304000017"}, "password": {"p"}}, r.SignIn)
		if got := r.tried[0].Origin.App(); got != want {
			t.Errorf("%.10q counts for %q, want %q", a, got, want)
		}
	}
}

// TestTheSecondStep: what is wrong is said where it can be mended.
func TestTheSecondStep(t *testing.T) {
	down := errors.New("the database does not answer")
	for _, row := range []struct {
		name, code, ticket string
		err                error
		page               string // that is shown
		status             int
		fault              string
	}{
		{"a code of five digits", "12345", "t", nil, CodePath, 422, ""},
		{"a code with a letter", "12345a", "t", nil, CodePath, 422, ""},
		{"a wrong code", "123456", "t", authn.ErrWrong, CodePath, 422, ""},
		{"a code with a space, wrong", "123 456", "t", authn.ErrWrong, CodePath, 422, ""},
		{"too often", "123456", "t", authn.Throttled{Wait: time.Minute}, CodePath, 429, ""},
		{"a ticket that is too old", "123456", "t", authn.ErrTicket, Path, 422, ""},
		{"a ticket that is none of ours", "123456", strings.Repeat("t", maxTicket+1), nil, Path, 422, ""},
		{"a locked account", "123456", "t", authn.ErrLocked, "", 0, string(view.ErrorLocked)},
		{"a fault of ours", "123456", "t", down, "", 0, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.step, r.stepErr = authn.Step{}, row.err
			got := r.b.Post(t, CodePath, CodePath, url.Values{"a": {"handle"}, "ticket": {row.ticket}, "code": {row.code}}, r.SignInCode)
			if r.b.Cookie("session") != "" || len(r.existing) > 0 {
				t.Error("a session began")
			}
			if row.page == "" {
				if got.Fault() != row.fault || got.Err == nil || row.fault == "" && !errors.Is(got.Err, down) {
					t.Errorf("ended in %v", got.Err)
				}
				return
			}
			if path, _, _ := strings.Cut(got.Location, "?"); path != row.page || got.Query("a") != "handle" {
				t.Fatalf("leads to %q, want %s", got.Location, row.page)
			}
			if shown := followed(t, r, got); shown.Status != row.status {
				t.Errorf("the page answers %d, want %d", shown.Status, row.status)
			}
		})
	}
}

// TestASessionBegins, and what was open in the browser before for somebody else is void.
func TestASessionBegins(t *testing.T) {
	for _, row := range []struct {
		name             string
		before           *session.Session
		rebound, forgets bool
		queued           int
	}{
		{"nobody was signed in", nil, false, true, 0},
		{"the same person again", an, false, false, 0},
		{"another person was", chi, true, true, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.b.Session = row.before
			r.b.SetCookie("__Host-hn_state", "state")
			binding := r.b.Cookie("binding")
			r.step = authn.Step{Device: "device-secret"}
			got := r.b.Post(t, CodePath, CodePath, url.Values{"a": {"handle"}, "ticket": {"t"}, "code": {"123456"}}, r.SignInCode)
			if got.Location != ResumePath+"?a=handle" {
				t.Errorf("leads to %q, %v", got.Location, got.Err)
			}
			secret := r.b.Cookie("session")
			if _, ok := r.existing[secret]; !ok || len(secret) < 43 {
				t.Errorf("the browser has the secret %q", secret)
			}
			if r.b.Cookie("device") != "device-secret" {
				t.Error("the browser has no device cookie")
			}
			if rebound := r.b.Cookie("binding") != binding; rebound != row.rebound || r.queued != row.queued {
				t.Errorf("rebound %v, queued %d", rebound, r.queued)
			}
			if forgets := r.b.Cookie("__Host-hn_state") == ""; forgets != row.forgets {
				t.Errorf("the state of session management is gone: %v, want %v", forgets, row.forgets)
			}
		})
	}
}

// TestADoubleTap of one form leads to one session, for a minute; another code does not.
func TestADoubleTap(t *testing.T) {
	for _, row := range []struct {
		name, code string
		later      time.Duration
		again      bool
	}{
		{"the same form", "123456", time.Second, true},
		{"the same form, a minute later", "123456", doubleTap, false},
		{"another code", "654321", time.Second, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.step = authn.Step{}
			r.b.Post(t, CodePath, CodePath, url.Values{"ticket": {"t"}, "code": {"123456"}}, r.SignInCode)
			secret := r.b.Cookie("session")
			r.b.SetCookie("session", "")
			r.stepErr, r.now = authn.ErrWrong, r.now.Add(row.later)
			got := r.b.Post(t, CodePath, CodePath, url.Values{"ticket": {"t"}, "code": {row.code}}, r.SignInCode)
			if again := r.b.Cookie("session") == secret; again != row.again || row.again && got.Location != "/portal" {
				t.Errorf("the session again: %v, leads to %q", again, got.Location)
			}
		})
	}
}

// TestNoPageIsShownInVain: a browser that is signed in already goes on, unless it has
// just been told that something was wrong.
func TestNoPageIsShownInVain(t *testing.T) {
	for _, row := range []struct {
		name      string
		target    string
		code      bool
		who       *session.Session
		satisfied bool
		authTime  time.Duration // of the session, from the begin of the ticket
		leads     string
	}{
		{"nobody is signed in", Path + "?a=handle", false, nil, true, 0, ""},
		{"signed in, and it is enough", Path + "?a=handle", false, an, true, 0, ResumePath + "?a=handle"},
		{"signed in, and the app wants more", Path + "?a=handle", false, an, false, 0, ""},
		{"signed in, for the portal", Path + "?next=/portal/consents", false, an, false, 0, "/portal/consents"},
		{"signed in, for another host", Path + "?next=//evil.example", false, an, false, 0, "/portal"},
		{"another tab signed in since", CodePath + "?a=handle&ticket=t", true, an, true, 2 * time.Second, ResumePath + "?a=handle"},
		{"signed in before the password", CodePath + "?a=handle&ticket=t", true, an, true, -time.Hour, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			if r.satisfied = row.satisfied; row.who != nil {
				who := *row.who
				who.AuthTime = r.begun.Add(row.authTime)
				r.b.Session = &who
			}
			h := r.SignInForm
			if row.code {
				h = r.CodeForm
			}
			if got := r.b.Get(t, "/*", row.target, h); got.Location != row.leads || got.Err != nil || row.leads == "" && got.Status != 200 {
				t.Errorf("%d, leads to %q, %v", got.Status, got.Location, got.Err)
			}
		})
	}
}

// TestFormsLeadWhereTheyMay: the page where a password is typed posts to us alone; the
// code's page ends at an app where one waits.
func TestFormsLeadWhereTheyMay(t *testing.T) {
	for target, away := range map[string]bool{Path + "?a=handle": false, Path: false, CodePath + "?a=handle&ticket=t": true, CodePath + "?ticket=t": false} {
		r := newRoom(t)
		h := r.SignInForm
		if strings.HasPrefix(target, CodePath) {
			h = r.CodeForm
		}
		got := r.b.Get(t, "/*", target, h)
		if has := strings.Contains(got.Header.Get("Content-Security-Policy"), "form-action 'self'"); has == away {
			t.Errorf("%s: form-action is there: %v", target, has)
		}
	}
}

// TestALateTicket begins again with the password.
func TestALateTicket(t *testing.T) {
	r := newRoom(t)
	r.late = authn.ErrTicket
	got := r.b.Get(t, CodePath, CodePath+"?a=handle&ticket=old", r.CodeForm)
	if path, _, _ := strings.Cut(got.Location, "?"); path != Path {
		t.Fatalf("leads to %q, %v", got.Location, got.Err)
	}
	if shown := followed(t, r, got); shown.Status != 422 {
		t.Errorf("the page answers %d", shown.Status)
	}
}
