package console

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
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/querytext"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/evidence"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// room is the room with everything behind it played, for an official who is let in.
type room struct {
	*Pages
	*evidencetest.Book
	b    *pagetest.Browser
	now  time.Time
	apps []*authz.Client
}

func newRoom() *room {
	r := &room{Book: &evidencetest.Book{}, b: pagetest.New(), now: time.Unix(1_800_000_000, 0), apps: []*authz.Client{{ID: "so-dat", Name: view.Words{VI: "Sổ đất"}}}}
	r.b.Session = &session.Session{ID: "s-chi", Principal: authz.Herself("chi"), Name: "Trần Thị Chi", Level: 2}
	r.Pages = New(Options{
		Evidence: r.Book, Pseudonyms: r.Book, Log: r.Book, Scribe: r.Scribe(func() time.Time { return r.now }), Clients: r,
		Catalogue: consent.Load(), Now: func() time.Time { return r.now },
	})
	return r
}

func (r *room) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	for _, c := range r.apps {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, authz.ErrNotFound
}

func (r *room) Clients(_ context.Context, after authz.ClientID, limit int) (out []*authz.Client, err error) {
	for _, c := range r.apps {
		if c.ID > after && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, r.Err
}

func (r *room) get(t *testing.T, pattern, target string, h func(*page.Visit) error) pagetest.Answer {
	t.Helper()
	return r.b.Get(t, pattern, target, signedIn(h))
}

func (r *room) post(t *testing.T, path string, form url.Values, h func(*page.Visit) error) pagetest.Answer {
	t.Helper()
	return r.b.Post(t, path, path, form, signedIn(h))
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// search records a search for a person's events and returns its address.
func (r *room) search(t *testing.T, form url.Values) string {
	t.Helper()
	got := r.post(t, Path, form, r.Ask)
	if got.Location == "" {
		t.Fatalf("%d, %v: no results", got.Status, got.Err)
	}
	return got.Location
}

// TestASearchIsRecordedFirst: with what was asked and by whom, and what was asked stands
// in no address.
func TestASearchIsRecordedFirst(t *testing.T) {
	hers := evidencetest.Pseudonym("an")
	for _, row := range []struct {
		name    string
		form    url.Values
		problem view.SearchProblem
		query   audit.Query
	}{
		{"everything", nil, "", audit.Query{Limit: 50}},
		{"a person", url.Values{"pseudonym": {" " + hers + " "}}, "", audit.Query{Pseudonym: hers, Limit: 50}},
		{"a personal number", url.Values{"pseudonym": {"099304000017"}}, view.SearchPseudonym, audit.Query{}},
		{"a personal number among letters", url.Values{"pseudonym": {"099304000017aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa aa"}}, view.SearchPseudonym, audit.Query{}},
		{"an app", url.Values{"client": {"so-dat"}}, "", audit.Query{Client: "so-dat", Limit: 50}},
		{"no such app", url.Values{"client": {"099304000017"}}, view.SearchUnknown, audit.Query{}},
		{"a purpose", url.Values{"purpose": {"land.mortgage"}}, "", audit.Query{Purpose: "land.mortgage", Limit: 50}},
		{"no such purpose", url.Values{"purpose": {"099304000017"}}, view.SearchUnknown, audit.Query{}},
		{"no such kind", url.Values{"type": {"unheard"}}, view.SearchUnknown, audit.Query{}},
		{"a time in Vietnam", url.Values{"from": {"2026-11-23T07:00"}}, "", audit.Query{From: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Limit: 50}},
		{"a time that is none", url.Values{"from": {"yesterday"}}, view.SearchTime, audit.Query{}},
		{"an end before the beginning", url.Values{"from": {"2026-11-24T07:00"}, "to": {"2026-11-23T07:00"}}, view.SearchRange, audit.Query{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			got := r.post(t, Path, row.form, r.Ask)
			if row.problem != "" {
				if len(r.Written) > 0 || got.Location != "" || got.Err != nil || strings.Contains(got.Body, "099304000017") {
					t.Errorf("recorded %d, leads to %q, %v; or what was typed comes back", len(r.Written), got.Location, got.Err)
				}
				return
			}
			if len(r.Written) != 1 || got.Query("search") != r.Written[0].ID || got.Location != resultsURL(r.Written[0].ID, "") {
				t.Fatalf("recorded %d, leads to %q, %v", len(r.Written), got.Location, got.Err)
			}
			e := r.Written[0]
			if e.Type != audit.AuditorQuery || e.Detail.Action != string(audit.Search) || e.Data.Query != querytext.Text(row.query) ||
				e.When.Site != "dc1" || !e.When.Decided.Equal(r.now) ||
				e.Person.Pseudonym != row.query.Pseudonym || e.Person.Actor != evidencetest.Pseudonym("chi") ||
				e.Asked.Client != evidence.ConsoleClient || e.Reason.Basis != authz.BasisSupervision {
				t.Errorf("recorded as %+v", e.Data)
			}
			if err := e.CheckNew(); err != nil {
				t.Errorf("is no evidence: %v", err)
			}
		})
	}
}

// TestNothingIsShownUnrecorded: where a look cannot be recorded there is no look.
func TestNothingIsShownUnrecorded(t *testing.T) {
	secret := evidencetest.Pseudonym("an")
	r := newRoom()
	event := r.Add(evidencetest.Release("an", "so-dat", r.now)).ID
	at := r.search(t, nil)
	id := r.Written[0].ID
	r.now = r.now.Add(fresh + time.Second)
	r.RecordErr = errors.New("the log does not answer")
	for name, look := range map[string]func() pagetest.Answer{
		"a search":              func() pagetest.Answer { return r.post(t, Path, nil, r.Ask) },
		"results after a while": func() pagetest.Answer { return r.get(t, Path, at, r.Pages.Search) },
		"older results":         func() pagetest.Answer { return r.get(t, Path, resultsURL(id, event), r.Pages.Search) },
		"an event":              func() pagetest.Answer { return r.get(t, EventsPath+"/:id", EventsPath+"/"+event, r.Pages.Event) },
		"the proof of an event": func() pagetest.Answer { return r.get(t, "/:id/proof", "/"+event+"/proof", r.EventProof) },
		"an export":             func() pagetest.Answer { return r.post(t, ExportsPath, url.Values{"reason": {"Thanh tra"}}, r.Export) },
		"an export of a search": func() pagetest.Answer {
			return r.post(t, ExportsPath, url.Values{"reason": {"x"}, "search": {id}}, r.Export)
		},
	} {
		if got := look(); !errors.Is(got.Err, r.RecordErr) || strings.Contains(got.Body, secret) || got.Location != "" ||
			r.Exported.Total > 0 && name == "an export" {
			t.Errorf("%s: %d, %v, %.100q", name, got.Status, got.Err, got.Body)
		}
	}
}

// TestResults: the record of a search stands for its first page for a while; any other
// look is recorded again, as one of that search. Another auditor's search is not found.
func TestResults(t *testing.T) {
	for _, row := range []struct {
		name     string
		later    time.Duration
		before   bool
		who      authz.Subject
		recorded int
		err      error
	}{
		{"the first page, at once", 0, false, "chi", 0, nil},
		{"the first page, in a while", fresh, false, "chi", 0, nil},
		{"the first page, later", fresh + time.Second, false, "chi", 1, nil},
		{"another page", 0, true, "chi", 1, nil},
		{"another auditor's", 0, false, "dung", 0, authz.ErrNotFound},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			for range pageSize + 5 {
				r.Add(evidencetest.Release("an", "so-dat", r.now))
			}
			r.search(t, url.Values{"client": {"so-dat"}})
			search := r.Written[0].ID
			r.now, r.b.Session.Actor = r.now.Add(row.later), row.who
			target := resultsURL(search, "")
			if row.before {
				target = resultsURL(search, r.Events[4].Event.ID)
			}
			got := r.get(t, Path, target, r.Pages.Search)
			if !errors.Is(got.Err, row.err) {
				t.Fatal(got.Err)
			}
			if again := r.Written[1:]; len(again) != row.recorded ||
				row.recorded > 0 && (again[0].Detail.Object != search || again[0].Data.Query == "") {
				t.Errorf("recorded %d times more", len(again))
			}
			rows := strings.Count(got.Body, `href="`+EventsPath+"/") - strings.Count(got.Body, `href="`+EventsPath+"/"+search)
			if want := map[bool]int{false: pageSize, true: 4}[row.before]; row.err == nil && rows != want {
				t.Errorf("%d rows, want %d", rows, want)
			}
			if row.err != nil && strings.Contains(got.Body, evidencetest.Pseudonym("an")) {
				t.Error("what it found is shown")
			}
		})
	}
	r := newRoom()
	opened := r.Add(evidencetest.Release("an", "so-dat", r.now)).ID
	for _, id := range []string{opened, "nothing"} {
		if got := r.get(t, Path, resultsURL(id, ""), r.Pages.Search); !errors.Is(got.Err, authz.ErrNotFound) {
			t.Errorf("%s, which is no search: %v", id, got.Err)
		}
	}
}

