package tool

import (
	"context"
	"os"
	"os/user"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/cmd/node"
)

// Administer makes a change of an operator and writes it into the evidence, in one
// commit: nobody is locked out, made an auditor, or given an app unseen. When it returns
// the log has the entry, or the command has said that it has not.
func Administer(ctx context.Context, b *node.Base, change func(ctx context.Context) (audit.Act, error)) error {
	return AdministerAll(ctx, b, func(ctx context.Context) ([]audit.Act, error) {
		act, err := change(ctx)
		return []audit.Act{act}, err
	})
}

// AdministerAll is Administer for a change of which there is more than one event.
func AdministerAll(ctx context.Context, b *node.Base, change func(ctx context.Context) ([]audit.Act, error)) error {
	return b.DB.Tx(ctx, func(ctx context.Context) error {
		acts, err := change(ctx)
		if err != nil {
			return err
		}
		for i := range acts {
			acts[i].Decision.Determining = []string{string(authz.Operator), OSUser()}
		}
		_, err = b.Scribe().Write(ctx, acts...)
		return err
	})
}

// OSUser names the account of the operating system that runs the tool. That is
// all a tool can know of its caller: an administrator of the machine can be any account.
func OSUser() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return "os-user:" + strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, name+"@"+host)
}

// Act is an act on a thing that is not a person.
func Act(action audit.Action, object, text string) audit.Act {
	return audit.Act{Action: action, Detail: audit.Detail{Object: commitment.Bounded(object), Text: commitment.Bounded(text)}}
}
