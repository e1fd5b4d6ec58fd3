package signout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/endsession"
	"hopnhat/authz/outbox"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
	"hopnhat/web/view/ways"
)

var (
	an   = &session.Session{ID: "s-an", Principal: authz.Herself("an"), Name: "Nguyễn Văn An", Level: 2}
	land = &authz.Client{
		ID: "so-dat", Name: authz.LocalizedText{VI: "Sổ đất"}, Described: authz.Described{HomeURI: "https://so-dat.example/"},
	}
	tax = &authz.Client{
		ID: "thue", Name: authz.LocalizedText{VI: "Thuế"}, Logout: authz.Logout{FrontchannelLogoutURI: "https://thue.example/out"},
	}
)

// room is the room with everything behind it played.
type room struct {
	*Pages
	b       *pagetest.Browser
	now     time.Time
	request endsession.Logout
	err     error
	asked   []*authorize.SignedIn // the session that each request was checked against
	ended   []string              // what was ended, and why
	endErr  error
	told    []session.Notified
	left    *session.Session // over, and not ended
	sent    []session.Delivery
	queued  int
}

func newRoom() *room {
	r := &room{b: pagetest.New(), now: time.Unix(1_800_000_000, 0)}
	r.Pages = New(Options{
		Provider: r, Sessions: r, Deliveries: r, Clients: r, LogoutQueued: func() { r.queued++ }, Now: func() time.Time { return r.now },
	})
	return r
}

func (r *room) EndSession(_ *http.Request, in *authorize.SignedIn) (endsession.Logout, error) {
	r.asked = append(r.asked, in)
	return r.request, r.err
}

func (r *room) ContinueEndSession(_ context.Context, ticket string, in *authorize.SignedIn) (endsession.Logout, error) {
	r.asked = append(r.asked, in)
	if ticket != "ticket" {
		return endsession.Logout{}, authz.NewError(authz.InvalidRequest, "too old").Because(authorize.ErrGone)
	}
	return r.request, r.err
}

func (r *room) FrontchannelLogout(client *authz.Client, ended authz.SessionID) string {
	if client.FrontchannelLogoutURI == "" {
		return ""
	}
	return client.FrontchannelLogoutURI + "?sid=" + string(ended)
}

func (r *room) Expired(*http.Request) (session.Session, error) {
	if r.left == nil {
		return session.Session{}, session.ErrNone
	}
	return *r.left, nil
}

func (r *room) End(
	_ context.Context, _ session.Clients, who authz.Subject, id authz.SessionID, because session.Because,
) ([]session.Notified, error) {
	r.ended = append(r.ended, string(who)+" "+string(id)+": "+string(because))
	return r.told, r.endErr
}

func (r *room) EndAll(_ context.Context, _ session.Clients, who authz.Subject, because session.Because) ([]session.Notified, error) {
	r.ended = append(r.ended, string(who)+" all: "+string(because))
	return r.told, r.endErr
}

func (r *room) Leave(
	_ context.Context, _ session.Clients, who authz.Subject, id authz.SessionID, client *authz.Client,
) ([]session.Notified, error) {
	r.ended = append(r.ended, string(who)+" "+string(id)+" of "+string(client.ID)+": left by the person")
	return r.told, r.endErr
}

func (r *room) LogoutsOf(_ context.Context, sessions []authz.SessionID) (out []session.Delivery, err error) {
	for _, d := range r.sent {
		if slices.Contains(sessions, d.Session) {
			out = append(out, d)
		}
	}
	return out, nil
}

func (r *room) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	for _, c := range []*authz.Client{land, tax} {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, authz.ErrNotFound
}

