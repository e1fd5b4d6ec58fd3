package web

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v2"

	"hopnhat/web/page"
)

// TestWhatIsKeptStays: a handler keeps what a request said, as the directory of apps
// does with the id that it was asked for; the next request on the connection, which
// says something else of the same length, changes nothing of it.
func TestWhatIsKeptStays(t *testing.T) {
	var kept []string
	keep := func(r *http.Request) {
		basic, _, _ := r.BasicAuth()
		kept = append(
			kept, r.Method, r.Host, r.URL.Path, r.URL.RawQuery, r.URL.Query().Get("client_id"), r.FormValue("client_id"),
			r.Header.Get("X-Kept"), r.Header.Get("Cookie"), basic,
		)
		for name := range r.Header {
			if strings.HasPrefix(name, "X-Name") {
				kept = append(kept, name)
			}
		}
	}
	s := &Server{o: nothingBehind()}
	s.furnish()
	s.app = fiber.New(fiber.Config{DisableStartupMessage: true})
	s.app.All("/mount/:name", s.mount(func(_ http.ResponseWriter, r *http.Request) { keep(r) }))
	s.app.All("/show/:name", s.frame.Handler(func(v *page.Visit) error {
		keep(v.HTTP)
		return nil
	}))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() { _ = s.app.Listener(l) })
	t.Cleanup(func() { _ = s.app.Shutdown(); done.Wait() })

	for _, seam := range []string{"mount", "show"} {
		client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
		var said [2][]string
		for round, word := range []string{"aaaaaa", "bbbbbb"} {
			r := httptest.NewRequest([]string{"GET", "PUT"}[round], "http://"+l.Addr().String()+"/"+seam+"/"+word+"?client_id="+word, nil)
			r.RequestURI, r.Host = "", word+".example"
			r.Header.Set("X-Kept", word)
			r.Header.Set("X-Name-"+strings.ToUpper(word[:1])+word[1:], "1")
			r.Header.Set("Cookie", "c="+word)
			r.SetBasicAuth(word, "x")
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			said[round] = kept
			if round == 0 {
				kept = nil
			}
		}
		client.CloseIdleConnections()
		for round, word := range []string{"aaaaaa", "bbbbbb"} {
			other := []string{"bbbbbb", "aaaaaa"}[round]
			if text := strings.ToLower(strings.Join(said[round], " ")); strings.Count(text, word) < 8 || strings.Contains(text, other) {
				t.Errorf("%s: what request %d said became %q", seam, round+1, said[round])
			}
		}
		if said[0][0] != "GET" || said[1][0] != "PUT" {
			t.Errorf("%s: methods became %q and %q", seam, said[0][0], said[1][0])
		}
		kept = nil
	}
}

// TestOurHeadersAreOurs: what the server tells its handlers in a header stands there
// alone, however often and in whatever case a caller sends one of that name.
func TestOurHeadersAreOurs(t *testing.T) {
	for name, sent := range map[string][]string{
		"none": nil, "one": {"198.51.100.1"}, "two": {"198.51.100.1", "198.51.100.2"}, "three": {"", "198.51.100.1", "198.51.100.2"},
	} {
		t.Run(name, func(t *testing.T) {
			var address, id string
			s := &Server{}
			s.app = fiber.New(fiber.Config{DisableStartupMessage: true})
			s.app.Use(identify)
			s.app.All("/", s.mount(func(_ http.ResponseWriter, r *http.Request) {
				address, id = r.RemoteAddr, r.Header.Get(fiber.HeaderXRequestID)
			}))
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["x-hopnhat-ADDRESS"], r.Header["x-request-ID"] = sent, sent
			response, err := s.app.Test(r, -1)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if address != "0.0.0.0" {
				t.Errorf("the caller's address became %q", address)
			}
			if said := response.Header.Get(fiber.HeaderXRequestID); said == "" || id != said {
				t.Errorf("the handler is told request %q, the caller %q", id, said)
			}
		})
	}
}
