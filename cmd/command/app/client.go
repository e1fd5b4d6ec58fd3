// Package app has the commands for apps and agencies' APIs: to register them, and to say
// what they are and may do.
package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/review"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// Client is `hopnhat client`.
func Client(e *tool.Env) *cobra.Command {
	one := tool.OneWord("client; see hopnhat client list")
	return tool.Group("client", "Register apps, and say what they are and may do", "hopnhat client add apps.yaml",
		e.WithBase(&cobra.Command{
			Use: "add FILE", Short: "Register the apps of a YAML file, or replace those that have the same id",
			Long: "Registers the apps of a YAML file, a list in the standards' names of client metadata (docs/registration.md).\n" +
				"An app that is there is replaced; its secret, and whether it is disabled, stay.",
			Example: tool.Lines("hopnhat client add apps.yaml"),
			Args:    tool.OneWord("YAML file with a list of clients"),
		}, config.Clients, func(ctx context.Context, b *node.Base, words []string) error { return add(ctx, e, b, words[0]) }),
		list(e),
		show(e),
		check(e),
		e.WithBase(&cobra.Command{
			Use: "verify ID", Short: "Note that you vouch for the agency of an app",
			Long: "Notes that you vouch for the agency of an app, as name, agency and host are then printed: people read on the\n" +
				"consent page that the agency is verified.",
			Example: tool.Lines("hopnhat client verify so-dat"), Args: one,
		}, config.Clients, verify(e, true)),
		e.WithBase(&cobra.Command{
			Use: "unverify ID", Short: "Note that nobody vouches for the agency of an app any more",
			Example: tool.Lines("hopnhat client unverify so-dat"), Args: one,
		}, config.Clients, verify(e, false)),
		e.WithBase(&cobra.Command{
			Use: "disable ID", Short: "Refuse an app until it is enabled again; returns when no release to it is on its way",
			Example: tool.Lines("hopnhat client disable so-dat"), Args: one,
		}, config.Clients, disable(e, true)),
		e.WithBase(&cobra.Command{
			Use: "enable ID", Short: "Let a disabled app work again",
			Example: tool.Lines("hopnhat client enable so-dat"), Args: one,
		}, config.Clients, disable(e, false)),
		e.WithBase(&cobra.Command{
			Use: "rotate-secret ID", Short: "Give an app a new secret, which is printed once; the one before ends",
			Example: tool.Lines("hopnhat client rotate-secret so-dat"), Args: one,
		}, config.Clients, rotateSecret(e)),
		deleteCommand(e),
		initialTokens(e),
	)
}

// add registers the apps of a file.
func add(ctx context.Context, e *tool.Env, b *node.Base, file string) error {
	list, err := readMetadata(file)
	if err != nil {
		return err
	}
	var known []registration.Known
	if err := each(ctx, b, func(c *authz.Client) error {
		if c.Ended.IsZero() {
			known = append(known, registration.Known{ID: c.ID, Name: c.Name, Owner: c.Owner})
		}
		return nil
	}); err != nil {
		return err
	}
	for _, m := range list {
		c, secret, err := Register(ctx, b, m, known)
		if err != nil {
			return err
		}
		known = append(known, registration.Known{ID: c.ID, Name: c.Name, Owner: c.Owner})
		e.Printf("%s registered, profile %s\n", c.ID, c.Profile)
		showSecret(e, secret)
	}
	return nil
}

func showSecret(e *tool.Env, secret string) {
	if secret != "" {
		e.Printf("  client_secret: %s\n  It is shown this once; only its hash is kept.\n", secret)
	}
}

