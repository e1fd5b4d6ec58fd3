package enrolment_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/history"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
	"hopnhat/web/console/enrolment"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view/federated"
)

const us = federation.EntityID("https://neo.example.vn")

// room is the room with a real desk, on records in memory.
type room struct {
	*enrolment.Pages
	*evidencetest.Book
	b       *pagetest.Browser
	now     time.Time
	records map[federation.EntityID]enrol.Subordinate
	neo     *federationtest.Entity
	app     *federationtest.Entity
	known   []statement.Statement
	fetched error
	past    []history.Answer
	// unexplained says that no event explains the record.
	unexplained bool
	asked       []string
}

func newRoom(t *testing.T) *room {
	r := &room{
		Book: &evidencetest.Book{}, b: pagetest.New(), now: federationtest.Now, records: map[federation.EntityID]enrol.Subordinate{},
		neo: federationtest.New(t, us), app: federationtest.New(t, "https://app.example.vn"),
	}
	r.as("chi")
	known := func() (rehearsal.Known, time.Time, error) {
		if r.known == nil {
			return rehearsal.Known{}, time.Time{}, desk.ErrNotKnown
		}
		return rehearsal.Known{Statements: r.known, Anchors: []trust.Anchor{{ID: us, Keys: r.neo.Set(t)}}}, r.now, nil
	}
	now := func() time.Time { return r.now }
	d := &desk.Desk{Store: r, Scribe: r.Scribe(now), Entity: us, Now: now, Known: known}
	r.Pages = enrolment.New(enrolment.Options{
		Records: r, Desk: d, Pseudonyms: r, Known: known, Now: now,
		Past: func(context.Context, federation.EntityID, time.Time) ([]history.Answer, error) { return r.past, nil },
		Terms: func(context.Context, federation.EntityID) (enrol.Terms, error) {
			c := federationtest.Parse(t, r.configuration(t))
			terms, err := enrol.FromConfiguration(c, us, r.now)
			return terms, errors.Join(err, r.fetched)
		},
	})
	return r
}

func (r *room) configuration(t *testing.T) string {
	return r.app.Configuration(t, federationtest.Claims{
		"authority_hints": []federation.EntityID{us},
		"metadata": federationtest.Claims{"openid_relying_party": federationtest.Claims{
			"organization_name": "Đất đai", "subject_type": "pairwise",
		}},
	})
}

// as signs in another operator.
func (r *room) as(name string) {
	r.b.Session = &session.Session{
		ID: authz.SessionID("s-" + name), Principal: authz.Herself(authz.Subject(name)),
		Name: name, Level: 2,
	}
}

func (r *room) Tx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (r *room) Search(_ context.Context, part string, state enrol.State, after federation.EntityID,
	limit int,
) (list []enrol.Subordinate, err error) {
	r.asked = append(r.asked, fmt.Sprint(part, " ", state, " ", after))
	for i := range limit {
		id := federation.EntityID(fmt.Sprintf("https://app%03d.example.vn", i))
		if s := r.records[r.app.ID]; s.ID != "" && id > after {
			s.ID = id
			if i == limit-1 { // the last is in force
				s.Terms.Until = r.now.AddDate(1, 0, 0)
			}
			list = append(list, s)
		}
	}
	return list, nil
}

func (r *room) Subordinate(_ context.Context, id federation.EntityID) (enrol.Subordinate, error) {
	s, ok := r.records[id]
	if !ok {
		return s, authz.ErrNotFound
	}
	return s, nil
}

func (r *room) SaveSubordinate(_ context.Context, s enrol.Subordinate) error {
	if r.records[s.ID].Revision != s.Revision {
		return authz.ErrConflict
	}
	s.Revision++
	r.records[s.ID] = s
	return nil
}

func (r *room) CheckSubordinate(context.Context, enrol.Subordinate) error {
	if r.unexplained {
		return approval.ErrUnexplained
	}
	return nil
}
func (r *room) CheckMark(context.Context, enrol.Mark) error { return nil }

func (r *room) Mark(context.Context, string, federation.EntityID) (enrol.Mark, error) {
	return enrol.Mark{}, authz.ErrNotFound
}
func (r *room) SaveMark(context.Context, enrol.Mark) error { return nil }

