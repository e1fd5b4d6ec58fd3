package incidents

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// room is the room with everything behind it played, for an official who is let in.
type room struct {
	*Pages
	b         *pagetest.Browser
	role      authz.Role
	incidents []incident.Incident
	said      []incident.Person
	steps     []string
	err       error
}

func newRoom() *room {
	r := &room{b: pagetest.New(), role: authz.Auditor}
	r.b.Session = &session.Session{ID: "s-chi", Principal: authz.Herself("chi"), Name: "Trần Thị Chi", Level: 2}
	r.Pages = New(Options{Incidents: r, Desk: r, Pseudonyms: r})
	return r
}

func (r *room) Audit(_ context.Context, who authz.Subject) (string, error) {
	return "pseudonym-of-" + string(who), nil
}

func (r *room) ListIncidents(_ context.Context, closed bool, before string, limit int) (out []incident.Incident, err error) {
	for _, i := range r.incidents {
		if (closed || i.State != incident.Closed) && (before == "" || i.ID < before) && len(out) < limit {
			out = append(out, i)
		}
	}
	return out, nil
}

func (r *room) Incident(_ context.Context, id string) (incident.Incident, error) {
	for _, i := range r.incidents {
		if i.ID == id {
			return i, nil
		}
	}
	return incident.Incident{}, authz.ErrNotFound
}

func (r *room) Propose(_ context.Context, id string, p incident.Person, why string) error {
	return r.say("propose", id, p, why)
}

func (r *room) Close(_ context.Context, id string, p incident.Person, why string) error {
	return r.say("close", id, p, why)
}

func (r *room) say(step, id string, p incident.Person, why string) error {
	r.said, r.steps = append(r.said, p), append(r.steps, step+" "+id+" "+why)
	return r.err
}

// let is a handler as the route table lets somebody in.
func (r *room) let(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		v.Role = r.role
		return h(v)
	}
}

func (r *room) add(state incident.State, by string) string {
	id := fmt.Sprintf("0199a7c2-4be1-7d30-9c44-%012d", 1000-len(r.incidents))
	r.incidents = append(r.incidents, incident.Incident{
		ID: id, State: state, FoundAt: time.Unix(1_800_000_000, 0), SeenAt: time.Unix(1_800_000_000, 0), Node: "dc1",
		Finding:  reconcile.Finding{Kind: reconcile.NotGenuine, Origin: "log/2026Q4", Index: 7, Event: "0199a7c2-4be1-7d30-9c44-51f0c0a3e211"},
		Proposal: incident.Word{By: by, Reason: "vì sao"},
	})
	return id
}

// TestList: open ones, a page at a time; closed ones only where they are asked for.
func TestList(t *testing.T) {
	r := newRoom()
	for range pageSize + 3 {
		r.add(incident.Open, "")
	}
	closed := r.add(incident.Closed, "x")
	rows := func(target string) (string, int) {
		got := r.b.Get(t, Path, target, r.let(r.List))
		return got.Body, strings.Count(got.Body, `href="`+Path+"/")
	}
	if body, n := rows(Path); n != pageSize || strings.Contains(body, closed) {
		t.Errorf("%d rows", n)
	}
	if _, n := rows(Path + "?before=" + r.incidents[pageSize-1].ID); n != 3 {
		t.Errorf("%d rows on the second page", n)
	}
	if body, n := rows(Path + "?all=1&before=" + r.incidents[pageSize-1].ID); n != 4 || !strings.Contains(body, closed) {
		t.Errorf("%d rows with the closed one", n)
	}
	if got := r.b.Get(t, Path, Path+"?before=x", r.let(r.List)); got.Err == nil {
		t.Error("a place to go on from that is none was taken")
	}
}

// TestEachWordHasAText: what reconciliation says of a finding stands on the page in its
// language, and what a later release says as it is.
func TestEachWordHasAText(t *testing.T) {
	words := reconcile.Words()
	for i, w := range view.IncidentWords() {
		if i >= len(words) || words[i] != reconcile.Word(w) {
			t.Fatalf("the pages have %q, reconciliation %q", view.IncidentWords(), words)
		}
	}
	if len(words) != len(view.IncidentWords()) {
		t.Fatalf("the pages have %q, reconciliation %q", view.IncidentWords(), words)
	}
	for _, c := range []struct{ text, vi, en string }{
		{"counted 12 11", "Nhật ký đếm 12, số bản ghi là 11.", "the log counted 12, the rows are 11"},
		{"gone", "nhưng nó không còn.", "events tell of it, and it is gone"},
		{"counted 12", `<dd lang="en">counted 12</dd>`, "counted 12"},
		{"gone x", `<dd lang="en">gone x</dd>`, "gone x"},
		{"of a later release", `<dd lang="en">of a later release</dd>`, "of a later release"},
	} {
		r := newRoom()
		id := r.add(incident.Open, "")
		r.incidents[0].Text = c.text
		if got := r.incidents[0].English(); got != c.en {
			t.Errorf("a tool says %q of %q", got, c.text)
		}
		if got := r.b.Get(t, Path+"/:id", Path+"/"+id, r.let(r.Show)); !strings.Contains(got.Body, c.vi) {
			t.Errorf("of %q the page does not say %q: %v", c.text, c.vi, got.Err)
		}
	}
}

