package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/keys/seal"
	"hopnhat/web/view"
)

// stuck is a database that counts no attempt until it is let go.
type stuck struct {
	authn.Accounts
	begun chan struct{}
	free  chan struct{}
}

func (s stuck) BeginSignIn(
	context.Context, authz.PersonalNumber, []authn.Budget, time.Time,
) (c authn.Credentials, wait time.Duration, err error) {
	s.begun <- struct{}{}
	<-s.free
	return c, 0, authz.ErrUnavailable
}

// TestTooManySignIns: who comes when as many wait as may is told so at once, in both
// languages, and when to come again.
func TestTooManySignIns(t *testing.T) {
	db := stuck{begun: make(chan struct{}), free: make(chan struct{})}
	checker := authn.New(
		db, nil, authn.NewHasher(authn.Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}), authn.NewAddresses(1<<20, time.Second, time.Now),
		seal.New(seal.Tickets, make([]byte, 32)), time.Now,
	)
	o := nothingBehind()
	o.Authn = checker
	s := New(o)
	form := httptest.NewRequest(http.MethodGet, "/signin", nil)
	page, err := s.Test(form)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(page.Body)
	if err != nil {
		t.Fatal(err)
	}
	token := regexp.MustCompile(`name="csrf" value="([^"]+)"`).FindSubmatch(body)
	post := func(lang string) *http.Response {
		r := httptest.NewRequest(
			http.MethodPost, "/signin", strings.NewReader(
				url.Values{"csrf": {string(token[1])}, "number": {"099000000017"}, "password": {"right-password"}}.Encode(),
			),
		)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept-Language", lang)
		for _, c := range page.Cookies() {
			r.AddCookie(c)
		}
		answer, err := s.Test(r)
		if err != nil {
			t.Error(err)
			return &http.Response{Header: http.Header{}, Body: http.NoBody}
		}
		if answer.StatusCode == http.StatusSeeOther { // to the form again, which says why
			again := httptest.NewRequest(http.MethodGet, answer.Header.Get("Location"), nil)
			again.Header = r.Header.Clone()
			again.Header.Del("Content-Length") // which the test of the app has put there
			if answer, err = s.Test(again); err != nil {
				t.Fatal(err)
			}
		}
		return answer
	}
	var waiting sync.WaitGroup
	for range 16 * max(2, runtime.GOMAXPROCS(0)) {
		waiting.Go(func() {
			if got := post("vi"); got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
				t.Errorf("who waited for the database: %d", got.StatusCode)
			}
		})
		<-db.begun
	}
	for lang, text := range map[string]string{"vi": "Mật khẩu của bạn chưa được kiểm tra", "en": "Your password was not checked"} {
		got := post(lang)
		raw, err := io.ReadAll(got.Body)
		if err != nil || got.StatusCode != http.StatusServiceUnavailable || got.Header.Get("Retry-After") != "5" ||
			!strings.Contains(string(raw), text) || !strings.Contains(string(raw), "099000000017") {
			t.Errorf("%s: %d, Retry-After %q, %v %.300s", lang, got.StatusCode, got.Header.Get("Retry-After"), err, raw)
		}
	}
	if busy := checker.Outcomes.All()[authn.Outcome{Step: "password", Result: "busy"}]; busy != 2 {
		t.Errorf("%d were counted as turned away", busy)
	}
	close(db.free)
	waiting.Wait()
}

// TestDeadlines: what was not done in time is unavailable, and no fault of ours.
func TestDeadlines(t *testing.T) {
	for err, want := range map[error]view.ErrorKind{
		fmt.Errorf("waiting: %w", context.DeadlineExceeded): view.ErrorUnavailable, fmt.Errorf("waiting: %w", context.Canceled): view.ErrorUnavailable, io.ErrUnexpectedEOF: view.ErrorInternal,
	} {
		var page view.Error
		if describe(&page, err); page.Kind != want || want == view.ErrorUnavailable && page.RetrySeconds == 0 {
			t.Errorf("%v is %s", err, page.Kind)
		}
	}
}
