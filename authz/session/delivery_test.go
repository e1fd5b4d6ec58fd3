package session

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/outbound"
	"hopnhat/authz/outbox"
)

// box is an outbox in memory that keeps its promises: nothing is claimed twice.
type box struct {
	mu   sync.Mutex
	rows map[string]*Delivery
}

func (b *box) put(client authz.ClientID, uri string, at time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := authz.NewID()
	if b.rows == nil {
		b.rows = map[string]*Delivery{}
	}
	b.rows[id] = &Delivery{ID: id, Client: client, URI: uri, Next: at, Session: "s", Subject: "p"}
	return id
}

func (b *box) get(id string) Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	return *b.rows[id]
}

func (b *box) DueLogouts(_ context.Context, now, until time.Time, busy []authz.ClientID, perClient, limit int) ([]Delivery, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for id := range b.rows {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	counts := map[authz.ClientID]int{}
	var out []Delivery
	for _, id := range ids {
		d := b.rows[id]
		if d.Done.IsZero() && !d.Next.After(now) && !slices.Contains(busy, d.Client) && counts[d.Client] < perClient && len(out) < limit {
			counts[d.Client]++
			d.Next = until
			out = append(out, *d)
		}
	}
	return out, nil
}

func (b *box) FinishLogout(_ context.Context, d Delivery) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	*b.rows[d.ID] = d
	return nil
}

// courier is a deliverer with a clock in hand.
func courier(b *box, now *time.Time) Deliverer {
	return Deliverer{
		Outbox: b, Out: outbound.New(true), Now: func() time.Time { return *now },
		Token: func(_ context.Context, d Delivery) (string, error) {
			if d.Client == "gone" {
				return "", authz.ErrNotFound
			}
			if d.Client == "unsigned" {
				return "", authz.ErrUnavailable
			}
			return "token-of-" + d.ID, nil
		},
	}
}

// TestAnswers: how a logout token is posted (Back-Channel Logout §2.5), what an app's answer means
// (Back-Channel Logout §2.8), and that nothing of it is kept but a status and a code.
func TestAnswers(t *testing.T) {
	var redirected atomic.Int32
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/inside" {
			redirected.Add(1)
			return
		}
		if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" ||
			!strings.HasPrefix(r.PostFormValue("logout_token"), "token-of-") {
			t.Errorf("§2.5: got %s %s", r.Method, r.Header.Get("Content-Type"))
		}
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		switch status {
		case 302:
			w.Header().Set("Location", "/inside")
		case 400:
			w.Header().Set("Content-Type", "application/json")
			defer fmt.Fprint(w, `{"error":"invalid_request","error_description":"Nguyễn Văn A is not signed in"}`)
		case 501:
			defer fmt.Fprint(w, `{"error":"Nguyễn Văn A is not here"}`)
		}
		w.WriteHeader(status)
	}))
	defer app.Close()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	defer untrusted.Close()
	untrusted.Config.ErrorLog = nil
	for _, row := range []struct {
		name   string
		client authz.ClientID
		uri    string
		cause  outbox.Cause
		state  State
	}{
		{"200: it logged out", "a", app.URL + "/200", "", Delivered},
		{"204: some answer so", "a", app.URL + "/204", "", Delivered},
		{"400: it refused", "a", app.URL + "/400", "answer 400 invalid_request", Waiting},
		{"501: what it says is not repeated", "a", app.URL + "/501", "answer 501", Waiting},
		{"302: a redirect is neither followed nor success", "a", app.URL + "/302", "answer 302", Waiting},
		{"202: is not 200", "a", app.URL + "/202", "answer 202", Waiting},
		{"nobody listens", "a", gone.URL, outbox.CauseUnreachable, Waiting},
		{"nobody vouches for the certificate", "a", untrusted.URL, outbox.CauseCertificate, Waiting},
		{"an address of a network of ours", "a", "http://10.0.0.1/out", outbox.CauseAddress, Waiting},
		{"no such host", "a", "https://nobody.invalid/out", outbox.CauseName, Waiting},
		{"the app is registered no more", "gone", app.URL + "/200", outbox.CauseGone, GivenUp},
		{"our keys are out of reach", "unsigned", app.URL + "/200", outbox.CauseKeys, Waiting},
	} {
		t.Run(row.name, func(t *testing.T) {
			now := time.Now().UTC()
			b := &box{}
			id := b.put(row.client, row.uri, now)
			if err := courier(b, &now).Lane().Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := b.get(id)
			if got.Failed != row.cause || got.State() != row.state || got.Attempts != 1 {
				t.Fatalf("got %q, %s after %d attempts; want %q, %s", got.Failed, got.State(), got.Attempts, row.cause, row.state)
			}
		})
	}
	if redirected.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestSchedule: a dead app is tried twelve times over half a day, each time later,
