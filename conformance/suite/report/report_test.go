package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/report"
)

// run runs a plan of modules that ask nobody.
func run(t *testing.T, p suite.Plan) []suite.Outcome {
	t.Helper()
	s, err := suite.New(suite.Config{
		Issuer: "https://op.invalid", Registration: suite.Dynamic, Listen: suite.Listen{URL: "http://localhost"},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.Run(t.Context(), suite.Options{}, p)
}

// TestEveryModuleIsNamed: with its result in the lines, and by its name in the page and the
// table.
func TestEveryModuleIsNamed(t *testing.T) {
	want := map[string]suite.Result{"pass": suite.Pass, "review": suite.Review, "warning": suite.Warning, "fail": suite.Fail}
	p := suite.Plan{Name: "p", Parts: []suite.Part{{Modules: []suite.Module{
		{Name: "pass", Test: func(r *suite.Run) { r.Must(true, "X §1", "holds", nil) }},
		{Name: "review", Test: func(r *suite.Run) { r.Review("X §2", "look", "at this") }},
		{Name: "warning", Test: func(r *suite.Run) { r.Should(false, "X §3", "advised", 3) }},
		{Name: "fail", Test: func(r *suite.Run) { r.Expect(false, "X §4", "required", nil) }},
	}}}}
	outcomes := run(t, p)
	if len(outcomes) != len(want) {
		t.Fatalf("%d outcomes of %d modules", len(outcomes), len(want))
	}
	var lines, page, table bytes.Buffer
	if err := report.JSON(&lines, outcomes); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(lines.String()) {
		var got struct{ Plan, Module, Result, Reason string }
		if err := json.Unmarshal([]byte(line), &got); err != nil || got.Plan != "p" || got.Result != want[got.Module].String() {
			t.Errorf("line %s: %v", line, err)
		}
	}
	if err := report.HTML(&page, "https://op.invalid", outcomes); err != nil {
		t.Fatal(err)
	}
	if err := report.Markdown(&table, outcomes); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !strings.Contains(page.String(), "<code>"+name+"</code>") || !strings.Contains(table.String(), "`"+name+"`") {
			t.Errorf("%s is missing in the report or the table", name)
		}
	}
}

// TestReportEscapes: what a provider sends cannot become a part of the report.
func TestReportEscapes(t *testing.T) {
	evil := `<script>alert(1)</script>`
	outcomes := run(t, suite.Plan{Name: evil, Parts: []suite.Part{{Modules: []suite.Module{{Name: "m", Test: func(r *suite.Run) {
		r.Expect(false, evil, evil, evil)
		r.Record(suite.Exchange{By: "client", URL: "javascript:alert(1)", Answer: evil, Tokens: []suite.Decoded{{Payload: evil}}})
	}}}}}})
	var page bytes.Buffer
	if err := report.HTML(&page, evil, outcomes); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page.String(), "<script>") || strings.Contains(page.String(), `href="javascript:`) {
		t.Error("the report carries a script of the provider's")
	}
}

// TestLinks: clauses lead to where they can be read.
func TestLinks(t *testing.T) {
	for clause, want := range map[string]string{
		"RFC 6749 §4.1.2":                 "https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2",
		"OpenID Connect Core §3.1.3.7, 6": "https://openid.net/specs/openid-connect-core-1_0.html#rfc.section.3.1.3.7",
		"nothing known §1":                "",
	} {
		if got := report.Link(clause); got != want {
			t.Errorf("%s: got %s", clause, got)
		}
	}
}
