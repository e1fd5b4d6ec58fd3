package main

import (
	"context"
	"os"
	"os/user"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
)

// administer makes a change of an operator and writes it into the evidence, in one
// commit: nobody is locked out, made an auditor, or given an app unseen. The log
// entry follows within a minute, by the recorder's own sweep, since a tool has no
// part in the log.
func (p *parts) administer(ctx context.Context, change func(ctx context.Context) (audit.Event, error)) error {
	return p.db.Tx(ctx, func(ctx context.Context) error {
		e, err := change(ctx)
		if err != nil {
			return err
		}
		e.ID = authz.NewID()
		e.When = audit.When{Decided: time.Now().UTC().Truncate(time.Microsecond), Site: p.c.Site}
		e.Decision = audit.Decision{Permit: true, Code: e.Detail.Action, Determining: []string{"operator", atTheKeyboard()}}
		return p.db.Record(ctx, e.Normalized(), audit.NewSalt())
	})
}

// atTheKeyboard names the account of the operating system that runs the tool. That is
// all a tool can know of its caller: an administrator of the machine can be any account.
func atTheKeyboard() string {
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

// administered is an act on a thing that is not a person.
func administered(action, object, text string) audit.Event {
	return audit.Event{Type: audit.Administered, Detail: audit.Detail{Action: action, Object: audit.Bounded(object), Text: audit.Bounded(text)}}
}

// changedAccount is an act on a person's account.
func (p *parts) changedAccount(ctx context.Context, a identity.Account, kind audit.Type, action string) (audit.Event, error) {
	pseudonym, err := p.pseudonyms.Audit(ctx, a.Subject)
	return audit.Event{
		Type: kind, Person: audit.Person{Pseudonym: pseudonym, Relation: string(authz.SubjectSelf)},
		Visibility: audit.Visibility{Sight: audit.Visible}, Detail: audit.Detail{Action: action},
	}, err
}