// and then no more; an app that comes back gets its token.
func TestSchedule(t *testing.T) {
	var alive atomic.Bool
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !alive.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer app.Close()
	for _, row := range []struct {
		name     string
		revives  int // before this attempt
		attempts int
		state    State
	}{
		{"never back", 99, maxAttempts, GivenUp},
		{"back for the third attempt", 3, 3, Delivered},
		{"back for the last", maxAttempts, maxAttempts, Delivered},
	} {
		t.Run(row.name, func(t *testing.T) {
			alive.Store(false)
			began := time.Now().UTC()
			now := began
			b := &box{}
			id := b.put("a", app.URL, now)
			d := courier(b, &now).Lane()
			wait := time.Duration(0)
			for range 40 {
				alive.Store(b.get(id).Attempts+1 >= row.revives)
				before := b.get(id).Attempts
				if err := d.Deliver(t.Context()); err != nil {
					t.Fatal(err)
				}
				got := b.get(id)
				if !got.Done.IsZero() {
					break
				}
				if got.Attempts != before+1 {
					t.Fatalf("attempt %d was not made", before+1)
				}
				if next := got.Next.Sub(now); next < wait {
					t.Fatalf("attempt %d comes sooner than the one before: %s after %s", got.Attempts+1, next, wait)
				} else {
					wait = next
				}
				now = got.Next.Add(-time.Nanosecond)
				if err := d.Deliver(t.Context()); err != nil || b.get(id).Attempts != got.Attempts {
					t.Fatalf("tried before its time, %v", err)
				}
				now = got.Next
			}
			got := b.get(id)
			if got.State() != row.state || got.Attempts != row.attempts {
				t.Fatalf("got %s after %d attempts", got.State(), got.Attempts)
			}
			if spent := now.Sub(began); row.attempts == maxAttempts && (spent < 10*time.Hour || spent > maxAge) {
				t.Fatalf("the attempts took %s", spent)
			}
			stats := d.Stats()
			if stats.Delivered+stats.GivenUp != 1 || stats.Delivered+stats.Failed != uint64(row.attempts) {
				t.Fatalf("got %+v", stats)
			}
		})
	}
}