// TestEndSession: who is asked, who is signed out at once, and where the browser goes
// (RP-Initiated Logout §2, §3).
func TestEndSession(t *testing.T) {
	const back = "https://so-dat.example/bye?state=x"
	for _, row := range []struct {
		name    string
		method  string
		who     *session.Session
		left    *session.Session
		request endsession.Logout
		leads   string // empty: a page that asks
		ended   []string
	}{
		{"nothing is said: she is asked", "GET", an, nil, endsession.Logout{Ticket: "ticket"}, "", nil},
		{"an app asks without a hint: she is asked", "GET", an, nil, endsession.Logout{Ticket: "ticket", Client: land, Return: back}, "", nil},
		{"the hint is for somebody else: she is asked", "GET", an, nil, endsession.Logout{Ticket: "ticket", Client: land, Another: true}, "", nil},
		{"the hint is for this session", "GET", an, nil, endsession.Logout{Ticket: "ticket", Client: land, Return: back, Confirmed: true}, back, []string{"an s-an: signed out"}},
		{"no session, by a link", "GET", nil, nil, endsession.Logout{Ticket: "ticket", Client: land, Return: back}, back, nil},
		{"a session that ran out", "GET", nil, an, endsession.Logout{Ticket: "ticket", Client: land, Return: back}, back, []string{"an s-an: signed out"}},
		{"a form of the app brings no cookie: the session is read after a redirect", "POST", nil, an, endsession.Logout{Ticket: "ticket", Client: land, Return: back, Confirmed: true}, ContinuePath + "?logout=ticket", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.b.Session, r.left, r.request = row.who, row.left, row.request
			r.b.SetCookie("session", "secret")
			ask := r.b.Get
			if row.method == http.MethodPost {
				ask = func(t testing.TB, pattern, target string, h func(*page.Visit) error) pagetest.Answer {
					return r.b.PostAs(t, pattern, target, nil, h)
				}
			}
			got := ask(t, Path, Path, r.Pages.EndSession)
			if got.Location != row.leads || got.Err != nil || !slices.Equal(r.ended, row.ended) {
				t.Fatalf("%d, leads to %q, ended %q, %v", got.Status, got.Location, r.ended, got.Err)
			}
			in := r.asked[0]
			if (in == nil) != (row.who == nil) || in != nil && (in.ID != an.ID || in.Actor != an.Actor) {
				t.Errorf("checked against %+v", in)
			}
			if kept := r.b.Cookie("session") != ""; kept != (row.leads == "" || row.method == http.MethodPost) {
				t.Errorf("the browser keeps its session: %v", kept)
			}
			if row.leads == "" && (!strings.Contains(got.Body, `name="logout" value="ticket"`) ||
				!strings.Contains(got.Body, `action="`+ConfirmPath+`"`)) {
				t.Error("the page does not ask")
			}
		})
	}
}

// TestConfirm: each answer ends what it says and nothing else.
func TestConfirm(t *testing.T) {
	const back = "https://so-dat.example/bye"
	asked := endsession.Logout{Ticket: "ticket", Client: land, Return: back}
	down := errors.New("the database does not answer")
	for _, row := range []struct {
		name, decision, ticket string
		who                    *session.Session
		request                endsession.Logout
		endErr                 error
		leads                  string // that it begins with
		ended                  []string
		queued                 int
		fault                  string
		err                    error
	}{
		{"she stays", "stay", "ticket", an, asked, nil, "/portal", nil, 0, "", nil},
		{"she leaves the app alone", "app", "ticket", an, asked, nil, back, []string{"an s-an of so-dat: left by the person"}, 1, "", nil},
		{"she leaves an app that she has left", "app", "ticket", an, asked, authz.ErrNotFound, back, []string{"an s-an of so-dat: left by the person"}, 1, "", nil},
		{"she leaves no app", "app", "", an, asked, nil, "", nil, 0, string(view.ErrorBadRequest), nil},
		{"everywhere", "everywhere", "ticket", an, asked, nil, back, []string{"an all: all ended by the person"}, 1, "", nil},
		{"here", "", "ticket", an, asked, nil, back, []string{"an s-an: signed out"}, 1, "", nil},
		{"by the header, without an app", "", "", an, asked, nil, DonePath + "?", []string{"an s-an: signed out"}, 1, "", nil},
		{"a session that another tab ended", "", "ticket", an, asked, authz.ErrNotFound, back, []string{"an s-an: signed out"}, 1, "", nil},
		{"nobody is signed in", "", "ticket", nil, asked, nil, back, nil, 0, "", nil},
		{"a ticket that is too old", "", "old", an, asked, nil, "", nil, 0, "", authorize.ErrGone},
		{"a fault of ours", "", "ticket", an, asked, down, "", []string{"an s-an: signed out"}, 0, "", down},
		{"a fault of ours, everywhere", "everywhere", "ticket", an, asked, down, "", []string{"an all: all ended by the person"}, 0, "", down},
		{"a fault of ours, of one app", "app", "ticket", an, asked, down, "", []string{"an s-an of so-dat: left by the person"}, 0, "", down},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.b.Session, r.request, r.endErr = row.who, row.request, row.endErr
			r.b.SetCookie("session", "secret")
			got := r.b.Post(t, ConfirmPath, ConfirmPath, url.Values{"logout": {row.ticket}, "decision": {row.decision}}, r.Confirm)
			if !strings.HasPrefix(got.Location, row.leads) || (got.Location == "") != (row.leads == "") || got.Fault() != row.fault ||
				row.fault == "" && !errors.Is(got.Err, row.err) {
				t.Errorf("leads to %q, %v", got.Location, got.Err)
			}
			if !slices.Equal(r.ended, row.ended) || r.queued != row.queued {
				t.Errorf("ended %q, queued %d", r.ended, r.queued)
			}
			stays := row.decision == "stay" || row.decision == "app" || row.leads == ""
			if kept := r.b.Cookie("session") != ""; kept != stays {
				t.Errorf("the browser keeps its session: %v, want %v", kept, stays)
			}
		})
	}
	r := newRoom()
	r.b.Session = an
	if got := r.b.PostAs(t, ConfirmPath, ConfirmPath, nil, r.Confirm); got.Fault() != string(view.ErrorForm) || len(r.ended) > 0 {
		t.Errorf("a form of somebody else: %v, ended %q", got.Err, r.ended)
	}
}

