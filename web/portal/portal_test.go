package portal

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/authz/outbox"
	"hopnhat/authz/session"
	"hopnhat/web/evidence"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

var (
	land = &authz.Client{
		ID: "so-dat", Name: view.Words{VI: "Sổ đất", EN: "Land book"},
		Described: authz.Described{InitiateLoginURI: "https://so-dat.example/start?x=1"},
	}
	tax = &authz.Client{ID: "thue", Name: view.Words{VI: "Thuế", EN: "Tax"}}
)

// room is the room with everything behind it played, for a person who is signed in.
type room struct {
	*Pages
	*evidencetest.Book
	b         *pagetest.Browser
	now       time.Time
	consents  map[authz.ConsentID]consent.Consent
	withdrawn []consent.Withdrawal
	err       error // of a withdrawal
	notice    *session.Delivery
	noticeErr error
	queued    int
	// questioned are the events, and the persons, that an open incident is about.
	questioned []string
}

func (r *room) Concerns(event string) bool { return slices.Contains(r.questioned, event) }

func (r *room) ConcernsPerson(pseudonym string) bool { return slices.Contains(r.questioned, pseudonym) }

func newRoom() *room {
	r := &room{
		Book: &evidencetest.Book{}, b: pagetest.New(), now: time.Unix(1_800_000_000, 0), consents: map[authz.ConsentID]consent.Consent{},
	}
	r.b.Session = &session.Session{ID: "s-an", Principal: authz.Herself("an"), Name: "Nguyễn Văn An", Level: 2}
	r.Pages = New(Options{
		Issuer: pagetest.Issuer, Evidence: r.Book, Pseudonyms: r.Book, Log: r.Book, Consents: r, Catalogue: consent.Load(), Clients: r,
		Names: r, Notices: r, Incidents: r,
		LogoutQueued: func() { r.queued++ }, Now: func() time.Time { return r.now },
	})
	return r
}

func (r *room) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	for _, c := range []*authz.Client{land, tax} {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, authz.ErrNotFound
}

func (r *room) Names(ctx context.Context, ids []authz.ClientID) (map[authz.ClientID]authz.LocalizedText, error) {
	out := map[authz.ClientID]authz.LocalizedText{}
	for _, id := range ids {
		if c, err := r.Client(ctx, id); err == nil {
			out[id] = c.Name
		}
	}
	return out, nil
}

func (r *room) List(_ context.Context, who authz.Subject) (out []consent.Consent, err error) {
	for _, c := range r.consents {
		if c.Subject == who {
			out = append(out, c)
		}
	}
	return out, nil
}

func (r *room) History(_ context.Context, who authz.Subject, id authz.ConsentID) (consent.Consent, []consent.Version, error) {
	c, ok := r.consents[id]
	if !ok || c.Subject != who {
		return consent.Consent{}, nil, authz.ErrNotFound
	}
	return c, []consent.Version{{Consent: id, Number: 1, State: consent.Approved, Principal: authz.Herself("an"), ACR: r.b.Session.Level.ACR()}, {Consent: id, Number: c.Version, State: c.State}}, nil
}

func (r *room) Withdraw(_ context.Context, w consent.Withdrawal) error {
	if r.err == nil {
		r.withdrawn = append(r.withdrawn, w)
	}
	return r.err
}

func (r *room) WithdrawalTold(context.Context, string) (session.Delivery, error) {
	if r.noticeErr != nil {
		return session.Delivery{}, r.noticeErr
	}
	if r.notice == nil {
		return session.Delivery{}, authz.ErrNotFound
	}
	return *r.notice, nil
}

