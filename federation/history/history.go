// Package history keeps what a node found of each entity of the federation whenever that was
// another than before, and when the node had gone through the federation, so that somebody can say
// later whether an entity was trusted at a time, by which chain, and where nobody looked.
package history

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"hopnhat/authz/calendar"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
)

// Retention is how long what was found is kept. The newest verdict before that stays as long as it
// is the last one.
const Retention = 400 * 24 * time.Hour

// Link is a statement of a chain: of whom, about whom, with the thumbprints of the keys that it
// states (RFC 7638).
type Link struct {
	Issuer  federation.EntityID `json:"iss"`
	Subject federation.EntityID `json:"sub"`
	Keys    []string            `json:"keys"`
}

// Verdict is what was found of an entity.
type Verdict struct {
	Trusted bool `json:"trusted"`
	// Gone says that no statements led to the entity any more. All else is empty then.
	Gone   bool                `json:"gone,omitempty"`
	Anchor federation.EntityID `json:"trust_anchor,omitempty"`
	// Chain begins with the entity's own configuration.
	Chain []Link `json:"chain,omitempty"`
	// Marks are the types of the trust marks that counted.
	Marks []string `json:"trust_marks,omitempty"`
	// Rule is the one that failed, with its Section of OpenID Federation 1.0. Error says what
	// failed, and the advice who had to do what.
	Rule     string `json:"rule,omitempty"`
	Section  string `json:"section,omitempty"`
	Error    string `json:"error,omitempty"`
	AdviceVI string `json:"advice_vi,omitempty"`
	AdviceEN string `json:"advice_en,omitempty"`
}

// digest is the same for verdicts that say the same. The words of an error may name a time, and
// are not in it.
func (v Verdict) digest() string {
	v.Error, v.AdviceVI, v.AdviceEN = "", "", ""
	raw, _ := json.Marshal(v) // texts and lists of them
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:16])
}

// Row is a verdict that was another than the one before it.
type Row struct {
	Entity federation.EntityID
	At     time.Time
	Digest string
	Verdict
}

// Walk is one time that a node had gone through the federation.
type Walk struct {
	At time.Time
	// Trusted is how many entities were trusted, Failed how many statements were wanted and not
	// got.
	Trusted, Failed int
}

// Answer is what one node knew of an entity at a time.
type Answer struct {
	Node string `json:"node"`
	// Before is the last walk up to the time, After the first behind it; zero for none.
	Before time.Time `json:"walked_before,omitzero"`
	After  time.Time `json:"walked_after,omitzero"`
	// Since is when the verdict was found first; zero if the node knew nothing of the entity.
	Since time.Time `json:"since,omitzero"`
	Verdict
}

// Looked reports whether the node was looking at a time: it had walked, at most twice the time
// between two walks before. Of any other time nobody can say what the node would have found.
func (a Answer) Looked(at time.Time) bool {
	return !a.Before.IsZero() && at.Sub(a.Before) <= 2*resolver.Every
}

// ParseTime reads the time of a question: by RFC 3339, or without a zone in the time of Viet Nam,
// as 2027-03-03T09:14.
func ParseTime(text string) (time.Time, error) {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	for _, form := range []string{"2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(form, text, calendar.Hanoi); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time such as 2027-03-03T09:14 (in Viet Nam) or 2027-03-03T09:14:00+07:00", text)
}

// Store keeps verdicts and walks ([hopnhat/store/histories.Book]).
type Store interface {
	// NewestVerdicts are the digests of the newest verdicts of a node, by entity.
	NewestVerdicts(ctx context.Context, node string) (map[federation.EntityID]string, error)
	// KeepWalk adds a walk with the verdicts that were others, in one commit.
	KeepWalk(ctx context.Context, node string, w Walk, rows []Row) error
	// PurgeHistory deletes at most limit rows that are not needed after a time, and says how many.
	PurgeHistory(ctx context.Context, before time.Time, limit int) (int64, error)
}