// TestContinue reads the session that the form of an app could not bring.
func TestContinue(t *testing.T) {
	r := newRoom()
	r.b.Session, r.request = an, endsession.Logout{Client: land, Return: "https://so-dat.example/bye", Confirmed: true}
	if got := r.b.Get(t, ContinuePath, ContinuePath+"?logout=ticket", r.Continue); got.Location != r.request.Return ||
		len(r.ended) != 1 || r.asked[0].ID != an.ID {
		t.Errorf("leads to %q, ended %q", got.Location, r.ended)
	}
	if got := r.b.Get(t, ContinuePath, ContinuePath+"?logout=old", r.Continue); !errors.Is(got.Err, authorize.ErrGone) {
		t.Errorf("an old ticket: %v", got.Err)
	}
}

// TestTheResultOfASignOut names apps within bounds, and frames those of this browser's
// own session alone.
func TestTheResultOfASignOut(t *testing.T) {
	many := func(n int, own bool) (out []session.Notified) {
		for i := range n {
			id := authz.SessionID("other-" + string(rune('a'+i%26)) + string(rune('a'+i/26)))
			if own {
				id = "own"
			}
			c := *tax
			c.ID = authz.ClientID(id) + authz.ClientID(rune('0'+i))
			out = append(out, session.Notified{Client: &c, Session: id})
		}
		return out
	}
	for _, row := range []struct {
		name                 string
		r                    result
		told                 []session.Notified
		apps, others, frames int
	}{
		{"nobody relied on it", result{Own: "own"}, nil, 0, 0, 0},
		{"an app twice", result{Own: "own"}, []session.Notified{{Client: land, Session: "own"}, {Client: land, Session: "own"}}, 1, 0, 0},
		{"an app with a frame", result{Own: "own"}, []session.Notified{{Client: tax, Session: "own"}}, 1, 0, 1},
		{"an app with a frame, of another browser", result{Own: "own"}, []session.Notified{{Client: tax, Session: "other"}}, 1, 1, 0},
		{"one app was left, in this browser", result{Left: true}, []session.Notified{{Client: tax, Session: "own"}}, 1, 0, 1},
		{"very many in other browsers", result{Own: "own"}, many(100, false), maxApps, maxApps, 0},
		{"very many here", result{Own: "own"}, many(100, true), maxApps, 0, maxFrames},
	} {
		if row.r.add(row.told); len(row.r.Apps) != row.apps || len(row.r.Others) != row.others || len(row.r.Frames) != row.frames {
			t.Errorf("%s: %d apps, %d sessions, %d frames", row.name, len(row.r.Apps), len(row.r.Others), len(row.r.Frames))
		}
	}
}

