package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/recover"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/page"
)

// visitor is a browser with a session, and the roles of its person.
type visitor struct {
	Sessions
	session *session.Session
	roles   []authz.Role
	down    bool
	asked   int
}

func (v *visitor) Of(*http.Request) (session.Session, error) {
	if v.session == nil {
		return session.Session{}, session.ErrNone
	}
	return *v.session, nil
}

func (v *visitor) HasRole(_ context.Context, who authz.Subject, role authz.Role) (bool, error) {
	v.asked++
	if v.down {
		return false, authz.ErrUnavailable
	}
	for _, one := range v.roles {
		if one == role && who == v.session.Actor {
			return true, nil
		}
	}
	return false, nil
}

// mayVisit says who may come to a page, from its address alone: the table says the same
// route by route, so that one says what the other means.
func mayVisit(path string) audience {
	switch {
	case strings.HasPrefix(path, "/console/apps"), strings.HasPrefix(path, "/console/logouts"),
		strings.HasPrefix(path, "/console/federation"):
		return operator
	case strings.HasPrefix(path, "/console/incidents"):
		return official
	case strings.HasPrefix(path, "/console"), strings.HasPrefix(path, "/log/shards/"), strings.HasPrefix(path, "/log/consent/shards/"):
		return auditor
	case strings.HasPrefix(path, "/portal/passkeys"):
		return recent
	case strings.HasPrefix(path, "/portal"):
		return person
	default:
		return anybody
	}
}

// TestWhoIsLetIn walks the route table with every kind of visitor.
func TestWhoIsLetIn(t *testing.T) {
	in := func(level authz.AuthenticationLevel) *session.Session {
		return &session.Session{ID: "s", Principal: authz.Herself("an"), Level: level}
	}
	all := authz.Roles()
	visitors := []struct {
		name    string
		visitor visitor
		may     func(audience) bool
	}{
		{"a stranger", visitor{}, func(to audience) bool { return to == anybody }},
		{"a citizen", visitor{session: in(2)}, func(to audience) bool { return to <= person }},
		{"a citizen with one factor", visitor{session: in(1)}, func(to audience) bool { return to <= person }},
		{"an auditor", visitor{session: in(2), roles: all[:1]}, func(to audience) bool { return to != operator }},
		{"an auditor with a stronger sign-in", visitor{session: in(3), roles: all[:1]}, func(to audience) bool { return to != operator }},
		{"an operator", visitor{session: in(2), roles: all[1:]}, func(to audience) bool { return to != auditor }},
		{"with both roles", visitor{session: in(2), roles: all}, func(audience) bool { return true }},
		{"with both roles and one factor", visitor{session: in(1), roles: all}, func(to audience) bool { return to <= person }},
		{"with both roles, and the database is down", visitor{session: in(2), roles: all, down: true}, func(to audience) bool { return to <= person }},
	}
	const reached = http.StatusTeapot
	guarded := 0
	for _, r := range routed().table() {
		if want := mayVisit(r.path); r.audience != want {
			t.Errorf("%s %s is for audience %d, want %d", r.method, r.path, r.audience, want)
		}
		if r.audience != anybody {
			guarded++
		}
	}
	if guarded < 18 {
		t.Fatalf("only %d pages are for some", guarded)
	}
	for _, row := range visitors {
		for to := anybody; to <= official; to++ {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				t.Run(fmt.Sprintf("%s, audience %d, %s", row.name, to, method), func(t *testing.T) {
					who := row.visitor
					o := nothingBehind()
					who.Sessions = o.Sessions
					o.Sessions, o.Roles = &who, &who
					s := &Server{o: o}
					s.furnish()
					s.app = fiber.New(fiber.Config{ErrorHandler: s.renderError})
					s.app.Use(recover.New(), identify)
					s.app.All("/*", s.frame.Handler(s.admit(to, func(v *page.Visit) error {
						if to != anybody && v.Session == nil {
							t.Error("the page has no session")
						}
						if of := roles[to]; len(of) > 0 && !slices.Contains(of, v.Role) || len(of) == 0 && v.Role != "" {
							t.Errorf("let in as %q", v.Role)
						}
						return v.C.SendStatus(reached)
					})))
					const binding = "hers4567890123456789012345678901234567890123"
					r := httptest.NewRequest(
						method, "/portal", strings.NewReader(url.Values{"csrf": {o.Forms.Token(binding, "form")}}.Encode()),
					)
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
					r.AddCookie(&http.Cookie{Name: o.Sessions.BindingName(), Value: binding})
					answer, err := s.app.Test(r, -1)
					if err != nil {
						t.Fatal(err)
					}
					answer.Body.Close()
					want := http.StatusForbidden
					switch {
					case row.may(to):
						want = reached
					case who.session == nil:
						want = http.StatusSeeOther
					case who.down:
						want = http.StatusServiceUnavailable
					}
					if answer.StatusCode != want {
						t.Errorf("got %d, want %d", answer.StatusCode, want)
					}
					if who.asked > len(roles[to]) {
						t.Errorf("the database was asked %d times", who.asked)
					}
				})
			}
		}
	}
}

// TestRoutesAreGuarded: each page of a part that people sign in for looks for a session
// first, and a database that does not answer lets nobody in.
func TestRoutesAreGuarded(t *testing.T) {
	down := errors.New("the database is down")
	o := nothingBehind()
	o.Sessions = &broken{Sessions: o.Sessions, err: down}
	s := New(o)
	for _, r := range s.table() {
		if r.audience == anybody {
			continue
		}
		const binding = "hers4567890123456789012345678901234567890123"
		path := strings.ReplaceAll(r.path, ":id", "01a214e0-b7fb-7c28-8efd-9f2277b2bc65")
		request := httptest.NewRequest(r.method, path, strings.NewReader(url.Values{"csrf": {o.Forms.Token(binding, "form")}}.Encode()))
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.AddCookie(&http.Cookie{Name: o.Sessions.BindingName(), Value: binding})
		answer, err := s.Test(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s %s: %d without a session", r.method, path, answer.StatusCode)
		}
	}
	if looked := o.Sessions.(*broken).looked; looked < 18 {
		t.Errorf("%d pages looked for a session", looked)
	}
}

// broken finds no session for a fault of its own.
type broken struct {
	Sessions
	err    error
	looked int
}

func (b *broken) Of(*http.Request) (session.Session, error) {
	b.looked++
	return session.Session{}, b.err
}
