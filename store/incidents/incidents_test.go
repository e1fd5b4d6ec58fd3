package incidents_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/store"
	"hopnhat/store/incidents"
	"hopnhat/store/storetest"
)

var epoch = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// pen is a scribe that keeps what it wrote, or fails.
type pen struct {
	acts []audit.Act
	err  error
}

func (p *pen) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	p.acts = append(p.acts, acts...)
	return nil, p.err
}

func desk(db *store.DB, log *strings.Builder) (*incident.Desk, *pen) {
	p := &pen{}
	return &incident.Desk{
		Store: db.Incidents, Scribe: p, Node: "node-1", Now: func() time.Time { return epoch },
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	}, p
}

var (
	gone = reconcile.Finding{Kind: reconcile.LeafWithoutRow, Origin: "log/2026Q4", Index: 7, Event: "e-7", Pseudonym: "pseudonym-of-an"}
	role = reconcile.Finding{Kind: reconcile.RoleUnexplained, Object: "auditor", Pseudonym: "pseudonym-of-chi", Text: "no event"}

	chi  = incident.Person{Subject: "chi", Name: "pseudonym-of-chi", Role: authz.Auditor}
	dung = incident.Person{Subject: "dung", Name: "pseudonym-of-dung", Role: authz.Operator}
	root = incident.Person{Name: "os-user:root@db1", Role: authz.Operator}
)

func list(t *testing.T, db *store.DB, closed bool) []incident.Incident {
	t.Helper()
	found, err := db.Incidents.ListIncidents(t.Context(), closed, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestTheSameFindingIsTheSameIncident: however often and by however many nodes it is found,
// there is one, one event and one line of log, and none of them names a person.
func TestTheSameFindingIsTheSameIncident(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var log strings.Builder
		d, p := desk(db, &log)
		for range 3 {
			if _, err := d.Report(t.Context(), []reconcile.Finding{gone, role}, epoch.Add(-time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				other, _ := desk(db, &strings.Builder{})
				if _, err := other.Report(t.Context(), []reconcile.Finding{gone, role}, epoch.Add(-time.Hour)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		found := list(t, db, false)
		if len(found) != 2 || len(p.acts) != 2 || strings.Count(log.String(), "level=ERROR") != 2 {
			t.Fatalf("%d incidents, %d events, log %s", len(found), len(p.acts), &log)
		}
		if got := found[1]; got.Finding != gone || got.State != incident.Open || !got.FoundAt.Equal(epoch) || got.Node != "node-1" {
			t.Errorf("kept as %+v", got)
		}
		for _, a := range p.acts {
			if a.Action != audit.IncidentOpened || strings.Contains(a.Detail.Text, "pseudonym-of") || a.Detail.Object == "" {
				t.Errorf("recorded as %+v", a.Detail)
			}
		}
		if strings.Contains(log.String(), "pseudonym-of") {
			t.Errorf("the log names a person: %s", &log)
		}
		board := incident.Board{Marks: db.Incidents}
		if err := board.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if board.Open() != 2 || !board.Concerns("e-7") || board.Concerns("e-8") || board.Concerns("") ||
			!board.ConcernsPerson("pseudonym-of-an") || board.ConcernsPerson("pseudonym-of-chi") ||
			board.ConcernsPerson("") {
			t.Errorf("the board shows %d", board.Open())
		}
	})
}

// TestNoIncidentWithoutItsEvent: where the event cannot be written nothing is opened.
func TestNoIncidentWithoutItsEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, p := desk(db, &strings.Builder{})
		p.err = errors.New("the database does not answer")
		n, err := d.Report(t.Context(), []reconcile.Finding{gone}, epoch)
		if !errors.Is(err, p.err) || n != 0 || len(list(t, db, true)) != 0 {
			t.Errorf("opened %d, %v", n, err)
		}
	})
}

// TestTwoPeopleClose: the second is not the first, and each signed in, has a role and gives a
// reason.
func TestTwoPeopleClose(t *testing.T) {
	long := strings.Repeat("ế", incident.MaxReason)
	rows := []struct {
		name          string
		first, second incident.Person
		why           string
		want          error
	}{
		{"an auditor and an operator", chi, dung, "Lỗi khi khôi phục", nil},
		{"a reason as long as may be", chi, dung, long, nil},
		{"one person", chi, chi, "x", incident.ErrSame},
		{"one person in two roles", chi, incident.Person{Subject: "chi", Name: chi.Name, Role: authz.Operator}, "x", incident.ErrSame},
		{"a tool, which may be either of them", chi, root, "x", incident.ErrRole},
		{"no role", chi, incident.Person{Subject: "an", Name: "pseudonym-of-an"}, "x", incident.ErrRole},
		{"nobody", chi, incident.Person{Role: authz.Auditor}, "x", incident.ErrRole},
		{"no reason", chi, dung, "  ", incident.ErrReason},
		{"a reason that is too long", chi, dung, long + "ế", incident.ErrLong},
		{"a number of a person", chi, dung, "hỏi 099304000017", incident.ErrNumber},
		{"a reason that turns the line", chi, dung, "a\u202eb", incident.ErrText},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, row := range rows {
			t.Run(row.name, func(t *testing.T) {
				d, p := desk(db, &strings.Builder{})
				finding := gone
				finding.Index = uint64(i)
				if _, err := d.Report(t.Context(), []reconcile.Finding{finding}, epoch); err != nil {
					t.Fatal(err)
				}
				id, before := list(t, db, false)[0].ID, len(list(t, db, false))
				if err := d.Close(t.Context(), id, row.second, "x"); err == nil {
					t.Fatal("one person closed it")
				}
				if err := d.Propose(t.Context(), id, root, "x"); !errors.Is(err, incident.ErrRole) {
					t.Errorf("a tool proposed it: %v", err)
				}
				if err := d.Propose(t.Context(), id, row.first, "vì sao"); err != nil {
					t.Fatal(err)
				}
				if err := d.Propose(t.Context(), id, dung, "again"); !errors.Is(err, incident.ErrNotOpen) {
					t.Errorf("proposed twice: %v", err)
				}
				if err := d.Close(t.Context(), id, row.second, row.why); !errors.Is(err, row.want) {
					t.Fatalf("got %v, want %v", err, row.want)
				}
				got, err := db.Incidents.Incident(t.Context(), id)
				closed := row.want == nil
				if err != nil || (got.State == incident.Closed) != closed || (len(p.acts) == 3) != closed ||
					got.Proposal.By != row.first.Name {
					t.Errorf("%+v, %d events, %v", got, len(p.acts), err)
				}
				if open, err := db.Incidents.OpenIncidents(t.Context()); err != nil || (open < before) != closed {
					t.Errorf("%d open, %v", open, err)
				}
				if !closed {
					return
				}
				if got.Confirmation.Reason != row.why || got.Confirmation.By != row.second.Name ||
					p.acts[2].Action != audit.IncidentClosed || p.acts[2].Detail.Text != row.why || p.acts[2].Actor != row.second.Subject {
					t.Errorf("kept %+v, recorded %+v", got.Confirmation, p.acts[2])
				}
				if err := d.Close(t.Context(), id, row.second, "x"); !errors.Is(err, incident.ErrNotOpen) {
					t.Errorf("closed twice: %v", err)
				}
			})
		}
	})
}

