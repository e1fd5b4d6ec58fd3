package conformance

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/pflag"

	"hopnhat/cmd/command/tool"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/report"
)

// files are where results are written to.
type files struct{ json, report, markdown string }

func (c *files) flags(f *pflag.FlagSet) {
	f.StringVar(&c.json, "json", "", "write one JSON object a line to this `file`")
	f.StringVar(&c.report, "report", "", "write the full exchange as HTML to this `file`")
	f.StringVar(&c.markdown, "markdown", "", "write a table for documents to this `file`")
}

// conclude sums up and writes the files; a module that failed is exit status 3.
func (c *files) conclude(w io.Writer, tested string, outcomes []suite.Outcome) error {
	counts := map[suite.Result]int{}
	for _, done := range outcomes {
		counts[done.Result]++
	}
	fmt.Fprintf(w, "%d modules: %d pass, %d review, %d warning, %d fail\n",
		len(outcomes), counts[suite.Pass], counts[suite.Review], counts[suite.Warning], counts[suite.Fail])
	err := errors.Join(
		written(c.json, func(w io.Writer) error { return report.JSON(w, outcomes) }),
		written(c.report, func(w io.Writer) error { return report.HTML(w, tested, outcomes) }),
		written(c.markdown, func(w io.Writer) error { return report.Markdown(w, outcomes) }),
	)
	if err != nil {
		return err
	}
	if counts[suite.Fail] > 0 {
		return tool.ExitCode(3)
	}
	return nil
}

// progress prints an outcome as it comes.
func progress(w io.Writer) func(suite.Outcome) {
	return func(done suite.Outcome) {
		fmt.Fprintf(w, "%-8s %s %s\n", done.Result, done.Plan, done.Module.Name)
		if done.Result != suite.Pass {
			fmt.Fprintf(w, "         %s\n", done.Reason())
		}
	}
}

// written writes a file, if one is named; it may hold secrets of test clients.
func written(name string, write func(io.Writer) error) error {
	if name == "" {
		return nil
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