// let is a handler as the route table lets somebody in.
func let(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		v.Role = authz.Operator
		return h(v)
	}
}

func (r *room) show(t *testing.T) string {
	t.Helper()
	got := r.b.Get(t, enrolment.EntityPath, enrolment.EntityPath+"?id="+url.QueryEscape(string(r.app.ID)), let(r.Show))
	if got.Err != nil {
		t.Fatal(got.Err)
	}
	return got.Body
}

// post sends a step; what is shown comes back, empty where the step was taken.
func (r *room) post(t *testing.T, path string, h func(*page.Visit) error, form ...string) string {
	t.Helper()
	fields := url.Values{"id": {string(r.app.ID)}}
	for i := 0; i < len(form); i += 2 {
		fields.Set(form[i], form[i+1])
	}
	got := r.b.Post(t, path, path, fields, let(h))
	if to := page.Redirect(""); errors.As(got.Err, &to) {
		return ""
	}
	if got.Err != nil {
		return got.Err.Error()
	}
	return got.Body
}

func (r *room) propose(t *testing.T, form ...string) string {
	t.Helper()
	return r.post(t, enrolment.ProposePath, r.Propose, append([]string{
		"entity", string(r.app.ID), "agreement", "12/2026", "level", "3", "until", "2028-01-01",
	}, form...)...)
}

func (r *room) step(t *testing.T, step string, form ...string) string {
	t.Helper()
	return r.post(t, enrolment.EntityPath, r.Step, append([]string{"step", step}, form...)...)
}

// hidden is the value of a field of the page.
func hidden(body, name string) string {
	_, rest, _ := strings.Cut(body, `name="`+name+`" value="`)
	value, _, _ := strings.Cut(rest, `"`)
	return value
}

// TestSteps: an entity goes from its proposal to its revocation by two operators, with the events
// that the commands write; what one alone cannot do, and what was not looked at, is refused.
func TestSteps(t *testing.T) {
	r := newRoom(t)
	for name, form := range map[string][]string{
		"no entity":             {"entity", "app"},
		"no date":               {"until", "soon"},
		"a level that is none":  {"level", "9"},
		"a number of a person":  {"reason", "099304000017"},
		"a policy that is none": {"policy", `{"policy":{}}`},
		"a name twice":          {"policy", `{"metadata":{},"metadata":{}}`},
	} {
		if body := r.propose(t, form...); !strings.Contains(body, `role="alert"`) || len(r.records) > 0 {
			t.Errorf("%s was taken: %s", name, body)
		}
	}
	r.fetched = errors.New("no answer")
	if body := r.propose(t); !strings.Contains(body, "openid-federation") {
		t.Errorf("got %s", body)
	}
	r.fetched = nil
	if body := r.propose(t, "policy", "{\n}"); body != "" {
		t.Fatal(body)
	}
	terms := hidden(r.show(t), "terms")
	if terms != "" {
		t.Error("whoever proposed it can approve it")
	}
	if body := r.step(t, "approve", "terms", r.records[r.app.ID].Proposal.Terms.Digest()); !strings.Contains(body, `role="alert"`) {
		t.Errorf("whoever proposed it approved it: %s", body)
	}
	r.as("lan")
	body := r.show(t)
	if terms = hidden(body, "terms"); len(terms) != 32 || !strings.Contains(body, "Chưa diễn tập được") {
		t.Fatalf("got %s", body)
	}
	if body := r.step(t, "approve", "terms", "other"); !strings.Contains(body, `role="alert"`) {
		t.Errorf("other terms were approved: %s", body)
	}
	if body := r.step(t, "approve", "terms", terms, "reason", " "); !strings.Contains(body, `role="alert"`) {
		t.Errorf("it was approved unrehearsed, and nobody said why: %s", body)
	}
	if body := r.step(t, "approve", "terms", terms, "reason", "đơn vị đầu tiên"); body != "" {
		t.Fatal(body)
	}
	r.unexplained = true
	if body := r.step(t, "suspend", "reason", "x"); !strings.Contains(body, "sự cố") {
		t.Errorf("a record that no event explains: %s", body)
	}
	r.unexplained = false
	r.known = []statement.Statement{
		federationtest.Parse(t, r.neo.Configuration(t, nil)), federationtest.Parse(t, r.neo.About(t, r.app, nil)),
		federationtest.Parse(t, r.configuration(t)),
	}
	if body := r.propose(t, "policy", `{"metadata_policy":{"openid_relying_party":{"subject_type":{"value":"public"}}}}`); body != "" {
		t.Fatal(body)
	}
	r.as("chi")
	body = r.show(t)
	terms, effects := hidden(body, "terms"), hidden(body, "effects")
	if effects == "" || !strings.Contains(body, "openid_relying_party.subject_type value &#34;public&#34;") {
		t.Errorf("the page does not say what the approval harms: %s", body)
	}
	if body := r.step(t, "approve", "terms", terms); !strings.Contains(body, `role="alert"`) {
		t.Errorf("what harms somebody was approved unseen: %s", body)
	}
	if body := r.step(t, "approve", "terms", terms, "effects", effects); body != "" {
		t.Fatal(body)
	}
	for _, row := range [][]string{{"suspend"}, {"suspend", "reason", " "}, {"renew", "until", "2028"}, {"approve"}} {
		if body := r.step(t, row[0], row[1:]...); !strings.Contains(body, `role="alert"`) {
			t.Errorf("%v was taken: %s", row, body)
		}
	}
	for _, row := range [][]string{{"renew", "until", "2029-01-01"}, {"suspend", "reason", "khóa bị lộ"}, {
		"revoke",
		"reason", "rời liên đoàn",
	}} {
		if body := r.step(t, row[0], row[1:]...); body != "" {
			t.Errorf("%v: %s", row, body)
		}
	}
	if body := r.step(t, "other"); !strings.Contains(body, "bad_request") {
		t.Errorf("got %s", body)
	}
	var codes []string
	for _, e := range r.Written {
		codes = append(codes, strings.TrimPrefix(e.Decision.Code, "federation."))
		if e.Detail.Object != string(r.app.ID) || !slices.Contains(e.Decision.Determining, "operator") ||
			!strings.HasPrefix(e.Decision.Determining[0], "account:") {
			t.Errorf("the event says %+v %q", e.Decision, e.Detail.Object)
		}
	}
	if got := strings.Join(codes, " "); got != "proposed approved proposed approved renewal-proposed suspended revoked" {
		t.Errorf("the evidence is %s", got)
	}
}