// TestOfManyWhoCloseOneDoes: two who say the same word at once are one word.
func TestOfManyWhoCloseOneDoes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, _ := desk(db, &strings.Builder{})
		if _, err := d.Report(t.Context(), []reconcile.Finding{gone}, epoch); err != nil {
			t.Fatal(err)
		}
		id := list(t, db, false)[0].ID
		var all sync.WaitGroup
		took := make([]error, 6)
		for i := range took {
			all.Go(func() {
				mine, _ := desk(db, &strings.Builder{})
				who := incident.Person{Subject: authz.Subject(fmt.Sprint(i)), Name: fmt.Sprint("p-", i), Role: authz.Auditor}
				took[i] = mine.Propose(t.Context(), id, who, "x")
			})
		}
		all.Wait()
		won := 0
		for _, err := range took {
			if err == nil {
				won++
			} else if !errors.Is(err, incident.ErrNotOpen) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d won", won)
		}
	})
}

// TestAClosedIncident stays closed while what was found stays as it is, and is another one
// when it comes back after it had gone.
func TestAClosedIncident(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		d, _ := desk(db, &strings.Builder{})
		now := epoch
		d.Now = func() time.Time { return now }
		look := func(since time.Time) int {
			n, err := d.Report(t.Context(), []reconcile.Finding{gone}, since)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		look(now)
		id := list(t, db, false)[0].ID
		if err := errors.Join(d.Propose(t.Context(), id, chi, "x"), d.Close(t.Context(), id, dung, "y")); err != nil {
			t.Fatal(err)
		}
		first := now
		now = now.Add(time.Hour)
		if n := look(first); n != 0 {
			t.Error("what two people closed was opened by the next look")
		}
		second := now
		now = now.Add(2 * time.Hour) // a look in between found nothing
		if n := look(second.Add(time.Hour)); n != 1 || len(list(t, db, true)) != 2 {
			t.Errorf("opened %d when it came back", n)
		}
	})
}

