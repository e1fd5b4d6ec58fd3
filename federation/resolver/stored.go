package resolver

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/weather"
)

// FileName is that of what is known, in the state folder.
const FileName = "federation.json"

// Stored is what a resolver knows, as it was gathered.
type Stored struct {
	// At is when it was gathered.
	At         time.Time
	Statements []statement.Statement

	gathered *gathered
}

// Holds reports whether the issuer of a mark said last that its holder has it.
func (s Stored) Holds(issuer federation.EntityID, kind string, holder federation.EntityID) bool {
	_, holds := slices.BinarySearch(s.gathered.holders[markKind{issuer, kind}].subjects, holder)
	return holds
}

func stored(g *gathered, at time.Time) Stored {
	s := Stored{At: at, gathered: g, Statements: make([]statement.Statement, 0, len(g.statements))}
	for _, one := range g.statements {
		s.Statements = append(s.Statements, one.Statement)
	}
	return s
}

// Stored is what is known now.
func (r *Resolver) Stored() Stored {
	s := r.current.Load()
	return stored(s.gathered, s.at)
}

// Judgement is what is known of an entity now.
type Judgement struct {
	// Verdict is the valid one that is preferred, or the first that is not.
	Verdict trust.Verdict
	// Marks are the types of those that count.
	Marks []string
	// Digest is that of the entry; empty for an entity that is not trusted.
	Digest string
}

// Judgements are what the newest walk found of each entity, when that was, and how many
// statements it wanted and did not get.
func (r *Resolver) Judgements() (at time.Time, failed int, all map[federation.EntityID]Judgement) {
	s := r.current.Load()
	all = make(map[federation.EntityID]Judgement, len(s.entries))
	for id, entries := range s.entries {
		if len(entries) == 0 {
			continue
		}
		e := entries[max(slices.IndexFunc(entries, func(e *Entry) bool { return e.Err == nil }), 0)]
		j := Judgement{Verdict: e.verdict, Digest: e.Digest}
		for _, m := range e.Marks {
			j.Marks = append(j.Marks, m.Type)
		}
		all[id] = j
	}
	return s.at, len(s.gathered.failures), all
}

// Weather is the forecast by what is known now. It is made once for each walk.
func (r *Resolver) Weather() weather.Forecast { return r.current.Load().forecast() }

func (s *snapshot) weather() weather.Forecast {
	var verdicts []trust.Verdict
	for _, entries := range s.entries {
		for _, e := range entries {
			verdicts = append(verdicts, e.verdict)
		}
	}
	return weather.Of(verdicts, s.gathered.failures, s.at)
}

// Weather is the forecast by what is stored, judged at a time.
func (s Stored) Weather(anchors []trust.Anchor, now time.Time) weather.Forecast {
	pool := trust.Collect(s.Statements...)
	found := make([][]trust.Verdict, len(s.Statements))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, one := range s.Statements {
		if one.IsConfiguration() {
			group.Go(func() error {
				found[i] = trust.Preferred(one.Subject, pool, anchors, now)
				return nil
			})
		}
	}
	_ = group.Wait() // none fails
	return weather.Of(slices.Concat(found...), s.gathered.failures, s.At)
}

// ReadStored reads what the resolver of a server keeps in the state folder. The error wraps
// [io/fs.ErrNotExist] if no walk was made yet. Signatures are not verified.
func ReadStored(folder string) (Stored, error) {
	file := filepath.Join(folder, FileName)
	info, err := os.Stat(file)
	if err != nil {
		return Stored{}, fmt.Errorf("what is known of the federation: %w", err)
	}
	g, err := load(file)
	if err != nil {
		return Stored{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return stored(g, info.ModTime()), nil
}
