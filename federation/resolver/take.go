package resolver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
)

// ErrNobody means that nobody is trusted by what an anchor vouches for.
var ErrNobody = errors.New("nobody in it is trusted now: its statements have ended, or are signed with other keys")

// Take takes in what a trust anchor knew at a time, which its signature vouches for: that is only
// what leads to this very anchor. Statements count that stand in a valid chain to it, who holds
// marks of an issuer that is trusted under no other anchor, and whom it dropped of those whom this
// server knew under it; where there is no other anchor, of all. A statement that is newer here
// stays, one in a chain to another anchor too, and whoever was missing in a list that was fetched
// here after the anchor fetched it last is not brought back. A walk that goes on is waited for. The
// error wraps ErrNobody if nothing leads to the anchor; then nothing has changed.
func (r *Resolver) Take(content []byte, anchor federation.EntityID, at time.Time) error {
	i := slices.IndexFunc(r.anchors, func(a trust.Anchor) bool { return a.ID == anchor })
	if i < 0 {
		return fmt.Errorf("%s is no trust anchor here", anchor)
	}
	theirs, err := parse(bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("%w (%w)", ErrNobody, err)
	}
	under := &Resolver{anchors: r.anchors[i : i+1], now: r.now}
	judged := under.build(theirs, &snapshot{})
	leading := leadingTo(judged, r.now(), anchor)
	if len(leading) == 0 {
		return ErrNobody
	}
	r.refreshing.Lock()
	defer r.refreshing.Unlock()
	r.swapping.Lock()
	defer r.swapping.Unlock()
	before := r.current.Load()
	others := leadingTo(before, r.now(), r.Anchors()...)
	ours := leadingTo(before, r.now(), anchor)
	for p, by := range others {
		if delete(by, anchor); len(by) == 0 {
			delete(others, p)
		}
	}
	found := before.gathered.clone()
	for p := range leading {
		s, known := found.statements[p]
		// The anchor may have heard of the superior long before it made the bundle.
		asOf := theirs.heard[p.issuer]
		if asOf.After(at) {
			asOf = at
		}
		missing := !known && p.issuer != p.subject && before.gathered.heard[p.issuer].After(asOf)
		if got := theirs.statements[p]; !missing && (!known || others[p] == nil && got.IssuedAt.After(s.IssuedAt)) {
			found.statements[p] = got
		}
	}
	for kind, s := range theirs.holders {
		itself := pair{kind.issuer, kind.issuer}
		newer := s.at.After(found.holders[kind].at) && !s.at.After(at.Add(trust.Leeway))
		if leading[itself] != nil && others[itself] == nil && newer {
			slices.Sort(s.subjects)
			found.holders[kind] = s
		}
	}
	unlisted := map[pair]time.Time{}
	for p := range ours {
		_, gone := theirs.dropped[p.subject]
		s := before.gathered.statements[p]
		if gone && p.issuer != p.subject && leading[p] == nil && others[p] == nil && !s.IssuedAt.After(at) {
			unlisted[p] = s.Expiry.Add(saidFor)
		}
	}
	found.without(unlisted)
	also := map[federation.EntityID]time.Time{}
	if len(r.anchors) == 1 {
		latest := r.now().Add(2 * saidFor)
		for id, until := range theirs.dropped {
			if also[id] = until; until.After(latest) {
				also[id] = latest
			}
		}
	}
	r.put(before, found, unlisted, also)
	return nil
}

// Behind reports whether an anchor or a superior did not answer in the last walk, so that what is
// known may be old.
func (r *Resolver) Behind() bool {
	anchors := r.Anchors()
	return slices.ContainsFunc(r.current.Load().gathered.failures, func(f weather.Failure) bool {
		return f.Subject == "" || f.Issuer == f.Subject && slices.Contains(anchors, f.Issuer)
	})
}

// Content is what is known, as the file has it; nobody is trusted by it where trusted is 0.
func (r *Resolver) Content() (raw []byte, trusted int, err error) {
	trusted, _, _ = r.Known()
	var file bytes.Buffer
	err = json.NewEncoder(&file).Encode(r.current.Load().gathered.kept())
	return file.Bytes(), trusted, err
}

// leadingTo are the statements that stand in valid chains to some anchors, each with the anchors to
// which it leads. The configurations of those in between are among them, also where one has ended:
// it says where the way goes on.
func leadingTo(s *snapshot, now time.Time, anchors ...federation.EntityID) map[pair]map[federation.EntityID]bool {
	all := map[pair]map[federation.EntityID]bool{}
	for _, entries := range s.entries {
		for _, e := range entries {
			if e.Err != nil || !now.Before(e.Expiry) || !slices.Contains(anchors, e.Anchor) {
				continue
			}
			for _, one := range e.verdict.Chain {
				for _, p := range links(one) {
					if _, known := s.gathered.statements[p]; known {
						if all[p] == nil {
							all[p] = map[federation.EntityID]bool{}
						}
						all[p][e.Anchor] = true
					}
				}
			}
		}
	}
	return all
}

// links are a statement, and the configuration of its issuer.
func links(s statement.Statement) []pair {
	return []pair{{s.Issuer, s.Subject}, {s.Issuer, s.Issuer}}
}
