package web

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz/protocol"
)

func observed(t *testing.T, change func(*Options)) *Server {
	t.Helper()
	o := nothingBehind()
	o.Metrics = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "counters") })
	change(&o)
	return New(o)
}

func requested(t *testing.T, s *Server, method, target string, header http.Header) *http.Response {
	t.Helper()
	r := httptest.NewRequest(method, target, nil)
	maps.Copy(r.Header, header)
	answer, err := s.Test(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

// TestMetricsAreForTheNear: the test's connection comes from 0.0.0.0.
func TestMetricsAreForTheNear(t *testing.T) {
	named := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/32")}
	other := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, row := range []struct {
		name     string
		networks []netip.Prefix
		proxies  []netip.Prefix
		header   http.Header
		status   int
	}{
		{"nobody is named", nil, nil, nil, 404},
		{"the network is named", named, nil, nil, 200},
		{"another network is named", other, nil, nil, 404},
		{"a proxy of that network passed it on", named, nil, http.Header{"X-Forwarded-For": {"192.0.2.1"}}, 404},
		{"a proxy passed it on, RFC 7239", named, nil, http.Header{"Forwarded": {"for=192.0.2.1"}}, 404},
		{"a proxy of ours says it is for one in the network", other, named, http.Header{"X-Forwarded-For": {"10.0.0.1"}}, 404},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := observed(t, func(o *Options) { o.MetricsNetworks, o.TrustedProxies = row.networks, row.proxies })
			if got := requested(t, s, http.MethodGet, "/metrics", row.header); got.StatusCode != row.status {
				t.Errorf("got %d, want %d", got.StatusCode, row.status)
			}
		})
	}
}

// TestAnswersAreCounted by route and class, never by what a caller sent.
func TestAnswersAreCounted(t *testing.T) {
	s := observed(t, func(*Options) {})
	for _, target := range []string{"/healthz", "/healthz?a=1", "/no/such/path-1", "/no/such/path-2", protocol.GrantsPath + "/099304000017"} {
		requested(t, s, http.MethodGet, target, nil)
	}
	for want, n := range map[Answered]uint64{{"/healthz", "2xx"}: 2, {"none", "4xx"}: 2, {protocol.GrantsPath + "/:id", "4xx"}: 1} {
		if got := s.Answers()[want]; got != n {
			t.Errorf("%v: %d, want %d", want, got, n)
		}
	}
	for a := range s.Answers() {
		if strings.Contains(a.Route, "099304000017") {
			t.Errorf("a route is what a caller sent: %v", a)
		}
	}
}

// TestTimesAreCounted by what the caller waits for: a password that is sent, and not the
// page for it.
func TestTimesAreCounted(t *testing.T) {
	for _, row := range []struct {
		method, route string
		want          Group
	}{
		{"GET", "/signin", GroupOther},
		{"POST", "/signin", GroupSignIn},
		{"POST", "/signin/code", GroupSignIn},
		{"POST", protocol.PARPath, GroupRequest},
		{"GET", protocol.AuthorizePath, GroupRequest},
		{"POST", protocol.TokenPath, GroupToken},
		{"POST", protocol.BrokerPath + "/releases", GroupRelease},
		{"GET", "none", GroupOther},
	} {
		if got := groupOf(row.method, row.route); got != row.want || !slices.Contains(Groups, got) {
			t.Errorf("%s %s: %s, want %s", row.method, row.route, got, row.want)
		}
	}
	s := observed(t, func(*Options) {})
	for _, target := range []string{"/healthz", "/no/such/path", protocol.BrokerPath + "/releases"} {
		requested(t, s, http.MethodPost, target, nil)
	}
	took := s.Took()
	if took[GroupOther].Count != 2 || took[GroupRelease].Count != 1 || took[GroupRelease].Sum <= 0 {
		t.Errorf("got %+v", took)
	}
}

// TestAccessLogHasNoPerson: one line an answer, with the id of its header and nothing
// of who asked for what.
func TestAccessLogHasNoPerson(t *testing.T) {
	var out bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(&out, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	const number = "099304000017"
	for _, on := range []bool{false, true} {
		out.Reset()
		s := observed(t, func(o *Options) { o.AccessLog = on })
		requested(
			t, s, http.MethodGet, "/healthz?login_hint="+number,
			http.Header{"User-Agent": {number}, "Referer": {"https://app.example/" + number}},
		)
		if !on {
			if out.Len() > 0 {
				t.Errorf("switched off, and it says %s", out.String())
			}
			continue
		}
		var line struct {
			Method, Route string
			Status        int
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", out.String(), err)
		}
		if line.Method != "GET" || line.Route != "/healthz" || line.Status != 200 {
			t.Errorf("got %+v", line)
		}
		for _, personal := range []string{number, "0.0.0.0", "app.example"} {
			if strings.Contains(out.String(), personal) {
				t.Errorf("the line has %q: %s", personal, out.String())
			}
		}
	}
}
