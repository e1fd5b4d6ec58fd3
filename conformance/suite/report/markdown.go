package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

// Markdown writes two tables for documents: the plans with how many modules ended
// how, and the modules with the plans they pass in, and the reason where they do not.
func Markdown(w io.Writer, outcomes []suite.Outcome) error {
	var b strings.Builder
	b.WriteString("| plan | variants | modules | pass | review | warning | fail |\n|---|---|---|---|---|---|---|\n")
	for _, name := range inOrder(outcomes, func(o suite.Outcome) string { return o.Plan }) {
		var counts [4]int
		var variants []string
		for _, o := range outcomes {
			if o.Plan != name {
				continue
			}
			counts[o.Result]++
			if v := distinction(o.Variant); !slices.Contains(variants, v) {
				variants = append(variants, v)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %d | %d | %d | %d | %d |\n", name, strings.Join(variants, "; "),
			counts[suite.Pass]+counts[suite.Review]+counts[suite.Warning]+counts[suite.Fail], counts[suite.Pass], counts[suite.Review],
			counts[suite.Warning], counts[suite.Fail])
	}
	b.WriteString("\n| module | passes in | otherwise |\n|---|---|---|\n")
	for _, name := range inOrder(outcomes, func(o suite.Outcome) string { return o.Module.Name }) {
		var passes []suite.Outcome
		var otherwise []string
		for _, o := range outcomes {
			switch {
			case o.Module.Name != name:
			case o.Result == suite.Pass:
				passes = append(passes, o)
			default:
				first := o.Reasons[0] // without what came: that differs from run to run
				line := fmt.Sprintf("%s in %s: %s: %s", o.Result, o.Plan, first.Clause, cell.Replace(first.Want))
				if !slices.Contains(otherwise, line) {
					otherwise = append(otherwise, line)
				}
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, strings.Join(counted(passes), ", "), strings.Join(otherwise, "<br>"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

var cell = strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;")

// distinction is what sets a variant apart in its plan, for OpenID Connect the
// response type, for others all values.
func distinction(v suite.Variant) string {
	if v[suite.ResponseType] != "" && len(v) <= 4 {
		return "`" + v[suite.ResponseType] + "`"
	}
	var values []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if name != suite.Registration {
			values = append(values, v[name])
		}
	}
	if len(values) == 0 {
		return v.String()
	}
	return "`" + strings.Join(values, " ") + "`"
}

// counted are the plans of outcomes, each with how often: "oidcc-hybrid ×3".
func counted(outcomes []suite.Outcome) []string {
	var list []string
	for _, name := range inOrder(outcomes, func(o suite.Outcome) string { return o.Plan }) {
		n := 0
		for _, o := range outcomes {
			if o.Plan == name {
				n++
			}
		}
		if n > 1 {
			name += fmt.Sprintf(" ×%d", n)
		}
		list = append(list, name)
	}
	return list
}

// inOrder are the different values, in the order of the outcomes.
func inOrder(outcomes []suite.Outcome, of func(suite.Outcome) string) []string {
	var list []string
	for _, o := range outcomes {
		if v := of(o); !slices.Contains(list, v) {
			list = append(list, v)
		}
	}
	return list
}