// TestByCommand: what a command proposed is not approved here, whoever looks.
func TestByCommand(t *testing.T) {
	r := newRoom(t)
	r.propose(t)
	s := r.records[r.app.ID]
	s.Proposal.By = "os-user:lan@a"
	r.as("lan")
	if body := r.show(t); hidden(body, "terms") != "" || !strings.Contains(body, "dòng lệnh") {
		t.Errorf("got %s", body)
	}
	if body := r.step(t, "approve", "terms", s.Proposal.Terms.Digest()); !strings.Contains(body, "dòng lệnh") {
		t.Errorf("got %s", body)
	}
}

// TestList: a page at a time, by a part of the address and a state; one whose terms are over is
// shown as ended.
func TestList(t *testing.T) {
	r := newRoom(t)
	r.propose(t)
	s := r.records[r.app.ID]
	s.State, s.Terms, s.ApprovedBy = enrol.Active, s.Proposal.Terms, "account:x"
	s.Terms.Until = r.now
	r.records[r.app.ID] = s
	list := func(query string) string {
		t.Helper()
		got := r.b.Get(t, enrolment.Path, enrolment.Path+query, let(r.List))
		if got.Err != nil {
			return got.Err.Error()
		}
		return got.Body
	}
	if body := list("?q=DaNang&state=ended"); strings.Count(body, `href="`+enrolment.EntityPath) != 50 ||
		!strings.Contains(body, "after=https") {
		t.Errorf("got %s", body)
	}
	if body := list("?state=active"); strings.Count(body, `href="`+enrolment.EntityPath) != 1 || !strings.Contains(body, "app050") {
		t.Errorf("the one that is in force stands behind a page of those that are over, and is not found: %s", body)
	}
	if got := strings.Join(r.asked, "; "); got != "DaNang active ;  active ;  active https://app049.example.vn" {
		t.Errorf("asked %q", got)
	}
	for _, wrong := range []string{"?state=other", "?q=" + strings.Repeat("a", 300)} {
		if body := list(wrong); !strings.Contains(body, "bad_request") {
			t.Errorf("%s: %s", wrong, body)
		}
	}
}

