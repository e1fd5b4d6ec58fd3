package upstreams

import (
	"context"
	"fmt"

	"hopnhat/authz/audit"
	"hopnhat/federation/upstream"
	"hopnhat/store/handle"
)

// eventsTried bounds the events of one person that are read for one of her links.
const eventsTried = 20_000

// ofLinks is the condition for events of a person about how she signs in, as the index
// events_factors has it.
const ofLinks = "pseudonym = ? AND type = 'account.factor-changed'"

// EventsOf are the genuine events by which a bond was made and ended, nil if there is none; name
// is what its person is called in the evidence. Rows that carry no MAC, or a wrong one, count
// for nothing.
func (db Book) EventsOf(ctx context.Context, name, bond string) (made, over *audit.Recorded, err error) {
	tried := 0
	err = db.Events.Walk(ctx, ofLinks, func(r audit.Recorded, _ []byte) (more bool) {
		tried++
		if r.Fault == "" && r.Event.Detail.Object == bond {
			switch audit.Action(r.Event.Detail.Action) {
			case audit.UpstreamLinked:
				made = &r
			case audit.UpstreamUnlinked:
				over = &r
			}
		}
		return tried < eventsTried
	}, name)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the events of link %s: %w", bond, err)
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