// TestWhoSeesThatAnAuditorLooked: the person, unless what was found is hidden from her.
func TestWhoSeesThatAnAuditorLooked(t *testing.T) {
	hidden := audit.Visibility{Sight: audit.Hidden}
	for _, row := range []struct {
		name  string
		found audit.Visibility
		form  url.Values
		want  audit.Sight
	}{
		{"what she may see", audit.Visibility{}, nil, audit.Visible},
		{"what is hidden from her", hidden, nil, audit.Hidden},
		{"a purpose that the law hides", audit.Visibility{}, url.Values{"purpose": {"security.national"}}, hiddenIf(consent.Load(), "security.national")},
	} {
		r := newRoom()
		e := evidencetest.Release("an", "so-dat", r.now)
		e.Visibility = row.found
		e = r.Add(e)
		r.search(t, row.form)
		if got := r.Written[0].Visibility.Sight; got != row.want {
			t.Errorf("%s: the search is %s", row.name, got)
		}
		r.get(t, EventsPath+"/:id", EventsPath+"/"+e.ID, r.Pages.Event)
		look := r.Written[1]
		if look.Type != audit.AuditorLooked || look.Detail.Object != e.ID || look.Person.Pseudonym != e.Person.Pseudonym ||
			look.Visibility != e.Visibility {
			t.Errorf("%s: the look is recorded as %+v", row.name, look.Detail)
		}
	}
}

