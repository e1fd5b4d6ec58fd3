package decoupled_test

import (
	"bytes"
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
	"hopnhat/authz/decoupled"
	"hopnhat/authz/outbound"
)

// outbox hands out pings and keeps what became of them.
type outbox struct {
	ping     decoupled.Ping
	more     []decoupled.Ping
	mu       sync.Mutex
	finished []decoupled.Ping
}

func (o *outbox) DuePings(context.Context, time.Time, time.Time, []authz.ClientID, int, int) ([]decoupled.Ping, error) {
	return append([]decoupled.Ping{o.ping}, o.more...), nil
}

func (o *outbox) FinishPing(_ context.Context, p decoupled.Ping) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finished = append(o.finished, p)
	return nil
}

type directory struct{ client *authz.Client }

func (d directory) Client(context.Context, authz.ClientID) (*authz.Client, error) {
	return d.client, nil
}

// opener opens what is for the request it was sealed for.
type opener struct{}

func (opener) Open(_ context.Context, sealed, aad []byte) ([]byte, bool, error) {
	return bytes.TrimSuffix(sealed, aad), false, nil
}

func TestPing(t *testing.T) {
	const id = "0123456789012345678901234567890123456789012"
	for _, row := range []struct {
		name     string
		status   int
		attempts int // before this one
		again    bool
		failed   bool
	}{
		{"CIBA Core §10.2: 204", http.StatusNoContent, 0, false, false},
		{"CIBA Core §10.2: 200 with a body", http.StatusOK, 0, false, false},
		{"CIBA Core §10.2: a redirect is not followed", http.StatusFound, 0, false, true},
		{"FAPI-CIBA: 401 is not asked again", http.StatusUnauthorized, 0, false, true},
		{"FAPI-CIBA: 403 is not asked again", http.StatusForbidden, 0, false, true},
		{"404 is not asked again", http.StatusNotFound, 0, false, true},
		{"429 is asked later", http.StatusTooManyRequests, 0, true, true},
		{"500 is asked later", http.StatusInternalServerError, 0, true, true},
		{"but not for ever", http.StatusInternalServerError, 4, false, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			followed := false
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/ping" {
					followed = true
					return
				}
				body, _ := io.ReadAll(r.Body)
				if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer the-token" ||
					string(body) != `{"auth_req_id":"`+keys.Code(id)+`"}` {
					t.Errorf("%s, %q, %s", r.Method, r.Header.Get("Authorization"), body)
				}
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(row.status)
				_, _ = io.WriteString(w, strings.Repeat("x", 10))
			}))
			defer server.Close()
			box := &outbox{ping: decoupled.Ping{
				ID: id, Client: "app", Sealed: append([]byte("the-token"), decoupled.NotificationAAD(id)...), Attempts: row.attempts,
				Expires: noon.Add(10 * time.Minute),
			}}
			p := (decoupled.Pinger{
				Outbox: box, Keys: keys, Opener: opener{}, Out: outbound.New(true), Now: func() time.Time { return noon },
				Clients: directory{&authz.Client{ID: "app", CIBA: authz.CIBA{BackchannelNotificationURI: server.URL + "/ping"}}},
			}).Lane()
			if err := p.Deliver(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := box.finished[0]
			if got.Attempts != row.attempts+1 || (got.Failed != "") != row.failed || got.Next.IsZero() == row.again || followed {
				t.Errorf("%+v, followed %t", got, followed)
			}
			if row.again && (!got.Next.After(noon) || !got.Next.Before(got.Expires)) {
				t.Errorf("again at %s", got.Next)
			}
			if strings.Contains(string(got.Failed), "token") {
				t.Errorf("the error tells %q", got.Failed)
			}
		})
	}
	t.Run("an address of this machine is not reached", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was reached") }))
		defer server.Close()
		box := &outbox{ping: decoupled.Ping{ID: id, Client: "app", Expires: noon.Add(time.Minute)}}
		p := (decoupled.Pinger{
			Outbox: box, Keys: keys, Opener: opener{}, Out: outbound.New(false), Now: func() time.Time { return noon },
			Clients: directory{&authz.Client{ID: "app", CIBA: authz.CIBA{BackchannelNotificationURI: server.URL}}},
		}).Lane()
		if err := p.Deliver(t.Context()); err != nil || box.finished[0].Failed == "" {
			t.Errorf("%v, %+v", err, box.finished)
		}
	})
	t.Run("an app that does not answer keeps no other from its ping", func(t *testing.T) {
		second := make(chan struct{})
		var first sync.Once
		server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			waits := false
			if first.Do(func() { waits = true }); !waits {
				close(second)
				return
			}
			select {
			case <-second:
			case <-r.Context().Done():
				t.Error("the other was not asked beside it")
			}
		}))
		defer server.Close()
		ping := func() decoupled.Ping {
			id := authz.AuthorizationID(authz.NewSecret())
			return decoupled.Ping{
				ID: id, Client: "app", Sealed: append([]byte("the-token"), decoupled.NotificationAAD(id)...),
				Expires: noon.Add(time.Minute),
			}
		}
		box := &outbox{ping: ping(), more: []decoupled.Ping{ping()}}
		p := (decoupled.Pinger{
			Outbox: box, Keys: keys, Opener: opener{}, Out: outbound.New(true), Now: func() time.Time { return noon },
			Clients: directory{&authz.Client{ID: "app", CIBA: authz.CIBA{BackchannelNotificationURI: server.URL}}},
		}).Lane()
		if err := p.Deliver(t.Context()); err != nil || len(box.finished) != 2 {
			t.Fatalf("%v, %+v", err, box.finished)
		}
	})
	t.Run("what expires is not asked beyond its time", func(t *testing.T) {
		box := &outbox{ping: decoupled.Ping{ID: id, Client: "app", Expires: noon.Add(3 * time.Second)}}
		p := (decoupled.Pinger{
			Outbox: box, Keys: keys, Opener: opener{}, Out: outbound.New(false), Now: func() time.Time { return noon },
			Clients: directory{&authz.Client{ID: "app", CIBA: authz.CIBA{BackchannelNotificationURI: "https://localhost:1"}}},
		}).Lane()
		if err := p.Deliver(t.Context()); err != nil || !box.finished[0].Next.IsZero() {
			t.Errorf("%v, %+v", err, box.finished)
		}
	})
}