// TestTooMany: who alters every row fills no database with incidents.
func TestTooMany(t *testing.T) {
	db := storetest.SQLite(t, nil)
	d, _ := desk(db, &strings.Builder{})
	d.Store = full{db.Incidents}
	findings := []reconcile.Finding{gone, role}
	if n, err := d.Report(t.Context(), findings, epoch); err != nil || n != 1 || list(t, db, false)[0].Kind != incident.TooMany {
		t.Errorf("opened %d, %v", n, err)
	}
}

// full is a store with as many open incidents as may be.
type full struct{ incidents.Book }

func (full) OpenIncidents(context.Context) (int, error) { return incident.MostOpen, nil }

// TestLook: how far reconciliation of each site has come is kept.
func TestLook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if l, err := db.Incidents.LookOf(t.Context(), "dc1"); err != nil || l != (incidents.Look{}) {
			t.Errorf("%+v, %v", l, err)
		}
		for _, want := range []incidents.Look{
			{Cursor: "a", Began: epoch}, {Cursor: "b", Began: epoch, Ended: epoch.Add(time.Hour), Took: time.Hour},
		} {
			if err := db.Incidents.SaveLook(t.Context(), "dc1", want); err != nil {
				t.Fatal(err)
			}
			if got, err := db.Incidents.LookOf(t.Context(), "dc1"); err != nil || got != want {
				t.Errorf("got %+v, want %+v, %v", got, want, err)
			}
		}
	})
}

// TestAnIncidentThatWasAltered: no word that somebody wrote into its row counts, what is found
// again is another incident where the row says that it is closed, and it is told of.
func TestAnIncidentThatWasAltered(t *testing.T) {
	for name, row := range map[string]struct {
		does   string
		reopen bool
	}{
		"proposed by nobody":  {"state = 'proposed', proposed_by = 'os-user:root', proposed_role = 'operator', proposed_reason = 'x', proposed_at = found_at", false},
		"closed by nobody":    {"state = 'closed', proposed_by = 'a', closed_by = 'b', seen_at = '2099-01-01 00:00:00+00:00'", true},
		"about another event": {"event_id = 'e-8'", false},
		"without its MAC":     {"mac = NULL", false},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				d, _ := desk(db, &strings.Builder{})
				if _, err := d.Report(t.Context(), []reconcile.Finding{gone}, epoch); err != nil {
					t.Fatal(err)
				}
				id := list(t, db, false)[0].ID
				if _, err := db.Pool().ExecContext(t.Context(), db.Bind("UPDATE incidents SET "+row.does+" WHERE id = ?"), id); err != nil {
					t.Fatal(err)
				}
				told := false
				if err := db.Incidents.Standing(t.Context(), func(_ string, state incident.State, altered bool) {
					told = altered && state == incident.Open
				}); err != nil || !told {
					t.Errorf("it is not told of: %v", err)
				}
				if err := d.Close(t.Context(), id, chi, "x"); !errors.Is(err, incident.ErrNoPropose) {
					t.Errorf("closed by one person: %v", err)
				}
				opened, err := d.Report(t.Context(), []reconcile.Finding{gone}, epoch)
				if err != nil || (opened == 1) != row.reopen {
					t.Errorf("found again: %d were opened, %v", opened, err)
				}
				if row.reopen {
					return
				}
				if err := errors.Join(d.Propose(t.Context(), id, chi, "x"), d.Close(t.Context(), id, dung, "x")); err != nil {
					t.Errorf("closed by two people: %v", err)
				}
				if i, err := db.Incidents.Incident(t.Context(), id); err != nil || i.Altered || i.State != incident.Closed {
					t.Errorf("then it is %+v, %v", i, err)
				}
			})
		})
	}
}

// TestALookThatWasMoved: whatever is altered of how far a look has come, nothing of it counts.
func TestALookThatWasMoved(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		want := incidents.Look{Cursor: "c", Began: epoch, Ended: epoch.Add(time.Hour), Took: time.Minute}
		for _, site := range []string{"dc1", "dc2"} {
			if err := db.Incidents.SaveLook(t.Context(), site, want); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := db.Incidents.LookOf(t.Context(), "dc1"); err != nil || got != want {
			t.Fatalf("kept as %+v, %v", got, err)
		}
		for _, does := range []string{
			"cursor = 'd'", "began_at = ended_at", "ended_at = NULL", "seconds = 7", "mac = NULL", "mac = (SELECT mac FROM reconcilers WHERE site = 'dc2')",
		} {
			if err := db.Incidents.SaveLook(t.Context(), "dc1", want); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Pool().ExecContext(t.Context(), "UPDATE reconcilers SET "+does+" WHERE site = 'dc1'"); err != nil {
				t.Fatal(err)
			}
			if got, err := db.Incidents.LookOf(t.Context(), "dc1"); err != nil || got != (incidents.Look{Altered: true}) {
				t.Errorf("%s: %+v, %v", does, got, err)
			}
		}
	})
}
