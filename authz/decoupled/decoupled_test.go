package decoupled_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/decoupled/decoupledtest"
	"hopnhat/keys/seal"
)

var (
	noon = time.Date(2026, 11, 23, 5, 0, 0, 0, time.UTC)
	keys = decoupled.NewKeys(seal.New(seal.Approvals, []byte("a key of thirty-two bytes, really")))
	app  = &authz.Client{ID: "app", Name: authz.LocalizedText{VI: "Ứng dụng"}, Owner: authz.LocalizedText{VI: "Cơ quan"}}
)

type world struct {
	decoupled.Engine
	store *decoupledtest.Store
	now   time.Time
}

func newWorld() *world {
	w := &world{store: decoupledtest.New(), now: noon}
	w.Engine = decoupled.Engine{
		Store: w.store, Keys: keys, Pace: decoupled.NewPace(), Evidence: w.store.Scribe(), Now: func() time.Time { return w.now },
	}
	return w
}

func (w *world) ask(t interface{ Fatal(...any) }, change func(*decoupled.Request)) decoupled.Request {
	r := decoupled.Request{
		ID: authz.AuthorizationID(authz.NewSecret()), Channel: decoupled.CIBA, Client: "app", Subject: "p", Symbol: "42",
		State: decoupled.Requested, Created: w.now, Expires: w.now.Add(10 * time.Minute),
	}
	if change != nil {
		change(&r)
	}
	if err := w.store.InsertDecoupled(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

// wrong is a choice of the page that is not on the device.
func wrong(r decoupled.Request) string {
	for _, c := range keys.Choices(&r) {
		if c != r.Symbol {
			return c
		}
	}
	return ""
}

// unchanged is the word of a page that shows what it showed.
func unchanged(context.Context) error { return nil }

// TestAWordToAnotherPageIsNone: what was shown is asked about in the transaction that
// writes the person's word, and nothing is written if it differs.
func TestAWordToAnotherPageIsNone(t *testing.T) {
	w := newWorld()
	ctx, r := t.Context(), w.ask(t, nil)
	differs := errors.New("another page")
	if err := w.Confirm(ctx, r.ID, "p", r.Symbol, func(context.Context) error { return differs }); !errors.Is(err, differs) {
		t.Fatalf("got %v, want what the page says", err)
	}
	if confirmed, _, err := w.ConfirmedBy(ctx, r.ID, "p"); err != nil || confirmed {
		t.Fatalf("confirmed %v, %v, by an answer to another page", confirmed, err)
	}
	if err := w.Confirm(ctx, r.ID, "p", r.Symbol, unchanged); err != nil {
		t.Fatalf("the page that holds: %v", err)
	}
}

func TestEngine(t *testing.T) {
	type step func(ctx context.Context, w *world, r decoupled.Request) error
	show := func(who authz.Subject) step {
		return func(ctx context.Context, w *world, r decoupled.Request) error {
			_, err := w.Show(ctx, r.ID, who)
			return err
		}
	}
	confirm := func(who authz.Subject, pick func(decoupled.Request) string) step {
		return func(ctx context.Context, w *world, r decoupled.Request) error {
			return w.Confirm(ctx, r.ID, who, pick(r), unchanged)
		}
	}
	right := func(r decoupled.Request) string { return r.Symbol }
	nothing := func(decoupled.Request) string { return "" }
	approve := func(who authz.Subject) step {
		return func(ctx context.Context, w *world, r decoupled.Request) error { return w.Approve(ctx, r.ID, who) }
	}
	deny := func(who authz.Subject, because decoupled.Reason) step {
		return func(ctx context.Context, w *world, r decoupled.Request) error {
			return w.Deny(ctx, r.ID, who, because, app, "2", nil)
		}
	}
	later := func(_ context.Context, w *world, r decoupled.Request) error { w.now = r.Expires; return nil }
	for _, row := range []struct {
		name   string
		device bool
		steps  []step
		want   error // of the last step; the others go well
		state  decoupled.State
		events int
	}{
		{"shown, confirmed, approved", false, []step{show("p"), confirm("p", right), approve("p")}, nil, decoupled.Approved, 0},
		{"approved without being confirmed", false, []step{show("p"), approve("p")}, authz.ErrConflict, decoupled.Shown, 0},
		{"approved twice", false, []step{confirm("p", right), approve("p"), approve("p")}, authz.ErrConflict, decoupled.Approved, 0},
		{"CIBA: another person sees nothing", false, []step{show("q")}, authz.ErrNotFound, decoupled.Requested, 0},
		{"CIBA: nobody sees nothing", false, []step{show("")}, authz.ErrNotFound, decoupled.Requested, 0},
		{"CIBA: another person confirms", false, []step{confirm("q", right)}, authz.ErrNotFound, decoupled.Requested, 0},
		{"a wrong symbol", false, []step{confirm("p", wrong)}, decoupled.ErrWrongSymbol, decoupled.Shown, 0},
		{"no symbol", false, []step{confirm("p", nothing)}, decoupled.ErrNotPicked, decoupled.Shown, 0},
		{"confirmed twice is as good as once", false, []step{confirm("p", right), confirm("p", wrong)}, nil, decoupled.Confirmed, 0},
		{"expired before it is shown", false, []step{later, show("p")}, decoupled.ErrOver, decoupled.Expired, 0},
		{"expired before it is confirmed", false, []step{show("p"), later, confirm("p", right)}, decoupled.ErrOver, decoupled.Expired, 0},
		{"expired before it is approved", false, []step{confirm("p", right), later, approve("p")}, authz.ErrConflict, decoupled.Expired, 0},
		{"declined", false, []step{deny("p", decoupled.Declined)}, nil, decoupled.Denied, 0},
		{"disowned: evidence", false, []step{deny("p", decoupled.NotMe)}, nil, decoupled.Denied, 1},
		{"a wrong symbol: evidence", false, []step{deny("p", decoupled.WrongSymbol)}, nil, decoupled.Denied, 1},
		{"denied by another", false, []step{deny("q", decoupled.NotMe)}, decoupled.ErrOver, decoupled.Requested, 0},
		{"denied after it was approved", false, []step{confirm("p", right), approve("p"), deny("p", decoupled.NotMe)}, decoupled.ErrOver, decoupled.Approved, 0},
		{"confirmed after it was denied", false, []step{deny("p", decoupled.Declined), confirm("p", right)}, decoupled.ErrOver, decoupled.Denied, 0},
		{"a device is whoever's has its code", true, []step{show(""), confirm("q", right), approve("q")}, nil, decoupled.Approved, 0},
		{"a device that somebody confirmed is hers", true, []step{confirm("q", right), show("p")}, authz.ErrNotFound, decoupled.Confirmed, 0},
		{"a device that somebody confirmed is not approved by another", true, []step{confirm("q", right), approve("p")}, authz.ErrConflict, decoupled.Confirmed, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld()
			r := w.ask(t, func(r *decoupled.Request) {
				if row.device {
					r.Channel, r.Subject, r.Symbol = decoupled.Device, "", "MJHT"
				}
			})
			for i, step := range row.steps {
				err := step(t.Context(), w, r)
				if last := i == len(row.steps)-1; last && !errors.Is(err, row.want) || (!last || row.want == nil) && err != nil {
					t.Fatalf("step %d: %v, want %v", i+1, err, row.want)
				}
			}
			got, err := w.store.Decoupled(t.Context(), r.ID)
			if err != nil || got.StateAt(w.now) != row.state || len(w.store.Events) != row.events {
				t.Errorf("%s with %d events (%v), want %s with %d", got.StateAt(w.now), len(w.store.Events), err, row.state, row.events)
			}
			for _, e := range w.store.Events {
				if _, err := e.Canonical(); err != nil || e.Type != audit.SignInRefused || e.Asked.Client != "app" || e.Decision.Permit {
					t.Errorf("the event is %+v, %v", e.Decision, err)
				}
			}
		})
	}
}

// TestFatigue: of one app two requests ring at a time, of all three; a further one is
// where she looks for what waits. An app she disowned is silent for an hour.
func TestFatigue(t *testing.T) {
	w := newWorld()
	reaches := func(subject authz.Subject, client authz.ClientID, want decoupled.Reach, when string) {
		t.Helper()
		got, err := w.Reaches(t.Context(), subject, client)
		if err != nil || got != want {
			t.Fatalf("%s: got %d, want %d, %v", when, got, want, err)
		}
	}
	reaches("", "app", decoupled.ToNobody, "for nobody in particular")
	var last decoupled.Request
	for range 2 {
		reaches("p", "app", decoupled.ToRing, "fewer than two wait")
		last = w.ask(t, nil)
	}
	reaches("p", "app", decoupled.ToBeSeen, "a third of one app")
	for range 3 {
		w.ask(t, nil)
	}
	reaches("p", "another", decoupled.ToRing, "a third of all, though one app asks for more than may ring")
	w.ask(t, func(r *decoupled.Request) { r.Client = "another" })
	reaches("p", "another", decoupled.ToBeSeen, "a fourth")
	reaches("p", "a third", decoupled.ToBeSeen, "a fourth, of an app of which nothing waits")
	reaches("q", "app", decoupled.ToRing, "for another person")
	if list, err := w.Waiting(t.Context(), "p"); err != nil || len(list) != 6 || list[0].Client == list[1].Client {
		t.Fatalf("not all that wait are listed, or one app keeps the other from her: %v, %v", list, err)
	}
	if err := w.Deny(t.Context(), last.ID, "p", decoupled.NotMe, app, "2", nil); err != nil {
		t.Fatal(err)
	}
	reaches("p", "app", decoupled.ToNobody, "the app that she disowned")
	reaches("p", "another", decoupled.ToBeSeen, "another app than the one she disowned")
	w.now = w.now.Add(61 * time.Minute)
	reaches("p", "app", decoupled.ToRing, "an hour later")
}

// TestDenyIsOneCommit: what else is written fails, and nothing of it stays.
func TestDenyIsOneCommit(t *testing.T) {
	w := newWorld()
	r := w.ask(t, nil)
	broken := errors.New("no")
	err := w.Deny(t.Context(), r.ID, "p", decoupled.NotMe, app, "2", func(context.Context) error { return broken })
	if got, _ := w.store.Decoupled(t.Context(), r.ID); !errors.Is(err, broken) || got.State != decoupled.Requested ||
		len(w.store.Events) != 0 {
		t.Errorf("%v, %s, %d events", err, got.State, len(w.store.Events))
	}
}

// TestLife: whatever happens in whatever order, nothing is approved that the person
// it is for did not confirm with the right symbol while it lived, and what has
// ended stays as it is.
func TestLife(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx, w := context.Background(), newWorld()
		r := w.ask(t, func(r *decoupled.Request) {
			if rapid.Bool().Draw(t, "device") {
				r.Channel, r.Subject = decoupled.Device, ""
			}
		})
		confirmedBy, approved, ended := authz.Subject(""), 0, decoupled.State("")
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			who := rapid.SampledFrom([]authz.Subject{"p", "q", ""}).Draw(t, "who")
			switch rapid.SampledFrom([]string{"show", "right", "wrong", "approve", "deny", "wait"}).Draw(t, "step") {
			case "show":
				_, _ = w.Show(ctx, r.ID, who)
			case "right":
				if w.Confirm(ctx, r.ID, who, r.Symbol, unchanged) == nil {
					if confirmedBy != "" && confirmedBy != who {
						t.Fatalf("confirmed by %q and by %q", confirmedBy, who)
					}
					confirmedBy = who
				}
			case "wrong":
				if err := w.Confirm(ctx, r.ID, who, wrong(r), unchanged); err == nil && confirmedBy != who {
					t.Fatalf("%q confirmed with a wrong symbol", who)
				}
			case "approve":
				if w.Approve(ctx, r.ID, who) == nil {
					if approved++; who != confirmedBy || !w.now.Before(r.Expires) {
						t.Fatalf("approved by %q, confirmed by %q, at %s", who, confirmedBy, w.now)
					}
				}
			case "deny":
				_ = w.Deny(ctx, r.ID, who, decoupled.Declined, app, "2", nil)
			case "wait":
				w.now = w.now.Add(time.Duration(rapid.IntRange(1, 400).Draw(t, "seconds")) * time.Second)
			}
			got, err := w.store.Decoupled(ctx, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			state := got.StateAt(w.now)
			if ended != "" && state != ended {
				t.Fatalf("it ended %s and is %s", ended, state)
			}
			if !state.Open() {
				ended = state
			}
			if approved > 1 || (state == decoupled.Approved) != (approved == 1) {
				t.Fatalf("%d approvals, and it is %s", approved, state)
			}
		}
	})
}