// each walks over all clients in the order of their ids.
func each(ctx context.Context, b *node.Base, visit func(c *authz.Client) error) error {
	const page = 200
	after := authz.ClientID("")
	for {
		list, err := b.DB.Clients(ctx, after, page)
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

// row is an app in the list.
type row struct {
	ID      authz.ClientID      `json:"client_id"`
	Profile authz.ProfileName   `json:"profile"`
	Method  string              `json:"token_endpoint_auth_method"`
	State   string              `json:"state"`
	Name    authz.LocalizedText `json:"client_name"`
	Owner   authz.LocalizedText `json:"owner"`
}

func list(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List all apps with their state", Args: tool.NoWords,
		Example: tool.Lines("hopnhat client list", "hopnhat client list --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, row{})
	return e.WithBase(cmd, config.Clients, func(ctx context.Context, b *node.Base, _ []string) error {
		var rows []row
		if err := each(ctx, b, func(c *authz.Client) error {
			rows = append(rows, row{c.ID, c.Profile, string(c.Method), stateOf(c), c.Name, c.Owner})
			return nil
		}); err != nil {
			return err
		}
		return tool.Rows(e, *asJSON, "ID\tPROFILE\tMETHOD\tSTATE\tNAME\tOWNER", rows, func(r row) []any {
			return []any{r.ID, r.Profile, r.Method, r.State, r.Name.VI, r.Owner.VI}
		})
	})
}

func stateOf(c *authz.Client) string {
	switch {
	case !c.Ended.IsZero():
		return "deleted"
	case c.Disabled:
		return "disabled"
	case c.Membership.Lapsed(time.Now()):
		return "trust ended"
	}
	return "enabled"
}

// one finds a client by its id.
func one(ctx context.Context, b *node.Base, id string) (*authz.Client, error) {
	c, err := b.DB.Client(ctx, authz.ClientID(id))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return nil, fmt.Errorf("there is no client %q; see hopnhat client list", id)
	case err != nil:
		return nil, fmt.Errorf("client %q: %w", id, err)
	}
	return c, nil
}

// shown is an app with what its registration does not say.
type shown struct {
	registration.Metadata

	State    string     `json:"state"`
	Verified bool       `json:"agency_verified"`
	By       string     `json:"agency_verified_by,omitempty"`
	At       *time.Time `json:"agency_verified_at,omitempty"` // or taken back
	// Of an app that a federation vouches for.
	Anchor   string     `json:"trust_anchor,omitempty"`
	Chain    string     `json:"trust_chain_sha256,omitempty"`
	Superior string     `json:"superior,omitempty"`
	Until    *time.Time `json:"trusted_until,omitempty"`
}

func show(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID", Short: "Print an app's registration, which can be added again, and who vouches for its agency",
		Example: tool.Lines("hopnhat client show so-dat > so-dat.yaml"), Args: tool.OneWord("client; see hopnhat client list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, shown{})
	return e.WithBase(cmd, config.Clients, func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		if *asJSON {
			out := shown{Metadata: registration.Of(c), State: stateOf(c), Verified: c.Verified.Holds(), By: c.Verified.By}
			if out.Verified || c.Verified.WasTakenBack() {
				at := c.Verified.At.UTC()
				out.At = &at
			}
			if m := c.Membership; m.Federated() {
				until := m.Expires.UTC()
				out.Anchor, out.Chain, out.Superior, out.Until = m.Anchor, m.Chain, m.Superior, &until
			}
			return e.JSON(out)
		}
		text, err := registration.WriteYAML([]registration.Metadata{registration.Of(c)})
		if err != nil {
			return err
		}
		e.Printf("# %s\n", vouchedFor(c))
		if m := c.Membership; m.Federated() {
			e.Printf("# trusted through %s, up to trust anchor %s, until %s\n", m.Superior, m.Anchor, m.Expires.UTC().Format(time.RFC3339))
			e.Printf("# by the chain %s\n", m.Chain)
		}
		e.Printf("%s", text)
		return nil
	})
}

// vouchedFor says who vouches for an app, in a comment of what is shown.
func vouchedFor(c *authz.Client) string {
	if c.Verified.WasTakenBack() {
		return "agency not verified: an operator took it back at " + c.Verified.At.UTC().Format(time.RFC3339) +
			"; see hopnhat client verify"
	}
	if !c.Verified.Holds() {
		return "agency not verified; see hopnhat client verify"
	}
	return "agency verified by " + c.Verified.By + " at " + c.Verified.At.UTC().Format(time.RFC3339)
}

func check(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "check ID", Short: "Explain what an app may do, and what it still uses that ends, with the next step",
		Example: tool.Lines("hopnhat client check so-dat"), Args: tool.OneWord("client; see hopnhat client list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, review.Review{})
	return e.WithBase(cmd, config.Clients, func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		explained := review.Of(c, time.Now())
		if *asJSON {
			return e.JSON(explained)
		}
		return explained.Write(e.Out)
	})
}
