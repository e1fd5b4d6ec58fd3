package passkey_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/authn/passkey/passkeytest"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/authz/tally"
	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const origin = "https://id.example"

// room is passkeys on a database with two persons, an and chi.
type room struct {
	*passkey.Passkeys
	db       *store.DB
	now      time.Time
	wait     time.Duration
	holder   authz.Subject // of each ticket, nobody if empty
	acts     []audit.Act
	outcomes tally.Counter[authn.Outcome]
	began    int
}

func newRoom(t *testing.T, db *store.DB) *room {
	t.Helper()
	r := &room{db: db, now: time.Unix(1_796_000_000, 0)}
	party, ok := passkey.PartyOf(origin)
	if !ok {
		t.Fatal("the issuer is no relying party")
	}
	r.Passkeys = passkey.New(passkey.Options{
		Party: party, Key: keytest.GoldenKey(seal.Passkeys), Store: db.Passkeys, Evidence: r, Limit: r, Tickets: r, Outcomes: &r.outcomes,
		Now: func() time.Time { return r.now },
	})
	for i, who := range []authz.Subject{"an", "chi"} {
		account := identity.Account{Subject: who, Kind: "citizen", Person: authz.PersonID(who), Name: string(who), Level: 2, Created: r.now}
		if err := db.InsertAccount(t.Context(), account, authz.PersonalNumber([]string{"099304000017", "099304000018"}[i])); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (r *room) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	r.acts = append(r.acts, acts...)
	return nil, nil
}

func (r *room) Take(netip.Addr) time.Duration { return r.wait }

func (r *room) Holder(string, string) (authz.Subject, error) {
	if r.holder == "" {
		return "", authn.ErrTicket
	}
	return r.holder, nil
}

func person(who authz.Subject) passkey.Person {
	return passkey.Person{Subject: who, Session: authz.SessionID("session of " + who), Binding: "browser", Name: "Nguyễn Văn An"}
}

// add has an authenticator make a passkey of a person.
func (r *room) add(t *testing.T, who authz.Subject, a *passkeytest.Authenticator) {
	t.Helper()
	if err := r.tryToAdd(t, who, a); err != nil {
		t.Fatal(err)
	}
}

func (r *room) tryToAdd(t *testing.T, who authz.Subject, a *passkeytest.Authenticator) error {
	t.Helper()
	return r.Add(t.Context(), person(who), "Điện thoại", a.Create(t, r.Offer(person(who), "Định danh quốc gia", nil)))
}

// signIn answers a browser's question, in a browser.
func (r *room) signIn(ctx context.Context, answer, ticket, browser string) error {
	return r.SignIn(ctx, answer, ticket, authn.Origin{Address: netip.MustParseAddr("192.0.2.7"), Binding: browser}, r.start)
}

func (r *room) start(ctx context.Context, res authn.Result) error {
	s := session.Session{
		ID: authz.SessionID(authz.NewID()), Principal: authz.Herself(res.Subject), AuthTime: res.At, Methods: res.Methods,
		Level: authz.LevelOf(res.Methods), Created: res.At, Seen: res.At,
	}
	if s.Level != 2 || !slices.Contains(res.Methods, "pop") {
		return errors.New("a passkey reaches level 2")
	}
	err := r.db.InsertSession(ctx, s, authz.HashSecret(authz.NewSecret()), res.By)
	if err == nil {
		r.began++
	}
	return err
}

func reason(err error) passkey.Reason {
	var refused passkey.Refusal
	errors.As(err, &refused)
	return refused.Reason
}

// TestSigningIn: a person adds passkeys, signs in with each and removes one; she sees which
// she has and when they were used.
func TestSigningIn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		phone, synced := passkeytest.New(t, origin), passkeytest.New(t, origin)
		synced.Counter, synced.Step, synced.Flags = 0, 0, synced.Flags|passkeytest.Eligible|passkeytest.BackedUp
		synced.Format = "packed"
		r.add(t, "an", phone)
		r.add(t, "an", synced)
		for i := range 3 {
			for _, a := range []*passkeytest.Authenticator{phone, synced} {
				if err := r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "", "browser"); err != nil {
					t.Fatalf("sign-in %d: %v", i, err)
				}
			}
		}
		if r.holder = "an"; r.signIn(t.Context(), phone.Get(t, r.Ask("browser")), "ticket", "browser") != nil {
			t.Error("a passkey of the person who gave her number was refused")
		}
		list, err := r.List(t.Context(), "an")
		if err != nil || len(list) != 2 || list[0].Name != "Điện thoại" || list[0].Synced || !list[1].Synced || list[1].Used.IsZero() ||
			r.began != 7 {
			t.Fatalf("got %+v, %v, %d sessions", list, err, r.began)
		}
		if err := r.Remove(t.Context(), "chi", list[0].ID); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another person removed it: %v", err)
		}
		if err := r.Remove(t.Context(), "an", list[0].ID); err != nil {
			t.Error(err)
		}
		if err := r.Remove(t.Context(), "an", list[0].ID); !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("removed twice: %v", err)
		}
		if got := reason(r.signIn(t.Context(), phone.Get(t, r.Ask("browser")), "", "browser")); got != passkey.Unknown {
			t.Errorf("a passkey that was removed: got %q", got)
		}
		if err := r.signIn(t.Context(), synced.Get(t, r.Ask("browser")), "", "browser"); err != nil {
			t.Errorf("the other passkey: %v", err)
		}
		var actions []audit.Action
		for _, act := range r.acts {
			actions = append(actions, act.Action)
		}
		if !slices.Equal(actions, []audit.Action{audit.PasskeyAdded, audit.PasskeyAdded, audit.PasskeyRemoved}) {
			t.Errorf("events: %v", actions)
		}
		if got := r.outcomes.All()[authn.Outcome{Step: "passkey", Result: "right"}]; got != 8 {
			t.Errorf("counted %d sign-ins that were right, want 8", got)
		}
	})
}

