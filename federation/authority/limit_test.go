package authority_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
)

// bucket lets so many in of each address.
type bucket struct {
	most  int
	taken map[netip.Addr]int
}

func (b *bucket) Take(address netip.Addr) time.Duration {
	if b.taken[address] >= b.most {
		return 1500 * time.Millisecond
	}
	b.taken[address]++
	return 0
}

// TestCallers: an endpoint answers one address so often and no more; RFC 6585 §4: 429 and when to
// come back. However many addresses ask as often as they may, the next one is answered.
func TestCallers(t *testing.T) {
	each := &bucket{2, map[netip.Addr]int{}}
	o := newOffice(t, func(o *authority.Options) { o.Callers = each })
	ask := func(path, from string) (int, string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.RemoteAddr = from
		w := httptest.NewRecorder()
		o.Handlers()[path](w, r)
		return w.Code, w.Header().Get("Retry-After")
	}
	for i, row := range []struct {
		path, from string
		want       int
	}{
		{authority.ListPath, "192.0.2.1", http.StatusOK},
		{authority.ConfigurationPath, "192.0.2.1", http.StatusOK},
		{authority.ListPath, "192.0.2.1", http.StatusTooManyRequests},
		{authority.HistoryPath, "192.0.2.1", http.StatusTooManyRequests},
		{authority.ListPath, "192.0.2.2", http.StatusOK},
	} {
		wait := ""
		if row.want == http.StatusTooManyRequests {
			wait = "2"
		}
		if status, after := ask(row.path, row.from); status != row.want || after != wait {
			t.Errorf("request %d: status %d, Retry-After %q", i, status, after)
		}
	}
	for i := range 2 * authority.AtOnce {
		from := netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String()
		for range 2 {
			if status, _ := ask(authority.ListPath, from); status != http.StatusOK {
				t.Fatalf("address %d: status %d", i, status)
			}
		}
	}
}

// slow is a registry that answers when it is let go.
type slow struct {
	authority.Registry
	asked chan struct{}
	free  chan struct{}
}

func (s slow) Subordinate(context.Context, federation.EntityID) (enrol.Subordinate, error) {
	s.asked <- struct{}{}
	<-s.free
	return enrol.Subordinate{}, authz.ErrNotFound
}

// unread is an answer that its caller does not read until it is let go.
type unread struct {
	http.ResponseWriter
	asked, free chan struct{}
}

func (u unread) Write(raw []byte) (int, error) {
	u.asked <- struct{}{}
	<-u.free
	return u.ResponseWriter.Write(raw)
}

// TestAtOnce: so many answers are worked out at once and no more: the next request is told to
// come back in a second, with 503, and is answered after. Who does not read an answer holds nobody
// up.
func TestAtOnce(t *testing.T) {
	asked, free := make(chan struct{}), make(chan struct{})
	o := newOffice(t, func(o *authority.Options) { o.Registry = slow{o.Registry, asked, free} })
	handlers := o.Handlers()
	fetch := func(w http.ResponseWriter) {
		path := authority.FetchPath + "?sub=https://tinh.example.vn"
		handlers[authority.FetchPath](w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	}
	configuration := func(w http.ResponseWriter) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, authority.ConfigurationPath, nil)
		handlers[authority.ConfigurationPath](w, r)
	}
	answered := func(name string, want int, after string) {
		t.Helper()
		w := httptest.NewRecorder()
		configuration(w)
		if w.Code != want || w.Header().Get("Retry-After") != after {
			t.Errorf("%s: status %d, Retry-After %q: %s", name, w.Code, w.Header().Get("Retry-After"), w.Body)
		}
	}
	for name, row := range map[string]struct {
		request func()
		want    int
		after   string
	}{
		"while all are worked out":  {func() { fetch(httptest.NewRecorder()) }, http.StatusServiceUnavailable, "1"},
		"while nobody reads theirs": {func() { configuration(unread{httptest.NewRecorder(), asked, free}) }, http.StatusOK, ""},
	} {
		var all sync.WaitGroup
		for range authority.AtOnce {
			all.Go(row.request)
			<-asked
		}
		answered(name, row.want, row.after)
		for range authority.AtOnce {
			free <- struct{}{}
		}
		all.Wait()
		answered("after", http.StatusOK, "")
	}
}
