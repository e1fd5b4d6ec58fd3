package reconciling_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/authority"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/federationtest"
	"hopnhat/keys/file"
	"hopnhat/keys/keytest"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const (
	neo  = federation.EntityID("https://neo.example.vn")
	kind = "https://neo.example.vn/marks/public"
)

// anchor is a trust anchor on a database, with its desk.
type anchor struct {
	*authority.Authority
	d   *desk.Desk
	tab *table
	// app is what steps are about.
	app federation.EntityID
}

func newAnchor(t *testing.T, db *store.DB) *anchor {
	t.Helper()
	files, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: keytest.Algorithms})
	if err != nil {
		t.Fatal(err)
	}
	a := &anchor{tab: fill(t, db, 1)}
	a.tab.e.Enrolments = db.Enrolments.Unexplained
	a.d = &desk.Desk{
		Store: db.Enrolments, Scribe: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}, Entity: neo, Now: time.Now,
	}
	a.Authority = authority.New(authority.Options{
		ID: neo, Organization: "Neo", Registry: db.Enrolments, Ring: keytest.Ring(t, files, &keytest.Ledger{}),
	})
	return a
}

// enrolled enrols the app by two people, and grants it a mark.
func (a *anchor) enrolled(t *testing.T) {
	t.Helper()
	e := federationtest.New(t, a.app)
	c := federationtest.Parse(t, e.Configuration(t, federationtest.Claims{
		"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "authority_hints": []federation.EntityID{neo},
		"metadata": federationtest.Claims{"openid_relying_party": federationtest.Claims{"organization_name": "Đất đai"}},
	}))
	terms, err := enrol.FromConfiguration(c, neo, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	terms.Agreement, terms.Level, terms.Until = "12/2026", 3, time.Now().AddDate(1, 0, 0).UTC()
	// A database may write this number its own way.
	terms.Policy = []byte(`{"openid_relying_party":{"default_max_age":{"value":1e3}}}`)
	a.approved(t, terms)
	if _, err := a.d.Grant(t.Context(), officer("a"), kind, a.app, time.Now().AddDate(1, 0, 0)); err != nil {
		t.Fatal(err)
	}
}

func officer(name string) desk.Officer {
	return desk.Officer{Name: name, Sign: func(a *audit.Act) { a.Decision.Determining = []string{"operator", name} }}
}

// status is what the statement and the mark of the app are answered with.
func (a *anchor) status(t *testing.T, path string) int {
	t.Helper()
	form := url.Values{"sub": {string(a.app)}, "trust_mark_type": {kind}}
	w := httptest.NewRecorder()
	a.Handlers()[path](w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path+"?"+form.Encode(), nil))
	return w.Code
}

