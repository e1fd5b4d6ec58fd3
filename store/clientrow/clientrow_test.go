package clientrow_test

import (
	"reflect"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/store/clientrow"
)

// TestRow: an app comes back from its record; what has a column of its own is as the column says,
// and a row with half a chain has none.
func TestRow(t *testing.T) {
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	app := &authz.Client{ID: "a", Profile: authz.OIDC, Name: authz.LocalizedText{VI: "Ứng dụng"}}
	record, err := clientrow.Record(app)
	if err != nil {
		t.Fatal(err)
	}
	row := clientrow.Row{ID: "a", Record: []byte(record), CreatedAt: at, UpdatedAt: at}
	local := *app
	local.CreatedAt, local.UpdatedAt = at, at
	disabled := local
	disabled.ID, disabled.Disabled = "b", true
	member := local
	anchor, superior := "https://neo.example", "https://tinh.example"
	member.Membership = authz.Membership{Anchor: anchor, Superior: superior, Chain: "Y2hhaW4", Expires: at}
	for _, c := range []struct {
		name   string
		change func(r *clientrow.Row)
		want   authz.Client
	}{
		{"as it was", func(*clientrow.Row) {}, local},
		{"the columns of id and state count", func(r *clientrow.Row) { r.ID, r.Disabled = "b", true }, disabled},
		{"a chain", func(r *clientrow.Row) {
			r.Anchor, r.Superior, r.Expires, r.Chain = &anchor, &superior, &at, []byte("chain")
		}, member},
		{"half a chain", func(r *clientrow.Row) { r.Anchor = &anchor }, local},
	} {
		r := row
		c.change(&r)
		if got, err := r.Client(); err != nil || !reflect.DeepEqual(*got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
	row.Record = []byte("{")
	if got, err := row.Client(); err == nil || got != nil {
		t.Errorf("a damaged record: %+v, %v", got, err)
	}
}
