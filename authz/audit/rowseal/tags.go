package rowseal

import (
	"context"
	"encoding/binary"
	"slices"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
)

// A tag is a number in a row that is part of a unique index. Nobody without the keyring knows
// the tag of a row before a server adds it, and no other row has the same one. So a row
// that is genuine is found by its tag at once, however many others somebody added beside it. A
// tag proves nothing: the MAC of the row does.

// PlaceTags are those that the places of an event have, in whichever order: four, or none
// without keys.
func (k *Keys) PlaceTags(ctx context.Context, event string) ([]int64, error) {
	return k.tags(ctx, "event place", event, 0)
}

// Decides reports whether an event gives or ends a consent. Its row has a tag.
func Decides(kind audit.Type) bool {
	return kind == audit.ConsentApproved || slices.Contains(trees.Ends, kind)
}

// DecisionTags are those of the events that give and that end a version of a consent; none
// without keys.
func (k *Keys) DecisionTags(ctx context.Context, consent string, version int) (gives, ends int64, some bool, err error) {
	all, err := k.tags(ctx, "consent", consent, int64(version))
	if err != nil || all == nil {
		return 0, 0, false, err
	}
	return all[0], all[1], true, nil
}

// LinkTags are those of the events that make and that end a link with a person at another
// provider; none without keys.
func (k *Keys) LinkTags(ctx context.Context, link string) (makes, ends int64, some bool, err error) {
	all, err := k.tags(ctx, "link", link, 0)
	if err != nil || all == nil {
		return 0, 0, false, err
	}
	return all[0], all[1], true, nil
}

// TagOf is the tag of an event's row; some is false for an event that has none.
func (k *Keys) TagOf(ctx context.Context, e audit.Event) (tag int64, some bool, err error) {
	action := audit.Action(e.Detail.Action)
	switch {
	case e.Consent.ID != "" && Decides(e.Type):
		gives, ends, some, err := k.DecisionTags(ctx, string(e.Consent.ID), e.Consent.Version)
		if e.Type == audit.ConsentApproved {
			return gives, some, err
		}
		return ends, some, err
	case e.Type == audit.FactorChanged && action == audit.UpstreamLinked:
		makes, _, some, err := k.LinkTags(ctx, e.Detail.Object)
		return makes, some, err
	case e.Type == audit.FactorChanged && action == audit.UpstreamUnlinked:
		_, ends, some, err := k.LinkTags(ctx, e.Detail.Object)
		return ends, some, err
	}
	return 0, false, nil
}

// CounterTag is that of the n-th counter of a shard, from one on; zero without keys.
func (k *Keys) CounterTag(ctx context.Context, origin string, n int64) (int64, error) {
	all, err := k.tags(ctx, "counter", origin, n)
	if err != nil || all == nil {
		return 0, err
	}
	return all[0], nil
}

// tags are four numbers that tell nothing of each other.
func (k *Keys) tags(ctx context.Context, of, name string, n int64) ([]int64, error) {
	b := part(part(nil, "hopnhat evidence tag v1"), of)
	mac, err := k.mark(ctx, "tags", binary.BigEndian.AppendUint64(part(b, name), uint64(n)))
	if err != nil || mac == nil {
		return nil, err
	}
	all := make([]int64, 4)
	for i := range all {
		all[i] = int64(binary.BigEndian.Uint64(mac[8*i:]))
	}
	return all, nil
}