func TestSymbolOf(t *testing.T) {
	for message, want := range map[string]string{
		"Quầy 7, số 4821": "4821", "42": "42", "12 va 345": "345", "so 007": "007", "AB12CD": "12",
	} {
		if got := decoupled.SymbolOf(message); got != want {
			t.Errorf("of %q it is %q, want %q", message, got, want)
		}
	}
	for _, message := range []string{"", "Quầy 7", "không có số"} {
		if got := decoupled.SymbolOf(message); len(got) != 2 || strings.Trim(got, "0123456789") != "" || got[0] == '0' {
			t.Errorf("of %q it is %q, want a new number of two digits", message, got)
		}
	}
	if got := decoupled.Masked("Quầy 7, số 4821", "4821"); got != "Quầy 7, số ••••" {
		t.Errorf("masked it is %q", got)
	}
}

// TestChoices: three of one form, the right one among them, the same each time.
func TestChoices(t *testing.T) {
	places := map[int]int{}
	rapid.Check(t, func(t *rapid.T) {
		r := decoupled.Request{
			ID:     authz.AuthorizationID(authz.NewSecret()),
			Symbol: rapid.OneOf(rapid.StringMatching(`[0-9]{2,8}`), rapid.StringMatching(`[BCDFGHJKLMNPQRSTVWXZ]{4}`)).Draw(t, "symbol"),
		}
		got := keys.Choices(&r)
		place := slices.Index(got, r.Symbol)
		if len(got) != 3 || place < 0 || !slices.Equal(got, keys.Choices(&r)) {
			t.Fatalf("%q for %q", got, r.Symbol)
		}
		places[place]++
		digits := strings.Trim(r.Symbol, "0123456789") == ""
		for i, c := range got {
			if len(c) != len(r.Symbol) || (strings.Trim(c, "0123456789") == "") != digits || (c[0] == '0') != (r.Symbol[0] == '0') ||
				slices.Index(got, c) != i {
				t.Fatalf("%q for %q", got, r.Symbol)
			}
		}
	})
	if len(places) != 3 {
		t.Errorf("the right one stood at places %v only", places)
	}
}