// TestTheFormOfAnIncident: who may say which word is what the page offers.
func TestTheFormOfAnIncident(t *testing.T) {
	for _, row := range []struct {
		name  string
		state incident.State
		by    string
		role  authz.Role
		step  string // empty for no form
		event bool   // it links to the event
	}{
		{"open", incident.Open, "", authz.Auditor, "propose", true},
		{"open, to an operator", incident.Open, "", authz.Operator, "propose", false},
		{"proposed by another", incident.Proposed, "pseudonym-of-dung", authz.Auditor, "close", true},
		{"proposed by herself", incident.Proposed, "pseudonym-of-chi", authz.Auditor, "", true},
		{"closed", incident.Closed, "pseudonym-of-dung", authz.Auditor, "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			r.role = row.role
			id := r.add(row.state, row.by)
			got := r.b.Get(t, Path+"/:id", Path+"/"+id, r.let(r.Pages.Show))
			if got.Err != nil || strings.Contains(got.Body, `value="`+row.step+`"`) != (row.step != "") ||
				strings.Contains(got.Body, `name="reason"`) != (row.step != "") ||
				strings.Contains(got.Body, "/console/events/") != row.event {
				t.Errorf("%v: %s", got.Err, got.Body)
			}
		})
	}
	r := newRoom()
	for _, id := range []string{"nothing", "0199a7c2-4be1-7d30-9c44-000000000001"} {
		if got := r.b.Get(t, Path+"/:id", Path+"/"+id, r.let(r.Pages.Show)); !errors.Is(got.Err, authz.ErrNotFound) {
			t.Errorf("%s: %v", id, got.Err)
		}
	}
}

// TestSay: a word is said as who is signed in, in the role she was let in for, and one that
// is not taken is told with what was typed.
func TestSay(t *testing.T) {
	for _, row := range []struct {
		name, step string
		err        error
		said       int
		text       string // on the page that is shown; empty where the browser is led on
	}{
		{"a proposal", "propose", nil, 1, ""},
		{"a confirmation", "close", nil, 1, ""},
		{"neither", "burn", nil, 0, ""},
		{"no reason", "propose", incident.ErrReason, 1, "Hãy nêu lý do."},
		{"too long", "propose", incident.ErrLong, 1, "dài hơn 200"},
		{"a number", "propose", incident.ErrNumber, 1, "mười hai chữ số"},
		{"a bad character", "propose", incident.ErrText, 1, "không thể ghi"},
		{"herself", "close", incident.ErrSame, 1, "Chính bạn"},
		{"somebody was first", "propose", incident.ErrNotOpen, 1, "đã làm trước"},
		{"nobody proposed", "close", incident.ErrNoPropose, 1, "đã làm trước"},
		{"the database", "close", authz.ErrUnavailable, 1, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom()
			id := r.add(incident.Open, "")
			r.err = row.err
			got := r.b.Post(t, Path+"/:id", Path+"/"+id, url.Values{"step": {row.step}, "reason": {"đã xem"}}, r.let(r.Say))
			if len(r.said) != row.said {
				t.Fatalf("said %d times, %v", len(r.said), got.Err)
			}
			if row.said == 1 && (r.steps[0] != row.step+" "+id+" đã xem" || r.said[0].Name != "pseudonym-of-chi" ||
				r.said[0].Subject != "chi" || r.said[0].Role != authz.Auditor) {
				t.Errorf("said %q as %+v", r.steps, r.said)
			}
			switch {
			case row.text != "":
				if !strings.Contains(got.Body, row.text) || !strings.Contains(got.Body, `value="đã xem"`) {
					t.Errorf("%v: %s", got.Err, got.Body)
				}
			case row.err == nil && row.said == 1:
				if got.Location != Path+"/"+id {
					t.Errorf("led to %q, %v", got.Location, got.Err)
				}
			default:
				if got.Err == nil || got.Location != "" {
					t.Errorf("led to %q, %v", got.Location, got.Err)
				}
			}
		})
	}
}
