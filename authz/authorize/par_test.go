package authorize_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"hopnhat/authz/authztest"
)

func TestPushedRequestExpires(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration
		opens bool
	}{
		{"RFC 9126 §2.2: within expires_in", 89 * time.Second, true},
		{"RFC 9126 §4: after expires_in", 91 * time.Second, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			pushed := w.Post(w.PAR, authztest.Authorization())
			var body struct {
				RequestURI string `json:"request_uri"`
				ExpiresIn  int    `json:"expires_in"`
			}
			if err := json.Unmarshal(pushed.Body.Bytes(), &body); err != nil || body.ExpiresIn != 90 {
				t.Fatalf("%d %s", pushed.Code, pushed.Body)
			}
			w.Now = w.Now.Add(row.after)
			// What the browser adds to the URL does not count (fosite would merge it).
			q, _, err := w.Open(
				t, url.Values{"client_id": {"app"}, "request_uri": {body.RequestURI}, "state": {"other"}, "prompt": {"none"}},
			)
			if row.opens != (err == nil) {
				t.Fatalf("got %v, %v", q, err)
			}
			if row.opens && (q.Get("code") == "" || q.Get("state") != "s1") {
				t.Fatalf("got %v", q)
			}
			if _, _, err := w.Open(t, url.Values{"client_id": {"app"}, "request_uri": {body.RequestURI}}); err == nil {
				t.Fatal("a request_uri was good twice")
			}
		})
	}
}