// get is a page behind the route table, which lets people in who are signed in.
func (r *room) get(t *testing.T, pattern, target string, h func(*page.Visit) error) pagetest.Answer {
	t.Helper()
	return r.b.Get(t, pattern, target, signedIn(h))
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// TestTimeline: a person reads what is about her, of the kinds that are releases, as far
// as she may see it now, and what she narrows it to.
func TestTimeline(t *testing.T) {
	r := newRoom()
	add := func(who authz.Subject, to authz.ClientID, change func(*audit.Event)) string {
		e := evidencetest.Release(who, to, r.now.Add(-time.Hour))
		if change != nil {
			change(&e)
		}
		return r.Add(e).ID
	}
	hers := add("an", "so-dat", nil)
	refused := add("an", "thue", func(e *audit.Event) { e.Type, e.Decision = audit.ReleaseRefused, audit.Decision{Code: "not-granted"} })
	gone := add("an", "gone", nil)
	looked := add("an", evidence.ConsoleClient, func(e *audit.Event) { e.Type = audit.AuditorLooked })
	hidden := add("an", "so-dat", func(e *audit.Event) { e.Visibility.Sight = audit.Hidden })
	another := add("chi", "so-dat", nil)
	act := add("an", "so-dat", func(e *audit.Event) { e.Type = audit.AccountLocked })
	for _, row := range []struct {
		name, query string
		shown       []string
	}{
		{"all", "", []string{hers, refused, gone, looked}},
		{"of one app", "?app=so-dat", []string{hers}},
		{"of an app that is gone", "?app=gone", []string{gone}},
		{"of auditors", "?app=" + string(evidence.ConsoleClient), []string{looked}},
		{"of an app without any", "?app=nothing", nil},
		{"before one", "?before=" + refused, []string{hers}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := r.get(t, Path, Path+row.query, r.Timeline)
			if got.Err != nil {
				t.Fatal(got.Err)
			}
			for name, id := range map[string]string{"hers": hers, "refused": refused, "gone": gone, "looked": looked, "hidden": hidden, "another's": another, "act": act} {
				want := false
				for _, one := range row.shown {
					want = want || one == id
				}
				if has := strings.Contains(got.Body, ReleasesPath+"/"+id); has != want {
					t.Errorf("%s is shown: %v, want %v", name, has, want)
				}
			}
		})
	}
	if got := r.get(t, Path, Path+"?before="+strings.Repeat("x", 65), r.Timeline); got.Fault() != string(view.ErrorBadRequest) {
		t.Errorf("what is no event to go on from: %v", got.Err)
	}
	if all := r.get(t, Path, Path, r.Timeline).Body; !strings.Contains(all, "Sổ đất") || !strings.Contains(all, auditorName.VI) ||
		!strings.Contains(all, ">gone<") {
		t.Error("the filter does not name the apps")
	}
	r.Err = errors.New("the database does not answer")
	if got := r.get(t, Path, Path, r.Timeline); !errors.Is(got.Err, r.Err) {
		t.Errorf("a fault: %v", got.Err)
	}
}

var older = regexp.MustCompile(`href="(/portal\?before=[0-9a-f-]+)"`)

// TestPagesOfATimeline lead on through all events.
func TestPagesOfATimeline(t *testing.T) {
	r := newRoom()
	for range 2*pageSize + 1 {
		r.Add(evidencetest.Release("an", "so-dat", r.now))
	}
	at, pages, seen := Path, 0, map[string]bool{}
	for at != "" && pages < 4 {
		got := r.get(t, Path, at, r.Timeline)
		pages++
		for _, e := range r.Events {
			if strings.Contains(got.Body, ReleasesPath+"/"+e.Event.ID) {
				if seen[e.Event.ID] {
					t.Fatalf("%s is on two pages", e.Event.ID)
				}
				seen[e.Event.ID] = true
			}
		}
		at = ""
		if link := older.FindStringSubmatch(got.Body); link != nil {
			at = link[1]
		}
	}
	if pages != 3 || len(seen) != 2*pageSize+1 {
		t.Errorf("%d events on %d pages", len(seen), pages)
	}
}

