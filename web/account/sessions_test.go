package account

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/session"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// room is the room with everything behind it played, for a person who is signed in.
type room struct {
	*Pages
	*evidencetest.Book
	b          *pagetest.Browser
	now        time.Time
	list       []session.Session
	ended      []string
	err        error
	signedOut  int
	everywhere int
	queued     int
}

func newRoom() *room {
	an := session.Session{ID: "s-an", Principal: authz.Herself("an"), Name: "Nguyễn Văn An", Level: 2, Device: "Firefox, Linux"}
	r := &room{Book: &evidencetest.Book{}, b: pagetest.New(), now: time.Unix(1_800_000_000, 0), list: []session.Session{an, {ID: "s-phone", Principal: authz.Herself("an"), Device: "Chrome, Android"}}}
	r.b.Session = &an
	r.Pages = New(Options{
		Sessions: r, SignOut: r, Evidence: r.Book, Pseudonyms: r.Book, Log: r.Book, Clients: r, LogoutQueued: func() { r.queued++ },
		Now: func() time.Time { return r.now },
	})
	return r
}

func (r *room) List(_ context.Context, who authz.Subject) (out []session.Session, err error) {
	for _, s := range r.list {
		if s.Actor == who {
			out = append(out, s)
		}
	}
	return out, r.err
}

func (r *room) End(
	_ context.Context, _ session.Clients, who authz.Subject, id authz.SessionID, _ session.Because,
) ([]session.Notified, error) {
	for i, s := range r.list {
		if s.ID == id && s.Actor == who && r.err == nil {
			r.ended, r.list = append(r.ended, string(id)), append(r.list[:i:i], r.list[i+1:]...)
			return []session.Notified{{Session: id}}, nil
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return nil, authz.ErrNotFound
}

func (r *room) Ended(v *page.Visit, notified []session.Notified) error {
	r.signedOut += len(notified)
	return v.C.SendString("signed out")
}

func (r *room) Everywhere(v *page.Visit) error {
	r.everywhere++
	return v.C.SendString("signed out everywhere")
}

func (r *room) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if id == "so-dat" {
		return &authz.Client{ID: id, Name: authz.LocalizedText{VI: "Sổ đất"}}, nil
	}
	return nil, authz.ErrNotFound
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// TestEndingASession ends one of the person's own; her browser is signed out where it was
// the one she uses.
func TestEndingASession(t *testing.T) {
	down := errors.New("the database does not answer")
	for _, row := range []struct {
		name, id       string
		err            error
		ended          int
		signedOut      int
		shows, showsNo string
		fails          error
	}{
		{"on her telephone", "s-phone", nil, 1, 0, "Firefox, Linux", "Chrome, Android", nil},
		{"the one she uses", "s-an", nil, 1, 1, "signed out", "Firefox", nil},
		{"another person's", "s-chi", nil, 0, 0, "", "", authz.ErrNotFound},
		{"none", "", nil, 0, 0, "", "", authz.ErrNotFound},
		{"a fault", "s-phone", down, 0, 0, "", "", down},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.list, r.err = append(r.list, session.Session{ID: "s-chi", Principal: authz.Herself("chi"), Device: "Safari, macOS"}), row.err
			got := r.b.Post(t, EndPath, EndPath, url.Values{"session": {row.id}}, signedIn(r.EndSession))
			if !errors.Is(got.Err, row.fails) || len(r.ended) != row.ended || r.queued != row.ended || r.signedOut != row.signedOut {
				t.Errorf("%v, ended %q, queued %d, signed out %d", got.Err, r.ended, r.queued, r.signedOut)
			}
			if !strings.Contains(got.Body, row.shows) || row.showsNo != "" && strings.Contains(got.Body, row.showsNo) ||
				strings.Contains(got.Body, "Safari") {
				t.Errorf("shows %.200q", got.Body)
			}
		})
	}
	r := newRoom()
	if got := r.b.Post(t, EndAllPath, EndAllPath, nil, signedIn(r.EndAllSessions)); got.Body != "signed out everywhere" ||
		r.everywhere != 1 {
		t.Errorf("all of them: %q", got.Body)
	}
}

