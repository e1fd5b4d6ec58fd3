package person

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store"
)

func role(e *tool.Env) *cobra.Command {
	return tool.Group("role", "Give a person a role, take it back, or list who has one",
		"hopnhat account role grant 099180000305 auditor",
		changeRole(e, "grant", "Give a person a role", audit.RoleGranted, (*store.DB).GrantRole),
		changeRole(e, "revoke", "Take a role back", audit.RoleRevoked, (*store.DB).RevokeRole),
		listRoles(e),
	)
}

// What changes a role: of the store, and on one that is open.
type (
	onStore   func(db *store.DB, ctx context.Context, subject authz.Subject, role authz.Role, at time.Time) error
	onSubject func(ctx context.Context, subject authz.Subject, role authz.Role, at time.Time) error
)

// changeRole is a command that gives or takes a role.
func changeRole(e *tool.Env, verb, short string, action audit.Action, do onStore) *cobra.Command {
	return e.WithBase(&cobra.Command{
		Use: verb + " NUMBER " + strings.Join(roleNames(), "|"), Short: short,
		Example: tool.Lines("hopnhat account role " + verb + " 099180000305 auditor"),
		Args: func(_ *cobra.Command, words []string) error {
			if len(words) != 2 || !slices.Contains(roleNames(), words[1]) {
				return fmt.Errorf("name one number and one role: %s", strings.Join(roleNames(), " or "))
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, words []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(words) == 1 {
				return roleNames(), cobra.ShellCompDirectiveNoFileComp
			}
			return nil, cobra.ShellCompDirectiveNoFileComp
		},
	}, config.Accounts, func(ctx context.Context, b *node.Base, words []string) error {
		onOpen := func(ctx context.Context, subject authz.Subject, role authz.Role, at time.Time) error {
			return do(b.DB, ctx, subject, role, at)
		}
		after, err := setRole(ctx, b, words[0], authz.Role(words[1]), action, onOpen)
		if err != nil {
			return err
		}
		e.Printf("done; the person has %s\n", orNoRole(after))
		return nil
	})
}

// setRole changes a role of the holder of a number, and returns those she has after. The
// event says which she had before and has after, and is of the same commit.
func setRole(
	ctx context.Context, b *node.Base, number string, role authz.Role, action audit.Action, do onSubject,
) (after []authz.Role, err error) {
	err = change(ctx, b, number, func(ctx context.Context, a identity.Account) (audit.Act, error) {
		before, err := b.DB.RolesOf(ctx, a.Subject)
		if err != nil {
			return audit.Act{}, err
		}
		if err := do(ctx, a.Subject, role, time.Now()); errors.Is(err, authz.ErrConflict) {
			return audit.Act{}, fmt.Errorf("nothing to do: the person has %s", orNoRole(before))
		} else if err != nil {
			return audit.Act{}, err
		}
		if after, err = b.DB.RolesOf(ctx, a.Subject); err != nil {
			return audit.Act{}, err
		}
		return audit.Act{Action: action, Subject: a.Subject, Detail: audit.Detail{
			Object: string(role), Text: fmt.Sprintf("before: %s; after: %s", orNoRole(before), orNoRole(after)),
		}}, nil
	})
	return after, err
}

func orNoRole(roles []authz.Role) string {
	if len(roles) == 0 {
		return "no role"
	}
	return strings.Join(texts(roles), ", ")
}

// roleNames are the names of all roles.
func roleNames() []string { return texts(authz.Roles()) }

func texts(roles []authz.Role) []string {
	out := make([]string, len(roles))
	for i, role := range roles {
		out[i] = string(role)
	}
	return out
}

// holder is a person with a role as it is printed, by the name she has in evidence:
// never by her number.
type holder struct {
	Role      authz.Role `json:"role"`
	Pseudonym string     `json:"pseudonym"`
	Name      string     `json:"name"`
	Since     time.Time  `json:"since"`
	Locked    bool       `json:"locked"`
}

func listRoles(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List who has a role, by the name in evidence and never by number", Args: tool.NoWords,
		Example: tool.Lines("hopnhat account role list"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, holder{})
	return e.WithBase(cmd, config.Accounts, func(ctx context.Context, b *node.Base, _ []string) error {
		found, err := b.DB.RoleHolders(ctx)
		if err != nil {
			return err
		}
		var rows []holder
		for _, one := range found {
			pseudonym, err := b.Pseudonyms.Audit(ctx, one.Subject)
			if err != nil {
				return err
			}
			rows = append(rows, holder{one.Role, pseudonym, one.Name, one.Since, one.Locked})
		}
		return tool.Rows(e, *asJSON, "ROLE\tPSEUDONYM\tNAME\tSINCE\tACCOUNT", rows, func(h holder) []any {
			state := "open"
			if h.Locked {
				state = "locked"
			}
			return []any{h.Role, h.Pseudonym, h.Name, h.Since.UTC().Format(time.RFC3339), state}
		})
	})
}