func hiddenIf(c *consent.Catalogue, id authz.PurposeID) audit.Sight {
	if p, _ := c.Purpose(id); audit.Sight(p.Visibility) != audit.Visible {
		return audit.Hidden
	}
	return audit.Visible
}

// TestExports: what is exported has a reason, is recorded before it is sent, and is
// recorded for each person of whom it holds something.
func TestExports(t *testing.T) {
	long := strings.Repeat("ế", maxReason+50)
	for _, row := range []struct {
		name, reason string
		events       int
		sent         bool
		kept         string // the reason as it is recorded
	}{
		{"with a reason", "Thanh tra quý 4", 3, true, "Thanh tra quý 4"},
		{"with spaces around it", "  Thanh tra ", 3, true, "Thanh tra"},
		{"composed otherwise", "Thanh tra quy\u0301", 3, true, "Thanh tra quý"},
		{"a very long reason", long, 3, true, string([]rune(long)[:maxReason])},
		{"without a reason", " ", 3, false, ""},
		{"with the number of a person", "về 099304000017", 3, false, ""},
		{"as much as may be", "Thanh tra", exportLimit, true, "Thanh tra"},
		{"too much", "Thanh tra", exportLimit + 1, false, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			people := map[string]int{}
			for i := range row.events {
				who := authz.Subject(fmt.Sprintf("p%d", i%3))
				e := evidencetest.Release(who, "so-dat", r.now)
				people[e.Person.Pseudonym]++
				r.Add(e)
			}
			got := r.post(t, ExportsPath, url.Values{"reason": {row.reason}}, r.Export)
			if got.Err != nil || (r.Exported.Total > 0) != row.sent {
				t.Fatalf("exported %d, %v", r.Exported.Total, got.Err)
			}
			if shown := len(r.Exported.Placed); row.sent && (shown != row.events || r.Exported.Total != row.events) {
				t.Errorf("%d of %d events are in the file, which says %d", shown, row.events, r.Exported.Total)
			}
			if !row.sent {
				if len(r.Written) > 0 || strings.Contains(got.Body, "099304000017") {
					t.Errorf("recorded %d, or the number comes back", len(r.Written))
				}
				return
			}
			export := r.Written[0]
			if export.Type != audit.AuditorExport || export.Detail.Text != row.kept || export.Detail.Count != int64(row.events) ||
				got.Header.Get("Content-Disposition") != `attachment; filename="hopnhat-export-`+export.ID+`.proof"` {
				t.Errorf("recorded as %+v", export.Detail)
			}
			for _, look := range r.Written[1:] {
				if look.Detail.Object != export.ID || look.Detail.Count != int64(people[look.Person.Pseudonym]) || look.Detail.Text != "" {
					t.Errorf("recorded for a person: %+v", look.Detail)
				}
				delete(people, look.Person.Pseudonym)
			}
			if len(people) > 0 {
				t.Errorf("%d persons do not learn of it", len(people))
			}
		})
	}
}