// TestReleases: what a person reads of one release. How an auditor signed in is not for
// her.
func TestReleases(t *testing.T) {
	r := newRoom()
	e := evidencetest.Release("an", "so-dat", r.now)
	e.Trace.RequestID, e.Levels.ACR = "request-1", "https://example/acr/2"
	hers := r.Add(e).ID
	e.Type, e.Asked.Client, e.Detail.Object, e.Decision.Code = audit.AuditorLooked, evidence.ConsoleClient, hers, "auditor-code"
	looked := r.Add(e).ID
	another := r.Add(evidencetest.Release("chi", "so-dat", r.now)).ID
	for _, row := range []struct {
		name, id  string
		has, hasn []string
		err       error
	}{
		{"a release", hers, []string{"Sổ đất", "request-1", ConsentsPath + "/c1", "hopnhat-" + hers + ".proof"}, nil, nil},
		{"a look of an auditor", looked, []string{auditorName.VI, ReleasesPath + "/" + hers}, []string{"request-1", "auditor-code"}, nil},
		{"another person's", another, nil, nil, authz.ErrNotFound},
		{"none", "nothing", nil, nil, authz.ErrNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := r.get(t, ReleasesPath+"/:id", ReleasesPath+"/"+row.id, r.Release)
			if !errors.Is(got.Err, row.err) {
				t.Fatal(got.Err)
			}
			for _, text := range row.has {
				if !strings.Contains(got.Body, text) {
					t.Errorf("the page has no %q", text)
				}
			}
			for _, text := range row.hasn {
				if strings.Contains(got.Body, text) {
					t.Errorf("the page has %q", text)
				}
			}
			sent := r.get(t, "/:id/proof", "/"+row.id+"/proof", r.Pages.Proof)
			if (sent.Err == nil) != (row.err == nil) || row.err != nil && !errors.Is(sent.Err, row.err) ||
				sent.Err == nil && !strings.Contains(sent.Body, evidencetest.Key) {
				t.Errorf("its proof: %v", sent.Err)
			}
		})
	}
}

func agreed(id authz.ConsentID, change func(*consent.Consent)) consent.Consent {
	c := consent.Consent{
		ID: id, Subject: "an", Client: "so-dat", Purpose: "land.mortgage", Registry: "population", Version: 2, State: consent.Approved,
		Attributes: []authz.AttributeID{"population.full_name"}, Basis: authz.BasisConsent, ValidUntil: time.Unix(1_800_100_000, 0), At: time.Unix(1_799_000_000, 0),
	}
	if change != nil {
		change(&c)
	}
	return c
}

// TestConsents: a live consent can be withdrawn and an ended one cannot, also where the
// clock ended it and nobody has written that down yet.
func TestConsents(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*consent.Consent)
		live   bool
	}{
		{"approved", nil, true},
		{"withdrawn", func(c *consent.Consent) { c.State = consent.Withdrawn }, false},
		{"expired by the clock", func(c *consent.Consent) { c.ValidUntil = time.Unix(1_799_999_999, 0) }, false},
		{"expires now", func(c *consent.Consent) { c.ValidUntil = time.Unix(1_800_000_000, 0) }, false},
		{"of an app that is gone", func(c *consent.Consent) { c.Client = "gone" }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.consents["c1"] = agreed("c1", row.change)
			r.consents["c2"] = agreed("c2", func(c *consent.Consent) { c.Subject = "chi" })
			r.Uses = map[authz.ConsentID]consent.Uses{"c1": {Count: 7, Last: r.now}}
			const at = ConsentsPath + "/c1/withdraw"
			list := r.get(t, ConsentsPath, ConsentsPath, r.Consents)
			if has := strings.Contains(list.Body, `"`+at+`"`); has != row.live || strings.Contains(list.Body, "/c2") {
				t.Errorf("the list offers to withdraw it: %v", has)
			}
			asked := r.get(t, ConsentsPath+"/:id/withdraw", at, r.WithdrawForm)
			if row.live != (asked.Location == "") || !row.live && asked.Location != ConsentsPath+"/c1" || asked.Err != nil {
				t.Errorf("asks about one that is over: leads to %q, %v", asked.Location, asked.Err)
			}
			if row.live && !strings.Contains(asked.Body, `name="shown" value="c1#2"`) {
				t.Error("the form does not say which version it shows")
			}
			one := r.get(t, ConsentsPath+"/:id", ConsentsPath+"/c1", r.Consent)
			if one.Err != nil || !strings.Contains(one.Body, "7") || !strings.Contains(one.Body, "Nguyễn Văn An") {
				t.Errorf("its page: %v", one.Err)
			}
			for path, h := range map[string]func(*page.Visit) error{ConsentsPath + "/:id": r.Consent, ConsentsPath + "/:id/withdraw": r.WithdrawForm} {
				if got := r.get(t, path, strings.Replace(path, ":id", "c2", 1), h); !errors.Is(got.Err, authz.ErrNotFound) {
					t.Errorf("another person's: %v", got.Err)
				}
			}
		})
	}
}

