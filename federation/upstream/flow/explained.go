package flow

import (
	"context"
	"log/slog"

	"hopnhat/authz/audit/change"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation/upstream"
)

// said is what the event of a bond commits to: all of it but its time.
type said struct {
	ID, Account, Alias, Issuer, Subject string
	Level                               int
	ByNumber                            bool
}

func saying(b upstream.Bond) said {
	return said{b.ID, string(b.Account), string(b.Alias), b.Issuer, b.Subject, int(b.Level), b.ByNumber}
}

// State is what the event that makes a bond commits to, for who holds one against the other
// ([change.State]).
func State(b upstream.Bond) ([]byte, error) { return change.State(saying(b)) }

// explained returns a refusal unless a bond is as its events say: a row alone, as who can write
// to the database makes one, signs nobody in.
func (e *Engine) explained(ctx context.Context, b upstream.Bond) error {
	l := reconcile.Link{ID: b.ID}
	var err error
	if l.Pseudonym, err = e.o.Pseudonyms.Audit(ctx, b.Account); err != nil {
		return err
	}
	if l.State, err = State(b); err != nil {
		return err
	}
	if l.Made, l.Over, err = e.o.Store.EventsOf(ctx, l.Pseudonym, b.ID); err != nil {
		return err
	}
	if l.Stands() {
		return nil
	}
	slog.ErrorContext(ctx, "a link with another provider is not as its events say; nobody signs in by it", "provider", b.Alias, "link", b.ID)
	return refused(upstream.Unlinked, "the link is not as its events say")
}