// TestAnExportOfAPerson is recorded once for her, and is of all quarters; what has no place in
// the log yet, and what is no evidence, is in it as such.
func TestAnExportOfAPerson(t *testing.T) {
	r := newRoom()
	r.Add(evidencetest.Release("an", "so-dat", r.now))
	r.Events[0].Origin = "an earlier shard"
	r.Add(evidencetest.Release("an", "so-dat", r.now))
	r.Add(evidencetest.Release("an", "so-dat", r.now))
	r.Events[2].Logged = false
	r.search(t, url.Values{"pseudonym": {evidencetest.Pseudonym("an")}})
	search := r.Written[0].ID
	if got := r.get(t, ExportsPath, ExportsPath+"?search="+search, r.ExportForm); got.Err != nil ||
		!strings.Contains(got.Body, evidencetest.Pseudonym("an")) {
		t.Errorf("the form does not say what is exported: %v", got.Err)
	}
	got := r.post(t, ExportsPath, url.Values{"reason": {"Thanh tra"}, "search": {search}}, r.Export)
	if got.Err != nil || len(r.Written) != 2 || r.Written[1].Person.Pseudonym != evidencetest.Pseudonym("an") {
		t.Fatalf("%v, recorded %d", got.Err, len(r.Written))
	}
	var shards []string
	for _, one := range r.Exported.Placed {
		shards = append(shards, one.Origin)
	}
	slices.Sort(shards)
	want := []string{"an earlier shard", evidencetest.Origin, evidencetest.Origin} // of these the last is the search
	if e := r.Exported; e.Total != 4 || !slices.Equal(shards, want) || len(e.Unlogged) != 1 || len(e.Faulty) != 0 {
		t.Errorf("exported %d of %v, %d not logged", e.Total, shards, len(e.Unlogged))
	}
	r.b.Session.Actor = "dung"
	if got := r.post(t, ExportsPath, url.Values{"reason": {"x"}, "search": {search}}, r.Export); !errors.Is(got.Err, authz.ErrNotFound) {
		t.Errorf("of another auditor's search: %v", got.Err)
	}
}

// TestAnExportOfNothing says that nothing was found, signed as any other.
func TestAnExportOfNothing(t *testing.T) {
	r := newRoom()
	r.search(t, url.Values{"client": {"so-dat"}})
	got := r.post(t, ExportsPath, url.Values{"reason": {"x"}, "search": {r.Written[0].ID}}, r.Export)
	if got.Err != nil || !strings.Contains(got.Body, "export of ") || r.Exported.Total != 0 {
		t.Errorf("got %v, %+v", got.Err, r.Exported)
	}
}

// TestEventPages lead back to the search, and to nothing else that an address says.
func TestEventPages(t *testing.T) {
	r := newRoom()
	e := r.Add(evidencetest.Release("an", "so-dat", r.now))
	search := authz.NewID()
	for query, back := range map[string]bool{"": false, "?search=" + search: true, "?search=//evil.example": false, "?search=" + search + "0": false} {
		got := r.get(t, EventsPath+"/:id", EventsPath+"/"+e.ID+query, r.Pages.Event)
		if has := strings.Contains(got.Body, `href="`+Path+"?search="); has != back || !strings.Contains(got.Body, e.Person.Pseudonym) {
			t.Errorf("%q: leads back to a search: %v", query, has)
		}
	}
	for _, h := range []func(*page.Visit) error{r.Pages.Event, r.EventProof} {
		if got := r.get(t, EventsPath+"/:id", EventsPath+"/nothing", h); !errors.Is(got.Err, authz.ErrNotFound) {
			t.Errorf("an event that is not there: %v", got.Err)
		}
	}
}