func TestUserCodes(t *testing.T) {
	for typed, want := range map[string]string{
		"WDJB-MJHT": "WDJBMJHT", "wdjbmjht": "WDJBMJHT", " w d j b . m j h t ": "WDJBMJHT", "": "", "WDJB-MJH": "", "WDJB-MJHTT": "", "WDJB-MJHA": "", "WDJB‑MJHT": "WDJBMJHT", "ＷＤＪＢ－ｍｊｈｔ": "WDJBMJHT", "\u202aWDJB\u200bMJHT\u202c": "WDJBMJHT",
		"WDJB/MJHT": "", strings.Repeat("-", 300) + "WDJBMJHT": "",
	} {
		if got, ok := decoupled.ParseUserCode(typed); ok != (want != "") || ok && got != want {
			t.Errorf("%q is read as %q, %t", typed, got, ok)
		}
	}
	for range 200 {
		code := decoupled.NewUserCode()
		if got, ok := decoupled.ParseUserCode(decoupled.FormatUserCode(code)); !ok || got != code ||
			!strings.HasSuffix(decoupled.FormatUserCode(code), decoupled.UserCodeSymbol(code)) {
			t.Fatalf("%q is read as %q", code, got)
		}
	}
	if a, b := keys.Digest("WDJBMJHT"), keys.Digest("WDJBMJHV"); bytes.Equal(a, b) ||
		bytes.Equal(a, decoupled.NewKeys(seal.New(seal.Approvals, []byte("another"))).Digest("WDJBMJHT")) {
		t.Error("digests do not depend on code and key")
	}
}