// TestWithdrawing ends the version that was shown, and no other; the apps hear of it when
// it has ended.
func TestWithdrawing(t *testing.T) {
	down := errors.New("the database does not answer")
	for _, row := range []struct {
		name   string
		id     string
		err    error
		status int
		queued int
		fails  error
	}{
		{"withdrawn", "c1", nil, 200, 1, nil},
		{"withdrawn already, in another tab", "c1", authz.ErrConflict, 200, 1, nil},
		{"she agreed anew meanwhile: she is asked again", "c1", consent.ErrChanged, 409, 0, nil},
		{"a fault", "c1", down, 0, 0, down},
		{"another person's", "c2", nil, 0, 0, authz.ErrNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.err = row.err
			r.consents["c1"] = agreed("c1", nil)
			r.consents["c2"] = agreed("c2", func(c *consent.Consent) { c.Subject = "chi" })
			got := r.b.Post(
				t, ConsentsPath+"/:id/withdraw", ConsentsPath+"/"+row.id+"/withdraw", url.Values{"shown": {"c1#2"}},
				signedIn(r.Pages.Withdraw),
			)
			if !errors.Is(got.Err, row.fails) || row.fails == nil && got.Status != row.status || r.queued != row.queued {
				t.Fatalf("%d, %v, queued %d", got.Status, got.Err, r.queued)
			}
			if row.err != nil || row.fails != nil {
				if len(r.withdrawn) > 0 {
					t.Errorf("withdrew %+v", r.withdrawn)
				}
				return
			}
			if w := r.withdrawn[0]; w.Actor != "an" || w.ID != "c1" || w.Shown != "c1#2" || w.Session != "s-an" || w.Client != land ||
				w.ACR != r.b.Session.Level.ACR() || w.Locale != "vi" {
				t.Errorf("withdrew %+v", w)
			}
		})
	}
}

// TestANoticeOfAWithdrawal: its page says where the notice to the app stands.
func TestANoticeOfAWithdrawal(t *testing.T) {
	r := newRoom()
	r.consents["c1"] = agreed("c1", func(c *consent.Consent) { c.State = consent.Withdrawn })
	show := func() pagetest.Answer { return r.get(t, ConsentsPath+"/:id", ConsentsPath+"/c1", r.Consent) }
	texts := map[string]string{}
	for name, d := range map[string]*session.Delivery{
		"none": nil, "waits": {}, "delivered": {Done: r.now}, "given up": {Done: r.now, Failed: outbox.Cause("http_500")},
	} {
		r.notice = d
		got := show()
		if got.Err != nil {
			t.Fatal(got.Err)
		}
		for other, text := range texts {
			if text == got.Body {
				t.Errorf("%s reads as %s", name, other)
			}
		}
		texts[name] = got.Body
	}
	r.noticeErr = errors.New("the database does not answer")
	if got := show(); !errors.Is(got.Err, r.noticeErr) {
		t.Errorf("a fault: %v", got.Err)
	}
}

