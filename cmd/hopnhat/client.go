package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

var clientCommand = verbs(command{
	name: "client", summary: "Register apps, and say what they are and may do",
	usage:   "client add|list|show|check|verify|unverify|disable|enable|rotate-secret|delete|iat [flags] [FILE|ID]",
	example: "hopnhat client add apps.yaml",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"add":           withStore(clientAdd),
	"list":          withStore(clientList),
	"show":          withStore(clientShow),
	"check":         clientCheck,
	"verify":        withStore(clientVerified(true)),
	"unverify":      withStore(clientVerified(false)),
	"disable":       withStore(clientState(true)),
	"enable":        withStore(clientState(false)),
	"rotate-secret": withStore(clientRotateSecret),
	"delete":        clientDelete,
	"iat": func(ctx context.Context, _ command, e env, args []string) error {
		return iatCommand.run(ctx, iatCommand, e, args)
	},
})

// clientAdd registers the apps of a YAML file: a list of clients.
func clientAdd(ctx context.Context, p *parts, e env, rest []string) error {
	if len(rest) != 1 {
		return errors.New("name one YAML file with a list of clients")
	}
	raw, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("reading the clients: %w", err)
	}
	list, err := registration.ParseYAML(raw)
	if err != nil {
		return fmt.Errorf("reading the clients of %s: %w", rest[0], err)
	}
	var known []registration.Known
	if err := p.eachClient(ctx, func(c *authz.Client) error {
		if c.Ended.IsZero() {
			known = append(known, registration.Known{ID: c.ID, Name: c.Name, Owner: c.Owner})
		}
		return nil
	}); err != nil {
		return err
	}
	for _, m := range list {
		var c *authz.Client
		var secret string
		if err := p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
			if c, secret, err = p.register(ctx, m, known); err != nil {
				return audit.Event{}, err
			}
			return audit.ClientChanged(c, "client.registered"), nil
		}); err != nil {
			return err
		}
		known = append(known, registration.Known{ID: c.ID, Name: c.Name, Owner: c.Owner})
		fmt.Fprintf(e.out, "%s registered, profile %s\n", c.ID, c.Profile)
		showSecret(e, secret)
	}
	return nil
}

func showSecret(e env, secret string) {
	if secret != "" {
		fmt.Fprintf(e.out, "  client_secret: %s\n  It is shown this once; only its hash is kept.\n", secret)
	}
}

// eachClient walks over all clients in the order of their ids.
func (p *parts) eachClient(ctx context.Context, visit func(c *authz.Client) error) error {
	const page = 200
	after := authz.ClientID("")
	for {
		list, err := p.db.Clients(ctx, after, page)
		if err != nil {
			return err
		}
		for _, c := range list {
			if err := visit(c); err != nil {
				return err
			}
			after = c.ID
		}
		if len(list) < page {
			return nil
		}
	}
}

func clientList(ctx context.Context, p *parts, e env, rest []string) error {
	if err := none(rest); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPROFILE\tMETHOD\tSTATE\tNAME\tOWNER")
	err := p.eachClient(ctx, func(c *authz.Client) error {
		_, err := fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", c.ID, c.Profile, c.Method, stateOf(c), c.Name.VI, c.Owner.VI)
		return err
	})
	return errors.Join(err, w.Flush())
}

func stateOf(c *authz.Client) string {
	switch {
	case !c.Ended.IsZero():
		return "deleted"
	case c.Disabled:
		return "disabled"
	}
	return "enabled"
}

func oneClient(ctx context.Context, p *parts, rest []string) (*authz.Client, error) {
	if len(rest) != 1 {
		return nil, errors.New("name one client")
	}
	c, err := p.db.Client(ctx, authz.ClientID(rest[0]))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return nil, fmt.Errorf("there is no client %q; see hopnhat client list", rest[0])
	case err != nil:
		return nil, fmt.Errorf("client %q: %w", rest[0], err)
	}
	return c, nil
}

func clientShow(ctx context.Context, p *parts, e env, rest []string) error {
	c, err := oneClient(ctx, p, rest)
	if err != nil {
		return err
	}
	text, err := registration.WriteYAML([]registration.Metadata{registration.Of(c)})
	if err != nil {
		return err
	}
	fmt.Fprintf(e.out, "# %s\n", vouchedFor(c))
	_, err = e.out.Write(text)
	return err
}

// vouchedFor says who vouches for an app, in a comment of what is shown.
func vouchedFor(c *authz.Client) string {
	if c.Verified.WasTakenBack() {
		return "agency not verified: an operator took it back at " + c.Verified.At.UTC().Format(time.RFC3339) + "; see hopnhat client verify"
	}
	if !c.Verified.Holds() {
		return "agency not verified; see hopnhat client verify"
	}
	return "agency verified by " + c.Verified.By + " at " + c.Verified.At.UTC().Format(time.RFC3339)
}

