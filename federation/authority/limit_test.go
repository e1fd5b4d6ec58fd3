package authority_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"hopnhat/federation/authority"
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

// TestCallers: an endpoint answers one address, and all together, so often and no more; RFC 6585
// §4: 429 and when to come back.
func TestCallers(t *testing.T) {
	each, all := &bucket{2, map[netip.Addr]int{}}, &bucket{3, map[netip.Addr]int{}}
	o := newOffice(t, func(o *authority.Options) { o.Callers, o.Together = each, all })
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
		{authority.ListPath, "192.0.2.3", http.StatusTooManyRequests},
	} {
		wait := ""
		if row.want == http.StatusTooManyRequests {
			wait = "2"
		}
		if status, after := ask(row.path, row.from); status != row.want || after != wait {
			t.Errorf("request %d: status %d, Retry-After %q", i, status, after)
		}
	}
	if all.taken[netip.Addr{}] != 3 {
		t.Errorf("who was refused took from the others: %v", all.taken)
	}
}
