package fetch_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
)

type claims = federationtest.Claims

// net is a network: what answers at each address, and how often each was asked.
type net struct {
	mu    sync.Mutex
	pages map[string]string
	asked map[string]int
	// before runs before each answer.
	before func()
}

func newNet() *net { return &net{pages: map[string]string{}, asked: map[string]int{}} }

func (n *net) FetchAs(ctx context.Context, address, mediaType string, limit int64) ([]byte, error) {
	n.mu.Lock()
	n.asked[address]++
	page, ok := n.pages[address]
	n.mu.Unlock()
	if n.before != nil {
		n.before()
	}
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case !ok:
		return nil, errors.New("status 404")
	case int64(len(page)) > limit:
		return nil, errors.New("too long")
	case mediaType != fetch.MediaType && mediaType != "application/json":
		return nil, errors.New("asked for " + mediaType)
	}
	return []byte(page), nil
}

func (n *net) requests() (all int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, count := range n.asked {
		all += count
	}
	return all
}

// serving is a configuration that names an endpoint (§5.1.1).
func serving(endpoint, address string) claims {
	return claims{"metadata": claims{"federation_entity": claims{"federation_" + endpoint + "_endpoint": address}}}
}

// publish puts a configuration where §9 says.
func (n *net) publish(t testing.TB, e *federationtest.Entity, superiors ...*federationtest.Entity) {
	t.Helper()
	changes := serving("fetch", string(e.ID)+"/fetch")
	if len(superiors) > 0 {
		var hints []federation.EntityID
		for _, s := range superiors {
			hints = append(hints, s.ID)
		}
		changes["authority_hints"] = hints
	}
	n.pages[fetch.ConfigurationURL(e.ID)] = e.Configuration(t, changes)
	for _, s := range superiors {
		n.pages[about(s, e)] = s.About(t, e, nil)
	}
}

func about(superior, e *federationtest.Entity) string {
	return string(superior.ID) + "/fetch?sub=" + url.QueryEscape(string(e.ID))
}

func entities(t testing.TB, names ...string) (all []*federationtest.Entity) {
	t.Helper()
	for _, name := range names {
		all = append(all, federationtest.New(t, federation.EntityID("https://"+name+".example.vn")))
	}
	return all
}

// TestConfigurationURL: OpenID Federation 1.0 §9, one slash at the end is taken off.
func TestConfigurationURL(t *testing.T) {
	for id, want := range map[federation.EntityID]string{
		"https://a.example.vn":       "https://a.example.vn/.well-known/openid-federation",
		"https://a.example.vn/":      "https://a.example.vn/.well-known/openid-federation",
		"https://a.example.vn:8443/": "https://a.example.vn:8443/.well-known/openid-federation",
		"https://a.example.vn/rp/1":  "https://a.example.vn/rp/1/.well-known/openid-federation",
		"https://a.example.vn/rp/1/": "https://a.example.vn/rp/1/.well-known/openid-federation",
	} {
		if got := fetch.ConfigurationURL(id); got != want {
			t.Errorf("%s: got %s, want %s", id, got, want)
		}
	}
}

// TestConfiguration: what an entity may publish at its address, and what is none.
func TestConfiguration(t *testing.T) {
	e := entities(t, "a", "b", "x")
	good := e[0].Configuration(t, nil)
	for _, row := range []struct {
		name, page string
		good       bool
	}{
		{"its configuration", good, true},
		{"with a line end after it", good + "\n", true},
		{"§9.2: that of another entity", e[1].Configuration(t, nil), false},
		{"§9.2: a statement of another about it", e[1].About(t, e[0], nil), false},
		{"§3: not a statement", "<html>", false},
		{"§3.2: without keys", e[0].Configuration(t, claims{"jwks": nil}), false},
		{"nothing", "", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNet()
			n.pages[fetch.ConfigurationURL(e[0].ID)] = row.page
			s, err := fetch.New(n, nil).Configuration(t.Context(), e[0].ID)
			if (err == nil) != row.good || err != nil && !errors.Is(err, fetch.ErrFetch) || row.good && s.Subject != e[0].ID {
				t.Errorf("got %s, %v", s.Subject, err)
			}
		})
	}
}