// TestWhatWasDoneToAnAccount lists what is of her account, and that she may see.
func TestWhatWasDoneToAnAccount(t *testing.T) {
	r := newRoom()
	add := func(kind audit.Type, who authz.Subject, sight audit.Sight) string {
		e := evidencetest.Release(who, "so-dat", r.now.Add(-time.Hour))
		e.Type, e.Visibility.Sight = kind, sight
		return r.Add(e).ID
	}
	hers := add(audit.AccountLocked, "an", audit.Visible)
	for name, row := range map[string]struct {
		id   string
		want bool
	}{
		"a lock": {hers, true}, "a hidden lock": {add(audit.AccountLocked, "an", audit.Hidden), false},
		"another person's lock": {add(audit.AccountLocked, "chi", audit.Visible), false}, "a release": {add(audit.ReleasePermitted, "an", audit.Visible), false},
	} {
		got := r.b.Get(t, Path, Path, signedIn(r.Pages.Sessions))
		if has := strings.Contains(got.Body, ActsPath+"/"+row.id+"/proof"); has != row.want || got.Err != nil {
			t.Errorf("%s is listed: %v, %v", name, has, got.Err)
		}
	}
	if got := r.b.Get(t, ActsPath+"/:id/proof", ActsPath+"/"+hers+
		"/proof", signedIn(r.Pages.Proof)); !strings.Contains(got.Body, evidencetest.Key) {
		t.Errorf("its proof: %v", got.Err)
	}
	for range pageSize {
		add(audit.AccountUnlocked, "an", audit.Visible)
	}
	first := r.b.Get(t, Path, Path, signedIn(r.Pages.Sessions))
	last := r.b.Get(t, Path, Path+"?before="+r.Events[len(r.Events)-pageSize].Event.ID, signedIn(r.Pages.Sessions))
	if strings.Contains(first.Body, hers) || !strings.Contains(first.Body, Path+"?before=") || !strings.Contains(last.Body, hers) {
		t.Error("older ones are on another page")
	}
	if got := r.b.Get(t, Path, Path+"?before="+strings.Repeat("x", 65), signedIn(r.Pages.Sessions)); got.Fault() != "bad_request" {
		t.Errorf("what is no event to go on from: %v", got.Err)
	}
	for _, err := range []*error{&r.Err, &r.err} {
		*err = errors.New("the database does not answer")
		if got := r.b.Get(t, Path, Path, signedIn(r.Pages.Sessions)); !errors.Is(got.Err, *err) {
			t.Errorf("a fault: %v", got.Err)
		}
		*err = nil
	}
}

// TestRolesInActs: a role that was given or taken reads as such, also as releases before
// recorded it.
func TestRolesInActs(t *testing.T) {
	r := newRoom()
	for _, row := range []struct {
		action, object string
		role           authz.Role
		revoked        bool
		by             authz.ClientID
		name           string
	}{
		{"role.granted", "auditor", "auditor", false, "so-dat", "Sổ đất"},
		{"role.revoked", "auditor", "auditor", true, "gone", "gone"},
		{"role.auditor", "", "auditor", false, "", ""},
		{"account.locked", "x", "", false, "", ""},
	} {
		got := r.act(
			t.Context(),
			audit.Event{ID: "e", Detail: audit.Detail{Action: row.action, Object: row.object}, Asked: audit.Asked{Client: row.by}},
		)
		if got.Role != row.role || got.Revoked != row.revoked || got.By.VI != row.name {
			t.Errorf("%s: %+v", row.action, got)
		}
	}
}

// TestWhoDidIt: an act reads as the person's own, an app's, or an operator's, and wrong
// answers with how many they were.
func TestWhoDidIt(t *testing.T) {
	r := newRoom()
	at := time.Unix(1_800_000_000, 0)
	for _, row := range []struct {
		name   string
		kind   audit.Type
		detail audit.Detail
		want   view.Act
	}{
		{"a sign-in", audit.SignedIn, audit.Detail{Action: string(audit.SignIn), Text: "Firefox · Linux"}, view.Act{Own: true, Device: "Firefox · Linux"}},
		{"a sign-out", audit.SignedOut, audit.Detail{Action: string(audit.SignOut)}, view.Act{Own: true}},
		{"a sign-out everywhere", audit.SignedOut, audit.Detail{Action: string(audit.SignOutAll)}, view.Act{Own: true}},
		{"another person in her browser", audit.SignedOut, audit.Detail{Action: string(audit.SignOutReplaced)}, view.Act{Replaced: true}},
		{"a sign-out by an operator", audit.SignedOut, audit.Detail{Action: string(audit.AccountSignOut)}, view.Act{}},
		{"wrong answers", audit.SignInRefused, audit.Detail{Action: string(audit.SignInFailed), Count: 7}, view.Act{Failed: 7}},
		{"an account that is opened", audit.FactorChanged, audit.Detail{Action: string(audit.AccountEnrol)}, view.Act{Opened: true}},
	} {
		row.want.Kind, row.want.At, row.want.ProofURL = view.EventType(row.kind), at, ActsPath+"/e/proof"
		got := r.act(t.Context(), audit.Event{ID: "e", Type: row.kind, Detail: row.detail, When: audit.When{Decided: at}})
		if got != row.want {
			t.Errorf("%s: got %+v, want %+v", row.name, got, row.want)
		}
	}
}
