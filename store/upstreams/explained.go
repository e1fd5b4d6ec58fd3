package upstreams

import (
	"context"
	"fmt"

	"hopnhat/authz/audit"
	"hopnhat/federation/upstream"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// EventsOf are the genuine events by which a bond was made and ended, nil if there is none; name
// is what its person is called in the evidence. They are found by their tags: rows that carry no
// MAC, or a wrong one, count for nothing, however many there are.
func (db Book) EventsOf(ctx context.Context, name, bond string) (made, over *audit.Recorded, err error) {
	makes, ends, some, err := db.Events.Keys().LinkTags(ctx, bond)
	if err != nil || !some {
		return nil, nil, err
	}
	found, err := evidence.Tagged(ctx, db.Events, "", makes, ends)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the events of link %s: %w", bond, err)
	}
	for _, r := range found {
		if r.Event.Detail.Object != bond || r.Event.Person.Pseudonym != name {
			continue
		}
		switch audit.Action(r.Event.Detail.Action) {
		case audit.UpstreamLinked:
			made = &r
		case audit.UpstreamUnlinked:
			over = &r
		}
	}
	return made, over, nil
}

// Standing is a bond as the database has it.
type Standing struct {
	upstream.Bond

	Ended bool
}

// Standing are bonds after an id, in their order, those that ended among them; they are read in
// the background.
func (db Book) Standing(ctx context.Context, after string, limit int) (all []Standing, err error) {
	const doing = "reading links"
	found, err := db.Background().QueryContext(ctx, db.Bind("SELECT id, account, alias, issuer, provider_subject, level, by_number,"+
		" ended_at IS NOT NULL FROM upstream_links WHERE id > ? ORDER BY id LIMIT ?"), after, limit)
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	defer found.Close()
	for found.Next() {
		var one Standing
		err := found.Scan(&one.ID, &one.Account, &one.Alias, &one.Issuer, &one.Subject, &one.Level, &one.ByNumber, &one.Ended)
		if err != nil {
			return nil, handle.Wrap(doing, err)
		}
		all = append(all, one)
	}
	return all, handle.Wrap(doing, found.Err())
}