// TestOpenURL: a link begins a sign-in at an app with our issuer (OpenID Connect Core §4).
func TestOpenURL(t *testing.T) {
	for _, row := range []struct {
		client authz.Client
		want   string
	}{
		{authz.Client{}, ""},
		{authz.Client{Described: authz.Described{InitiateLoginURI: "https://app.example/start"}}, "https://app.example/start?iss=https%3A%2F%2Fid.example"},
		{authz.Client{Described: authz.Described{InitiateLoginURI: "https://app.example/start?a=1&iss=evil"}}, "https://app.example/start?a=1&iss=https%3A%2F%2Fid.example"},
		{authz.Client{Described: authz.Described{InitiateLoginURI: "https://app.example/start"}, Disabled: true}, ""},
		{authz.Client{Described: authz.Described{InitiateLoginURI: "https://app.example/%zz"}}, ""},
	} {
		if got := openURL(&row.client, pagetest.Issuer); got != row.want {
			t.Errorf("%q: %q", row.client.InitiateLoginURI, got)
		}
	}
}

// TestLooksOfReleases: each event reads as what it was.
func TestLooksOfReleases(t *testing.T) {
	r := newRoom()
	for _, row := range []struct {
		name   string
		change func(*audit.Event)
		want   func(view.Release) bool
	}{
		{"permitted", nil, func(o view.Release) bool {
			return o.Permitted && o.Refusal == (view.Words{}) && o.ActsFor == (view.Words{}) && !o.Exchanged
		}},
		{"refused", func(e *audit.Event) { e.Decision = audit.Decision{Code: "not-granted"} }, func(o view.Release) bool { return !o.Permitted && o.Refusal.VI != "" }},
		{"for another app", func(e *audit.Event) { e.Detail.Object = "thue" }, func(o view.Release) bool { return o.ActsFor == tax.Name }},
		{"an exchange", func(e *audit.Event) { e.Type, e.Detail.Object = audit.TokenExchanged, "thue" }, func(o view.Release) bool { return o.Exchanged && o.ActsFor == tax.Name }},
		{"a search", func(e *audit.Event) { e.Type = audit.AuditorQuery }, func(o view.Release) bool { return o.Look == view.LookSearched && o.App.Name == auditorName }},
		{"an export", func(e *audit.Event) { e.Type = audit.AuditorExport }, func(o view.Release) bool { return o.Look == view.LookExported && o.App.Name == auditorName }},
		{"by law", func(e *audit.Event) { e.Consent = audit.Consent{NoConsent: "law"} }, func(o view.Release) bool { return o.ConsentURL == "" }},
	} {
		e := evidencetest.Release("an", "so-dat", r.now)
		if row.change != nil {
			row.change(&e)
		}
		if got := r.release(t.Context(), e); !row.want(got) {
			t.Errorf("%s: %s", row.name, fmt.Sprintf("%+v", got))
		}
	}
}

// TestWhatIsLookedInto: a person sees beside an entry that an open incident is about it, and
// above the list that one is about her record; others see nothing of it.
func TestWhatIsLookedInto(t *testing.T) {
	const entry, record = "Mục này đang được xem xét", "Chúng tôi đang xem xét lịch sử này"
	for _, row := range []struct {
		name          string
		of            func(event string) string
		entry, record bool
	}{
		{"nothing", func(string) string { return "another" }, false, false},
		{"an entry", func(event string) string { return event }, true, false},
		{"her record", func(string) string { return evidencetest.Pseudonym("an") }, false, true},
		{"another's record", func(string) string { return evidencetest.Pseudonym("chi") }, false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			id := r.Add(evidencetest.Release("an", "so-dat", r.now)).ID
			r.questioned = []string{row.of(id)}
			list := r.get(t, Path, Path, r.Timeline)
			one := r.get(t, ReleasesPath+"/:id", ReleasesPath+"/"+id, r.Release)
			if strings.Contains(list.Body, entry) != row.entry || strings.Contains(list.Body, record) != row.record ||
				strings.Contains(one.Body, entry) != row.entry {
				t.Errorf("list %v, %v; one %v: %v, %v", strings.Contains(list.Body, entry), strings.Contains(list.Body, record),
					strings.Contains(one.Body, entry), list.Err, one.Err)
			}
		})
	}
}
