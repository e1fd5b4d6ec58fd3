package conformance

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/node"
	"hopnhat/conformance/rp"
)

// rpOptions are the words of the command; what is given goes before the
// configuration's.
type rpOptions struct {
	files

	config, modules, clientID, secret, redirect, algorithm, drive, mark string
	listen                                                              rp.Listen
}

// testApp is `hopnhat conformance rp`.
func testApp(e *tool.Env) *cobra.Command {
	var o rpOptions
	cmd := &cobra.Command{
		Use:   "rp (--config FILE | --client-id ID --redirect-uri URL)",
		Short: "A provider that misbehaves on demand, to prove that an app refuses what it must",
		Args:  tool.NoWords,
		Long: "Runs a provider that misbehaves on demand: it hands your app a wrong signature, somebody else's nonce or a stale key,\n" +
			"and sees what becomes of it. Without --drive you sign in by hand as it says. A module that failed ends the command with\n" +
			"exit code 3.",
		Example: tool.Lines("hopnhat conformance rp --listen 127.0.0.1:9100 --config app.yaml --report report.html",
			"hopnhat conformance rp --list"),
	}
	f := cmd.Flags()
	f.StringVar(&o.listen.Address, "listen", "", "where the provider listens, `host:port`; a free port of 127.0.0.1 if left out")
	f.StringVar(&o.listen.URL, "issuer", "", "how the app reaches it, its issuer `URL`; http://localhost and the port if left out")
	f.StringVar(&o.config, "config", "", "YAML `file`: the app's registration, and how it is driven (docs/conformance.md)")
	f.StringVar(&o.clientID, "client-id", "", "the app's `client_id`")
	f.StringVar(&o.secret, "client-secret-file", "", "`file` with the app's client_secret, if it has one")
	f.StringVar(&o.redirect, "redirect-uri", "", "the app's redirect `URI`s, separated by commas")
	f.StringVar(&o.algorithm, "id-token-alg", "", "`algorithm` of ID tokens that the app expects; ES256 if left out")
	f.StringVar(&o.drive, "drive", "",
		"drive the app by itself: the `URL` that begins a sign-in, with \"POST \" before it if a form does")
	f.StringVar(&o.mark, "signed-in", "", "`text` on the app's page when somebody is signed in")
	f.StringVar(&o.modules, "module", "", "only these modules, separated by commas, after the first sign-in")
	listing := f.Bool("list", false, "list the modules instead of running them")
	o.files.flags(f)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case *listing:
			for _, m := range rp.Modules("ES256") {
				e.Printf("%-72s %s (%s)\n", cmp.Or(m.Name, m.FAPI), m.Rule, cmp.Or(m.Clause, "no specification"))
			}
			return nil
		case o.config == "" && (o.clientID == "" || o.redirect == ""):
			return tool.ErrUsage
		}
		return o.run(cmd.Context(), e.Out)
	}
	return cmd
}

func (o rpOptions) run(ctx context.Context, w io.Writer) error {
	c, err := o.read()
	if err != nil {
		return err
	}
	outcomes, left, err := rp.Run(ctx, c, rp.Options{Only: node.List(o.modules), Out: w, Done: progress(w), Ready: func(issuer string) {
		fmt.Fprintf(w, "The provider is at %s: configure your app with this issuer, then go on.\n", issuer)
	}})
	if err != nil {
		return err
	}
	for _, l := range left {
		fmt.Fprintf(w, "left out %s: %s\n", l.Name, l.Why)
	}
	return o.conclude(w, "app "+c.Client.ID, outcomes)
}

// read puts the words over the configuration.
func (o rpOptions) read() (c rp.Config, err error) {
	if o.config != "" {
		file, err := os.Open(o.config)
		if err != nil {
			return c, fmt.Errorf("--config: %w", err)
		}
		defer file.Close()
		if c, err = rp.ReadConfig(file); err != nil {
			return c, fmt.Errorf("--config %s: %w", o.config, err)
		}
	}
	c.Listen.Address, c.Listen.URL = cmp.Or(o.listen.Address, c.Listen.Address), cmp.Or(o.listen.URL, c.Listen.URL)
	c.Client.ID, c.Client.IDTokenAlg = cmp.Or(o.clientID, c.Client.ID), cmp.Or(o.algorithm, c.Client.IDTokenAlg)
	c.Drive.Start, c.SignedIn.Text = cmp.Or(o.drive, c.Drive.Start), cmp.Or(o.mark, c.SignedIn.Text)
	if o.redirect != "" {
		c.Client.RedirectURIs = node.List(o.redirect)
	}
	if o.secret != "" {
		if c.Client.Secret, err = node.SecretFile(o.secret); err != nil {
			return c, fmt.Errorf("--client-secret-file: %w", err)
		}
	}
	return c, nil
}
