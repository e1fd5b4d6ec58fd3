package upstreams_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/flow"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const file = `{"providers": [
	{"alias": "vneid", "name": {"vi": "VNeID", "en": "VNeID"}, "issuer": "https://vneid.example", "client_id": "hopnhat",
		"levels": {"1": 1, "2": 2}, "number_claim": "personal_number"},
	{"alias": "staff", "name": {"vi": "Cán bộ", "en": "Staff"}, "issuer": "https://staff.example", "client_id": "hopnhat", "levels": {"2": 2}},
	{"alias": "abroad", "name": {"vi": "Nước ngoài", "en": "Abroad"}, "issuer": "https://abroad.example", "client_id": "hopnhat", "levels": {"2": 2}, "link_only": true}
]}`

// there is other providers: each code is good once, for whoever it was given to.
type there struct {
	mu    sync.Mutex
	codes map[string]upstream.Identity
	ends  map[string]upstream.End
}

func (*there) Metadata(context.Context, *upstream.Provider) (upstream.Metadata, error) {
	return upstream.Metadata{
		AuthorizationEndpoint: "https://there.example/authorize", NamesIssuer: true, EndSessionEndpoint: "https://there.example/logout",
	}, nil
}

func (o *there) Request(ctx context.Context, p *upstream.Provider, redirectURI string, a upstream.Ask) (string, error) {
	m, err := o.Metadata(ctx, p)
	return p.Request(m, redirectURI, a), err
}

func (o *there) Redeem(_ context.Context, p *upstream.Provider, _, code string, a upstream.Ask) (upstream.Identity, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	id, ok := o.codes[code]
	if !ok || a.Nonce == "" || a.Verifier == "" || id.Issuer != p.Issuer {
		return upstream.Identity{}, &upstream.Refusal{Reason: upstream.Untrue, Why: "RFC 6749 §5.2: invalid_grant"}
	}
	delete(o.codes, code)
	return id, nil
}

func (o *there) Ended(_ context.Context, _ *upstream.Provider, token string) (upstream.End, error) {
	end, ok := o.ends[token]
	if !ok {
		return end, &upstream.Refusal{Reason: upstream.Untrue, Why: "no token"}
	}
	return end, nil
}

type names struct{}

func (names) Audit(_ context.Context, subject authz.Subject) (string, error) {
	return "pseudonym-of-" + string(subject), nil
}

// noApps has no app.
type noApps struct{}

func (noApps) Client(context.Context, authz.ClientID) (*authz.Client, error) {
	return nil, authz.ErrNotFound
}

// world is a server with people, and providers.
type world struct {
	*flow.Engine
	t        *testing.T
	db       *store.DB
	there    *there
	sessions *session.Sessions
	now      time.Time
	codes    int
}

func newWorld(t *testing.T, db *store.DB) *world {
	t.Helper()
	list, err := upstream.Parse([]byte(file), false)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, db: db, now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC),
		there: &there{codes: map[string]upstream.Identity{}, ends: map[string]upstream.End{}},
	}
	clock := func() time.Time { return w.now }
	scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1", Now: clock}
	w.sessions = session.New(db, scribe, session.Limits{}, true, clock)
	w.Engine = flow.New(flow.Options{
		Issuer: "https://id.example", List: list, Providers: w.there, Store: db.Upstreams, Sessions: w.sessions, Clients: noApps{},
		Evidence: scribe, Pseudonyms: names{}, Now: clock,
	})
	return w
}

func (w *world) account(number authz.PersonalNumber, level authz.AccountLevel) authz.Subject {
	w.t.Helper()
	subject := authz.Subject(authz.NewID())
	if err := w.db.InsertAccount(w.t.Context(), identity.Account{
		Subject: subject, Kind: authz.Citizen, Person: authz.PersonID(authz.NewID()), Name: "Trần Thị Mẫu An", Level: level, Created: w.now,
	}, number, authn.Held{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash")}); err != nil {
		w.t.Fatal(err)
	}
	return subject
}

// here begins a session by password and code.
func (w *world) here(who authz.Subject) *session.Session {
	w.t.Helper()
	secret := authz.NewSecret()
	if _, err := w.sessions.Begin(w.t.Context(), noApps{}, session.SignIn{Subject: who, Methods: []string{"pwd", "otp"}, At: w.now, Secret: secret}, nil); err != nil {
		w.t.Fatal(err)
	}
	s, err := w.sessions.Find(w.t.Context(), secret)
	if err != nil {
		w.t.Fatal(err)
	}
	return &s
}

func (w *world) code(alias upstream.Alias, subject string, number authz.PersonalNumber, level authz.AuthenticationLevel) string {
	w.codes++
	code := fmt.Sprint("code ", w.codes)
	w.there.codes[code] = upstream.Identity{
		Issuer: w.Provider(alias).Issuer, Subject: subject, Number: number, Level: level,
		AuthTime: w.now.Add(-time.Minute), Session: "s-" + subject,
	}
	return code
}

// begin goes to a provider, and returns what comes back with a code.
func (w *world) begin(alias upstream.Alias, who *session.Session, code string) flow.Return {
	w.t.Helper()
	start := flow.Start{Provider: w.Provider(alias), Browser: "browser", Next: "/authorize/resume?a=1", Who: who}
	location, err := w.Begin(w.t.Context(), start)
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		w.t.Fatal(err)
	}
	return flow.Return{
		Provider: w.Provider(alias), Browser: "browser", UserAgent: "Mozilla/5.0 (Linux; Android 14) Chrome/130",
		Secret: authz.NewSecret(), Before: who,
		Query: url.Values{"state": {u.Query().Get("state")}, "code": {code}, "iss": {w.Provider(alias).Issuer}},
	}
}

func (w *world) actions(who authz.Subject) (out []string) {
	w.t.Helper()
	found, err := w.db.Find(w.t.Context(), audit.Query{Pseudonym: "pseudonym-of-" + string(who), Limit: 50})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, r := range found {
		out = append(out, r.Event.Detail.Action)
	}
	slices.Reverse(out)
	return out
}

func reason(err error) upstream.Reason {
	var r *upstream.Refusal
	if !errors.As(err, &r) {
		return ""
	}
	return r.Reason
}

// TestASignInByTheNumber: the number links once, and from then on the pair signs in, whatever
// number comes with it; what is done is evidence.
func TestASignInByTheNumber(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		first, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2)))
		if err != nil || first.Began.Actor != an || first.Began.Level != 2 || first.Next != "/authorize/resume?a=1" {
			t.Fatalf("got %+v, %v", first, err)
		}
		if want := w.now.Add(-time.Minute); !first.Began.AuthTime.Equal(want) || !first.Began.Created.Equal(w.now) {
			t.Errorf("she signed in there at %s, got %s; the session is of %s, got %s", want, first.Began.AuthTime, w.now, first.Began.Created)
		}
		again, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "", 2)))
		if err != nil || again.Began.Actor != an {
			t.Fatalf("again, without a number: got %+v, %v", again, err)
		}
		if got := w.actions(an); !slices.Equal(got, []string{"upstream.linked", "upstream.signed-in", "upstream.signed-in"}) {
			t.Errorf("evidence: got %v", got)
		}
		list, err := w.Bonds(t.Context(), an)
		if err != nil || len(list) != 1 || list[0].Subject != "1" || list[0].Level != 2 || list[0].Issuer != "https://vneid.example" {
			t.Errorf("links: got %+v, %v", list, err)
		}
	})
}

// TestReturnsAreRefused: each way in which what comes back is not what was begun.
func TestReturnsAreRefused(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(w *world, r *flow.Return)
		want   upstream.Reason
	}{
		{"RFC 6749 §10.12: no state", func(_ *world, r *flow.Return) { r.Query.Del("state") }, upstream.Late},
		{"RFC 6749 §10.12: a state that nobody made", func(_ *world, r *flow.Return) { r.Query.Set("state", authz.NewSecret()) }, upstream.Late},
		{"RFC 6749 §3.1: a state twice", func(_ *world, r *flow.Return) { r.Query.Add("state", authz.NewSecret()) }, upstream.Late},
		{"RFC 9700 §4.7.1: another browser", func(_ *world, r *flow.Return) { r.Browser = "another" }, upstream.Late},
		{"begun too long ago", func(w *world, _ *flow.Return) { w.now = w.now.Add(15 * time.Minute) }, upstream.Late},
		{"RFC 9700 §4.4.2: at the address of another provider", func(w *world, r *flow.Return) { r.Provider = w.Provider("staff") }, upstream.Mixed},
		{"RFC 9207 §2.4: another issuer", func(_ *world, r *flow.Return) { r.Query.Set("iss", "https://staff.example") }, upstream.Mixed},
		{"RFC 9207 §2.4: no issuer", func(_ *world, r *flow.Return) { r.Query.Del("iss") }, upstream.Mixed},
		{"RFC 6749 §5.2: a code that is not good", func(_ *world, r *flow.Return) { r.Query.Set("code", "other") }, upstream.Untrue},
		{"OpenID Connect Core §3.1.2.6: she said no", func(_ *world, r *flow.Return) { r.Query.Set("error", "access_denied") }, upstream.Cancelled},
		{"a level that is too low", func(w *world, r *flow.Return) { r.Query.Set("code", w.code("vneid", "1", "099201000001", 1)) }, upstream.Low},
		{"a number of nobody", func(w *world, r *flow.Return) { r.Query.Set("code", w.code("vneid", "1", "099201000009", 2)) }, upstream.Unlinked},
		{"no number", func(w *world, r *flow.Return) { r.Query.Set("code", w.code("vneid", "1", "", 2)) }, upstream.Unlinked},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				w := newWorld(t, db)
				an := w.account("099201000001", 2)
				r := w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2))
				row.change(w, &r)
				out, err := w.Finish(t.Context(), r)
				if reason(err) != row.want || out.Began != nil {
					t.Fatalf("got %+v, %v, want %q", out, err, row.want)
				}
				if list, err := w.Bonds(t.Context(), an); err != nil || len(list) != 0 {
					t.Errorf("a refused sign-in left a link: %+v, %v", list, err)
				}
				if list, err := w.sessions.List(t.Context(), an); err != nil || len(list) != 0 {
					t.Errorf("a refused sign-in left a session: %+v, %v", list, err)
				}
				if _, err := w.Finish(t.Context(), r); err == nil {
					t.Error("a state was taken twice")
				}
			})
		})
	}
}

// TestAReturnIsTakenOnce: of many who come back with one state at once one signs in.
func TestAReturnIsTakenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.account("099201000001", 2)
		r := w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2))
		var all sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			all.Go(func() {
				mine := r
				mine.Secret = authz.NewSecret()
				_, errs[i] = w.Finish(t.Context(), mine)
			})
		}
		all.Wait()
		good := 0
		for _, err := range errs {
			switch {
			case err == nil:
				good++
			case reason(err) != upstream.Late:
				t.Errorf("got %v", err)
			}
		}
		if good != 1 {
			t.Errorf("%d signed in by one return, want 1", good)
		}
	})
}

// TestOneLinkEachWay: however many link at once, an account has one person at a provider, and
// a person there one account.
func TestOneLinkEachWay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		var returns []flow.Return
		for i := range 6 {
			returns = append(returns, w.begin("vneid", nil, w.code("vneid", fmt.Sprint("person ", i), "099201000001", 2)))
		}
		var all sync.WaitGroup
		errs := make([]error, len(returns))
		for i, r := range returns {
			all.Go(func() { _, errs[i] = w.Finish(t.Context(), r) })
		}
		all.Wait()
		good := 0
		for _, err := range errs {
			switch {
			case err == nil:
				good++
			case reason(err) != upstream.Elsewhere:
				t.Errorf("got %v", err)
			}
		}
		if list, err := w.Bonds(t.Context(), an); good != 1 || err != nil || len(list) != 1 {
			t.Errorf("%d linked, links %+v, %v", good, list, err)
		}
	})
}

// TestALinkAfterASignInHere: a proof is of one account, session, provider and person there, is
// spent once, and ends with an unlink.
func TestALinkAfterASignInHere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an, binh := w.account("099201000001", 2), w.account("099201000002", 2)
		me, he := w.here(an), w.here(binh)
		staff := w.Provider("staff")
		proof := func(alias upstream.Alias, who *session.Session, subject string) string {
			t.Helper()
			out, err := w.Finish(t.Context(), w.begin(alias, who, w.code(alias, subject, "", 2)))
			if err != nil || !out.Links || out.Proof == "" || out.Began != nil {
				t.Fatalf("got %+v, %v", out, err)
			}
			return out.Proof
		}
		linked := func() []upstream.Bond {
			t.Helper()
			list, err := w.Bonds(t.Context(), an)
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		first := proof("staff", me, "7")
		if len(linked()) != 0 {
			t.Fatal("a link that nobody confirmed")
		}
		for name, refusal := range map[string]error{
			"CVE-2026-9087: the proof of another account":        w.Confirm(t.Context(), staff, first, he),
			"CVE-2026-92358: a proof that was shown to others":   w.Confirm(t.Context(), staff, first, me),
			"CVE-2026-82968: a proof of another provider":        w.Confirm(t.Context(), w.Provider("vneid"), proof("staff", me, "7"), me),
			"CVE-2026-15571: a proof that nobody made":           w.Confirm(t.Context(), staff, authz.NewSecret(), me),
			"CVE-2026-15571: a proof of another session of hers": w.Confirm(t.Context(), staff, proof("staff", me, "7"), w.here(an)),
		} {
			if reason(refusal) != upstream.Late || len(linked()) != 0 {
				t.Errorf("%s: got %v, links %+v", name, refusal, linked())
			}
		}
		two := [2]string{proof("staff", me, "7"), proof("staff", me, "8")}
		if err := w.Confirm(t.Context(), staff, two[0], me); err != nil {
			t.Fatal(err)
		}
		if list := linked(); len(list) != 1 || list[0].Subject != "7" || list[0].ByNumber || list[0].Level != 2 {
			t.Fatalf("got %+v", list)
		}
		if err := w.Confirm(t.Context(), staff, two[0], me); reason(err) != upstream.Late {
			t.Errorf("CVE-2026-92358: a proof that was spent: got %v", err)
		}
		if err := w.Confirm(t.Context(), staff, two[1], me); reason(err) != upstream.Elsewhere {
			t.Errorf("a second person at the provider: got %v", err)
		}
		out, err := w.Finish(t.Context(), w.begin("staff", nil, w.code("staff", "7", "", 2)))
		if err != nil || out.Began.Actor != an {
			t.Fatalf("she signs in by it: got %+v, %v", out, err)
		}
		if _, err := w.Finish(t.Context(), w.begin("staff", he, w.code("staff", "7", "", 2))); reason(err) != upstream.Elsewhere {
			t.Errorf("the person there, for another account: got %v", err)
		}
		waiting := proof("abroad", me, "9")
		id := linked()[0].ID
		if err := w.Unlink(t.Context(), he, id); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("somebody else unlinks: got %v", err)
		}
		if err := w.Unlink(t.Context(), me, id); err != nil || len(linked()) != 0 {
			t.Fatalf("got %v, links %+v", err, linked())
		}
		if err := w.Confirm(t.Context(), w.Provider("abroad"), waiting, me); reason(err) != upstream.Late {
			t.Errorf("CVE-2026-92358: a proof from before an unlink: got %v", err)
		}
		sessions, err := w.sessions.List(t.Context(), an)
		if err != nil || slices.ContainsFunc(sessions, func(s session.Session) bool { return s.ID == out.Began.ID }) ||
			!slices.ContainsFunc(sessions, func(s session.Session) bool { return s.ID == me.ID }) {
			t.Errorf("sessions after the unlink: got %+v, %v; that of the link is over, hers is not", sessions, err)
		}
		if _, err := w.Finish(t.Context(), w.begin("staff", nil, w.code("staff", "7", "", 2))); reason(err) != upstream.Unlinked {
			t.Errorf("a sign-in by a link that ended: got %v", err)
		}
	})
}

// TestLinksAreRefused: a link binds who is signed in, and nobody whose number is another's.
func TestLinksAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		w.account("099201000002", 2)
		me := w.here(an)
		if _, err := w.Finish(t.Context(), w.begin("vneid", me, w.code("vneid", "1", "099201000002", 2))); reason(err) != upstream.Another {
			t.Errorf("the number of somebody else: got %v", err)
		}
		r := w.begin("vneid", me, w.code("vneid", "1", "099201000001", 2))
		r.Before = nil
		if _, err := w.Finish(t.Context(), r); reason(err) != upstream.Late {
			t.Errorf("she has signed out meanwhile: got %v", err)
		}
		if _, err := w.Finish(t.Context(), w.begin("abroad", nil, w.code("abroad", "1", "", 2))); reason(err) != upstream.Unlinked {
			t.Errorf("CVE-2026-16442: a sign-in by a provider for linking alone: got %v", err)
		}
		if got := w.actions(an); !slices.Contains(got, "sign-in") || slices.Contains(got, "upstream.linked") {
			t.Errorf("evidence: got %v", got)
		}
	})
}

// TestALockedAccountIsRefused: also one that is linked; and that is evidence which she sees.
func TestALockedAccountIsRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		if _, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2))); err != nil {
			t.Fatal(err)
		}
		if err := db.Lock(t.Context(), an, "lost phone", w.now); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "", 2))); reason(err) != upstream.Closed {
			t.Errorf("got %v", err)
		}
		if got := w.actions(an); got[len(got)-1] != "upstream.refused" {
			t.Errorf("evidence: got %v", got)
		}
	})
}

// TestALogoutThere ends the sessions here that began by it: one session, or all of the person;
// a token is good once (OpenID Connect Back-Channel Logout 1.0 §2.6 (8), §2.7).
func TestALogoutThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		an := w.account("099201000001", 2)
		live := func() int {
			t.Helper()
			list, err := w.sessions.List(t.Context(), an)
			if err != nil {
				t.Fatal(err)
			}
			return len(list)
		}
		signIn := func(there string) {
			t.Helper()
			code := w.code("vneid", "1", "099201000001", 2)
			id := w.there.codes[code]
			id.Session = there
			w.there.codes[code] = id
			if _, err := w.Finish(t.Context(), w.begin("vneid", nil, code)); err != nil {
				t.Fatal(err)
			}
		}
		w.here(an)
		signIn("a")
		signIn("b")
		signIn("c")
		bonds, err := w.Bonds(t.Context(), an)
		if err != nil || len(bonds) != 1 {
			t.Fatal(bonds, err)
		}
		// The newest first: of very many, those that may be in use are ended.
		if list, err := db.Upstreams.SessionsBy(t.Context(), bonds[0].ID); err != nil || len(list) != 3 || list[0].There != "c" {
			t.Errorf("sessions by the bond: %+v, %v", list, err)
		}
		vneid := w.Provider("vneid")
		end := func(name string, e upstream.End, want int) {
			t.Helper()
			e.ID, e.Expires = name, w.now.Add(time.Hour)
			w.there.ends[name] = e
			if ended, err := w.Ended(t.Context(), vneid, name); err != nil || live() != want {
				t.Errorf("%s: %d ended, %v, %d live, want %d", name, ended, err, live(), want)
			}
		}
		end("a session that nobody here has", upstream.End{Subject: "1", Session: "z"}, 4)
		end("a person whom nobody here knows", upstream.End{Subject: "2"}, 4)
		end("one session of the person", upstream.End{Subject: "1", Session: "a"}, 3)
		end("one session, without the person", upstream.End{Session: "b"}, 2)
		end("all of the person, but not her own here", upstream.End{Subject: "1"}, 1)
		if _, err := w.Ended(t.Context(), vneid, "all of the person, but not her own here"); reason(err) != upstream.Untrue {
			t.Errorf("§2.6 (8): a token that was used: got %v", err)
		}
		if got := w.actions(an); !slices.Contains(got, "sign-out.upstream") {
			t.Errorf("evidence: got %v", got)
		}
	})
}

// TestPurge deletes what is under way and late, and nothing else.
func TestPurge(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.account("099201000001", 2)
		w.begin("vneid", nil, "x")
		begun := w.now
		w.now = w.now.Add(10 * time.Minute)
		good := w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2))
		if n, err := db.Upstreams.Purge(t.Context(), begun.Add(16*time.Minute), 100); err != nil || n != 1 {
			t.Errorf("purged %d, %v, want 1", n, err)
		}
		if _, err := w.Finish(t.Context(), good); err != nil {
			t.Errorf("what is not late: got %v", err)
		}
	})
}

// always lets every address, but for one.
type always struct{ not string }

func (a always) Take(address netip.Addr) time.Duration {
	if address.String() == a.not {
		return time.Second
	}
	return 0
}

// TestLogoutRequests: what a provider is answered (OpenID Connect Back-Channel Logout 1.0 §2.8).
func TestLogoutRequests(t *testing.T) {
	w := newWorld(t, storetest.SQLite(t, nil))
	w.account("099201000001", 2)
	if _, err := w.Finish(t.Context(), w.begin("vneid", nil, w.code("vneid", "1", "099201000001", 2))); err != nil {
		t.Fatal(err)
	}
	w.there.ends["good"] = upstream.End{Subject: "1", ID: "j", Expires: w.now.Add(time.Hour)}
	queued := 0
	serve := w.ServeLogout(always{"192.0.2.9"}, func() { queued++ })
	for _, row := range []struct {
		name, method, path, body, from string
		want, queued                   int
	}{
		{"another provider", http.MethodPost, "/signin/upstream/other/logout", "logout_token=good", "192.0.2.1", 404, 0},
		{"a link that somebody follows", http.MethodGet, "/signin/upstream/vneid/logout?logout_token=good", "", "192.0.2.1", 405, 0},
		{"one that sends too many", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=good", "192.0.2.9", 429, 0},
		{"no token", http.MethodPost, "/signin/upstream/vneid/logout", "", "192.0.2.1", 400, 0},
		{"two tokens", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=good&logout_token=good", "192.0.2.1", 400, 0},
		{"a token that does not hold", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=bad", "192.0.2.1", 400, 0},
		{"a token without end", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=" + strings.Repeat("a", 40<<10), "192.0.2.1", 400, 0},
		{"a good token", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=good", "192.0.2.1", 200, 1},
		{"§2.6 (8): the same again", http.MethodPost, "/signin/upstream/vneid/logout", "logout_token=good", "192.0.2.1", 400, 1},
	} {
		r := httptest.NewRequestWithContext(t.Context(), row.method, row.path, strings.NewReader(row.body))
		r.RemoteAddr = row.from
		answer := httptest.NewRecorder()
		serve(answer, r)
		if answer.Code != row.want || queued != row.queued || answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: status %d, want %d, queued %d", row.name, answer.Code, row.want, queued)
		}
	}
}
