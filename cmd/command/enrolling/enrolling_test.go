package enrolling_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/cmd/command"
	"hopnhat/cmd/command/enrolling"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/federationtest"
)

const us = "https://neo.example.vn"

// house is the state of an anchor, on which commands run.
type house struct {
	variables map[string]string
	config    *node.Config
}

func newHouse(t *testing.T, database string) house {
	t.Helper()
	dir := t.TempDir()
	h := house{variables: map[string]string{
		"HOPNHAT_STATE": filepath.Join(dir, "state"), "HOPNHAT_DATABASE": database, "HOPNHAT_ISSUER": us,
		"HOPNHAT_FEDERATION_ENTITY": file(t, "federation.json", `{"organization":"Neo","subordinates":true}`),
	}}
	for _, words := range []string{"migrate", "init"} {
		h.run(t, 0, words)
	}
	c := node.Defaults()
	c.State, c.Database, c.Issuer, c.FederationEntity = h.variables["HOPNHAT_STATE"], database, us, h.variables["HOPNHAT_FEDERATION_ENTITY"]
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	h.config = &c
	return h
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h house) run(t *testing.T, code int, words ...string) string {
	t.Helper()
	var out bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := h.variables[name]; return v, ok }
	e := &tool.Env{Out: &out, Err: &out, Environment: config.Environment{Lookup: lookup, Names: slices.Collect(maps.Keys(h.variables))}}
	if got := command.Run(t.Context(), e, words); got != code {
		t.Fatalf("%v: code %d, want %d\n%s", words, got, code, out.String())
	}
	return out.String()
}

// as runs something at the office of somebody else than who runs the commands.
func (h house) as(t *testing.T, by string, do func(*node.Base, *enrolling.Office) error) {
	t.Helper()
	b, err := node.Open(t.Context(), h.config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	d, err := enrolling.Open(b)
	if err != nil {
		t.Fatal(err)
	}
	d.Me = enrolling.Officer(by)
	if err := do(b, d); err != nil {
		t.Fatal(err)
	}
}

// events are what the evidence says of a step, the last first.
func (h house) events(t *testing.T) (said []string) {
	t.Helper()
	b, err := node.Open(t.Context(), h.config)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	found, err := b.DB.Find(t.Context(), audit.Query{Type: audit.Administered})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range found {
		if strings.HasPrefix(r.Event.Decision.Code, "federation.") {
			said = append(said, r.Event.Decision.Code+" "+r.Event.Detail.Object+" "+r.Event.Detail.Text)
		}
	}
	return said
}

// TestEnrolment: the way of an entity from its proposal to its revocation by commands, with an
// event for each step; what one person cannot do alone; and the marks that it is granted.
func TestEnrolment(t *testing.T) {
	for name, database := range map[string]func(*testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "h.db") },
		"postgres": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) { enrolment(t, newHouse(t, database(t))) })
	}
}

