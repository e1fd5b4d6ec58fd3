package querytext_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/querytext"
)

// TestTheTextOfAQueryReadsBack: the record of a search finds it again, whatever was asked.
func TestTheTextOfAQueryReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := audit.Query{
			Pseudonym: rapid.StringMatching(`([A-Za-z0-9_-]{43})?`).Draw(t, "pseudonym"),
			Client:    authz.ClientID(rapid.StringMatching(`[ -~ế]{0,20}`).Draw(t, "client")),
			Purpose:   authz.PurposeID(rapid.StringMatching(`[a-z.]{0,12}`).Draw(t, "purpose")),
			Limit:     rapid.IntRange(1, audit.MaxLimit).Draw(t, "limit"),
			Outcome:   rapid.SampledFrom([]audit.Outcome{audit.AnyOutcome, audit.Permitted, audit.Refused}).Draw(t, "outcome"), Type: rapid.SampledFrom(append(audit.Types(), "")).Draw(t, "type"),
		}
		if rapid.Bool().Draw(t, "timed") {
			q.From = time.Unix(rapid.Int64Range(1e9, 2e9).Draw(t, "from"), 0).UTC()
			q.To = q.From.Add(time.Duration(rapid.IntRange(1, 1e6).Draw(t, "for")) * time.Second)
		}
		if got, err := querytext.Parse(querytext.Text(q)); err != nil || got != q {
			t.Fatalf("%s reads back as %+v, %v", querytext.Text(q), got, err)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(querytext.Text(audit.Query{Client: "land-app", Limit: 50}))
	f.Add("search")
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := querytext.Parse(text); err == nil && querytext.Text(q) != text {
			t.Fatalf("%q reads back as %q", text, querytext.Text(q))
		}
	})
}