// TestNothingIsSignedOfWhatNoEventExplains: who may write the records of enrolments, as the
// role of the portal may (TestRoles), and has no key, makes the anchor sign nothing, and it is
// an incident.
func TestNothingIsSignedOfWhatNoEventExplains(t *testing.T) {
	const (
		signed, refused, absent = http.StatusOK, http.StatusServiceUnavailable, http.StatusNotFound
		ofApp                   = "the enrolment of APP"
		ofMark                  = "the mark https://neo.example.vn/marks/public of APP"
	)
	suspended := func(t *testing.T, a *anchor) {
		if _, err := a.d.Suspend(t.Context(), officer("c"), a.app, "keys lost"); err != nil {
			t.Fatal(err)
		}
	}
	took := func(t *testing.T, a *anchor) {
		if _, err := a.d.TakeBack(t.Context(), officer("c"), kind, a.app, "order 3"); err != nil {
			t.Fatal(err)
		}
	}
	revoked := func(t *testing.T, a *anchor) {
		if _, err := a.d.Revoke(t.Context(), officer("c"), a.app, "end"); err != nil {
			t.Fatal(err)
		}
	}
	rows := []struct {
		name            string
		first           func(*testing.T, *anchor)
		insider         string
		statement, mark int
		found           []string
	}{
		{"nobody did anything", nil, "", signed, signed, nil},
		{"the terms are altered", nil, `UPDATE federation_subordinates SET record = «replace(CAST(record AS text), '12/2026', '13/2026')» WHERE entity_id = 'APP'`, refused, signed, []string{ofApp}},
		{"a key is altered", nil, `UPDATE federation_subordinates SET record = «replace(CAST(record AS text), '"crv"', '"crw"')» WHERE entity_id = 'APP'`, refused, signed, []string{ofApp}},
		{
			"it is said of another", nil, `UPDATE federation_subordinates SET entity_id = 'EVIL' WHERE entity_id = 'APP'`, absent, signed,
			[]string{"the enrolment of EVIL"},
		},
		{"what ended is active again", suspended, `UPDATE federation_subordinates SET state = 'active' WHERE entity_id = 'APP'`, refused, signed, []string{ofApp}},
		{"what was revoked is active again", revoked, `UPDATE federation_subordinates SET state = 'active' WHERE entity_id = 'APP'`, refused, signed, []string{ofApp}},
		{"it is as it was before it was suspended", suspended, `UPDATE federation_subordinates SET state = 'active', revision = 2 WHERE entity_id = 'APP'`, refused, signed, []string{ofApp}},
		{
			"a row is invented", nil, `INSERT INTO federation_subordinates (entity_id, state, proposed_by, approved_by, record, revision, updated_at)
			SELECT 'EVIL', state, proposed_by, approved_by, record, revision, updated_at FROM federation_subordinates WHERE entity_id = 'APP'`, signed, signed,
			[]string{"the enrolment of EVIL"},
		},
		{"events are invented", nil, `UPDATE federation_subordinates SET state = 'suspended' WHERE entity_id = 'APP'; INSERT INTO events (` + copied + `)
			SELECT 'ffffffff-0000-7000-8000-000000000001', at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from,
			replace(canonical, 'approved', 'suspended'), salt, sequence, mac, mac_key FROM events WHERE client_id = 'APP' AND type = 'admin.action'
			AND canonical LIKE '%federation.approved%'; UPDATE federation_subordinates SET state = 'active' WHERE entity_id = 'APP'`, signed, signed, nil},
		{"a record says nothing", nil, `UPDATE federation_subordinates SET record = «'"x"'» WHERE entity_id = 'APP'`, refused, signed, []string{"the records of APP"}},
		{"a mark has another end", nil, `UPDATE federation_marks SET record = «replace(CAST(record AS text), '"until"', '"whence"')» WHERE entity_id = 'APP'`, signed, refused, []string{ofMark}},
		{
			"a mark that was taken back is there again", took, `UPDATE federation_marks SET record = «replace(CAST(record AS text), '"revoked_at"', '"x"')» WHERE entity_id = 'APP'`, signed, refused,
			[]string{ofMark},
		},
		{
			"a mark is invented", nil, `INSERT INTO federation_marks (mark_type, entity_id, granted_at, record, revision)
			SELECT 'https://neo.example.vn/marks/other', entity_id, granted_at, record, revision FROM federation_marks WHERE entity_id = 'APP'`, signed, signed,
			[]string{"the mark https://neo.example.vn/marks/other of APP"},
		},
	}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAnchor(t, db)
		var before []string
		for i, row := range rows {
			a.app = federation.EntityID(fmt.Sprintf("https://app%d.example.vn", i))
			names := strings.NewReplacer("APP", string(a.app), "EVIL", fmt.Sprintf("https://evil%d.example.vn", i))
			t.Run(row.name, func(t *testing.T) {
				a.enrolled(t)
				if row.first != nil {
					row.first(t, a)
				}
				for _, one := range strings.Split(names.Replace(row.insider), "; ") {
					// The record is jsonb on PostgreSQL, and text on SQLite.
					begin, end := "", ""
					if db.Dialect() == store.PostgreSQL {
						begin, end = "CAST(", " AS jsonb)"
					}
					if one != "" {
						a.tab.run(t, strings.NewReplacer("«", begin, "»", end).Replace(one))
					}
				}
				if got := a.status(t, authority.FetchPath); got != row.statement {
					t.Errorf("§8.1: the statement is answered with %d, want %d", got, row.statement)
				}
				if got := a.status(t, authority.MarkPath); got != row.mark {
					t.Errorf("§8.6: the mark is answered with %d, want %d", got, row.mark)
				}
				found, _ := a.tab.look(t)
				var got []string
				for _, f := range found { // those of the rows before stay
					if f.Kind == reconcile.EnrolmentUnexplained && !slices.Contains(before, f.Object) {
						got = append(got, f.Object)
					}
				}
				before = append(before, got...)
				want := make([]string, len(row.found))
				for i, one := range row.found {
					want[i] = names.Replace(one)
				}
				if !slices.Equal(got, want) {
					t.Errorf("found are %q, want %q", got, want)
				}
			})
		}
	})
}

