package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"

	"hopnhat/cmd/node"
	"hopnhat/conformance/rp"
)

var conformanceRPCommand = command{
	name: "conformance rp", summary: "A provider that misbehaves on demand, to prove that an app refuses what it must",
	usage:   "conformance rp --listen HOST:PORT (--config FILE | --client-id ID --redirect-uri URL) [--drive URL] [flags]",
	example: "hopnhat conformance rp --listen 127.0.0.1:9100 --config app.yaml --report report.html",
	run:     runConformanceRP,
}

// rpOptions are the words of the command; what is given goes before the
// configuration's.
type rpOptions struct {
	conformanceFiles

	config, modules, clientID, secret, redirect, algorithm, drive, mark string
	listen                                                              rp.Listen
	list                                                                bool
}

func runConformanceRP(ctx context.Context, self command, e env, args []string) error {
	var o rpOptions
	f := self.flagSet(e)
	f.StringVar(&o.listen.Address, "listen", "", "where the provider listens, `host:port`; a free port of 127.0.0.1 if left out")
	f.StringVar(&o.listen.URL, "issuer", "", "how the app reaches it, its issuer `URL`; http://localhost and the port if left out")
	f.StringVar(&o.config, "config", "", "YAML `file`: the app's registration, and how it is driven (docs/conformance.md)")
	f.StringVar(&o.clientID, "client-id", "", "the app's `client_id`")
	f.StringVar(&o.secret, "client-secret-file", "", "`file` with the app's client_secret, if it has one")
	f.StringVar(&o.redirect, "redirect-uri", "", "the app's redirect `URI`s, separated by commas")
	f.StringVar(&o.algorithm, "id-token-alg", "", "`algorithm` of ID tokens that the app expects; ES256 if left out")
	f.StringVar(&o.drive, "drive", "", "drive the app by itself: the `URL` that begins a sign-in, with \"POST \" before it if a form does")
	f.StringVar(&o.mark, "signed-in", "", "`text` on the app's page when somebody is signed in")
	f.StringVar(&o.modules, "module", "", "only these modules, separated by commas, after the first sign-in")
	f.BoolVar(&o.list, "list", false, "list the modules instead of running them")
	o.conformanceFiles.flags(f)
	if err := parse(f, args); err != nil {
		return err
	}
	switch {
	case o.list:
		for _, m := range rp.Modules("ES256") {
			fmt.Fprintf(e.out, "%-72s %s (%s)\n", cmp.Or(m.Name, m.FAPI), m.Rule, cmp.Or(m.Clause, "no specification"))
		}
		return nil
	case o.config == "" && (o.clientID == "" || o.redirect == ""):
		f.Usage()
		return errUsage
	}
	return o.run(ctx, e.out)
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