// TestRefused: each sign-in that WebAuthn or we refuse, and that nothing begins by it.
func TestRefused(t *testing.T) {
	type browser struct{ asks, sends, ticket string }
	rows := []struct {
		name   string
		lie    func(r *room, a *passkeytest.Authenticator)
		change func(r *room, answer string) string
		in     browser
		want   passkey.Reason
	}{
		{"WebAuthn §7.2 step 12: another origin", func(_ *room, a *passkeytest.Authenticator) { a.Origin = "https://id.example.evil" }, nil, browser{}, passkey.Origin},
		{"§7.2 step 12: the same host by http", func(_ *room, a *passkeytest.Authenticator) { a.Origin = "http://id.example" }, nil, browser{}, passkey.Origin},
		{"§7.2 step 13: a frame in a page of another origin", func(_ *room, a *passkeytest.Authenticator) { a.CrossOrigin = true }, nil, browser{}, passkey.Origin},
		{"§7.2 step 15: signed for another RP ID", func(_ *room, a *passkeytest.Authenticator) { a.Host = "example" }, nil, browser{}, passkey.RelyingID},
		{"§7.2 step 16: nobody was there", func(_ *room, a *passkeytest.Authenticator) { a.Flags = passkeytest.Verified }, nil, browser{}, passkey.Unverified},
		{"§7.2 step 17: the person was not verified", func(_ *room, a *passkeytest.Authenticator) { a.Flags = passkeytest.Present }, nil, browser{}, passkey.Unverified},
		{"§7.2 step 10: of another ceremony", func(_ *room, a *passkeytest.Authenticator) { a.Type = "webauthn.create" }, nil, browser{}, passkey.Type},
		{"§7.2 step 18: now it may be copied", func(_ *room, a *passkeytest.Authenticator) { a.Flags |= passkeytest.Eligible }, nil, browser{}, passkey.Backup},
		{"§6.1.3: a copy of what may not be copied", func(_ *room, a *passkeytest.Authenticator) { a.Flags |= passkeytest.BackedUp }, nil, browser{}, passkey.Backup},
		{"§7.2 step 22: the counter went back", func(_ *room, a *passkeytest.Authenticator) { a.Counter = 1 }, nil, browser{}, passkey.Counter},
		{"§7.2 step 22: the counter stood still", func(_ *room, a *passkeytest.Authenticator) { a.Counter -= a.Step }, nil, browser{}, passkey.Counter},
		{"§7.2 step 22: the counter is gone", func(_ *room, a *passkeytest.Authenticator) { a.Counter = 0 }, nil, browser{}, passkey.Counter},
		{"§7.2 step 6: the user handle of another person", func(_ *room, a *passkeytest.Authenticator) { a.Handle = []byte("chi") }, nil, browser{}, passkey.Owner},
		{"§7.2 step 6: no user handle", func(_ *room, a *passkeytest.Authenticator) { a.Handle = nil }, nil, browser{}, passkey.Owner},
		{"§7.2 step 7: a credential that nobody added", func(_ *room, a *passkeytest.Authenticator) { a.ID = []byte("another") }, nil, browser{}, passkey.Unknown},
		{"another person gave her number before", func(r *room, _ *passkeytest.Authenticator) { r.holder = "chi" }, nil, browser{ticket: "ticket"}, passkey.Owner},
		{"§7.2 step 11: the challenge of another browser", nil, nil, browser{asks: "another"}, passkey.Foreign},
		{"no browser", nil, nil, browser{asks: "-", sends: "-"}, passkey.Foreign},
		{"§7.2 step 11: a challenge that we did not make", nil, func(_ *room, answer string) string {
			return strings.Replace(answer, `"clientDataJSON":"`, `"clientDataJSON":"e30","x":"`, 1)
		}, browser{}, passkey.Foreign},
		{"the challenge is too old", nil, func(r *room, answer string) string {
			r.now = r.now.Add(passkey.Life)
			return answer
		}, browser{}, passkey.Late},
		{"§7.2 step 21: another signature", nil, func(_ *room, answer string) string {
			return strings.Replace(answer, `"signature":"`, `"signature":"AAAA`, 1)
		}, browser{}, passkey.Signature},
		{"nothing", nil, func(*room, string) string { return "" }, browser{}, passkey.Malformed},
		{"too long", nil, func(_ *room, answer string) string { return answer + strings.Repeat(" ", 16<<10) }, browser{}, passkey.Malformed},
		{"two answers", nil, func(_ *room, answer string) string { return answer + answer }, browser{}, passkey.Malformed},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		for _, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				a := passkeytest.New(t, origin)
				a.Counter = 5
				r.add(t, "an", a)
				before := r.began
				if row.lie != nil {
					row.lie(r, a)
				}
				asks, sends := row.in.asks, row.in.sends
				if asks == "" {
					asks = "browser"
				}
				if sends == "" {
					sends = "browser"
				}
				asks, sends = strings.Trim(asks, "-"), strings.Trim(sends, "-")
				answer := a.Get(t, r.Ask(asks))
				if row.change != nil {
					answer = row.change(r, answer)
				}
				if got := reason(r.signIn(t.Context(), answer, row.in.ticket, sends)); got != row.want || r.began != before {
					t.Errorf("got %q, want %q, and %d sessions more", got, row.want, r.began-before)
				}
				for _, one := range must(r.List(t.Context(), "an"))(t) {
					if err := r.Remove(t.Context(), "an", one.ID); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestOnce: an answer is good once, whatever came before it; a counter that went back is told
// the person once for each challenge.
func TestOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		for _, step := range []uint32{0, 1} { // an authenticator without a counter, and one with
			a := passkeytest.New(t, origin)
			a.Counter, a.Step = 3*step, step
			r.add(t, "an", a)
			answer := a.Get(t, r.Ask("browser"))
			if err := r.signIn(t.Context(), answer, "", "browser"); err != nil {
				t.Fatal(err)
			}
			if got := reason(r.signIn(t.Context(), answer, "", "browser")); got != passkey.Spent || len(r.acts) != 1 {
				t.Errorf("the same answer again: got %q, %d events", got, len(r.acts))
			}
			r.acts = nil
		}
		a := passkeytest.New(t, origin)
		a.Counter = 9
		r.add(t, "an", a)
		a.Counter, r.acts = 2, nil
		answer := a.Get(t, r.Ask("browser"))
		first, second := reason(r.signIn(t.Context(), answer, "", "browser")), reason(r.signIn(t.Context(), answer, "", "browser"))
		if first != passkey.Counter || second != passkey.Spent || len(r.acts) != 1 ||
			r.acts[0].Action != audit.PasskeyRefused || r.acts[0].Subject != "an" {
			t.Errorf("got %q and %q, events %+v", first, second, r.acts)
		}
	})
}