// TestSubordinate: where a superior is asked (§8.1.1), and what it may answer.
func TestSubordinate(t *testing.T) {
	e := entities(t, "neo", "a", "b")
	asked := "sub=" + url.QueryEscape(string(e[1].ID))
	for _, row := range []struct {
		name, endpoint, address, page string
		good                          bool
	}{
		{"its statement", "https://neo.example.vn/fetch", "https://neo.example.vn/fetch?" + asked, e[0].About(t, e[1], nil), true},
		{"§5.1.1: at another host, with a query", "https://api.example.vn/f?tenant=neo", "https://api.example.vn/f?" + asked + "&tenant=neo", e[0].About(t, e[1], nil), true},
		{"§8.1.2: about another", "https://neo.example.vn/fetch", "https://neo.example.vn/fetch?" + asked, e[0].About(t, e[2], nil), false},
		{"§8.1.2: by another", "https://neo.example.vn/fetch", "https://neo.example.vn/fetch?" + asked, e[2].About(t, e[1], nil), false},
		{"§8.1.2: the configuration of the subject", "https://neo.example.vn/fetch", "https://neo.example.vn/fetch?" + asked, e[1].Configuration(t, nil), false},
		{"§5.1.1: not https", "http://neo.example.vn/fetch", "http://neo.example.vn/fetch?" + asked, e[0].About(t, e[1], nil), false},
		{"§5.1.1: with a fragment", "https://neo.example.vn/fetch#x", "https://neo.example.vn/fetch?" + asked, e[0].About(t, e[1], nil), false},
		{"with credentials", "https://a:b@neo.example.vn/fetch", "https://a:b@neo.example.vn/fetch?" + asked, e[0].About(t, e[1], nil), false},
		{"§8.1: without an endpoint", "", "?" + asked, e[0].About(t, e[1], nil), false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNet()
			n.pages[row.address] = row.page
			superior := federationtest.Parse(t, e[0].Configuration(t, serving("fetch", row.endpoint)))
			s, err := fetch.New(n, nil).Subordinate(t.Context(), superior, e[1].ID)
			if (err == nil) != row.good || err != nil && !errors.Is(err, fetch.ErrFetch) || row.good && s.Issuer != e[0].ID {
				t.Errorf("got %s, %v, asked %v", s.Issuer, err, n.asked)
			}
		})
	}
}

// TestList: the subordinates of an entity (§8.2.2).
func TestList(t *testing.T) {
	e := entities(t, "neo")
	superior := federationtest.Parse(t, e[0].Configuration(t, serving("list", "https://neo.example.vn/list")))
	for _, row := range []struct {
		name, page string
		want       int // -1: refused
	}{
		{"two", `["https://a.example.vn","https://b.example.vn"]`, 2},
		{"none", `[]`, 0},
		{"one that comes twice", `["https://a.example.vn","https://a.example.vn"]`, 1},
		{"null", `null`, -1},
		{"an object of a later draft", `{"immediate_subordinate_entities":[]}`, -1},
		{"one that is no entity is passed over", `["http://a.example.vn","https://b.example.vn"]`, 1},
		{"numbers", `[1]`, -1},
		{"more than a list may have", `["https://a.example.vn"` + strings.Repeat(`,"https://a.example.vn"`, 20_000) + `]`, -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			n := newNet()
			n.pages["https://neo.example.vn/list?entity_type=openid_provider"] = row.page
			ids, err := fetch.New(n, nil).List(t.Context(), superior, federation.OpenIDProvider)
			if row.want < 0 && !errors.Is(err, fetch.ErrFetch) || row.want >= 0 && (err != nil || len(ids) != row.want) {
				t.Errorf("got %v, %v", ids, err)
			}
		})
	}
	if _, err := fetch.New(newNet(), nil).List(t.Context(), statement.Statement{}); !errors.Is(err, fetch.ErrFetch) {
		t.Errorf("an entity without a list: %v", err)
	}
}