func enrolment(t *testing.T, h house) {
	type claims = federationtest.Claims
	app := federationtest.New(t, "https://app.example.vn")
	now := time.Now()
	own := func(changes claims) string {
		all := claims{
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "authority_hints": []string{us},
			"metadata": claims{"openid_relying_party": claims{"organization_name": "Đất đai", "scope": "openid"}},
		}
		maps.Copy(all, changes)
		return file(t, "app.jwt", app.Configuration(t, all))
	}
	until := now.AddDate(1, 0, 0).Format(time.DateOnly)
	id, good := string(app.ID), own(nil)
	subordinate := func(code int, words ...string) string {
		t.Helper()
		return h.run(t, code, append([]string{"federation", "subordinate"}, words...)...)
	}
	agreed := []string{"--agreement", "12/2026", "--level", "3", "--until", until}
	for _, row := range []struct {
		says  string
		words []string
	}{
		{"authority_hints", append([]string{"propose", id, "--configuration", own(claims{"authority_hints": []string{"https://x.example.vn"}})}, agreed...)},
		{"it is of " + id, append([]string{"propose", "https://b.example.vn", "--configuration", good}, agreed...)},
		{"the security level is 0", []string{"propose", id, "--configuration", good, "--agreement", "12/2026", "--until", until}},
		{"the agreement is missing", []string{"propose", id, "--configuration", good, "--level", "3", "--until", until}},
		{"is no date", []string{"propose", id, "--configuration", good, "--until", "soon"}},
		{"not an entity identifier", append([]string{"propose", "app", "--configuration", good}, agreed...)},
		{"unknown field", append([]string{"propose", id, "--configuration", good, "--policy", file(t, "p.json", `{"policy":{}}`)}, agreed...)},
		{"§6.1.3", append([]string{"propose", id, "--configuration", good, "--policy", file(t, "p.json", `{"metadata_policy":{"openid_relying_party":{"scope":{"only":["a"]}}}}`)}, agreed...)},
		{"nothing is proposed", []string{"approve", id}},
		{"was never proposed", []string{"show", id}},
	} {
		if out := subordinate(1, row.words...); !strings.Contains(out, row.says) {
			t.Errorf("%v does not say %q:\n%s", row.words, row.says, out)
		}
	}
	if got := h.events(t); len(got) != 0 {
		t.Errorf("what was refused is evidence: %q", got)
	}
	policy := file(t, "p.json", `{"metadata_policy":{"openid_relying_party":{"subject_type":{"value":"pairwise"}}}}`)
	out := subordinate(0, append([]string{"propose", id, "--configuration", good, "--policy", policy}, agreed...)...)
	if !strings.Contains(out, "another person has to approve") || !strings.Contains(out, "terms ") ||
		!strings.Contains(out, "key: ") || !strings.Contains(out, `"pairwise"`) {
		t.Errorf("got %s", out)
	}
	if out := subordinate(1, "approve", id); !strings.Contains(out, "a second person has to") {
		t.Errorf("who proposed it approved it: %s", out)
	}
	h.as(t, "os-user:second@test", func(b *node.Base, d *enrolling.Office) error {
		s, err := b.DB.Enrolments.Subordinate(t.Context(), app.ID)
		if err != nil {
			return err
		}
		_, _, err = d.Approve(t.Context(), d.Me, app.ID, desk.Seen{Terms: s.Proposal.Terms.Digest(), Unrehearsed: "the first of all"})
		return err
	})
	var list []enrolling.Shown
	if err := json.Unmarshal([]byte(subordinate(0, "list", "--json")), &list); err != nil || len(list) != 1 || !list[0].Stated ||
		list[0].Terms.Organization != "Đất đai" || list[0].ApprovedBy != "os-user:second@test" || len(list[0].Terms.Keys) != 1 {
		t.Errorf("got %+v, %v", list, err)
	}
	subordinate(0, "renew", id, "--until", now.AddDate(2, 0, 0).Format(time.DateOnly))
	if out := subordinate(0, "show", id); !strings.Contains(out, "in force") || !strings.Contains(out, "waits for a second person") {
		t.Errorf("got %s", out)
	}
	subordinate(1, "suspend", id)
	subordinate(0, "suspend", id, "--why", "keys lost")
	subordinate(1, "approve", id)
	subordinate(0, "revoke", id, "--why", "left")
	const kind = us + "/marks/public"
	mark := func(code int, words ...string) string {
		t.Helper()
		return h.run(t, code, append([]string{"federation", "mark"}, words...)...)
	}
	mark(1, "revoke", kind, id, "--why", "order 3")
	mark(1, "grant", kind, "app")
	mark(1, "grant", kind)
	mark(0, "grant", kind, id, "--until", until)
	mark(1, "revoke", kind, id)
	mark(0, "revoke", kind, id, "--why", "order 3")
	h.as(t, "x", func(b *node.Base, _ *enrolling.Office) error {
		m, err := b.DB.Enrolments.Mark(t.Context(), kind, federation.EntityID(id))
		if err == nil && m.RevokedAt.IsZero() {
			t.Error("the mark is not revoked")
		}
		return err
	})
	var codes []string
	for _, said := range slices.Backward(h.events(t)) {
		code, rest, _ := strings.Cut(said, " ")
		if codes = append(codes, code); !strings.HasPrefix(rest, id+" ") &&
			!(strings.HasPrefix(rest, kind+" ") && strings.Contains(rest, id)) {
			t.Errorf("an event says %q", said)
		}
	}
	want := []string{"proposed", "approved", "renewal-proposed", "suspended", "revoked", "mark-granted", "mark-revoked"}
	if got := strings.ReplaceAll(strings.Join(codes, " "), "federation.", ""); got != strings.Join(want, " ") {
		t.Errorf("the evidence is %s", got)
	}
	delete(h.variables, "HOPNHAT_FEDERATION_ENTITY")
	if out := subordinate(1, "approve", id); !strings.Contains(out, "has no subordinates") {
		t.Errorf("got %s", out)
	}
}
