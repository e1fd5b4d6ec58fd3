package tool

import (
	"context"
	"os"
	"os/user"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/cmd/node"
)

// Administer makes a change of an operator and writes it into the evidence, in one
// commit: nobody is locked out, made an auditor, or given an app unseen. The log
// entry follows within a minute, by the recorder's own sweep, since a tool has no
// part in the log.
func Administer(ctx context.Context, b *node.Base, change func(ctx context.Context) (audit.Event, error)) error {
	return b.DB.Tx(ctx, func(ctx context.Context) error {
		e, err := change(ctx)
		if err != nil {
			return err
		}
		e.ID = authz.NewID()
		e.When = audit.When{Decided: time.Now().UTC().Truncate(time.Microsecond), Site: b.Config.Site}
		e.Decision = audit.Decision{Permit: true, Code: e.Detail.Action, Determining: []string{"operator", OSUser()}}
		return b.DB.Record(ctx, e.Normalized(), audit.NewSalt())
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

// Act is the event of an act on a thing that is not a person.
func Act(action, object, text string) audit.Event {
	return audit.Event{Type: audit.Administered, Detail: audit.Detail{Action: action, Object: audit.Bounded(object), Text: audit.Bounded(text)}}
}

// ActOnAccount is the event of an act on a person's account.
func ActOnAccount(ctx context.Context, b *node.Base, a identity.Account, kind audit.Type, action string) (audit.Event, error) {
	pseudonym, err := b.Pseudonyms.Audit(ctx, a.Subject)
	return audit.Event{
		Type: kind, Person: audit.Person{Pseudonym: pseudonym, Relation: authz.RecordOfSelf},
		Visibility: audit.Visibility{Sight: audit.Visible}, Detail: audit.Detail{Action: action},
	}, err
}
