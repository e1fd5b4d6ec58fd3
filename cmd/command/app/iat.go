package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// initialTokens makes what apps register themselves with (RFC 7591 §3).
func initialTokens(e *tool.Env) *cobra.Command {
	return tool.Group("iat", "Make, list or revoke initial access tokens, with which apps register themselves",
		`hopnhat client iat create --profile fapi2 --owner "Sở Tài nguyên và Môi trường" --uses 1 --expires 72h`,
		createToken(e),
		listTokens(e),
		e.WithBase(&cobra.Command{
			Use: "revoke ID", Short: "Revoke an initial access token; apps that were registered with it stay",
			Example: tool.Lines("hopnhat client iat revoke 0199a7c2-7777-7000-8000-000000000009"),
			Args:    tool.OneWord("initial access token by its id: see hopnhat client iat list"),
		}, config.Clients, func(ctx context.Context, b *node.Base, words []string) error { return revokeToken(ctx, e, b, words[0]) }),
	)
}

// readDeclarations reads an officer's file of purpose declarations; none without a file.
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

func createToken(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "create --owner NAME", Short: "Make an initial access token, which is printed once", Args: tool.NoWords,
		Long: "Makes an initial access token (RFC 7591 §3): whoever holds it registers apps of one agency, within what the flags\n" +
			"allow. It is printed once; only its hash is kept.",
		Example: tool.Lines(
			`hopnhat client iat create --profile fapi2 --owner "Sở Tài nguyên và Môi trường" --uses 1 --expires 72h`,
			`hopnhat client iat create --owner "Sở Mẫu" --declarations purposes.yaml`,
		),
	}
	f := cmd.Flags()
	profile := f.String("profile", string(authz.FAPI2), "profile the apps are pinned to: see hopnhat profiles")
	owner := f.String("owner", "", "agency that answers for the apps, in Vietnamese: citizens read it")
	ownerEN := f.String("owner-en", "", "the agency in English")
	uses := f.Int("uses", 1, "how many apps may be registered with it")
	expires := f.String("expires", "72h", "how long it may register apps")
	grants := f.String("grants", "", "grant types, separated by commas; authorization_code and refresh_token if empty")
	scopes := f.String("scopes", "", "scopes, separated by commas; openid and offline_access if empty; an app that names none gets all")
	allow := f.String("allow", "", "opt-ins of profile oidc, separated by commas: "+strings.Join(registration.Allowances(), ", "))
	declarations := f.String("declarations", "",
		"YAML `file` with the purpose declarations the apps may make, whole or in part; an app that names none makes all")
	level := f.Int("minimum-level", 0, "lowest authentication level the apps accept, 1 to 4")
	statement := f.Bool("require-software-statement", false, "demand a software statement (RFC 7591 §2.3)")
	_ = cmd.RegisterFlagCompletionFunc("profile", cobra.FixedCompletions(profileNames(), cobra.ShellCompDirectiveNoFileComp))
	// What the flags say is checked before the state is opened.
	return e.WithConfig(cmd, config.Clients, func(ctx context.Context, c *node.Config, _ []string) error {
		life, err := time.ParseDuration(*expires)
		if err != nil || life <= 0 || *uses < 1 {
			return errors.New("--expires is a duration such as 72h, and --uses 1 or more")
		}
		policy := registration.Policy{
			Profile: authz.ProfileName(*profile), Owner: authz.LocalizedText{VI: *owner, EN: *ownerEN}, GrantTypes: node.List(*grants),
			Scopes: node.List(*scopes), Allow: node.List(*allow), MinimumLevel: authz.AuthenticationLevel(*level),
			RequireStatement: *statement,
		}
		if policy.Declarations, err = readDeclarations(*declarations); err != nil {
			return err
		}
		b, err := node.Open(ctx, c)
		if err != nil {
			return err
		}
		return errors.Join(insertToken(ctx, e, b, policy, *uses, life), b.Close())
	})
}

func profileNames() (names []string) {
	for _, name := range authz.ProfileNames {
		names = append(names, string(name))
	}
	return names
}

func insertToken(ctx context.Context, e *tool.Env, b *node.Base, policy registration.Policy, uses int, life time.Duration) error {
	if err := policy.Check(b.Catalogue); err != nil {
		return err
	}
	token, now := authz.NewSecret(), time.Now().UTC()
	i := registration.Initial{ID: authz.NewID(), Policy: policy, UsesLeft: uses, Created: now, Expires: now.Add(life)}
	if err := tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
		event := tool.Act(audit.InitialTokenCreated, i.ID, "profile "+string(policy.Profile))
		event.App = &authz.Client{Owner: policy.Owner}
		return event, b.DB.InsertInitialToken(ctx, i, authz.HashSecret(token))
	}); err != nil {
		return err
	}
	e.Printf("%s\n  initial_access_token: %s\n  It is shown this once; only its hash is kept. Good for %d of profile %s until %s.\n",
		i.ID, token, uses, policy.Profile, i.Expires.Format(time.RFC3339))
	return nil
}

// tokenRow is an initial access token in the list.
type tokenRow struct {
	ID       string              `json:"id"`
	Profile  authz.ProfileName   `json:"profile"`
	UsesLeft int                 `json:"uses_left"`
	Expires  time.Time           `json:"expires"`
	State    string              `json:"state"`
	Owner    authz.LocalizedText `json:"owner"`
}

func listTokens(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the newest 500 initial access tokens", Args: tool.NoWords,
		Example: tool.Lines("hopnhat client iat list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, tokenRow{})
	return e.WithBase(cmd, config.Clients, func(ctx context.Context, b *node.Base, _ []string) error {
		list, err := b.DB.InitialTokens(ctx, 500)
		if err != nil {
			return err
		}
		var rows []tokenRow
		for _, i := range list {
			state := "live"
			switch {
			case !i.Revoked.IsZero():
				state = "revoked"
			case !i.Live(time.Now()):
				state = "over"
			}
			rows = append(rows, tokenRow{i.ID, i.Policy.Profile, i.UsesLeft, i.Expires, state, i.Policy.Owner})
		}
		return tool.Rows(e, *asJSON, "ID\tPROFILE\tUSES LEFT\tEXPIRES\tSTATE\tOWNER", rows, func(r tokenRow) []any {
			return []any{r.ID, r.Profile, r.UsesLeft, r.Expires.Format(time.RFC3339), r.State, r.Owner.VI}
		})
	})
}

func revokeToken(ctx context.Context, e *tool.Env, b *node.Base, id string) error {
	if err := tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
		return tool.Act(audit.InitialTokenRevoked, id, ""), b.DB.RevokeInitialToken(ctx, id, time.Now())
	}); errors.Is(err, authz.ErrConflict) {
		return fmt.Errorf("there is no live initial access token %q: see hopnhat client iat list", id)
	} else if err != nil {
		return fmt.Errorf("initial access token %q: %w", id, err)
	}
	e.Println("revoked; apps that were registered with it stay as they are, and can be read and deleted, not changed")
	return nil
}