// TestCosts: a sign-in with a passkey is one commit. It reads the passkey, spends the challenge,
// accepts the answer with the new session, and writes the event.
func TestCosts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		a := passkeytest.New(t, origin)
		r.add(t, "an", a)
		answer := a.Get(t, r.Ask("browser"))
		before := db.Stats()
		if err := r.signIn(t.Context(), answer, "", "browser"); err != nil {
			t.Fatal(err)
		}
		after := db.Stats()
		// The event is written by the scribe of the node, which is not here.
		want := store.Stats{Queries: 4, Commits: 1}
		if db.Dialect() == store.PostgreSQL {
			want.Queries = 3 // the answer is accepted by the statement that stores the session
		}
		if got := (store.Stats{Queries: after.Queries - before.Queries, Commits: after.Commits - before.Commits}); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// TestLocked: the account of a passkey that is right is locked, and the person is told; a
// wrong answer tells nobody that it is.
func TestLocked(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		a := passkeytest.New(t, origin)
		r.add(t, "an", a)
		if err := db.Lock(t.Context(), "an", "lost", r.now); err != nil {
			t.Fatal(err)
		}
		if err := r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "", "browser"); !errors.Is(err, authn.ErrLocked) || r.began != 0 {
			t.Errorf("got %v", err)
		}
		a.Flags = passkeytest.Present
		if got := reason(r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "", "browser")); got != passkey.Unverified {
			t.Errorf("a wrong answer: got %q", got)
		}
		if err := r.tryToAdd(t, "an", passkeytest.New(t, origin)); !errors.Is(err, authn.ErrLocked) {
			t.Errorf("a passkey for a locked account: got %v", err)
		}
		r.holder, r.wait = "", time.Minute
		if err := r.signIn(t.Context(), "", "", "browser"); !errors.As(err, new(authn.Throttled)) {
			t.Errorf("got %v, want Throttled", err)
		}
	})
}