// TestCollect: from an app up to the anchor, and what is found proves it (§10.1).
func TestCollect(t *testing.T) {
	e := entities(t, "app", "tinh", "bo", "neo", "lac")
	app, province, ministry, anchor, stray := e[0], e[1], e[2], e[3], e[4]
	n := newNet()
	n.publish(t, app, province, stray)
	n.publish(t, province, ministry, app) // leads back to the app as well
	n.publish(t, ministry, anchor)
	n.publish(t, anchor)
	n.publish(t, stray)
	got := fetch.New(n, nil).Round().Collect(t.Context(), app.ID, []federation.EntityID{anchor.ID})
	verdicts := trust.Resolve(app.ID, got.Pool(), []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(t)}}, federationtest.Now)
	if len(verdicts) != 1 || !verdicts[0].Valid() || len(verdicts[0].Chain) != 5 {
		t.Fatalf("got %d verdicts of %d statements", len(verdicts), len(got.Statements))
	}
	if n.asked[about(stray, app)] != 0 {
		t.Error("a superior from whom no way leads to an anchor was asked about the app")
	}
	for address, count := range n.asked {
		if count > 1 {
			t.Errorf("%s was asked %d times", address, count)
		}
	}
	t.Run("where nothing leads to an anchor, no superior is asked", func(t *testing.T) {
		n.asked = map[string]int{}
		got := fetch.New(n, nil).Round().Collect(t.Context(), app.ID, []federation.EntityID{"https://other.example.vn"})
		for address := range n.asked {
			if strings.Contains(address, "/fetch") {
				t.Errorf("%s was asked", address)
			}
		}
		if len(trust.Resolve(app.ID, got.Pool(), nil, federationtest.Now)) != 0 {
			t.Error("a chain was made")
		}
	})
	t.Run("one that does not answer takes away its own way and no other", func(t *testing.T) {
		delete(n.pages, about(ministry, province))
		n.publish(t, province, ministry, anchor)
		delete(n.pages, about(ministry, province))
		got := fetch.New(n, nil).Round().Collect(t.Context(), app.ID, []federation.EntityID{anchor.ID})
		verdicts := trust.Resolve(app.ID, got.Pool(), []trust.Anchor{{ID: anchor.ID, Keys: anchor.Set(t)}}, federationtest.Now)
		if len(verdicts) != 1 || !verdicts[0].Valid() || len(verdicts[0].Chain) != 4 {
			t.Errorf("got %d verdicts", len(verdicts))
		}
		failed := slices.IndexFunc(got.Requests, func(r fetch.Request) bool { return r.Err != nil })
		if failed < 0 || got.Requests[failed].Issuer != ministry.ID || got.Requests[failed].Subject != province.ID {
			t.Errorf("the requests do not say what failed: %v", got.Requests)
		}
	})
}

// TestCollectIsBounded: whatever entities name, an entity costs no more than fifty requests,
// and none more than ten superiors of one entity are asked.
func TestCollectIsBounded(t *testing.T) {
	n := newNet()
	wide := entities(t, "app")
	for i := range 30 {
		wide = append(wide, entities(t, fmt.Sprintf("w%d", i))...)
	}
	n.publish(t, wide[0], wide[1:]...)
	fetch.New(n, nil).Round().Collect(t.Context(), wide[0].ID, nil)
	if got := n.requests(); got != 11 {
		t.Errorf("30 hints: %d requests, want one and ten", got)
	}
	t.Run("hints that fan out on each level", func(t *testing.T) {
		n := newNet()
		below := entities(t, "leaf")
		for level := range 4 {
			var layer []*federationtest.Entity
			for i := range 10 {
				layer = append(layer, entities(t, fmt.Sprintf("l%d-%d", level, i))...)
			}
			for _, e := range below {
				n.publish(t, e, layer...)
			}
			below = layer
		}
		for _, e := range below {
			n.publish(t, e)
		}
		got := fetch.New(n, nil).Round().Collect(t.Context(), "https://leaf.example.vn", []federation.EntityID{below[0].ID})
		if asked := n.requests(); asked > 50 || len(got.Requests) <= asked {
			t.Errorf("%d requests, and %d are told of", asked, len(got.Requests))
		}
	})
	t.Run("one above another without end", func(t *testing.T) {
		n := newNet()
		var tower []*federationtest.Entity
		for i := range 20 {
			tower = append(tower, entities(t, fmt.Sprintf("t%d", i))...)
		}
		for i := range 19 {
			n.publish(t, tower[i], tower[i+1])
		}
		fetch.New(n, nil).Round().Collect(t.Context(), tower[0].ID, []federation.EntityID{tower[19].ID})
		if asked := n.requests(); asked > trust.MaxChain {
			t.Errorf("%d requests up a tower", asked)
		}
	})
}

