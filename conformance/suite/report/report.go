package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

//go:embed report.html
var text string

var pageTemplate = template.Must(template.New("report").Parse(text))

// JSON writes one object a line.
func JSON(w io.Writer, outcomes []suite.Outcome) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	for _, o := range outcomes {
		if err := encoder.Encode(o); err != nil {
			return fmt.Errorf("writing the results: %w", err)
		}
	}
	return nil
}

// page is what the template sees.
type page struct {
	Issuer string
	Began  time.Time
	Totals []total
	Groups []group
}

type total struct {
	Result suite.Result
	Count  int
}

type group struct {
	Plan    string
	Variant string
	Rows    []row
}

type row struct {
	suite.Outcome

	ID      string
	Entries []shownEntry
}

type shownEntry struct {
	After string
	Mark  string // of a condition
	Link  string // to its clause
	suite.Entry

	RequestHeaders, ResponseHeaders []string
}

// HTML writes one HTML file that needs nothing else: what was looked at, what
// came, and every exchange. It holds the secrets of the test clients.
func HTML(w io.Writer, issuer string, outcomes []suite.Outcome) error {
	v := page{Issuer: issuer, Totals: totals(outcomes)}
	for i, o := range outcomes {
		if v.Began.IsZero() || o.Began.Before(v.Began) {
			v.Began = o.Began
		}
		if len(v.Groups) == 0 || v.Groups[len(v.Groups)-1].Plan != o.Plan || v.Groups[len(v.Groups)-1].Variant != o.Variant.String() {
			v.Groups = append(v.Groups, group{Plan: o.Plan, Variant: o.Variant.String()})
		}
		g := &v.Groups[len(v.Groups)-1]
		g.Rows = append(g.Rows, row{Outcome: o, ID: fmt.Sprintf("m%d", i+1), Entries: entriesOf(o)})
	}
	if err := pageTemplate.Execute(w, v); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func totals(outcomes []suite.Outcome) []total {
	all := []total{{Result: suite.Pass}, {Result: suite.Review}, {Result: suite.Warning}, {Result: suite.Fail}}
	for _, o := range outcomes {
		all[o.Result].Count++
	}
	return all
}

func entriesOf(o suite.Outcome) []shownEntry {
	var list []shownEntry
	for _, e := range o.Log {
		s := shownEntry{Entry: e, After: fmt.Sprintf("%.2f s", e.At.Sub(o.Began).Seconds())}
		if e.Condition != nil {
			s.Link, s.Mark = Link(e.Condition.Clause), [...]string{"✓", "?", "!", "✗"}[e.Condition.Result]
			if e.Condition.Result == suite.Pass {
				// What holds is said in short; the exchange has it whole.
				short := *e.Condition
				short.Got = suite.Cut(short.Got, 120)
				s.Condition = &short
			}
		}
		if e.Exchange != nil {
			s.RequestHeaders, s.ResponseHeaders = headers(e.Exchange.Header), headers(e.Exchange.Response)
		}
		list = append(list, s)
	}
	return list
}

func headers(h http.Header) []string {
	var lines []string
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, name+": "+v)
		}
	}
	slices.Sort(lines)
	return lines
}

// specifications are where clauses can be read; the text after § is put in.
var specifications = []struct{ name, address string }{
	{"OpenID Connect Core", "https://openid.net/specs/openid-connect-core-1_0.html#rfc.section."},
	{"OpenID Connect Discovery", "https://openid.net/specs/openid-connect-discovery-1_0.html#rfc.section."},
	{"OpenID Connect Dynamic Registration", "https://openid.net/specs/openid-connect-registration-1_0.html#rfc.section."},
	{"RP-Initiated Logout", "https://openid.net/specs/openid-connect-rpinitiated-1_0.html#rfc.section."},
	{"Back-Channel Logout", "https://openid.net/specs/openid-connect-backchannel-1_0.html#rfc.section."},
	{"Front-Channel Logout", "https://openid.net/specs/openid-connect-frontchannel-1_0.html#rfc.section."},
	{"Session Management", "https://openid.net/specs/openid-connect-session-1_0.html#rfc.section."},
	{"Multiple Response Types", "https://openid.net/specs/oauth-v2-multiple-response-types-1_0.html#rfc.section."},
	{"Form Post Response Mode", "https://openid.net/specs/oauth-v2-form-post-response-mode-1_0.html#rfc.section."},
	{"JARM", "https://openid.net/specs/oauth-v2-jarm-final.html#section-"},
	{"FAPI 2.0 SP", "https://openid.net/specs/fapi-security-profile-2_0-final.html#section-"},
	{"FAPI 2.0 MS", "https://openid.net/specs/fapi-message-signing-2_0-final.html#section-"},
	{"CIBA Core", "https://openid.net/specs/openid-client-initiated-backchannel-authentication-core-1_0-final.html#rfc.section."},
	{"FAPI-CIBA", "https://openid.net/specs/openid-financial-api-ciba-ID1.html#rfc.section."},
	{"OpenID Connect for Identity Assurance", "https://openid.net/specs/openid-connect-4-identity-assurance-1_0-final.html#section-"},
}

// Link is where a clause can be read: "RFC 6749 §4.1.2" leads into the RFC.
func Link(clause string) string {
	name, section, _ := strings.Cut(clause, " §")
	section, _, _ = strings.Cut(section, ",")
	if number, ok := strings.CutPrefix(name, "RFC "); ok {
		return "https://www.rfc-editor.org/rfc/rfc" + number + "#section-" + section
	}
	for _, s := range specifications {
		if s.name == name {
			return s.address + section
		}
	}
	return ""
}
