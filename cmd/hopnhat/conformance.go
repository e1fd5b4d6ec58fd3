package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"hopnhat/cmd/node"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/catalogue"
)

var conformanceCommand = command{
	name: "conformance", summary: "Test any OpenID provider from outside, or any app, by the public certification plans",
	usage:   "conformance run --plan NAME --issuer URL --config FILE [flags] | conformance list [--plan NAME] | conformance rp --help",
	example: "hopnhat conformance run --plan oidcc-basic --issuer https://id.example --config suite.yaml --report report.html",
	run:     runConformance,
}

func runConformance(ctx context.Context, self command, e env, args []string) error {
	word := ""
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		word, args = args[0], args[1:]
	}
	if word == "rp" {
		return conformanceRPCommand.run(ctx, conformanceRPCommand, e, args)
	}
	var o conformanceOptions
	f := self.flagSet(e)
	f.StringVar(&o.plans, "plan", "", "plans to run, separated by commas, or all; `conformance list` names them")
	f.StringVar(&o.modules, "module", "", "only these modules, separated by commas")
	f.StringVar(&o.issuer, "issuer", "", "the provider's issuer `URL`; goes before the configuration's")
	f.StringVar(&o.config, "config", "", "YAML `file`: clients or registration, people, and how forms are filled in (docs/conformance.md)")
	o.conformanceFiles.flags(f)
	f.StringVar(&o.listen, "listen", "", "where the provider reaches the suite, `host:port`; goes before the configuration's")
	f.IntVar(&o.parallel, "parallel", 8, "modules at work at a time; those that wait do not count")
	f.BoolVar(&o.list, "list", false, "list the modules of the plans instead of running them")
	if err := parse(f, args); err != nil {
		return err
	}
	switch {
	case word == "list" || word == "run" && o.list:
		return o.show(e.out)
	case word == "run" && o.plans != "" && o.config != "":
		return o.run(ctx, e.out)
	}
	f.Usage()
	return errUsage
}

type conformanceOptions struct {
	conformanceFiles

	plans, modules, issuer, config, listen string
	parallel                               int
	list                                   bool
}

// chosen are the plans named.
func (o conformanceOptions) chosen() ([]suite.Plan, error) {
	if o.plans == "" || o.plans == "all" {
		return catalogue.Plans(), nil
	}
	var plans []suite.Plan
	for _, name := range node.List(o.plans) {
		p, ok := catalogue.Named(name)
		if !ok {
			var names []string
			for _, p := range catalogue.Plans() {
				names = append(names, p.Name)
			}
			return nil, fmt.Errorf("there is no plan %q%s", name, meant(name, names))
		}
		plans = append(plans, p)
	}
	return plans, nil
}

func (o conformanceOptions) show(w io.Writer) error {
	plans, err := o.chosen()
	if err != nil {
		return err
	}
	for _, p := range plans {
		fmt.Fprintf(w, "%s: %s\n", p.Name, p.Certificate)
		for _, part := range p.Parts {
			if len(part.Variant) > 0 {
				fmt.Fprintf(w, "  with %s\n", part.Variant)
			}
			for _, m := range part.Modules {
				fmt.Fprintf(w, "    %-45s %s (%s)\n", m.Name, m.Rule, m.Clause)
			}
		}
	}
	return nil
}

func (o conformanceOptions) run(ctx context.Context, w io.Writer) error {
	plans, err := o.chosen()
	if err != nil {
		return err
	}
	file, err := os.Open(o.config)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	defer file.Close()
	config, err := suite.ReadConfig(file)
	if err != nil {
		return fmt.Errorf("--config %s: %w", o.config, err)
	}
	if o.issuer != "" {
		config.Issuer = o.issuer
	}
	if o.listen != "" {
		config.Listen.Address = o.listen
	}
	s, err := suite.New(config)
	if err != nil {
		return fmt.Errorf("--config %s: %w", o.config, err)
	}
	defer s.Close()
	outcomes := s.Run(ctx, suite.Options{Parallel: o.parallel, Only: node.List(o.modules), Done: progress(w)}, plans...)
	if len(outcomes) == 0 {
		return errors.New("nothing was run: no module of the plans has that name, or none fits how clients are registered")
	}
	return o.conformanceFiles.conclude(w, config.Issuer, outcomes)
}

// conformanceFiles are where results are written to.
type conformanceFiles struct{ json, report, markdown string }

func (c *conformanceFiles) flags(f *flag.FlagSet) {
	f.StringVar(&c.json, "json", "", "write one JSON object a line to this `file`")
	f.StringVar(&c.report, "report", "", "write the full exchange as HTML to this `file`")
	f.StringVar(&c.markdown, "markdown", "", "write a table for documents to this `file`")
}

// conclude sums up and writes the files; a module that failed is exit status 3.
func (c *conformanceFiles) conclude(w io.Writer, tested string, outcomes []suite.Outcome) error {
	counts := map[suite.Result]int{}
	for _, done := range outcomes {
		counts[done.Result]++
	}
	fmt.Fprintf(w, "%d modules: %d pass, %d review, %d warning, %d fail\n", len(outcomes), counts[suite.Pass], counts[suite.Review], counts[suite.Warning], counts[suite.Fail])
	err := errors.Join(
		written(c.json, func(w io.Writer) error { return suite.WriteJSON(w, outcomes) }),
		written(c.report, func(w io.Writer) error { return suite.WriteReport(w, tested, outcomes) }),
		written(c.markdown, func(w io.Writer) error { return suite.WriteMarkdown(w, outcomes) }),
	)
	if err != nil {
		return err
	}
	if counts[suite.Fail] > 0 {
		return exitCode(3)
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