// clientVerified notes that the operator vouches for the agency of an app, or that
// nobody does. What she vouches for is printed: name, agency and host as people see
// them.
func clientVerified(verified bool) func(ctx context.Context, p *parts, e env, rest []string) error {
	return func(ctx context.Context, p *parts, e env, rest []string) error {
		c, err := oneClient(ctx, p, rest)
		if err != nil {
			return err
		}
		if !c.Ended.IsZero() {
			return fmt.Errorf("client %q was deleted at %s, which is for good", c.ID, c.Ended.Format(time.RFC3339))
		}
		action := "client.unverified"
		c.Verified = authz.TakenBack(time.Now().UTC().Truncate(time.Second))
		if verified {
			if c.Owner.VI == "" {
				return fmt.Errorf("client %q names no agency: there is nothing to vouch for; give it an owner with hopnhat client add", c.ID)
			}
			action, c.Verified = "client.verified", verifiedHere(time.Now())
		}
		if err := p.saveClient(ctx, c, action); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s %q of %q at %s: %s; servers follow within 5 s\n", c.ID, c.Name.VI, c.Owner.VI, c.Site(), vouchedFor(c))
		return nil
	}
}

// clientCheck explains what an app may do and what it still uses that ends.
func clientCheck(ctx context.Context, c command, e env, args []string) error {
	var asJSON bool
	cfg, rest, err := begin(c, e, args, func(f flags) { f.BoolVar(&asJSON, "json", false, "print one JSON object") })
	if err != nil {
		return err
	}
	p, err := cfg.open(ctx)
	if err != nil {
		return err
	}
	client, err := oneClient(ctx, p, rest)
	if err != nil {
		return errors.Join(err, p.close())
	}
	review := registration.ReviewOf(client, time.Now())
	if asJSON {
		enc := json.NewEncoder(e.out)
		enc.SetIndent("", "  ")
		return errors.Join(enc.Encode(review), p.close())
	}
	return errors.Join(review.Write(e.out), p.close())
}

func clientState(disabled bool) func(ctx context.Context, p *parts, e env, rest []string) error {
	return func(ctx context.Context, p *parts, e env, rest []string) error {
		c, err := oneClient(ctx, p, rest)
		if err != nil {
			return err
		}
		if !c.Ended.IsZero() {
			return fmt.Errorf("client %q was deleted at %s, which is for good: register it anew", c.ID, c.Ended.Format(time.RFC3339))
		}
		c.Disabled = disabled
		if err := p.saveClient(ctx, c, "client."+stateOf(c)); err != nil {
			return err
		}
		if disabled {
			if err := p.db.SettleClient(ctx, c.ID); err != nil {
				return err
			}
		}
		fmt.Fprintf(e.out, "%s %s; servers follow within 5 s\n", c.ID, stateOf(c))
		return nil
	}
}

// saveClient saves a client that an operator changed.
func (p *parts) saveClient(ctx context.Context, c *authz.Client, action string) error {
	return p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
		return audit.ClientChanged(c, action), p.db.SaveClient(ctx, c)
	})
}

func clientRotateSecret(ctx context.Context, p *parts, e env, rest []string) error {
	c, err := oneClient(ctx, p, rest)
	if err != nil {
		return err
	}
	if len(c.SecretHash) == 0 || !c.Ended.IsZero() {
		return fmt.Errorf("client %q has no secret: it authenticates with %s", c.ID, c.Method)
	}
	secret := authz.NewSecret()
	c.SecretHash = authz.HashSecret(secret)
	if !c.SecretExpires.IsZero() {
		c.SecretExpires = time.Now().UTC().Add(endpoint.SecretLife).Truncate(time.Second)
	}
	if err := p.saveClient(ctx, c, "client.secret-rotated"); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s has a new secret; the one before is refused within 5 s\n", c.ID)
	showSecret(e, secret)
	return nil
}

// clientDelete ends an app as it could end itself (RFC 7592 §2.3).
// It is for good, so it wants a word.
func clientDelete(ctx context.Context, c command, e env, args []string) error {
	var yes bool
	return withStoreAnd(func(f flags) {
		f.BoolVar(&yes, "yes", false, "do it: the app and every consent's grant to it end at once, for good")
	}, func(ctx context.Context, p *parts, e env, rest []string) error {
		return p.deleteClient(ctx, e, rest, yes)
	})(ctx, c, e, args)
}

func (p *parts) deleteClient(ctx context.Context, e env, rest []string, yes bool) error {
	c, err := oneClient(ctx, p, rest)
	switch {
	case err != nil:
		return err
	case !c.Ended.IsZero():
		return fmt.Errorf("client %q was deleted already, at %s", c.ID, c.Ended.Format(time.RFC3339))
	case !yes:
		return fmt.Errorf("this ends %q, %s of %s, for good, with every grant that people gave it; say --yes before the id to do it, or `hopnhat client disable %s`, which can be undone", c.ID, c.Name.VI, c.Owner.VI, c.ID)
	}
	now := time.Now().UTC()
	if err := p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
		return audit.ClientChanged(c, "client.deleted"), p.db.EndClient(ctx, c.ID, now)
	}); err != nil {
		return err
	}
	if err := endpoint.EndGrants(ctx, p.db, c.ID, now); err != nil {
		return err
	}
	if err := p.db.SettleClient(ctx, c.ID); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s deleted, its grants revoked; servers follow within 5 s\n", c.ID)
	return nil
}
