package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/resource"
	"hopnhat/authz/token"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/keys"
)

// Resource is `hopnhat resource`: agencies' APIs as audiences of tokens (RFC 8707).
func Resource(e *tool.Env) *cobra.Command {
	return tool.Group("resource", "Register, list, show or disable agencies' APIs that tokens can be for",
		"hopnhat resource add apis.yaml",
		e.WithBase(&cobra.Command{
			Use: "add FILE", Short: "Register the resources of a YAML file, or replace those that have the same URL",
			Example: tool.Lines("hopnhat resource add apis.yaml"), Args: tool.OneWord("YAML file with a list of resources"),
		}, config.Resource, func(ctx context.Context, b *node.Base, words []string) error {
			return addResources(ctx, e, b, words[0])
		}),
		listResources(e),
		showResource(e),
		e.WithBase(&cobra.Command{
			Use: "disable URL", Short: "Make no more tokens for a resource",
			Example: tool.Lines("hopnhat resource disable https://api.land.example.vn"), Args: tool.OneWord("resource by its URL"),
		}, config.Resource, func(ctx context.Context, b *node.Base, words []string) error {
			return disableResource(ctx, e, b, words[0])
		}),
	)
}

func addResources(ctx context.Context, e *tool.Env, b *node.Base, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading the resources: %w", err)
	}
	var list []authz.Resource
	decode := yaml.NewDecoder(bytes.NewReader(raw))
	decode.KnownFields(true)
	if err := decode.Decode(&list); err != nil {
		return fmt.Errorf("reading the resources of %s: %w", file, err)
	}
	for i := range list {
		if err := resource.Check(&list[i], b.Config.Issuer, token.ReservedScopes()); err != nil {
			return err
		}
		if alg := keys.Algorithm(list[i].SigningAlg); alg != "" {
			if _, err := b.Ring.Active(keys.TokenSigning, alg); err != nil {
				return fmt.Errorf("resource %q: the keyring has no key that signs with %s; name it in signing_algs first: %w",
					list[i].ID, alg, err)
			}
		}
		if err := saveResource(ctx, b, &list[i], audit.ResourceRegistered); err != nil {
			return err
		}
		e.Printf("%s registered\n", list[i].ID)
	}
	return nil
}

// resourceRow is a resource in the list, and as it is shown.
type resourceRow struct {
	ID         string              `json:"resource"`
	State      string              `json:"state"`
	Scopes     []string            `json:"scopes"`
	Name       authz.LocalizedText `json:"name"`
	Owner      authz.LocalizedText `json:"owner"`
	SigningAlg string              `json:"access_token_signed_response_alg,omitempty"`
}

func rowOf(r *authz.Resource) resourceRow {
	state := "enabled"
	if r.Disabled {
		state = "disabled"
	}
	return resourceRow{r.ID, state, append([]string{}, r.Scopes...), r.Name, r.Owner, r.SigningAlg}
}

func listResources(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List all resources with their state and scopes", Args: tool.NoWords,
		Example: tool.Lines("hopnhat resource list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, resourceRow{})
	return e.WithBase(cmd, config.Resource, func(ctx context.Context, b *node.Base, _ []string) error {
		const page = 200
		var rows []resourceRow
		for after := ""; ; {
			list, err := b.DB.Resources(ctx, after, page)
			if err != nil {
				return err
			}
			for _, r := range list {
				rows = append(rows, rowOf(r))
				after = r.ID
			}
			if len(list) < page {
				break
			}
		}
		return tool.Rows(e, *asJSON, "RESOURCE\tSTATE\tSCOPES\tNAME", rows, func(r resourceRow) []any {
			return []any{r.ID, r.State, r.Scopes, r.Name.VI}
		})
	})
}

func oneResource(ctx context.Context, b *node.Base, id string) (*authz.Resource, error) {
	r, err := b.DB.Resource(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("resource %q: %w; see hopnhat resource list", id, err)
	}
	return r, nil
}

func showResource(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "show URL", Short: "Print a resource, which can be added again",
		Example: tool.Lines("hopnhat resource show https://api.land.example.vn"), Args: tool.OneWord("resource by its URL"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Object, resourceRow{})
	return e.WithBase(cmd, config.Resource, func(ctx context.Context, b *node.Base, words []string) error {
		r, err := oneResource(ctx, b, words[0])
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(rowOf(r))
		}
		enc := yaml.NewEncoder(e.Out)
		defer enc.Close()
		return enc.Encode([]*authz.Resource{r})
	})
}

// saveResource saves a resource that an operator changed.
func saveResource(ctx context.Context, b *node.Base, r *authz.Resource, action audit.Action) error {
	return tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
		before, err := b.DB.Resource(ctx, r.ID)
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return audit.Act{}, err
		}
		text := r.Name.VI
		if err == nil { // it was there before
			if text, err = change.Text(before, r); err != nil {
				return audit.Act{}, err
			}
		}
		act := tool.Act(action, r.ID, text)
		if err := change.Commit(&act, change.Resource(r)); err != nil {
			return audit.Act{}, err
		}
		return act, b.DB.SaveResource(ctx, r)
	})
}

func disableResource(ctx context.Context, e *tool.Env, b *node.Base, id string) error {
	r, err := oneResource(ctx, b, id)
	if err != nil {
		return err
	}
	r.Disabled = true
	if err := saveResource(ctx, b, r, audit.ResourceDisabled); err != nil {
		return err
	}
	e.Printf("%s disabled; no tokens are made for it, servers follow within 5 s\n", r.ID)
	return nil
}