// TestACopyOfAnAuthenticatorThatCounts: an answer that says 0, read before the counter of the
// passkey grew, is not accepted after it.
func TestACopyOfAnAuthenticatorThatCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		a := passkeytest.New(t, origin)
		a.Counter = 0
		r.add(t, "an", a)
		id := must(r.List(t.Context(), "an"))(t)[0].ID
		if err := r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "", "browser"); err != nil {
			t.Fatal(err)
		}
		late := &authn.Acceptance{Subject: "an", At: r.now, Uses: []authn.Use{{Factor: id, Kind: authn.PasskeyFactor}}}
		if err := db.Tx(t.Context(), func(ctx context.Context) error { return db.Accept(ctx, late) }); !errors.Is(err, authn.ErrUsed) {
			t.Errorf("got %v", err)
		}
		if late.Passkey() != string(id) || (&authn.Acceptance{Uses: []authn.Use{{Factor: id}}}).Passkey() != "" {
			t.Error("an acceptance does not say of which passkey it is")
		}
	})
}

// TestForged: a row that somebody else wrote signs nobody in, nor one that was moved to another
// person, or opened again after its removal.
func TestForged(t *testing.T) {
	for name, row := range map[string]struct {
		statement string
		want      passkey.Reason
	}{
		"another key":               {"UPDATE passkeys SET public_key = 'another'", passkey.Forged},
		"another person":            {"UPDATE passkeys SET subject = 'chi'", passkey.Forged},
		"opened after its removal":  {"UPDATE passkeys SET disabled_at = NULL", passkey.Unknown},
		"the MAC of no row at all":  {"UPDATE passkeys SET mac = ''", passkey.Forged},
		"now it may be copied, too": {"UPDATE passkeys SET synced = true", passkey.Forged},
		"its counter is set on":     {"UPDATE passkeys SET counter = 4611686018427387904", passkey.Forged},
		"its counter is set back":   {"UPDATE passkeys SET counter = 0", passkey.Forged},
		"its counter has no MAC":    {"UPDATE passkeys SET counter_mac = NULL", passkey.Forged},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				r := newRoom(t, db)
				a := passkeytest.New(t, origin)
				r.add(t, "an", a)
				if strings.Contains(name, "removal") {
					if err := r.Remove(t.Context(), "an", must(r.List(t.Context(), "an"))(t)[0].ID); err != nil {
						t.Fatal(err)
					}
				}
				if err := db.Writer(t.Context()).Exec(row.statement).Error; err != nil {
					t.Fatal(err)
				}
				events := len(r.acts)
				got := reason(r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "", "browser"))
				if got != row.want || r.began != 0 || len(r.acts) != events {
					t.Errorf("got %q, want %q, %d events more", got, row.want, len(r.acts)-events)
				}
				if list := must(r.List(t.Context(), "an"))(t); len(list) != 0 {
					t.Errorf("she sees it as hers: %+v", list)
				}
			})
		})
	}
}

