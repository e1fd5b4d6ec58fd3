package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/store"
)

// A role is given and taken back, each with an event that says what the person had
// before and has after; there is nothing to do twice, and then no event.
func TestRolesAreGivenAndTakenBack(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			h := begun(t, postgres)
			var login struct{ Number string }
			if err := json.Unmarshal([]byte(h.do(t, 0, "account", "enrol", "--count", "1")), &login); err != nil {
				t.Fatal(err)
			}
			roles := func() []string {
				var list []struct {
					Role, Pseudonym, Name string
					Since                 time.Time
				}
				if err := json.Unmarshal([]byte(h.do(t, 0, "account", "role", "list", "--json")), &list); err != nil {
					t.Fatal(err)
				}
				var names []string
				for _, one := range list {
					if len(one.Pseudonym) != 43 || one.Name == "" || one.Since.IsZero() {
						t.Errorf("a holder is told as %+v", one)
					}
					names = append(names, string(one.Role))
				}
				return names
			}
			for _, row := range []struct {
				words []string
				code  int
				has   []string
				event string
			}{
				{[]string{"grant", login.Number, "auditor"}, 0, []string{"auditor"}, "before: no role; after: auditor"},
				{[]string{"grant", login.Number, "auditor"}, 1, []string{"auditor"}, ""},
				{[]string{"grant", login.Number, "operator"}, 0, []string{"auditor", "operator"}, "before: auditor; after: auditor, operator"},
				{[]string{"revoke", login.Number, "auditor"}, 0, []string{"operator"}, "before: auditor, operator; after: operator"},
				{[]string{"revoke", login.Number, "auditor"}, 1, []string{"operator"}, ""},
				{[]string{"revoke", login.Number, "operator"}, 0, nil, "before: operator; after: no role"},
				{[]string{"grant", login.Number, "king"}, 1, nil, ""},
				{[]string{"grant", login.Number}, 1, nil, ""},
				{[]string{"grant", "099000000000", "auditor"}, 1, nil, ""},
			} {
				before := h.events(t)
				out := h.do(t, row.code, append([]string{"account", "role"}, row.words...)...)
				if strings.Contains(out, row.words[1]) {
					t.Errorf("%v: the number is in %q", row.words, out)
				}
				if got := roles(); !slices.Equal(got, row.has) {
					t.Errorf("%v: has %v, want %v", row.words, got, row.has)
				}
				after := h.events(t)
				if row.event == "" {
					if len(after) != len(before) {
						t.Errorf("%v: an event of nothing done", row.words)
					}
					continue
				}
				e := after[0].Event
				if len(after) != len(before)+1 || e.Detail.Text != row.event || e.Detail.Object != row.words[2] ||
					e.Person.Pseudonym == "" || e.Visibility.Sight != audit.Visible {
					t.Errorf("%v: on record %+v", row.words, e.Detail)
				}
			}
		})
	}
}

// events are those of administrators, newest first.
func (h house) events(t *testing.T) []audit.Recorded {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: h.database})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	found, err := db.Find(t.Context(), audit.Query{Type: audit.Administered})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