// TestWeather: the page says what ends first, or that nothing is known.
func TestWeather(t *testing.T) {
	r := newRoom(t)
	forecast, err := weather.Forecast{}, desk.ErrNotKnown
	r.Pages = enrolment.New(enrolment.Options{Weather: func() (weather.Forecast, error) { return forecast, err }})
	show := func() string {
		got := r.b.Get(t, enrolment.WeatherPath, enrolment.WeatherPath, let(r.Weather))
		if got.Err != nil {
			return got.Err.Error()
		}
		return got.Body
	}
	if body := show(); !strings.Contains(body, "chưa biết gì về liên đoàn") {
		t.Errorf("got %s", body)
	}
	many := make([]federation.EntityID, 9)
	for i := range many {
		many[i] = federation.EntityID(fmt.Sprintf("https://down%d.example.vn", i))
	}
	one := weather.Branch{
		Entity: "https://danang.example.vn", Trusted: 1204, FirstEnd: r.now, EndsIssuer: us,
		Ends: r.app.ID, Unreachable: many,
	}
	forecast, err = weather.Forecast{At: r.now, Trusted: 1204, FirstEnd: r.now, Branches: []weather.Branch{one}}, nil
	body := show()
	for _, want := range []string{
		"https://danang.example.vn", "1.204",
		"Tuyên bố của https://neo.example.vn về https://app.example.vn", "down4",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("it does not say %q: %s", want, body)
		}
	}
	if strings.Contains(body, "down5") {
		t.Error("all that are out of reach are on the page")
	}
	for range 150 {
		forecast.Branches = append(forecast.Branches, one)
	}
	if body := show(); !strings.Contains(body, "Còn 51 nhánh nữa") {
		t.Errorf("got %s", body)
	}
	if err = errors.New("no file"); show() != "no file" {
		t.Error("a failure is shown as a forecast")
	}
}

// TestNoEntity: a server without subordinates says so, and takes no step.
func TestNoEntity(t *testing.T) {
	r := newRoom(t)
	r.Pages = enrolment.New(enrolment.Options{})
	if got := r.b.Get(t, enrolment.Path, enrolment.Path, let(r.List)); got.Err != nil || !strings.Contains(got.Body,
		"federation_entity") {
		t.Errorf("got %v %s", got.Err, got.Body)
	}
	if body := r.step(t, "suspend", "reason", "x"); !strings.Contains(body, authz.ErrNotFound.Error()) {
		t.Errorf("got %s", body)
	}
	if body := r.propose(t); !strings.Contains(body, authz.ErrNotFound.Error()) {
		t.Errorf("got %s", body)
	}
	if got := r.b.Get(t, enrolment.ProposePath, enrolment.ProposePath, let(r.ProposeForm)); !errors.Is(got.Err, authz.ErrNotFound) {
		t.Errorf("got %v", got.Err)
	}
}

// TestTrust: the page draws the chain with each check and step, and says who has to do what; a
// rule of federation/trust has a text in both languages.
func TestTrust(t *testing.T) {
	r := newRoom(t)
	ask := func(id string) string {
		t.Helper()
		got := r.b.Get(t, enrolment.TrustPath, enrolment.TrustPath+"?id="+url.QueryEscape(id), let(r.Trust))
		if got.Err != nil {
			return got.Err.Error()
		}
		return got.Body
	}
	says := func(id string, wants ...string) {
		t.Helper()
		body := ask(id)
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%q: it does not say %q: %s", id, want, body)
			}
		}
	}
	says(string(r.app.ID), "chưa biết gì về liên đoàn")
	policy := federationtest.Claims{"metadata_policy": federationtest.Claims{"openid_relying_party": federationtest.Claims{
		"subject_type": federationtest.Claims{"value": "public"},
	}}}
	top, own := federationtest.Parse(t, r.neo.Configuration(t, nil)), federationtest.Parse(t, r.configuration(t))
	r.known = []statement.Statement{top, federationtest.Parse(t, r.neo.About(t, r.app, policy)), own}
	says(string(r.app.ID), "Được tin cậy", "openid_relying_party.subject_type value &#34;public&#34;",
		"&#34;pairwise&#34; → &#34;public&#34;",
		desk.ThumbprintsOf(r.app.JWKS(t))[0], "§10.2", "Còn hạn")
	r.known[1] = federationtest.Parse(t, r.neo.About(t, r.app, federationtest.Claims{"jwks": r.neo.JWKS(t)}))
	says(string(r.app.ID), "Không được tin cậy", "phải gửi khóa liên đoàn mới cho cấp trên", "is-refused")
	r.known = []statement.Statement{top, own}
	says(string(r.app.ID), "Không có chuỗi tuyên bố nào")
	says("app", "bắt đầu bằng https://", `role="alert"`)
	says("", "Theo những gì biết được lúc")
	says(strings.Repeat("a", 3000), "bad_request")
}