// TestCollectIsDeterministic: in whatever order answers come, the collection is the same.
func TestCollectIsDeterministic(t *testing.T) {
	e := entities(t, "app", "p0", "p1", "p2", "neo")
	n := newNet()
	n.publish(t, e[0], e[1], e[2], e[3])
	n.publish(t, e[1], e[2], e[4])
	n.publish(t, e[2], e[4], e[3])
	n.publish(t, e[3], e[4], e[1])
	n.publish(t, e[4])
	delete(n.pages, about(e[2], e[1]))
	show := func(yields int) string {
		var turn atomic.Int64
		n.before = func() {
			for range turn.Add(int64(yields)) * 7 % 13 {
				runtime.Gosched()
			}
		}
		got := fetch.New(n, nil).Round().Collect(t.Context(), e[0].ID, []federation.EntityID{e[4].ID})
		var b strings.Builder
		for _, r := range got.Requests {
			fmt.Fprintln(&b, r)
		}
		for _, s := range got.Statements {
			fmt.Fprintln(&b, s.Token())
		}
		return b.String()
	}
	want := show(0)
	rapid.Check(t, func(t *rapid.T) {
		if got := show(rapid.IntRange(0, 12).Draw(t, "yields")); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// TestSingleFlight: of many who want one statement at one time, one asks, and one who leaves
// ends it for nobody else.
func TestSingleFlight(t *testing.T) {
	e := entities(t, "a")
	synctest.Test(t, func(t *testing.T) {
		n := newNet()
		n.pages[fetch.ConfigurationURL(e[0].ID)] = e[0].Configuration(t, nil)
		open := make(chan struct{})
		n.before = func() { <-open }
		f := fetch.New(n, time.Now)
		leaving, leave := context.WithCancel(t.Context())
		errs := make(chan error, 20)
		left := make(chan error, 1)
		go func() {
			_, err := f.Configuration(leaving, e[0].ID)
			left <- err
		}()
		synctest.Wait()
		for range 20 {
			go func() {
				_, err := f.Configuration(t.Context(), e[0].ID)
				errs <- err
			}()
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, fetch.ErrFetch) {
			t.Errorf("who left has %v", err)
		}
		close(open)
		for range 20 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
		if got := n.requests(); got != 1 {
			t.Errorf("%d requests", got)
		}
	})
}

// TestRefused: what gave nothing, or nothing good, is not asked again for half a minute.
func TestRefused(t *testing.T) {
	e := entities(t, "a", "b")
	for name, page := range map[string]string{"no answer": "", "a statement of another": e[1].Configuration(t, nil)} {
		t.Run(name, func(t *testing.T) {
			n, now := newNet(), federationtest.Now
			if page != "" {
				n.pages[fetch.ConfigurationURL(e[0].ID)] = page
			}
			f := fetch.New(n, func() time.Time { return now })
			for range 3 {
				if _, err := f.Configuration(t.Context(), e[0].ID); !errors.Is(err, fetch.ErrFetch) {
					t.Fatalf("got %v", err)
				}
			}
			if got := n.requests(); got != 1 {
				t.Errorf("%d requests", got)
			}
			now = now.Add(30 * time.Second)
			n.pages[fetch.ConfigurationURL(e[0].ID)] = e[0].Configuration(t, nil)
			if _, err := f.Configuration(t.Context(), e[0].ID); err != nil {
				t.Errorf("half a minute later: %v", err)
			}
		})
	}
}

// TestOverHTTPS: the real client, and servers that answer as they should not.
func TestOverHTTPS(t *testing.T) {
	var entity *federationtest.Entity
	answers := map[string]http.HandlerFunc{
		"/good": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", fetch.MediaType)
			w.Write([]byte(entity.Configuration(t, nil)))
		},
		"/json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte(entity.Configuration(t, nil)))
		},
		"/moved": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/good"+fetch.WellKnown, http.StatusFound)
		},
		"/long": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", fetch.MediaType)
			w.Write([]byte(entity.Configuration(t, nil) + strings.Repeat(" ", statement.MaxBytes)))
		},
		"/gone": http.NotFound,
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers[strings.TrimSuffix(r.URL.Path, fetch.WellKnown)](w, r)
	}))
	defer server.Close()
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	f := fetch.New(outbound.NewWithin(outbound.Bounds{Loopback: true, Roots: roots}), nil)
	for _, path := range slices.Sorted(maps.Keys(answers)) {
		entity = federationtest.New(t, federation.EntityID(server.URL+path))
		_, err := f.Configuration(t.Context(), entity.ID)
		if (err == nil) != (path == "/good") || err != nil && !errors.Is(err, fetch.ErrFetch) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	entity = federationtest.New(t, federation.EntityID(server.URL+"/good"))
	outside := fetch.New(outbound.NewWithin(outbound.Bounds{Roots: roots}), nil)
	if _, err := outside.Configuration(t.Context(), entity.ID); !errors.Is(err, outbound.ErrNotPublic) {
		t.Errorf("this machine was reached: %v", err)
	}
}