// TestTicketIsOld: where the number was given too long ago, the passkey begins nothing.
func TestTicketIsOld(t *testing.T) {
	r := newRoom(t, storetest.SQLite(t, nil))
	a := passkeytest.New(t, origin)
	r.add(t, "an", a)
	if err := r.signIn(t.Context(), a.Get(t, r.Ask("browser")), "ticket", "browser"); !errors.Is(err, authn.ErrTicket) || r.began != 0 {
		t.Errorf("got %v", err)
	}
}

// TestNotAdded: each passkey that WebAuthn or we do not keep.
func TestNotAdded(t *testing.T) {
	rows := []struct {
		name string
		lie  func(a *passkeytest.Authenticator)
		whom passkey.Person
		want passkey.Reason
	}{
		{"WebAuthn §7.1 step 9: another origin", func(a *passkeytest.Authenticator) { a.Origin = "https://example" }, person("an"), passkey.Origin},
		{"§7.1 step 10: a frame in a page of another origin", func(a *passkeytest.Authenticator) { a.CrossOrigin = true }, person("an"), passkey.Origin},
		{"§7.1 step 14: for another RP ID", func(a *passkeytest.Authenticator) { a.Host = "example" }, person("an"), passkey.RelyingID},
		{"§7.1 step 16: the person was not verified", func(a *passkeytest.Authenticator) { a.Flags = passkeytest.Present }, person("an"), passkey.Unverified},
		{"§7.1 step 7: of another ceremony", func(a *passkeytest.Authenticator) { a.Type = "webauthn.get" }, person("an"), passkey.Type},
		{"§7.1 step 21: a statement that is none", func(a *passkeytest.Authenticator) { a.Format = "wax" }, person("an"), passkey.Attestation},
		{"§7.1 step 21: a statement without its signature", func(a *passkeytest.Authenticator) { a.Format = "fido-u2f" }, person("an"), passkey.Attestation},
		{"§7.1 step 8: the challenge of another session", nil, passkey.Person{Subject: "an", Session: "another", Binding: "browser"}, passkey.Foreign},
		{"§7.1 step 8: the challenge of another person", nil, person("chi"), passkey.Foreign},
		{"§7.1 step 8: the challenge of another browser", nil, passkey.Person{Subject: "an", Session: person("an").Session, Binding: "another"}, passkey.Foreign},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		r := newRoom(t, db)
		for _, row := range rows {
			a := passkeytest.New(t, origin)
			if row.lie != nil {
				row.lie(a)
			}
			if got := reason(r.Add(t.Context(), row.whom, "x", a.Create(t, r.Offer(person("an"), "x", nil)))); got != row.want {
				t.Errorf("%s: got %q, want %q", row.name, got, row.want)
			}
		}
		a := passkeytest.New(t, origin)
		if got := reason(r.Add(t.Context(), person("an"), "x", a.Create(t, r.Ask("browser")))); got != passkey.Foreign {
			t.Errorf("the challenge of a sign-in: got %q", got)
		}
		answer := a.Create(t, r.Offer(person("an"), "x", nil))
		r.now = r.now.Add(passkey.Life)
		if got := reason(r.Add(t.Context(), person("an"), "x", answer)); got != passkey.Late {
			t.Errorf("an old challenge: got %q", got)
		}
		answer = a.Create(t, r.Offer(person("an"), "x", nil))
		for _, name := range []string{"", " ", "a\x00b", strings.Repeat("ă", passkey.MaxName+1)} {
			if err := r.Add(t.Context(), person("an"), name, answer); !errors.Is(err, passkey.ErrName) {
				t.Errorf("name %q: got %v", name, err)
			}
		}
		if err := r.Add(t.Context(), person("an"), "  Máy   tính ", answer); err != nil {
			t.Fatal(err)
		}
		if got := reason(r.Add(t.Context(), person("an"), "x", answer)); got != passkey.Spent {
			t.Errorf("the same answer again: got %q", got)
		}
		if got := reason(r.tryToAdd(t, "chi", a)); got != passkey.Taken {
			t.Errorf("§7.1 step 26: the credential of another person: got %q", got)
		}
		for range passkey.Most - 1 {
			r.add(t, "an", passkeytest.New(t, origin))
		}
		if got := reason(r.tryToAdd(t, "an", passkeytest.New(t, origin))); got != passkey.Full {
			t.Errorf("one too many: got %q", got)
		}
		list, err := r.List(t.Context(), "an")
		if err != nil || len(list) != passkey.Most || list[0].Name != "Máy tính" || len(r.acts) != passkey.Most {
			t.Errorf("got %d passkeys and %d events, %v", len(list), len(r.acts), err)
		}
	})
}