// TestSimulator: what the phone would show, and nothing of who holds it.
func TestSimulator(t *testing.T) {
	var out strings.Builder
	err := decoupled.NewSimulator(&out).Notify(t.Context(), decoupled.Notice{
		Subject: "subject-of-hers", App: authz.LocalizedText{VI: "Thuế"}, Owner: authz.LocalizedText{VI: "Cục Thuế"},
		URL: "https://id.example/portal/requests",
	})
	if got := out.String(); err != nil || !strings.Contains(got, "mô phỏng") || !strings.Contains(got, "Thuế (Cục Thuế)") ||
		strings.Contains(got, "subject-of-hers") {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPingsOfAnAppThatIsSlow: an app that takes its time over each of its many pings delays
// no other app's.
func TestPingsOfAnAppThatIsSlow(t *testing.T) {
	end, served := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-end
			return
		}
		close(served)
	}))
	defer server.Close()
	box := &queue{}
	ping := func(n int, client authz.ClientID) {
		id := authz.AuthorizationID(fmt.Sprintf("%043d", n))
		box.due = append(box.due, decoupled.Ping{
			ID: id, Client: client, Sealed: append([]byte("t"), decoupled.NotificationAAD(id)...), Expires: noon.Add(10 * time.Minute),
		})
	}
	for n := range 200 {
		ping(n, "slow")
	}
	ping(200, "quick")
	lane := (decoupled.Pinger{
		Outbox: box, Keys: keys, Opener: opener{}, Out: outbound.New(true), Now: func() time.Time { return noon },
		Clients: addresses(server.URL),
	}).Lane()
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { lane.Run(ctx) })
	<-served
	if n := box.slow.Load(); n > 0 {
		t.Errorf("the ping of another app waited until %d of the slow one were given up", n)
	}
	cancel()
	close(end)
	running.Wait()
}

// queue is an outbox that claims as it is asked to.
type queue struct {
	mu   sync.Mutex
	due  []decoupled.Ping
	slow atomic.Int64 // pings of the slow app that were noted
}

func (q *queue) DuePings(
	_ context.Context, _, _ time.Time, busy []authz.ClientID, perClient, limit int,
) (claimed []decoupled.Ping, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	of := map[authz.ClientID]int{}
	q.due = slices.DeleteFunc(q.due, func(p decoupled.Ping) bool {
		if slices.Contains(busy, p.Client) || of[p.Client] == perClient || len(claimed) == limit {
			return false
		}
		of[p.Client]++
		claimed = append(claimed, p)
		return true
	})
	return claimed, nil
}

func (q *queue) FinishPing(_ context.Context, p decoupled.Ping) error {
	if p.Client == "slow" {
		q.slow.Add(1)
	}
	return nil
}

// addresses are clients that take pings at a path that is their name.
type addresses string

func (a addresses) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	return &authz.Client{ID: id, CIBA: authz.CIBA{BackchannelNotificationURI: string(a) + "/" + string(id)}}, nil
}