// FuzzList: a list that is read has entities only, each once.
func FuzzList(f *testing.F) {
	superior := federationtest.Parse(f, entities(f, "neo")[0].Configuration(f, serving("list", "https://neo.example.vn/list")))
	f.Add(`["https://a.example.vn","https://a.example.vn"]`)
	f.Add(`[null]`)
	f.Fuzz(func(t *testing.T, page string) {
		n := newNet()
		n.pages["https://neo.example.vn/list"] = page
		ids, err := fetch.New(n, nil).List(t.Context(), superior)
		if err != nil {
			return
		}
		for i, id := range ids {
			if _, err := federation.ParseEntityID(string(id)); err != nil || slices.Contains(ids[:i], id) {
				t.Errorf("read %q", ids)
			}
		}
	})
}

// posted keeps the forms that were posted, and answers with a page of the network.
type posted struct {
	*net
	forms []url.Values
}

func (p *posted) Post(_ context.Context, m outbound.Message) (outbound.Answer, error) {
	form, err := url.ParseQuery(m.Body)
	if err != nil || m.Type != "application/x-www-form-urlencoded" || strings.Contains(m.URL, "?") {
		return outbound.Answer{}, fmt.Errorf("posted %s %q to %s", m.Type, m.Body, m.URL)
	}
	p.forms = append(p.forms, form)
	page, ok := p.pages[m.URL]
	if !ok {
		return outbound.Answer{Status: http.StatusUnauthorized, Body: []byte("{}")}, nil
	}
	return outbound.Answer{Status: http.StatusOK, Body: []byte(page)[:min(len(page), int(m.Limit))]}, nil
}

// proof is a prover that says for whom.
type proof struct{}

func (proof) Prove(_ context.Context, to federation.EntityID, form url.Values) error {
	form.Set("client_assertion", "for "+string(to))
	return nil
}

// TestProving: an endpoint that takes nobody without client authentication gets a POST with it, for
// the entity whose endpoint it is, and no other does (OpenID Federation 1.0 §8.8).
func TestProving(t *testing.T) {
	superior, app := federationtest.New(t, "https://neo.example.vn"), federationtest.New(t, "https://app.example.vn")
	for _, row := range []struct {
		name    string
		methods any
		proved  bool
	}{
		{"required", []string{"private_key_jwt"}, true},
		{"optional", []string{"none", "private_key_jwt"}, false},
		{"left out", nil, false},
		{"by another method", []string{"tls_client_auth"}, false},
		{"no list", "private_key_jwt", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			endpoints := claims{"federation_fetch_endpoint": "https://neo.example.vn/fetch"}
			if row.methods != nil {
				endpoints["federation_fetch_endpoint_auth_methods"] = row.methods
			}
			c := federationtest.Parse(t, superior.Configuration(t, claims{"metadata": claims{"federation_entity": endpoints}}))
			n := &posted{net: newNet()}
			about := superior.About(t, app, nil)
			n.pages["https://neo.example.vn/fetch"] = about
			n.pages["https://neo.example.vn/fetch?sub="+url.QueryEscape(string(app.ID))] = about
			s, err := fetch.New(n, nil).Proving(n, proof{}).Subordinate(t.Context(), c, app.ID)
			if err != nil || s.Token() != about {
				t.Fatalf("got %v", err)
			}
			if row.proved != (len(n.forms) == 1) {
				t.Fatalf("posted %v", n.forms)
			}
			const want = "for https://neo.example.vn"
			if row.proved && (n.forms[0].Get("client_assertion") != want || n.forms[0].Get("sub") != string(app.ID)) {
				t.Errorf("posted %v", n.forms)
			}
		})
	}
}
