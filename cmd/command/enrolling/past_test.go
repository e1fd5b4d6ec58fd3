package enrolling_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/cmd/command/enrolling"
	"hopnhat/cmd/command/trust"
	"hopnhat/cmd/node"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/federation"
	"hopnhat/federation/history"
)

// TestPast: whether an app was trusted at a time is told by what the servers kept, with the walks
// around it, and where nobody looked that is said.
func TestPast(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "h.db") },
		"postgres": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) { past(t, newHouse(t, database(t))) })
	}
}

func past(t *testing.T, h house) {
	const id = "https://app.example.vn"
	at := time.Date(2027, 3, 3, 9, 10, 0, 0, time.FixedZone("", 7*3600))
	h.as(t, "x", func(b *node.Base, _ *enrolling.Office) error {
		for _, step := range []struct {
			minutes int
			v       history.Verdict
		}{
			{0, history.Verdict{Trusted: true, Anchor: us, Marks: []string{us + "/marks/public"}, Chain: []history.Link{
				{Issuer: id, Subject: id, Keys: []string{"app-key"}},
				{Issuer: us, Subject: id, Keys: []string{"app-key"}},
				{Issuer: us, Subject: us, Keys: []string{"neo-key"}},
			}}},
			{10, history.Verdict{Section: "10.2", Rule: "unexpired", Error: "it ended", AdviceVI: "phải gia hạn", AdviceEN: "has to renew"}},
			{20, history.Verdict{Gone: true}},
		} {
			when := at.Add(time.Duration(step.minutes) * time.Minute)
			err := b.DB.Histories.KeepWalk(t.Context(), "dc1/a", history.Walk{At: when},
				[]history.Row{{Entity: federation.EntityID(id), At: when, Digest: step.v.Error, Verdict: step.v}})
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, row := range []struct {
		at    string
		code  int
		wants []string
	}{
		{"2027-03-03T09:14", 0, []string{
			"ĐƯỢC TIN CẬY / TRUSTED: " + id + " at 2027-03-03 09:14:00 +07:00", "trusted under " + us, "since 2027-03-03 09:10",
			"walk after 2027-03-03 09:20", us + " states " + id + ", keys app-key", "marks " + us + "/marks/public",
		}},
		{"2027-03-03T02:25:00Z", 1, []string{"KHÔNG ĐƯỢC TIN CẬY / NOT TRUSTED", "§10.2 it ended", "phải gia hạn", "has to renew"}},
		{"2027-03-03T09:31", 1, []string{"found no more", "walk after none"}},
		{"2027-03-03T09:51", 1, []string{"KHÔNG RÕ / NOT KNOWN", "it was not looking at the time"}},
		{"2027-03-03T09:09", 1, []string{"KHÔNG RÕ / NOT KNOWN", "nothing was found of it by then"}},
		{"soon", 1, []string{"is no time such as"}},
	} {
		out := h.run(t, row.code, "federation", "explain", id, "--at", row.at)
		for _, want := range row.wants {
			if !strings.Contains(out, want) {
				t.Errorf("at %s it does not say %q:\n%s", row.at, want, out)
			}
		}
	}
	if out := h.run(t, 1, "federation", "explain", id); !strings.Contains(out, "name a time with --at") {
		t.Errorf("got %s", out)
	}
	var p trust.Past
	out := h.run(t, 0, "federation", "explain", id, "--at", "2027-03-03T09:14", "--json")
	if err := json.Unmarshal([]byte(out), &p); err != nil || !p.Trusted || !p.Looking || len(p.Nodes) != 1 || len(p.Nodes[0].Chain) != 3 {
		t.Errorf("got %+v, %v", p, err)
	}
	h.run(t, 1, "federation", "explain", "https://other.example.vn", "--at", "2027-03-03T09:14")
}