// TestTrustThen: of a time that is past the page says what each server had found by then, between
// which walks, and that nobody can say where none was looking.
func TestTrustThen(t *testing.T) {
	r := newRoom(t)
	at := time.Date(2026, 3, 3, 9, 14, 0, 0, time.FixedZone("", 7*3600))
	looked := history.Answer{Node: "dc1/a", Before: at.Add(-time.Minute), After: at.Add(9 * time.Minute)}
	trusted := looked
	trusted.Since, trusted.Verdict = at.Add(-time.Hour), history.Verdict{
		Trusted: true, Anchor: us, Marks: []string{"https://neo.example.vn/m"},
		Chain: []history.Link{{Issuer: r.app.ID, Subject: r.app.ID, Keys: []string{"thumb-of-the-app"}}},
	}
	refused, gone, blind := trusted, trusted, trusted
	refused.Verdict = history.Verdict{Section: "10.2", Error: "it ended", AdviceVI: "phải gia hạn"}
	gone.Verdict = history.Verdict{Gone: true}
	blind.Before = at.Add(-time.Hour)
	for _, row := range []struct {
		name, id, at string
		answers      []history.Answer
		wants        []string
	}{
		{"trusted", string(r.app.ID), "2026-03-03T09:14", []history.Answer{trusted}, []string{
			"Được tin cậy", "dc1/a", "thumb-of-the-app", "https://neo.example.vn/m", "08:14",
		}},
		{"refused", string(r.app.ID), "2026-03-03T09:14", []history.Answer{refused}, []string{"Không được tin cậy", "§10.2 it ended", "phải gia hạn"}},
		{"gone", string(r.app.ID), "2026-03-03T09:14", []history.Answer{gone}, []string{"Không còn thấy"}},
		{"never found", string(r.app.ID), "2026-03-03T09:14", []history.Answer{looked}, []string{"Lần duyệt trước đó không thấy"}},
		{"nobody looked", string(r.app.ID), "2026-03-03T09:14", []history.Answer{blind}, []string{"Không có ai theo dõi", "Kết quả gần nhất"}},
		{"nobody kept anything", string(r.app.ID), "2026-03-03T09:14", nil, []string{"400 ngày"}},
		{"no time", string(r.app.ID), "soon", nil, []string{`role="alert"`, "thời điểm đã qua", `value="soon"`}},
		{"a time to come", string(r.app.ID), "2036-03-03T09:14", nil, []string{`role="alert"`}},
		{"no entity", "app", "2026-03-03T09:14", nil, []string{`role="alert"`, "https://"}},
		{"a time and no entity", "", "2026-03-03T09:14", nil, []string{`value="2026-03-03T09:14"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r.past = row.answers
			query := url.Values{"id": {row.id}, "at": {row.at}}.Encode()
			got := r.b.Get(t, enrolment.TrustPath, enrolment.TrustPath+"?"+query, let(r.Trust))
			for _, want := range row.wants {
				if got.Err != nil || !strings.Contains(got.Body, want) {
					t.Errorf("it does not say %q: %v %s", want, got.Err, got.Body)
				}
			}
		})
	}
	rules := trust.Rules()
	if len(rules) != len(federated.TrustRules()) {
		t.Fatalf("the pages have %q, trust %q", federated.TrustRules(), rules)
	}
	for i, rule := range federated.TrustRules() {
		if string(rules[i]) != string(rule) {
			t.Errorf("the pages have %q, trust %q", rule, rules[i])
		}
	}
}
