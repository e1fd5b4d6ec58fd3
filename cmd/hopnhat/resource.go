package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/provider"
	"hopnhat/authz/resource"
	"hopnhat/keys"
)

var resourceCommand = verbs(command{
	name: "resource", summary: "Register, list, show or disable agencies' APIs that tokens can be for", usage: "resource add|list|show|disable [flags] [FILE|URL]",
	example: "hopnhat resource add apis.yaml",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"add":     withStore(resourceAdd),
	"list":    withStore(resourceList),
	"show":    withStore(resourceShow),
	"disable": withStore(resourceDisable),
})

// resourceAdd registers the resources of a YAML file: a list of them.
func resourceAdd(ctx context.Context, p *parts, e env, rest []string) error {
	if len(rest) != 1 {
		return errors.New("name one YAML file with a list of resources")
	}
	raw, err := os.ReadFile(rest[0])
	if err != nil {
		return fmt.Errorf("reading the resources: %w", err)
	}
	var list []authz.Resource
	decode := yaml.NewDecoder(bytes.NewReader(raw))
	decode.KnownFields(true)
	if err := decode.Decode(&list); err != nil {
		return fmt.Errorf("reading the resources of %s: %w", rest[0], err)
	}
	for i := range list {
		if err := resource.Check(&list[i], p.c.Issuer, provider.ReservedScopes()); err != nil {
			return err
		}
		if alg := keys.Algorithm(list[i].SigningAlg); alg != "" {
			if _, err := p.ring.Active(keys.TokenSigning, alg); err != nil {
				return fmt.Errorf("resource %q: the keyring has no key that signs with %s; name it in signing_algs first: %w", list[i].ID, alg, err)
			}
		}
		if err := p.saveResource(ctx, &list[i], "resource.registered"); err != nil {
			return err
		}
		fmt.Fprintf(e.out, "%s registered\n", list[i].ID)
	}
	return nil
}

func resourceList(ctx context.Context, p *parts, e env, rest []string) error {
	if err := none(rest); err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "RESOURCE\tSTATE\tSCOPES\tNAME")
	after := ""
	for {
		list, err := p.db.Resources(ctx, after, 200)
		if err != nil {
			return err
		}
		for _, r := range list {
			state := "enabled"
			if r.Disabled {
				state = "disabled"
			}
			fmt.Fprintf(w, "%s\t%s\t%v\t%s\n", r.ID, state, r.Scopes, r.Name.VI)
			after = r.ID
		}
		if len(list) < 200 {
			return w.Flush()
		}
	}
}

func oneResource(ctx context.Context, p *parts, rest []string) (*authz.Resource, error) {
	if len(rest) != 1 {
		return nil, errors.New("name one resource by its URL")
	}
	r, err := p.db.Resource(ctx, rest[0])
	if err != nil {
		return nil, fmt.Errorf("resource %q: %w", rest[0], err)
	}
	return r, nil
}

func resourceShow(ctx context.Context, p *parts, e env, rest []string) error {
	r, err := oneResource(ctx, p, rest)
	if err != nil {
		return err
	}
	enc := yaml.NewEncoder(e.out)
	defer enc.Close()
	return enc.Encode([]*authz.Resource{r})
}

// saveResource saves a resource that an operator changed.
func (p *parts) saveResource(ctx context.Context, r *authz.Resource, action string) error {
	return p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
		return administered(action, string(r.ID), r.Name.VI), p.db.SaveResource(ctx, r)
	})
}

func resourceDisable(ctx context.Context, p *parts, e env, rest []string) error {
	r, err := oneResource(ctx, p, rest)
	if err != nil {
		return err
	}
	r.Disabled = true
	if err := p.saveResource(ctx, r, "resource.disabled"); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s disabled; no tokens are made for it, servers follow within 5 s\n", r.ID)
	return nil
}
