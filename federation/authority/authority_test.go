package authority_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/mark"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

type claims = federationtest.Claims

const (
	id   = federation.EntityID("https://neo.example.vn")
	kind = "https://neo.example.vn/marks/public"
)

// office is an anchor with its registry, its keys and its clock.
type office struct {
	*authority.Authority
	db   *store.DB
	ring *lifecycle.Keeper
	book *keytest.Ledger
	now  time.Time
}

func newOffice(t *testing.T, changed func(*authority.Options)) *office {
	t.Helper()
	files, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: keytest.Algorithms})
	if err != nil {
		t.Fatal(err)
	}
	o := &office{book: &keytest.Ledger{}, now: federationtest.Now}
	o.ring = keytest.Ring(t, files, o.book)
	o.db = storetest.SQLite(t, func() time.Time { return o.now })
	options := authority.Options{
		ID: id, Organization: "Neo tin cậy quốc gia", Ring: o.ring, Once: o.db.Proofs,
		Registry: federationtest.Unheld{Registry: o.db.Enrolments}, Now: func() time.Time { return o.now },
		MarkIssuers: map[string][]federation.EntityID{kind: {id}},
	}
	if changed != nil {
		changed(&options)
	}
	o.Authority = authority.New(options)
	return o
}

// ask is a request, and answers with status, media type and body.
func (o *office) ask(t *testing.T, method, path string, form url.Values) (int, string, string) {
	t.Helper()
	handle, ok := o.Handlers()[path]
	if !ok {
		return http.StatusNotFound, "", ""
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path+"?"+form.Encode(), nil)
	if method == http.MethodPost {
		r = httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	handle(w, r)
	return w.Code, w.Header().Get("Content-Type"), w.Body.String()
}

// enrolled enrols an entity by the steps of two people.
func (o *office) enrolled(t *testing.T, e *federationtest.Entity, metadata claims, changed func(*enrol.Terms)) enrol.Subordinate {
	t.Helper()
	all := claims{"federation_entity": claims{"organization_name": "Đà Nẵng"}}
	for name, value := range metadata {
		all[name] = value
	}
	c := federationtest.Parse(t, e.Configuration(t, claims{"authority_hints": []federation.EntityID{id}, "metadata": all}))
	terms, err := enrol.FromConfiguration(c, id, o.now)
	if err != nil {
		t.Fatal(err)
	}
	terms.Agreement, terms.Level, terms.Until = "12/2026", 3, o.now.AddDate(1, 0, 0)
	if changed != nil {
		changed(&terms)
	}
	s, err := enrol.Subordinate{ID: e.ID}.Propose(id, terms, "a", "", o.now)
	if err == nil {
		s, err = s.Approve(id, s.Proposal.Terms.Digest(), "b", o.now)
	}
	if err != nil {
		t.Fatal(err)
	}
	return o.save(t, s)
}

func (o *office) save(t *testing.T, s enrol.Subordinate) enrol.Subordinate {
	t.Helper()
	err := o.db.Enrolments.SaveSubordinate(t.Context(), s)
	if err == nil {
		s, err = o.db.Enrolments.Subordinate(t.Context(), s.ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o *office) granted(t *testing.T, subject federation.EntityID, until time.Time) enrol.Mark {
	t.Helper()
	m, err := enrol.Mark{Type: kind, Subject: subject}.Grant("a", until, o.now)
	if err == nil {
		err = o.db.Enrolments.SaveMark(t.Context(), m)
	}
	if err == nil {
		m, err = o.db.Enrolments.Mark(t.Context(), kind, subject)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// keys are the anchor's keys as another has pinned them.
func (o *office) keys(t *testing.T) *jose.Set {
	t.Helper()
	published, err := o.ring.Published(keys.EntityStatement)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalSet(published)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func (o *office) configuration(t *testing.T) statement.Statement {
	t.Helper()
	status, media, body := o.ask(t, http.MethodGet, authority.ConfigurationPath, nil)
	if status != http.StatusOK || media != fetch.MediaType {
		t.Fatalf("status %d, %s: %s", status, media, body)
	}
	return federationtest.Parse(t, body)
}

// TestConfiguration: what an anchor says about itself (§3.1.2, §9.2), and that each endpoint
// that it names answers.
func TestConfiguration(t *testing.T) {
	o := newOffice(t, nil)
	c := o.configuration(t)
	if v := trust.Verify([]string{c.Token()}, []trust.Anchor{{ID: id, Keys: o.keys(t)}}, o.now); !v.Valid() || !v.Expiry.Equal(o.now.Add(authority.Life)) {
		t.Fatalf("got %v, until %s", v.Err, v.Expiry)
	}
	if len(c.MarkIssuers[kind]) != 1 || len(c.AuthorityHints) != 0 {
		t.Errorf("got %v, %v", c.MarkIssuers, c.AuthorityHints)
	}
	named := 0
	for name, value := range c.Metadata[federation.FederationEntity] {
		address, _ := value.(string)
		path, ok := strings.CutPrefix(address, string(id))
		if !strings.HasSuffix(name, "_endpoint") {
			continue
		}
		named++
		if status, _, _ := o.ask(t, http.MethodDelete, path, nil); !ok || status != http.StatusMethodNotAllowed {
			t.Errorf("%s names %s, which answers %d", name, address, status)
		}
	}
	if named != len(o.Handlers())-1 {
		t.Errorf("%d endpoints are named, and %d serve", named, len(o.Handlers())-1)
	}
	t.Run("a leaf names its superiors, its marks and its role, and states nobody", func(t *testing.T) {
		e := federationtest.New(t, "https://x.example.vn")
		given := e.Sign(t, claims{"typ": mark.Type}, claims{"iss": e.ID, "sub": id, "trust_mark_type": kind, "iat": o.now.Unix()})
		leaf := newOffice(t, func(o *authority.Options) {
			o.Registry, o.Superiors, o.Marks = nil, []federation.EntityID{e.ID}, []statement.Mark{{Type: kind, JWT: given}}
			o.MarkIssuers = nil
			o.Metadata = func() (map[federation.EntityType]json.RawMessage, error) {
				return map[federation.EntityType]json.RawMessage{federation.OpenIDProvider: json.RawMessage(`{"issuer":"https://neo.example.vn"}`)}, nil
			}
		})
		c := leaf.configuration(t)
		if len(c.AuthorityHints) != 1 || len(c.Marks) != 1 || c.Metadata[federation.OpenIDProvider]["issuer"] != string(id) {
			t.Errorf("got %+v", c)
		}
		if _, named := c.Metadata[federation.FederationEntity]["federation_fetch_endpoint"]; named || len(leaf.Handlers()) != 2 {
			t.Errorf("it serves %d endpoints", len(leaf.Handlers()))
		}
	})
	t.Run("metadata that cannot be had", func(t *testing.T) {
		broken := newOffice(t, func(o *authority.Options) {
			o.Metadata = func() (map[federation.EntityType]json.RawMessage, error) { return nil, errors.New("inner text") }
		})
		status, media, body := broken.ask(t, http.MethodGet, authority.ConfigurationPath, nil)
		if status != http.StatusInternalServerError || media != "application/json" || !strings.Contains(body, "server_error") ||
			strings.Contains(body, "inner") {
			t.Errorf("status %d: %s", status, body)
		}
	})
}

// TestFetch: what is stated about a subordinate, with the policy and the constraints of its
// superior (OpenID Federation 1.0 §3.1.3), proves that it belongs here (§8.1), until it
// is suspended, revoked, or its enrolment has ended.
func TestFetch(t *testing.T) {
	o := newOffice(t, nil)
	e := federationtest.New(t, "https://app.example.vn")
	s := o.enrolled(t, e, claims{"openid_relying_party": claims{"scope": "openid profile"}}, func(a *enrol.Terms) {
		a.Policy = json.RawMessage(`{"openid_relying_party":{"scope":{"subset_of":["openid"]},"subject_type":{"value":"pairwise"}}}`)
		a.Constraints = json.RawMessage(`{"max_path_length":0,"allowed_entity_types":["openid_relying_party"]}`)
	})
	get := func() (int, string, string) {
		return o.ask(t, http.MethodGet, authority.FetchPath, url.Values{"sub": {string(e.ID)}, "unknown": {"1", "2"}})
	}
	status, media, stated := get()
	if status != http.StatusOK || media != fetch.MediaType {
		t.Fatalf("status %d, %s: %s", status, media, stated)
	}
	own := e.Configuration(t, claims{"authority_hints": []federation.EntityID{id}, "metadata": claims{"openid_relying_party": claims{"scope": "openid profile"}}})
	v := trust.Verify([]string{own, stated, o.configuration(t).Token()}, []trust.Anchor{{ID: id, Keys: o.keys(t)}}, o.now)
	if rp := v.Metadata[federation.RelyingParty]; !v.Valid() || rp["scope"] != "openid" || rp["subject_type"] != "pairwise" ||
		rp["organization_name"] != "Đà Nẵng" {
		t.Fatalf("%v: %v", v.Err, v.Metadata)
	}
	if got := federationtest.Parse(t, stated); got.Source != string(id)+authority.FetchPath || got.Constraints.MaxPathLength == nil {
		t.Errorf("got %+v", got)
	}
	refused := func(name string) {
		t.Helper()
		if status, media, body := get(); status != http.StatusNotFound || media != "application/json" ||
			!strings.Contains(body, `"error":"not_found"`) {
			t.Errorf("%s: status %d: %s", name, status, body)
		}
	}
	before := o.now
	o.now = s.Terms.Until.Add(-time.Hour)
	if _, _, late := get(); !federationtest.Parse(t, late).Expiry.Equal(s.Terms.Until) {
		t.Error("a statement goes on after the enrolment")
	}
	o.now = s.Terms.Until
	refused("ended")
	o.now = before
	suspended, err := s.Suspend("a", "keys lost", o.now)
	if err != nil {
		t.Fatal(err)
	}
	suspended = o.save(t, suspended)
	refused("suspended")
	back, err := suspended.Renew(id, o.now.AddDate(1, 0, 0), "a", "", o.now)
	if err != nil {
		t.Fatal(err)
	}
	back = o.save(t, back)
	refused("proposed anew, not approved")
	if back, err = back.Approve(id, back.Proposal.Terms.Digest(), "b", o.now); err != nil {
		t.Fatal(err)
	}
	back = o.save(t, back)
	if status, _, _ := get(); status != http.StatusOK {
		t.Errorf("renewed: status %d", status)
	}
	if back, err = back.Revoke("b", "left", o.now); err != nil {
		t.Fatal(err)
	}
	o.save(t, back)
	refused("revoked")
}

// TestALeafIsNoAuthority: an entity that was enrolled as an app states nobody, and plays no role
// that was not agreed, whatever it says of itself later (§6.2.1, §6.2.3).
func TestALeafIsNoAuthority(t *testing.T) {
	o := newOffice(t, nil)
	app, evil := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://evil.example.vn")
	o.enrolled(t, app, claims{"openid_relying_party": claims{}}, func(a *enrol.Terms) {
		a.Constraints = json.RawMessage(`{"max_path_length":3,"allowed_entity_types":["openid_relying_party","openid_provider"]}`)
	})
	_, _, stated := o.ask(t, http.MethodGet, authority.FetchPath, url.Values{"sub": {string(app.ID)}})
	anchors := []trust.Anchor{{ID: id, Keys: o.keys(t)}}
	below := evil.Configuration(t, claims{"authority_hints": []federation.EntityID{app.ID}, "metadata": claims{"openid_relying_party": claims{}}})
	about := app.About(t, evil, claims{"metadata": claims{"openid_relying_party": claims{"organization_name": "Bộ Công an"}}})
	if v := trust.Verify([]string{below, about, stated}, anchors, o.now); !errors.Is(v.Err, trust.ErrChain) || !strings.Contains(v.Err.Error(), "§6.2.1") {
		t.Errorf("an app vouches for another: %v", v.Err)
	}
	later := app.Configuration(t, claims{
		"authority_hints": []federation.EntityID{id}, "metadata": claims{"openid_relying_party": claims{}, "openid_provider": claims{}},
	})
	v := trust.Verify([]string{later, stated}, anchors, o.now)
	if !v.Valid() || v.Metadata[federation.RelyingParty] == nil || v.Metadata[federation.OpenIDProvider] != nil {
		t.Errorf("§6.2.3: %v, %v", v.Metadata, v.Err)
	}
}

// TestRefusals: errors of §8.9 at each endpoint.
func TestRefusals(t *testing.T) {
	o := newOffice(t, nil)
	foreign := federationtest.New(t, "https://x.example.vn")
	stray := foreign.Sign(t, claims{"typ": mark.Type}, claims{
		"iss": foreign.ID, "sub": "https://a.example.vn",
		"trust_mark_type": kind, "iat": o.now.Unix(),
	})
	forged := foreign.Sign(t, claims{"typ": mark.Type}, claims{
		"iss": id, "sub": "https://a.example.vn", "trust_mark_type": kind,
		"iat": o.now.Unix(),
	})
	unknown := foreign.Sign(t, claims{"typ": mark.Type}, claims{
		"iss": id, "sub": "https://b.example.vn", "trust_mark_type": kind,
		"iat": o.now.Unix(),
	})
	o.granted(t, "https://a.example.vn", time.Time{})
	for _, row := range []struct {
		name, method, path string
		form               url.Values
		status             int
		code               string
	}{
		{"§8.1.1: no sub", "GET", authority.FetchPath, nil, 400, "invalid_request"},
		{"§8.1.1: an empty sub", "GET", authority.FetchPath, url.Values{"sub": {""}}, 400, "invalid_request"},
		{"§8.1.1: two subs", "GET", authority.FetchPath, url.Values{"sub": {"https://a.example.vn", "https://b.example.vn"}}, 400, "invalid_request"},
		{"§8.1.1: a sub that names no entity", "GET", authority.FetchPath, url.Values{"sub": {"a"}}, 400, "invalid_request"},
		{"§8.1.2: about itself", "GET", authority.FetchPath, url.Values{"sub": {string(id)}}, 400, "invalid_request"},
		{"§8.1.2: about a stranger", "GET", authority.FetchPath, url.Values{"sub": {"https://a.example.vn"}}, 404, "not_found"},
		{"§8.1.2: about a subordinate with one slash more", "GET", authority.FetchPath, url.Values{"sub": {"https://a.example.vn/"}}, 404, "not_found"},
		{"§8.1.1: a client that authenticates", "POST", authority.FetchPath, url.Values{"sub": {"https://a.example.vn"}}, 405, "invalid_request"},
		{"§8.2.1: a boolean that is none", "GET", authority.ListPath, url.Values{"intermediate": {"yes"}}, 400, "invalid_request"},
		{"§8.2.1: trust_marked twice", "GET", authority.ListPath, url.Values{"trust_marked": {"true", "true"}}, 400, "invalid_request"},
		{"§8.2.1: an empty type of mark", "GET", authority.ListPath, url.Values{"trust_mark_type": {""}}, 400, "invalid_request"},
		{"§8.2.1: POST", "POST", authority.ListPath, nil, 405, "invalid_request"},
		{"§8.4.1: GET", "GET", authority.MarkStatusPath, url.Values{"trust_mark": {forged}}, 405, "invalid_request"},
		{"§8.4.1: no mark", "POST", authority.MarkStatusPath, nil, 400, "invalid_request"},
		{"§8.4.1: not a mark", "POST", authority.MarkStatusPath, url.Values{"trust_mark": {"x"}}, 400, "invalid_request"},
		{"§8.4.1: the parameters of older drafts", "POST", authority.MarkStatusPath, url.Values{"sub": {"https://a.example.vn"}, "id": {kind}}, 400, "invalid_request"},
		{"§8.4.2: a mark of another issuer", "POST", authority.MarkStatusPath, url.Values{"trust_mark": {stray}}, 404, "not_found"},
		{"§8.4.2: a mark in our name that we did not sign", "POST", authority.MarkStatusPath, url.Values{"trust_mark": {forged}}, 404, "not_found"},
		{"§8.4.2: a mark in our name that is not on record", "POST", authority.MarkStatusPath, url.Values{"trust_mark": {unknown}}, 404, "not_found"},
		{"§8.5.1: no type", "GET", authority.MarkListPath, nil, 400, "invalid_request"},
		{"§8.5.1: a sub that names no entity", "GET", authority.MarkListPath, url.Values{"trust_mark_type": {kind}, "sub": {"a"}}, 400, "invalid_request"},
		{"§8.6.1: no type", "GET", authority.MarkPath, url.Values{"sub": {"https://a.example.vn"}}, 400, "invalid_request"},
		{"§8.6.1: no sub", "GET", authority.MarkPath, url.Values{"trust_mark_type": {kind}}, 400, "invalid_request"},
		{"§8.6.2: an entity that does not have it", "GET", authority.MarkPath, url.Values{"trust_mark_type": {kind}, "sub": {"https://b.example.vn"}}, 404, "not_found"},
		{"§8.7.1: POST", "POST", authority.HistoryPath, nil, 405, "invalid_request"},
		{"§9.1: POST", "POST", authority.ConfigurationPath, nil, 405, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, media, body := o.ask(t, row.method, row.path, row.form)
			var said struct {
				Error string `json:"error"`
				Text  string `json:"error_description"`
			}
			if err := json.Unmarshal([]byte(body), &said); status != row.status || media != "application/json" || err != nil ||
				said.Error != row.code || said.Text == "" {
				t.Errorf("status %d, %s: %s", status, media, body)
			}
		})
	}
	t.Run("a body of another type", func(t *testing.T) {
		w := httptest.NewRecorder()
		o.Handlers()[authority.MarkStatusPath](w, httptest.NewRequestWithContext(t.Context(), "POST", "/",
			strings.NewReader(`{"trust_mark":"x"}`)))
		if w.Code != http.StatusBadRequest {
			t.Errorf("status %d", w.Code)
		}
	})
}

// TestList: the filters of §8.2.1.
func TestList(t *testing.T) {
	o := newOffice(t, nil)
	rp, op := claims{"openid_relying_party": claims{}}, claims{"openid_provider": claims{}}
	both := claims{"openid_relying_party": claims{}, "openid_provider": claims{}}
	middle := claims{"federation_entity": claims{"organization_name": "Bộ", "federation_fetch_endpoint": "https://m.example.vn/fetch"}}
	for name, metadata := range map[string]claims{"a": rp, "b": op, "c": both, "m": middle} {
		o.enrolled(t, federationtest.New(t, federation.EntityID("https://"+name+".example.vn")), metadata, nil)
	}
	gone := o.enrolled(t, federationtest.New(t, "https://z.example.vn"), rp, nil)
	gone, err := gone.Revoke("a", "left", o.now)
	if err != nil {
		t.Fatal(err)
	}
	o.save(t, gone)
	o.granted(t, "https://a.example.vn", time.Time{})
	o.granted(t, "https://b.example.vn", o.now.Add(time.Second))
	o.granted(t, "https://not-a-subordinate.example.vn", time.Time{})
	o.now = o.now.Add(time.Second)
	for _, row := range []struct {
		name string
		form url.Values
		want string
	}{
		{"all who are in force", nil, "a b c m"},
		{"of one type", url.Values{"entity_type": {"openid_provider"}}, "b c"},
		{"of several types: all of them", url.Values{"entity_type": {"openid_provider", "openid_relying_party"}}, "c"},
		{"of a type that nobody has", url.Values{"entity_type": {"oauth_resource"}}, ""},
		{"intermediates", url.Values{"intermediate": {"true"}}, "m"},
		{"intermediate is false: no filter", url.Values{"intermediate": {"false"}}, "a b c m"},
		{"with a mark that is still valid", url.Values{"trust_marked": {"true"}}, "a"},
		{"with a mark of a type", url.Values{"trust_mark_type": {kind}}, "a"},
		{"with a mark of a type that nobody has", url.Values{"trust_mark_type": {"https://x"}}, ""},
		{"filters together", url.Values{"trust_marked": {"true"}, "entity_type": {"openid_provider"}}, ""},
		{"what is not known is passed over", url.Values{"page": {"2"}}, "a b c m"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, media, body := o.ask(t, http.MethodGet, authority.ListPath, row.form)
			var ids []string
			if err := json.Unmarshal([]byte(body), &ids); status != http.StatusOK || media != "application/json" || err != nil ||
				ids == nil {
				t.Fatalf("status %d, %s: %s", status, media, body)
			}
			for i := range ids {
				ids[i] = strings.TrimSuffix(strings.TrimPrefix(ids[i], "https://"), ".example.vn")
			}
			if got := strings.Join(ids, " "); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestMarks: a mark that is asked for counts for others, and its status follows the record
// (§8.4, §8.5, §8.6).
func TestMarks(t *testing.T) {
	o := newOffice(t, nil)
	const app = federation.EntityID("https://app.example.vn")
	granted := o.granted(t, app, o.now.Add(48*time.Hour))
	form := url.Values{"trust_mark_type": {kind}, "sub": {string(app)}}
	status, media, token := o.ask(t, http.MethodGet, authority.MarkPath, form)
	if status != http.StatusOK || media != "application/trust-mark+jwt" {
		t.Fatalf("status %d, %s: %s", status, media, token)
	}
	issuer := trust.Verify([]string{o.configuration(t).Token()}, []trust.Anchor{{ID: id, Keys: o.keys(t)}}, o.now)
	if v := mark.Validate(token, mark.Question{Holder: app, Beside: kind, Issuer: issuer, Now: o.now}); !v.Valid() {
		t.Fatal(v.Err)
	}
	m, err := mark.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	is := func(want mark.Status) {
		t.Helper()
		status, media, body := o.ask(t, http.MethodPost, authority.MarkStatusPath, url.Values{"trust_mark": {token}})
		got, err := mark.ReadStatus(body, m, o.keys(t), o.now)
		if status != http.StatusOK || media != "application/trust-mark-status-response+jwt" || got != want || err != nil {
			t.Errorf("status %d, %s, %q, %v, want %q", status, media, got, err, want)
		}
	}
	held := func(want int, form url.Values) {
		t.Helper()
		status, _, body := o.ask(t, http.MethodGet, authority.MarkListPath, form)
		var ids []string
		if err := json.Unmarshal([]byte(body), &ids); status != http.StatusOK || err != nil || len(ids) != want {
			t.Errorf("status %d: %s", status, body)
		}
	}
	is(mark.Active)
	held(1, url.Values{"trust_mark_type": {kind}})
	held(1, form)
	held(0, url.Values{"trust_mark_type": {kind}, "sub": {"https://b.example.vn"}})
	before := o.now
	o.now = o.now.Add(48 * time.Hour)
	is(mark.Expired)
	held(0, form)
	o.now = before
	again, err := granted.Grant("a", o.now.Add(72*time.Hour), o.now.Add(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.db.Enrolments.SaveMark(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	o.now = o.now.Add(time.Minute)
	is(mark.Revoked) // another was granted in its place
	if again, err = o.db.Enrolments.Mark(t.Context(), kind, app); err != nil {
		t.Fatal(err)
	}
	_, _, token = o.ask(t, http.MethodGet, authority.MarkPath, form)
	if m, err = mark.Parse(token); err != nil {
		t.Fatal(err)
	}
	is(mark.Active)
	if again, err = again.Revoke("b", "order 3", o.now); err != nil {
		t.Fatal(err)
	}
	if err := o.db.Enrolments.SaveMark(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	is(mark.Revoked)
	held(0, form)
	if status, _, body := o.ask(t, http.MethodGet, authority.MarkPath, form); status != http.StatusNotFound {
		t.Errorf("§8.6.2: a revoked mark is given: %d %s", status, body)
	}
}

// TestSignedAnew: who asks again and again causes no signature, until a quarter of the life of
// what was signed is over, the record changes, or the key does.
func TestSignedAnew(t *testing.T) {
	o := newOffice(t, nil)
	e := federationtest.New(t, "https://app.example.vn")
	s := o.enrolled(t, e, nil, nil)
	get := func() statement.Statement {
		t.Helper()
		_, _, body := o.ask(t, http.MethodGet, authority.FetchPath, url.Values{"sub": {string(e.ID)}})
		return federationtest.Parse(t, body)
	}
	made := func() uint64 { return o.ring.Stats().Signatures }
	first := get()
	before := made()
	for range 20 {
		get()
	}
	if made() != before {
		t.Errorf("%d signatures for the same statement", made()-before)
	}
	o.now = o.now.Add(authority.Life / 4)
	if second := get(); second.Token() == first.Token() || second.Expiry.Sub(o.now) != authority.Life || made() != before+1 {
		t.Errorf("not signed anew: until %s", second.Expiry)
	}
	renewed, err := s.Renew(id, o.now.Add(2*time.Hour), "a", "", o.now)
	if err == nil {
		renewed, err = renewed.Approve(id, renewed.Proposal.Terms.Digest(), "b", o.now)
	}
	if err != nil {
		t.Fatal(err)
	}
	o.save(t, renewed)
	if got := get(); !got.Expiry.Equal(renewed.Terms.Until) {
		t.Errorf("the record changed, and it is good until %s", got.Expiry)
	}
	old := get().KeyID()
	revoked, err := o.ring.Commands().Revoke(t.Context(), old, "test", false)
	if err != nil {
		t.Fatal(err)
	}
	status, _, body := o.ask(t, http.MethodGet, authority.FetchPath, url.Values{"sub": {string(e.ID)}})
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `"error":"temporarily_unavailable"`) {
		t.Errorf("§8.9: without a key that signs: %d %s", status, body)
	}
	step := lifecycle.Step{
		KeyID: revoked.Successor, Use: keys.EntityStatement, Algorithm: keys.ES256, From: keys.Announced,
		To: keys.Published,
	}
	err1 := o.book.MoveKey(t.Context(), step, o.now)
	step.From, step.To = keys.Published, keys.Active
	if err := errors.Join(err1, o.book.MoveKey(t.Context(), step, o.now), o.ring.Reconcile(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got := get(); got.KeyID() == old || got.SignedBy(o.keys(t)) != nil {
		t.Error("signed with a key that was revoked")
	}
	_, media, body := o.ask(t, http.MethodGet, authority.HistoryPath, nil)
	verified, err := jose.Verify(body, o.keys(t), jose.Rule{Type: "jwk-set+jwt", Algorithms: statement.Algorithms})
	var set struct {
		Issuer string `json:"iss"`
		Keys   []struct {
			KeyID   keys.KeyID `json:"kid"`
			Type    string     `json:"kty"`
			Expiry  int64      `json:"exp"`
			Revoked *struct {
				At int64 `json:"revoked_at"`
			} `json:"revoked"`
		} `json:"keys"`
	}
	if err == nil {
		err = json.Unmarshal(verified.Claims, &set)
	}
	if err != nil || media != "application/jwk-set+jwt" || set.Issuer != string(id) || len(set.Keys) != 1 {
		t.Fatalf("§8.7.2: %s, %v: %+v", media, err, set)
	}
	if k := set.Keys[0]; k.KeyID != old || k.Type != "EC" || k.Expiry == 0 || k.Revoked == nil || k.Revoked.At != k.Expiry {
		t.Errorf("§8.7.2: %+v", k)
	}
}

// TestListIsWhole: a list of more than a page has everybody, each once.
func TestListIsWhole(t *testing.T) {
	o := newOffice(t, nil)
	e := federationtest.New(t, "https://app.example.vn")
	s := o.enrolled(t, e, nil, nil)
	s.Revision = 0
	err := o.db.Tx(t.Context(), func(ctx context.Context) error {
		for i := range 1500 {
			s.ID = federation.EntityID(fmt.Sprintf("https://a%d.example.vn", i))
			if err := o.db.Enrolments.SaveSubordinate(ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, body := o.ask(t, http.MethodGet, authority.ListPath, nil)
	var ids []string
	if err := json.Unmarshal([]byte(body), &ids); err != nil || len(ids) != 1501 || !slices.IsSorted(ids) ||
		len(slices.Compact(ids)) != 1501 {
		t.Errorf("%d of 1501: %v", len(ids), err)
	}
}

// TestListIsKept: who asks for lists again and again causes one reading of the subordinates in
// ten seconds, and sees what changed after that.
func TestListIsKept(t *testing.T) {
	o := newOffice(t, nil)
	o.enrolled(t, federationtest.New(t, "https://a.example.vn"), nil, nil)
	count := func() int {
		t.Helper()
		_, _, body := o.ask(t, http.MethodGet, authority.ListPath, nil)
		var ids []string
		if err := json.Unmarshal([]byte(body), &ids); err != nil {
			t.Fatal(err)
		}
		return len(ids)
	}
	if got := count(); got != 1 {
		t.Fatalf("%d in the list", got)
	}
	o.enrolled(t, federationtest.New(t, "https://b.example.vn"), nil, nil)
	if got := count(); got != 1 {
		t.Errorf("read again at once: %d in the list", got)
	}
	o.now = o.now.Add(2 * time.Second)
	if got := count(); got != 2 {
		t.Errorf("%d in the list after ten seconds", got)
	}
}