// TestADeadAppHoldsUpNobody: while one app answers nothing, the others have their
// tokens; its own that were not tried are not counted as tried.
func TestADeadAppHoldsUpNobody(t *testing.T) {
	asked := make(chan struct{}, 100)
	never := make(chan struct{})
	dead := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked <- struct{}{}
		<-never
	}))
	defer dead.Close()
	defer close(never)
	told := make(chan string, 100)
	alive := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.PostFormValue("logout_token") }))
	defer alive.Close()
	now := time.Now().UTC()
	b := &box{}
	var waiting []string
	for range 20 {
		waiting = append(waiting, b.put("dead", dead.URL, now))
	}
	made := courier(b, &now)
	wake := make(chan struct{}, 1)
	made.Wake = wake
	d := made.Lane()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { d.Run(ctx); close(ended) }()
	for range deliveryBounds.PerApp {
		<-asked // the dead app holds every attempt it may have
	}
	for i := range 10 {
		id := b.put(authz.ClientID(fmt.Sprint("alive", i%3)), alive.URL, now)
		wake <- struct{}{}
		if got := <-told; got != "token-of-"+id {
			t.Fatalf("got %q", got)
		}
	}
	stop()
	<-ended
	select {
	case <-asked:
		t.Fatal("more attempts at once than one app may have")
	default:
	}
	for _, id := range waiting {
		if got := b.get(id); got.Attempts != 0 || !got.Done.IsZero() {
			t.Fatalf("stopping counted an attempt: %+v", got)
		}
	}
	// Back: after the claim runs out, all go to the app that answers now.
	now = now.Add(deliveryBounds.Claim)
	b.mu.Lock()
	for _, d := range b.rows {
		d.URI = alive.URL
	}
	b.mu.Unlock()
	if err := courier(b, &now).Lane().Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range waiting {
		if got := b.get(id); got.State() != Delivered {
			t.Fatalf("got %+v", got)
		}
	}
}

// TestAnUnreachableAppIsTriedOnceATurn: after one attempt found nobody, the rest of
// the turn waits without being counted, and in the end nothing waits for ever.
func TestAnUnreachableAppIsTriedOnceATurn(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	now := time.Now().UTC()
	b := &box{}
	var ids []string
	for range 100 {
		ids = append(ids, b.put("gone-away", gone.URL, now))
	}
	d := courier(b, &now).Lane()
	if err := d.Deliver(t.Context()); err != nil {
		t.Fatal(err)
	}
	tried := d.Stats().Failed
	if tried == 0 || tried > 2*uint64(deliveryBounds.PerApp) {
		t.Fatalf("%d attempts at an app that nobody reaches", tried)
	}
	now = now.Add(maxAge)
	for range 20 {
		if err := d.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
		now = now.Add(deliveryBounds.Claim)
	}
	for _, id := range ids {
		if got := b.get(id); got.State() != GivenUp {
			t.Fatalf("after a day it still waits: %+v", got)
		}
	}
}

// TestNotices: a delivery about a consent is a security event token, pushed as RFC 8935
// §2 says, by the same lanes and with the same patience as logout tokens.
func TestNotices(t *testing.T) {
	var kinds, bodies []string
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		kinds, bodies = append(kinds, r.Header.Get("Content-Type")), append(bodies, string(raw))
		switch r.URL.Path {
		case "/202":
			w.WriteHeader(http.StatusAccepted)
		case "/400":
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"err":"invalid_key","description":"Nguyễn Văn A"}`)
		}
	}))
	defer app.Close()
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name, path string
		cause      outbox.Cause
		state      State
	}{
		{"RFC 8935 §2.2: accepted", "/202", "", Delivered},
		{"200, which some answer", "/200", "", Delivered},
		{"RFC 8935 §2.3: refused", "/400", "answer 400 invalid_key", Waiting},
	} {
		t.Run(row.name, func(t *testing.T) {
			one := Delivery{ID: authz.NewID(), Client: "a", URI: app.URL + row.path, About: "consent#1", Next: now}
			b := &box{rows: map[string]*Delivery{one.ID: &one}}
			c := courier(b, &now)
			c.Notice = func(_ context.Context, d Delivery) (string, error) { return "notice-of-" + d.About, nil }
			if err := c.Lane().Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := *b.rows[one.ID]
			if got.Failed != row.cause || got.State() != row.state || got.Attempts != 1 {
				t.Fatalf("got %+v", got)
			}
			if kind, body := kinds[len(kinds)-1], bodies[len(bodies)-1]; kind != "application/secevent+jwt" ||
				body != "notice-of-consent#1" {
				t.Fatalf("got %s %s", kind, body)
			}
		})
	}
}
