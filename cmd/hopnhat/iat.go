package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"go.yaml.in/yaml/v3"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
	"hopnhat/cmd/node"
)

// iatCommand makes what apps register themselves with (RFC 7591 §3).
var iatCommand = verbs(command{
	name: "client iat", summary: "Make, list or revoke initial access tokens, with which apps register themselves",
	usage:   "client iat create|list|revoke [flags] [ID]",
	example: `hopnhat client iat create --profile fapi2 --owner "Sở Tài nguyên và Môi trường" --uses 1 --expires 72h`,
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"create": iatCreate,
	"list":   withStore(iatList),
	"revoke": withStore(iatRevoke),
})

// readDeclarations reads an officer's file of purpose declarations; none without a
// file.
func readDeclarations(file string) ([]authz.Declaration, error) {
	if file == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the declarations: %w", err)
	}
	var list []authz.Declaration
	if err := yaml.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("reading the declarations of %s: %w", file, err)
	}
	return list, nil
}

func iatCreate(ctx context.Context, c command, e env, args []string) error {
	var profile, owner, ownerEN, grants, scopes, allow, declarations, expires string
	var uses, level int
	var statement bool
	cfg, err := alone(c, e, args, func(f flags) {
		f.StringVar(&profile, "profile", string(authz.FAPI2), "profile the apps are pinned to: see hopnhat profiles")
		f.StringVar(&owner, "owner", "", "agency that answers for the apps, in Vietnamese: citizens read it")
		f.StringVar(&ownerEN, "owner-en", "", "the agency in English")
		f.IntVar(&uses, "uses", 1, "how many apps may be registered with it")
		f.StringVar(&expires, "expires", "72h", "how long it may register apps")
		f.StringVar(&grants, "grants", "", "grant types, separated by commas; authorization_code and refresh_token if empty")
		f.StringVar(&scopes, "scopes", "", "scopes, separated by commas; openid and offline_access if empty; an app that names none gets all")
		f.StringVar(&allow, "allow", "", "opt-ins of profile oidc, separated by commas: "+strings.Join(registration.Allowances(), ", "))
		f.StringVar(&declarations, "declarations", "", "YAML `file` with the purpose declarations the apps may make, whole or in part; an app that names none makes all")
		f.IntVar(&level, "minimum-level", 0, "lowest authentication level the apps accept, 1 to 4")
		f.BoolVar(&statement, "require-software-statement", false, "demand a software statement (RFC 7591 §2.3)")
	})
	if err != nil {
		return err
	}
	life, err := time.ParseDuration(expires)
	if err != nil || life <= 0 || uses < 1 {
		return errors.New("--expires is a duration such as 72h, and --uses 1 or more")
	}
	policy := registration.Policy{
		Profile: authz.ProfileName(profile), Owner: authz.LocalizedText{VI: owner, EN: ownerEN}, GrantTypes: node.List(grants), Scopes: node.List(scopes),
		Allow: node.List(allow), MinimumLevel: authz.AuthenticationLevel(level), RequireStatement: statement,
	}
	if policy.Declarations, err = readDeclarations(declarations); err != nil {
		return err
	}
	p, err := cfg.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(p.createIAT(ctx, e, policy, uses, life), p.close())
}

func (p *parts) createIAT(ctx context.Context, e env, policy registration.Policy, uses int, life time.Duration) error {
	if err := policy.Check(p.catalogue); err != nil {
		return err
	}
	token, now := authz.NewSecret(), time.Now().UTC()
	i := registration.Initial{ID: authz.NewID(), Policy: policy, UsesLeft: uses, Created: now, Expires: now.Add(life)}
	if err := p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
		e := administered("initial-access-token.created", i.ID, "profile "+string(policy.Profile))
		e.Asked.Owner = policy.Owner.VI
		return e, p.db.InsertInitialToken(ctx, i, authz.HashSecret(token))
	}); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s\n  initial_access_token: %s\n  It is shown this once; only its hash is kept. Good for %d of profile %s until %s.\n",
		i.ID, token, uses, policy.Profile, i.Expires.Format(time.RFC3339))
	return nil
}

func iatList(ctx context.Context, p *parts, e env, rest []string) error {
	if err := none(rest); err != nil {
		return err
	}
	list, err := p.db.InitialTokens(ctx, 500)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tPROFILE\tUSES LEFT\tEXPIRES\tSTATE\tOWNER")
	for _, i := range list {
		state := "live"
		switch {
		case !i.Revoked.IsZero():
			state = "revoked"
		case !i.Live(time.Now()):
			state = "over"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", i.ID, i.Policy.Profile, i.UsesLeft, i.Expires.Format(time.RFC3339), state, i.Policy.Owner.VI)
	}
	return w.Flush()
}

func iatRevoke(ctx context.Context, p *parts, e env, rest []string) error {
	if len(rest) != 1 {
		return errors.New("name one initial access token by its id: see hopnhat client iat list")
	}
	if err := p.administer(ctx, func(ctx context.Context) (audit.Event, error) {
		return administered("initial-access-token.revoked", rest[0], ""), p.db.RevokeInitialToken(ctx, rest[0], time.Now())
	}); errors.Is(err, authz.ErrConflict) {
		return fmt.Errorf("there is no live initial access token %q: see hopnhat client iat list", rest[0])
	} else if err != nil {
		return fmt.Errorf("initial access token %q: %w", rest[0], err)
	}
	fmt.Fprintln(e.out, "revoked; apps that were registered with it stay as they are, and can be read and deleted, not changed")
	return nil
}