// FuzzUserCode: what is read is eight letters of the alphabet, and reading it again
// gives the same.
func FuzzUserCode(f *testing.F) {
	f.Add("wdjb-mjht")
	f.Add("WDJB MJHT\x00")
	f.Fuzz(func(t *testing.T, typed string) {
		code, ok := decoupled.ParseUserCode(typed)
		if !ok {
			return
		}
		if len(code) != 8 || strings.Trim(code, "BCDFGHJKLMNPQRSTVWXZ") != "" {
			t.Fatalf("%q is read as %q", typed, code)
		}
		if again, ok := decoupled.ParseUserCode(decoupled.FormatUserCode(code)); !ok || again != code {
			t.Fatalf("%q is read again as %q", code, again)
		}
	})
}

// TestCodes: only what we made is taken, whole.
func TestCodes(t *testing.T) {
	id := authz.AuthorizationID(authz.NewSecret())
	code := keys.Code(id)
	if got, ok := keys.Parse(code); !ok || got != id {
		t.Fatalf("%q, %t", got, ok)
	}
	if strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") != "" { // CIBA Core §7.3
		t.Errorf("%q has other characters", code)
	}
	other := keys.Code(authz.AuthorizationID(authz.NewSecret()))
	for name, bad := range map[string]string{
		"empty": "", "the id alone": string(id), "cut": code[:len(code)-1], "longer": code + "A", "another's MAC": code[:47] + other[47:],
		"without prefix": code[4:], "another key's": decoupled.NewKeys(seal.New(seal.Approvals, []byte("another"))).Code(id),
	} {
		if _, ok := keys.Parse(bad); ok {
			t.Errorf("%s is taken", name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rapid.IntRange(0, len(code)-1).Draw(t, "at")
		changed := []byte(code)
		changed[at] ^= byte(rapid.IntRange(1, 255).Draw(t, "by"))
		if _, ok := keys.Parse(string(changed)); ok {
			t.Fatalf("%q is taken", changed)
		}
	})
}

// TestPace is RFC 8628 §3.5: five seconds, five more for each poll too soon.
func TestPace(t *testing.T) {
	p, now := decoupled.NewPace(), noon
	for i, step := range []struct {
		wait time.Duration
		soon bool
	}{{0, false}, {5 * time.Second, false}, {time.Second, true}, {5 * time.Second, true}, {15 * time.Second, false}, {14 * time.Second, true}, {20 * time.Second, false}} {
		now = now.Add(step.wait)
		if got := p.TooFast("a", now); got != step.soon {
			t.Errorf("poll %d: too fast %t, want %t", i+1, got, step.soon)
		}
	}
	if p.TooFast("b", now) {
		t.Error("another request is slowed down")
	}
	for range 100 {
		p.TooFast("a", now)
	}
	if p.TooFast("a", now.Add(time.Minute)) {
		t.Error("the interval grows without an end")
	}
	p.Forget("a")
	if p.TooFast("a", now) {
		t.Error("a request that was forgotten is known")
	}
}