// TestAnAlteredEnrolmentIsBuiltUponByNobody: no step makes good what no event explains, so that
// two people approve what an insider wrote; it is revoked, and proposed anew.
func TestAnAlteredEnrolmentIsBuiltUponByNobody(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAnchor(t, db)
		a.app = "https://app.example.vn"
		a.enrolled(t)
		s, err := db.Enrolments.Subordinate(t.Context(), a.app)
		if err != nil {
			t.Fatal(err)
		}
		terms := s.Terms
		// She writes that a proposed, and lets b approve.
		s.Proposal = &enrol.Proposal{Terms: terms, By: "a", At: time.Now().UTC()}
		s.Proposal.Terms.Agreement = "66/2026"
		if err := db.Enrolments.SaveSubordinate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for name, step := range map[string]func() error{
			"approve": func() error {
				_, _, err := a.d.Approve(t.Context(), officer("b"), a.app, desk.Seen{Terms: s.Proposal.Terms.Digest(), Unrehearsed: "a test"})
				return err
			},
			"propose": func() error {
				_, err := a.d.Propose(t.Context(), officer("a"), a.app, terms, "")
				return err
			},
			"renew": func() error {
				_, err := a.d.Renew(t.Context(), officer("a"), a.app, time.Now().AddDate(2, 0, 0), "")
				return err
			},
			"suspend": func() error {
				_, err := a.d.Suspend(t.Context(), officer("a"), a.app, "keys lost")
				return err
			},
		} {
			if err := step(); !errors.Is(err, approval.ErrUnexplained) {
				t.Errorf("%s: %v, want %v", name, err, approval.ErrUnexplained)
			}
		}
		if _, err := a.d.Revoke(t.Context(), officer("a"), a.app, "an incident"); err != nil {
			t.Fatal(err)
		}
		a.approved(t, terms)
		if got := a.status(t, authority.FetchPath); got != http.StatusOK {
			t.Errorf("enrolled anew, the statement is answered with %d", got)
		}
	})
}

// approved enrols the app by terms, by two people.
func (a *anchor) approved(t *testing.T, terms enrol.Terms) {
	t.Helper()
	s, err := a.d.Propose(t.Context(), officer("a"), a.app, terms, "")
	if err == nil {
		_, _, err = a.d.Approve(t.Context(), officer("b"), a.app, desk.Seen{Terms: s.Proposal.Terms.Digest(), Unrehearsed: "a test"})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestWhatNoEventExplainsEnds: whatever somebody wrote into a record, it can be revoked, with an
// event that explains what is left, and nothing that she wrote stays.
func TestWhatNoEventExplainsEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newAnchor(t, db)
		for i, row := range []struct{ name, subordinate, mark string }{
			{"it is revoked already", "state = 'revoked'", "record = «'{\"revoked_at\":\"2026-01-01T00:00:00Z\"}'»"},
			{
				"it was changed in a time to come",
				"record = «replace(CAST(record AS text), '\"since\"', '\"since\":\"2999-01-01T00:00:00Z\",\"x\"')»",
				"record = «'{\"granted_at\":\"2999-01-01T00:00:00Z\"}'»",
			},
			{"it cannot be read", "record = «'\"x\"'»", "record = «'\"x\"'»"},
			{"it has another history", "record = «replace(CAST(record AS text), '\"registration\"', '\"jwks_update\"')»", ""},
		} {
			t.Run(row.name, func(t *testing.T) {
				a.app = federation.EntityID(fmt.Sprintf("https://app%d.example.vn", i))
				a.enrolled(t)
				begin, end := "", ""
				if db.Dialect() == store.PostgreSQL {
					begin, end = "CAST(", " AS jsonb)"
				}
				write := strings.NewReplacer("«", begin, "»", end)
				a.tab.run(t, write.Replace("UPDATE federation_subordinates SET "+row.subordinate+" WHERE entity_id = ?"), string(a.app))
				if _, err := a.d.Suspend(t.Context(), officer("a"), a.app, "x"); !errors.Is(err, approval.ErrUnexplained) {
					t.Errorf("suspend: %v", err)
				}
				s, err := a.d.Revoke(t.Context(), officer("a"), a.app, "an incident")
				if err != nil || s.State != enrol.Revoked || len(s.History) > 0 || string(s.Terms.Keys) != "null" || s.ApprovedBy != "" {
					t.Fatalf("revoke: %+v, %v", s, err)
				}
				if err := db.Enrolments.CheckSubordinate(t.Context(), s); err != nil {
					t.Errorf("what is left: %v", err)
				}
				if row.mark == "" {
					return
				}
				a.tab.run(t, write.Replace("UPDATE federation_marks SET "+row.mark+" WHERE entity_id = ?"), string(a.app))
				m, err := a.d.TakeBack(t.Context(), officer("a"), kind, a.app, "an incident")
				if err != nil || m.RevokedBy != "a" {
					t.Fatalf("take back: %+v, %v", m, err)
				}
				if err := db.Enrolments.CheckMark(t.Context(), m); err != nil {
					t.Errorf("what is left of the mark: %v", err)
				}
			})
		}
	})
}