// TestDone says to the browser that signed out, for ten minutes, which apps were told, and
// loads the frames of these apps alone (Front-Channel Logout §2).
func TestDone(t *testing.T) {
	finished := func(t *testing.T) (*room, string) {
		r := newRoom()
		r.b.Session, r.told = an, []session.Notified{{Client: tax, Session: "s-an"}, {Client: land, Session: "s-an"}}
		r.request = endsession.Logout{Client: land, Return: "https://so-dat.example/bye", Confirmed: true}
		got := r.b.Get(t, Path, Path+"?ui_locales=en", r.Pages.EndSession)
		if !strings.HasPrefix(got.Location, DonePath+"?") || got.Query("ui_locales") != "en" {
			t.Fatalf("leads to %q", got.Location)
		}
		r.b.Session = nil
		return r, got.Location
	}
	const frame, onward = `src="https://thue.example/out?sid=s-an"`, `href="https://so-dat.example/bye"`
	for _, row := range []struct {
		name   string
		change func(r *room, at string) string
		shown  bool
	}{
		{"there and then", func(_ *room, at string) string { return at }, true},
		{"again, as she reloads", func(_ *room, at string) string { return at + "&again=1" }, true},
		{"ten minutes later", func(r *room, at string) string { r.now = r.now.Add(resultLife); return at }, false},
		{"in another browser", func(r *room, at string) string { r.b.SetCookie("binding", strings.Repeat("c", 43)); return at }, false},
		{"another return address", func(_ *room, at string) string { return strings.Replace(at, "t=", "t=A", 1) }, false},
		{"without a token", func(_ *room, at string) string { at, _, _ = strings.Cut(at, "s="); return at + "s=" }, false},
		{"nothing", func(*room, string) string { return DonePath }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, at := finished(t)
			got := r.b.Get(t, DonePath, row.change(r, at), r.Done)
			if got.Err != nil || strings.Contains(got.Body, frame) != row.shown || strings.Contains(got.Body, onward) != row.shown {
				t.Fatalf("%v: frame %v, link %v", got.Err, strings.Contains(got.Body, frame), strings.Contains(got.Body, onward))
			}
			csp := got.Header.Get("Content-Security-Policy")
			if _, sources, _ := strings.Cut(csp, "frame-src "); row.shown && sources != "https://thue.example" ||
				!row.shown && sources != "" {
				t.Errorf("frames may be of %q", sources)
			}
		})
	}
}

// TestAnswersOfApps: of several deliveries to one app the worst is said.
func TestAnswersOfApps(t *testing.T) {
	at := time.Unix(1_800_000_000, 0)
	delivered := session.Delivery{Session: "own", Client: "a", Done: at}
	failed := session.Delivery{Session: "own", Client: "a", Failed: outbox.Cause("http_500")}
	waiting := session.Delivery{Session: "own", Client: "a"}
	givenUp := session.Delivery{Session: "own", Client: "a", Failed: outbox.Cause("http_500"), Done: at}
	for _, row := range []struct {
		name string
		sent []session.Delivery
		want view.LogoutAnswer
	}{
		{"delivered", []session.Delivery{delivered}, view.LogoutDone},
		{"waiting", []session.Delivery{waiting}, view.LogoutWaiting},
		{"delivered and waiting", []session.Delivery{waiting, delivered}, view.LogoutWaiting},
		{"waiting and failed", []session.Delivery{failed, waiting}, view.LogoutFailed},
		{"all", []session.Delivery{delivered, givenUp, failed, waiting}, view.LogoutUnreached},
		{"of another session", []session.Delivery{{Session: "another", Client: "a"}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.sent = row.sent
			r.b.Get(t, "/", "/", func(v *page.Visit) error {
				got, err := r.answers(v, result{Own: "own", Apps: []authz.ClientID{"a"}})
				if err != nil || got["a"] != row.want {
					t.Errorf("got %q, %v, want %q", got["a"], err, row.want)
				}
				return nil
			})
		})
	}
}

// TestSignedOutHereAndThere: who signed in by another provider is shown where to sign out
// there, before the app has her back; who did not goes back at once (RP-Initiated Logout §2).
func TestSignedOutHereAndThere(t *testing.T) {
	for name, by := range map[string]*ways.ProviderButton{
		"by another provider": {Name: authz.LocalizedText{VI: "VNeID", EN: "VNeID"}, URL: "https://vneid.example/logout?client_id=hopnhat"},
		"by none":             nil,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRoom()
			r.o.Upstream = func(_ context.Context, ended authz.SessionID) *ways.ProviderButton {
				if ended != an.ID {
					t.Errorf("asked of session %q", ended)
				}
				return by
			}
			r.b.Session, r.request = an, endsession.Logout{Client: land, Return: "https://so-dat.example/out?state=s", Confirmed: true}
			got := r.b.Get(t, ContinuePath, ContinuePath+"?logout=ticket", r.Continue)
			if back := strings.HasPrefix(got.Location, "https://so-dat.example/out"); back != (by == nil) {
				t.Fatalf("the browser goes to %q", got.Location)
			}
			if by == nil {
				return
			}
			done := r.b.Get(t, DonePath, got.Location, r.Done)
			if !strings.Contains(done.Body, by.URL) || strings.Contains(done.Body, "data-continue") {
				t.Errorf("the page has no link to the provider, or goes on by itself: %v\n%s", done.Err, done.Body)
			}
		})
	}
}