// TestOptions: what the browser is told demands a discoverable passkey and a verified person,
// names those that are there, and nothing of the person that an authenticator need not know.
func TestOptions(t *testing.T) {
	r := newRoom(t, storetest.SQLite(t, nil))
	offer := r.Offer(person("an"), "Định danh quốc gia", []passkey.Passkey{{Held: passkey.Held{Credential: []byte("one")}}})
	for _, part := range []string{
		`"residentKey":"required"`, `"userVerification":"required"`, `"attestation":"none"`, `"excludeCredentials":[{"type":"public-key","id":"b25l"}]`,
		`"rp":{"id":"id.example"`, `{"type":"public-key","alg":-7}`,
	} {
		if !strings.Contains(offer, part) {
			t.Errorf("no %s in %s", part, offer)
		}
	}
	if strings.Contains(offer, "YW4") { // "an"
		t.Errorf("the user handle is the subject: %s", offer)
	}
	ask := r.Ask("browser")
	if ask == r.Ask("browser") || !strings.Contains(ask, `"userVerification":"required"`) || strings.Contains(ask, "allowCredentials") {
		t.Errorf("got %s", ask)
	}
}

// TestPartyOf: the RP ID is the host of the issuer, and an address is none.
func TestPartyOf(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://id.example": "id.example", "http://localhost:8080": "localhost", "https://127.0.0.1": "", "https://[::1]:443": "", "": "", "%": "",
	} {
		if p, ok := passkey.PartyOf(issuer); p.ID != want || ok != (want != "") || ok && p.Origin != issuer {
			t.Errorf("%q: got %+v, %v", issuer, p, ok)
		}
	}
}
