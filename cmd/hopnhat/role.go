package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/store"
)

var roleCommand = verbs(command{
	name: "account role", summary: "Give a person a role, take it back, or list who has one",
	usage:   "account role grant|revoke NUMBER " + strings.Join(store.Roles, "|") + " | account role list [--json]",
	example: "hopnhat account role grant 099180000305 auditor",
}, map[string]func(ctx context.Context, c command, e env, args []string) error{
	"grant":  withStore(changeRole("role.granted", (*store.DB).GrantRole)),
	"revoke": withStore(changeRole("role.revoked", (*store.DB).RevokeRole)),
	"list":   roleList,
})

// changeRole gives or takes a role. The event says which roles the person had before
// and has after, and is of the same commit.
func changeRole(action string, change func(db *store.DB, ctx context.Context, subject authz.Subject, role string, at time.Time) error) func(ctx context.Context, p *parts, e env, rest []string) error {
	return func(ctx context.Context, p *parts, e env, rest []string) error {
		if len(rest) != 2 || !slices.Contains(store.Roles, rest[1]) {
			return fmt.Errorf("name one number and one role: %s", strings.Join(store.Roles, " or "))
		}
		after, err := p.changeRole(ctx, rest[0], rest[1], action, func(ctx context.Context, subject authz.Subject, role string, at time.Time) error {
			return change(p.db, ctx, subject, role, at)
		})
		if err != nil {
			return err
		}
		fmt.Fprintf(e.out, "done; the person has %s\n", orNoRole(after))
		return nil
	}
}

// changeRole changes a role of the holder of a number, and tells which she has after.
func (p *parts) changeRole(ctx context.Context, number, role, action string, change func(ctx context.Context, subject authz.Subject, role string, at time.Time) error) (after []string, err error) {
	err = p.onAccount(ctx, number, func(ctx context.Context, a identity.Account) (audit.Event, error) {
		before, err := p.db.RolesOf(ctx, a.Subject)
		if err != nil {
			return audit.Event{}, err
		}
		if err := change(ctx, a.Subject, role, time.Now()); errors.Is(err, authz.ErrConflict) {
			return audit.Event{}, fmt.Errorf("nothing to do: the person has %s", orNoRole(before))
		} else if err != nil {
			return audit.Event{}, err
		}
		if after, err = p.db.RolesOf(ctx, a.Subject); err != nil {
			return audit.Event{}, err
		}
		event, err := p.changedAccount(ctx, a, audit.Administered, action)
		event.Detail.Object = role
		event.Detail.Text = fmt.Sprintf("before: %s; after: %s", orNoRole(before), orNoRole(after))
		return event, err
	})
	return after, err
}

func orNoRole(roles []string) string {
	if len(roles) == 0 {
		return "no role"
	}
	return strings.Join(roles, ", ")
}

// holder is a person with a role as it is printed, by the name she has in evidence:
// never by her number.
type holder struct {
	Role      string    `json:"role"`
	Pseudonym string    `json:"pseudonym"`
	Name      string    `json:"name"`
	Since     time.Time `json:"since"`
	Locked    bool      `json:"locked"`
}

func roleList(ctx context.Context, c command, e env, args []string) error {
	var asJSON bool
	return withStoreAnd(func(f flags) { f.BoolVar(&asJSON, "json", false, "print a JSON list") }, func(ctx context.Context, p *parts, e env, rest []string) error {
		if err := none(rest); err != nil {
			return err
		}
		found, err := p.db.RoleHolders(ctx)
		if err != nil {
			return err
		}
		list := make([]holder, len(found))
		for i, one := range found {
			pseudonym, err := p.pseudonyms.Audit(ctx, one.Subject)
			if err != nil {
				return err
			}
			list[i] = holder{one.Role, pseudonym, one.Name, one.Since, one.Locked}
		}
		if asJSON {
			enc := json.NewEncoder(e.out)
			enc.SetIndent("", "  ")
			return enc.Encode(list)
		}
		w := tabwriter.NewWriter(e.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "ROLE\tPSEUDONYM\tNAME\tSINCE\tACCOUNT")
		for _, one := range list {
			state := "open"
			if one.Locked {
				state = "locked"
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.Role, one.Pseudonym, one.Name, one.Since.UTC().Format(time.RFC3339), state)
		}
		return w.Flush()
	})(ctx, c, e, args)
}
