// Package conformance has the commands that test providers and apps from outside.
package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/catalogue"
)

// Conformance is `hopnhat conformance`.
func Conformance(e *tool.Env) *cobra.Command {
	return tool.Group("conformance", "Test any OpenID provider from outside, or any app, by the public certification plans",
		"hopnhat conformance run --plan oidcc-basic --issuer https://id.example --config suite.yaml --report report.html",
		list(e), run(e), testApp(e))
}

func run(e *tool.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "run --plan NAME --config FILE",
		Short: "Run plans against a provider, a line for each module as it is done",
		Args:  tool.NoWords,
		Long: "Runs plans against a provider, and prints a line for each module as it is done. A module that failed ends the command\n" +
			"with exit code 3. How it is configured: docs/conformance.md.",
		Example: tool.Lines(
			"hopnhat conformance run --plan oidcc-basic --issuer https://id.example --config suite.yaml --report report.html"),
	}
	f := cmd.Flags()
	o.planFlag(cmd)
	f.StringVar(&o.modules, "module", "", "only these modules, separated by commas")
	f.StringVar(&o.issuer, "issuer", "", "the provider's issuer `URL`; goes before the configuration's")
	f.StringVar(&o.config, "config", "",
		"YAML `file`: clients or registration, people, and how forms are filled in (docs/conformance.md)")
	o.files.flags(f)
	f.StringVar(&o.listen, "listen", "", "where the provider reaches the suite, `host:port`; goes before the configuration's")
	f.IntVar(&o.parallel, "parallel", 8, "modules at work at a time; those that wait do not count")
	listing := f.Bool("list", false, "list the modules of the plans instead of running them, as conformance list does")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case *listing:
			return o.show(e, false)
		case o.plans == "" || o.config == "":
			return tool.ErrUsage
		}
		return o.run(cmd.Context(), e.Out)
	}
	return cmd
}

// module is one module of a plan in the list.
type module struct {
	Plan        string `json:"plan"`
	Certificate string `json:"certificate"`
	Variant     string `json:"variant,omitempty"`
	Module      string `json:"module"`
	Rule        string `json:"rule"`
	Clause      string `json:"clause"`
}

func list(e *tool.Env) *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use: "list", Short: "List the plans with their modules, each with its rule and clause", Args: tool.NoWords,
		Example: tool.Lines("hopnhat conformance list --plan oidcc-basic"),
	}
	o.planFlag(cmd)
	asJSON := tool.JSONFlag(cmd, tool.Array, module{})
	cmd.RunE = func(*cobra.Command, []string) error { return o.show(e, *asJSON) }
	return cmd
}

// options are the words of a command; what is given goes before the configuration's.
type options struct {
	files

	plans, modules, issuer, config, listen string
	parallel                               int
}

// chosen are the plans named.
func (o options) chosen() ([]suite.Plan, error) {
	if o.plans == "" || o.plans == "all" {
		return catalogue.Plans(), nil
	}
	var plans []suite.Plan
	for _, name := range node.List(o.plans) {
		p, ok := catalogue.Named(name)
		if !ok {
			return nil, fmt.Errorf("there is no plan %q%s; hopnhat conformance list names them",
				name, config.DidYouMean(name, planNames()))
		}
		plans = append(plans, p)
	}
	return plans, nil
}

// planFlag adds the flag that names plans.
func (o *options) planFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.plans, "plan", "", "plans, separated by commas, or all; conformance list names them")
	_ = cmd.RegisterFlagCompletionFunc("plan", cobra.FixedCompletions(append(planNames(), "all"), cobra.ShellCompDirectiveNoFileComp))
}

func planNames() (names []string) {
	for _, p := range catalogue.Plans() {
		names = append(names, p.Name)
	}
	return names
}

func (o options) show(e *tool.Env, asJSON bool) error {
	plans, err := o.chosen()
	if err != nil {
		return err
	}
	modules := []module{}
	for _, p := range plans {
		if !asJSON {
			e.Printf("%s: %s\n", p.Name, p.Certificate)
		}
		for _, part := range p.Parts {
			variant := ""
			if len(part.Variant) > 0 {
				variant = part.Variant.String()
			}
			if !asJSON && variant != "" {
				e.Printf("  with %s\n", variant)
			}
			for _, m := range part.Modules {
				modules = append(modules, module{p.Name, p.Certificate, variant, m.Name, m.Rule, m.Clause})
				if !asJSON {
					e.Printf("    %-45s %s (%s)\n", m.Name, m.Rule, m.Clause)
				}
			}
		}
	}
	if asJSON {
		return e.JSON(modules)
	}
	return nil
}

func (o options) run(ctx context.Context, w io.Writer) error {
	plans, err := o.chosen()
	if err != nil {
		return err
	}
	file, err := os.Open(o.config)
	if err != nil {
		return fmt.Errorf("--config: %w", err)
	}
	defer file.Close()
	c, err := suite.ReadConfig(file)
	if err != nil {
		return fmt.Errorf("--config %s: %w", o.config, err)
	}
	if o.issuer != "" {
		c.Issuer = o.issuer
	}
	if o.listen != "" {
		c.Listen.Address = o.listen
	}
	s, err := suite.New(c)
	if err != nil {
		return fmt.Errorf("--config %s: %w", o.config, err)
	}
	defer s.Close()
	outcomes := s.Run(ctx, suite.Options{Parallel: o.parallel, Only: node.List(o.modules), Done: progress(w)}, plans...)
	if len(outcomes) == 0 {
		return errors.New("nothing was run: no module of the plans has that name, or none fits how clients are registered")
	}
	return o.conclude(w, c.Issuer, outcomes)
}
