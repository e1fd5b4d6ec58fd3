package fapi2

import (
	"net/http"
	"net/url"
	"time"

	"hopnhat/conformance/suite"
)

// pushes are the modules about request_uri and its endpoint.
var pushes = []suite.Module{
	{
		Name: prefix + "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", Clause: pushedOnly + ", note", Rule: "opening the sign-in page twice does not use the request up",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{})
			request := begin(r, q, push(r, q, pushing{}))
			r.Expect(q.Browser.Load(request.URL.String()).Status < 400, "RFC 9126 §7.3", "the first visit is answered", nil)
			finish(r, q, q.Open(request))
		},
	},
	{
		Name: prefix + "par-attempt-reuse-request_uri", Clause: "RFC 9126 §4", Rule: "a request_uri should be refused once it has led to a response",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{})
			request := begin(r, q, push(r, q, pushing{}))
			accepted(r, q, q.Open(request.Clone(r.Context())))
			l := q.Open(request.Clone(r.Context()))
			if l.Callback != nil && l.Callback.Values.Get("error") == "" {
				r.Should(false, "RFC 9126 §4", "the second use is refused", l)
				return
			}
			q.RefusedAnyhow(l, "RFC 9126 §4", "invalid_request", "invalid_request_uri")
		},
	},
	{
		Name: prefix + "par-attempt-to-use-expired-request_uri", Clause: "RFC 9126 §4", Slow: true, Rule: "a request_uri that has expired is refused",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{})
			a := push(r, q, pushing{})
			request := begin(r, q, a)
			life, _ := a.JSON.Number("expires_in")
			r.Wait(time.Duration(life+3)*time.Second, "the request_uri is to expire")
			q.RefusedAnyhow(q.Open(request), "RFC 9126 §4", "invalid_request", "invalid_request_uri")
		},
	},
	{
		Name: prefix + "par-attempt-to-use-request_uri-for-different-client", Clause: "RFC 9126 §2.2", Rule: "a request_uri is good for the client that pushed it",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{})
			request := begin(r, q, push(r, q, pushing{}))
			request.URL.RawQuery = url.Values{"client_id": {second(r).ID}, "request_uri": {request.URL.Query().Get("request_uri")}}.Encode()
			q.RefusedAnyhow(q.Open(request), "RFC 9126 §2.2", "invalid_request", "invalid_request_uri", "invalid_client")
		},
	},
	{
		Name: prefix + "par-attempt-invalid-http-method", Clause: "RFC 9126 §2.3", Rule: "requests are pushed by POST only",
		Test: func(r *suite.Run) {
			c := client(r)
			for _, method := range []string{http.MethodGet, http.MethodPut} {
				request, err := http.NewRequest(method, c.Endpoint("pushed_authorization_request_endpoint"), nil) // RFC 9126 §5
				r.Works(err, "making a request")
				a := r.Do(request, c)
				r.Expect(a.Status == http.StatusMethodNotAllowed || a.Status == http.StatusBadRequest || a.Status == http.StatusUnauthorized || a.Status == http.StatusNotFound, "RFC 9126 §2.3", method+" is refused, by 405 best", a)
			}
		},
	},
}
