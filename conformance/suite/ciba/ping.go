package ciba

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"hopnhat/conformance/suite"
)

// receiver is the client's notification endpoint.
type receiver struct {
	came chan struct{}

	mu    sync.Mutex
	count int
	body  suite.Claims
	media string
}

// receive opens the client's notification endpoint for the token in a request. answer
// gives the response to a ping; nil is 204. It is nil when nothing is delivered by ping.
func receive(r *suite.Run, c *suite.Client, claims suite.Claims, answer http.HandlerFunc) *receiver {
	if !isPing(r.Variant) {
		return nil
	}
	p := &receiver{came: make(chan struct{}, 16)}
	token := claims.Text("client_notification_token")
	at := c.Metadata.Text("backchannel_client_notification_endpoint")
	r.Must(at != "", "", "the configuration has the backchannel_client_notification_endpoint of client "+c.ID, nil)
	r.ServeWhen(at, func(request *http.Request) bool { return request.Header.Get("Authorization") == "Bearer "+token },
		func(w http.ResponseWriter, request *http.Request) {
			p.mu.Lock()
			p.count++
			p.media = request.Header.Get("Content-Type")
			_ = json.NewDecoder(request.Body).Decode(&p.body)
			p.mu.Unlock()
			if answer != nil {
				answer(w, request)
			} else {
				w.WriteHeader(http.StatusNoContent)
			}
			select {
			case p.came <- struct{}{}:
			default:
			}
		})
	return p
}

// expect waits for the ping of a request and checks it (CIBA Core §10.2).
func (p *receiver) expect(r *suite.Run, id string) {
	const clause = "CIBA Core §10.2"
	r.Must(r.Await(p.came, 30*time.Second, "the ping"), clause, "the client is notified with its notification token", nil)
	p.mu.Lock()
	defer p.mu.Unlock()
	r.Expect(p.body.Text("auth_req_id") == id, clause, "the notification carries the auth_req_id of the request", p.body)
	r.Expect(len(p.body) == 1, clause, "a ping carries nothing else", p.body)
	r.Expect(
		p.media == "application/json" || p.media == "application/json; charset=utf-8", clause, "the notification is application/json", p.media,
	)
}

// pings are the modules about the notification endpoint's answers.
var pings = []suite.Module{
	answering("fapi-ciba-id1-ping-notification-endpoint-returns-a-body", "an answer with a body counts as received", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"this":"is ignored"}`))
	}),
	answering("fapi-ciba-id1-ping-notification-endpoint-returns-401", "an answer 401 does not undo the authentication", status(http.StatusUnauthorized)),
	answering("fapi-ciba-id1-ping-notification-endpoint-returns-403", "an answer 403 does not undo the authentication", status(http.StatusForbidden)),
	{
		Name: "fapi-ciba-id1-ping-notification-endpoint-returns-401-and-require-server-does-not-retry", Clause: "CIBA Core §10.2", For: isPing,
		Rule: "after 401 the notification is not repeated",
		Test: func(r *suite.Run) {
			p := notified(r, status(http.StatusUnauthorized))
			r.Expect(!r.Await(p.came, 12*time.Second, "no further ping may come"), "CIBA Core §10.2", "no second notification comes", nil)
		},
	},
	{
		Name: "fapi-ciba-id1-ping-notification-endpoint-returns-redirect-request", Clause: "CIBA Core §10.2", For: isPing, Rule: "a redirect of the notification is not followed",
		Test: func(r *suite.Run) {
			followed := make(chan struct{}, 1)
			elsewhere := r.Serve("elsewhere", func(http.ResponseWriter, *http.Request) {
				select {
				case followed <- struct{}{}:
				default:
				}
			})
			notified(r, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", elsewhere)
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
			r.Expect(!r.Await(followed, 5*time.Second, "the redirect must not be followed"), "CIBA Core §10.2", "nobody comes to the address of the redirect", nil)
		},
	},
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func answering(name, rule string, answer http.HandlerFunc) suite.Module {
	return suite.Module{Name: name, Clause: "CIBA Core §10.2", For: isPing, Rule: rule, Test: func(r *suite.Run) { notified(r, answer) }}
}

// notified goes through the flow with an answer to the ping; the tokens are there all
// the same.
func notified(r *suite.Run, answer http.HandlerFunc) *receiver {
	c := client(r)
	claims := object(r, c)
	p := receive(r, c, claims, answer)
	request := taken(r, ask(r, c, claims, asking{}))
	approve(r, request, false)
	finish(r, c, request, p)
	return p
}