// Known is what a resolver knows ([resolver.Resolver]).
type Known interface {
	Judgements() (at time.Time, failed int, all map[federation.EntityID]resolver.Judgement)
}

// Recorder keeps what one node finds. Its methods are called one after the other.
type Recorder struct {
	Store Store
	Node  string

	// last are the digests of the newest verdicts; nil until they were read. same are those of
	// what the resolver said, by which most need not be looked at again.
	last, same map[federation.EntityID]string
	walked     time.Time
}

// Record keeps what a resolver knows now, as far as it is another than before. After an error the
// next call tries again.
func (r *Recorder) Record(ctx context.Context, k Known) error {
	at, failed, all := k.Judgements()
	at = at.UTC().Truncate(time.Microsecond)
	if at.Equal(r.walked) {
		return nil
	}
	if r.last == nil {
		last, err := r.Store.NewestVerdicts(ctx, r.Node)
		if err != nil {
			return err
		}
		r.last, r.same = last, map[federation.EntityID]string{}
	}
	w := Walk{At: at, Failed: failed}
	last, same := maps.Clone(r.last), make(map[federation.EntityID]string, len(all))
	var rows []Row
	add := func(id federation.EntityID, v Verdict) {
		if digest := v.digest(); last[id] != digest {
			last[id] = digest
			rows = append(rows, Row{Entity: id, At: at, Digest: digest, Verdict: v})
		}
	}
	for id, j := range all {
		if j.Verdict.Valid() {
			w.Trusted++
		}
		same[id] = j.Digest
		if before, there := r.same[id]; !there || j.Digest == "" || before != j.Digest {
			add(id, verdictOf(j))
		}
	}
	for id := range r.last {
		if _, there := all[id]; !there {
			add(id, Verdict{Gone: true})
		}
	}
	slices.SortFunc(rows, func(a, b Row) int { return cmp.Compare(a.Entity, b.Entity) })
	if err := r.Store.KeepWalk(ctx, r.Node, w, rows); err != nil {
		return err
	}
	r.last, r.same, r.walked = last, same, at
	return nil
}

// verdictOf is what is kept of a judgement.
func verdictOf(j resolver.Judgement) Verdict {
	v := Verdict{Trusted: j.Verdict.Valid(), Anchor: j.Verdict.Anchor, Marks: slices.Sorted(slices.Values(j.Marks))}
	for _, s := range j.Verdict.Chain {
		v.Chain = append(v.Chain, Link{s.Issuer, s.Subject, desk.ThumbprintsOf(s.RawKeys())})
	}
	if v.Trusted {
		return v
	}
	if j.Verdict.Err != nil {
		v.Error = j.Verdict.Err.Error()
	}
	v.AdviceVI, v.AdviceEN = j.Verdict.Advice()
	if i := slices.IndexFunc(j.Verdict.Trail, func(c trust.Check) bool { return !c.Passed }); i >= 0 {
		v.Rule, v.Section = string(j.Verdict.Trail[i].Rule), j.Verdict.Trail[i].Section
	}
	return v
}

// purgeBatch is how many rows one statement deletes at most.
const purgeBatch = 1000

// Run records each time that it is told of news, and deletes what is old, until ctx ends.
func (r *Recorder) Run(ctx context.Context, k Known, news <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-news:
		}
		if err := r.Record(ctx, k); err != nil && ctx.Err() == nil {
			slog.Warn("what was found of the federation could not be kept; it is tried again after the next walk", "error", err)
			continue
		}
		for ctx.Err() == nil {
			deleted, err := r.Store.PurgeHistory(ctx, time.Now().Add(-Retention), purgeBatch)
			if err != nil {
				slog.Warn("old verdicts of the federation could not be deleted", "error", err)
			}
			if err != nil || deleted < purgeBatch {
				break
			}
		}
	}
}
