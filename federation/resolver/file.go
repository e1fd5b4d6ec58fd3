package resolver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/weather"
	"hopnhat/keys/durable"
)

// maxFile bounds the file in bytes: 60 branches as large as they may be.
const maxFile = 1 << 30

// kept is the file: statements as they were received, which are verified again, and who held
// marks, which is believed as far as the marks count.
type kept struct {
	Statements []string `json:"statements"`
	Holders    []holder `json:"holders"`
	// Dropped are those who were trusted and are stated by nobody any more.
	Dropped map[federation.EntityID]time.Time `json:"dropped,omitempty"`
	// Failures are what the last walk wanted and did not get.
	Failures []weather.Failure `json:"failures,omitempty"`
	// Heard is when a superior gave its list last.
	Heard map[federation.EntityID]time.Time `json:"heard,omitempty"`
}

type holder struct {
	Issuer   federation.EntityID   `json:"iss"`
	Type     string                `json:"trust_mark_type"`
	Subjects []federation.EntityID `json:"subjects"`
	At       time.Time             `json:"at"`
}

// load reads the file; nothing is known without one.
func load(file string) (*gathered, error) {
	if file == "" {
		return nothing(), nil
	}
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nothing(), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(f)
}

// parse reads what a file has in it.
func parse(from io.Reader) (*gathered, error) {
	var k kept
	if err := json.NewDecoder(io.LimitReader(from, maxFile)).Decode(&k); err != nil {
		return nil, err
	}
	g := nothing()
	statements, err := parseAll(k.Statements)
	if err != nil {
		return nil, err
	}
	for _, s := range statements {
		g.statements[pair{s.Issuer, s.Subject}] = held{Statement: s}
	}
	for _, h := range k.Holders {
		g.holders[markKind{h.Issuer, h.Type}] = said{h.Subjects, h.At}
	}
	g.dropped, g.failures = k.Dropped, k.Failures
	maps.Copy(g.heard, k.Heard)
	return g, nil
}

// parseAll reads statements, as many at one time as there are processors.
func parseAll(tokens []string) ([]statement.Statement, error) {
	statements := make([]statement.Statement, len(tokens))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, token := range tokens {
		group.Go(func() (err error) {
			if statements[i], err = statement.Parse(token); err != nil {
				return fmt.Errorf("statement %d: %w", i, err)
			}
			return nil
		})
	}
	return statements, group.Wait()
}

// kept is what a file has in it: equal for equal knowledge, byte by byte.
func (g *gathered) kept() kept {
	k := kept{Statements: []string{}, Holders: []holder{}, Dropped: g.dropped, Failures: g.failures, Heard: g.heard}
	for _, s := range g.statements {
		k.Statements = append(k.Statements, s.Token())
	}
	slices.Sort(k.Statements)
	for kind, s := range g.holders {
		k.Holders = append(k.Holders, holder{kind.issuer, kind.kind, s.subjects, s.at})
	}
	slices.SortFunc(k.Holders, func(a, b holder) int {
		return cmp.Or(cmp.Compare(a.Issuer, b.Issuer), cmp.Compare(a.Type, b.Type))
	})
	return k
}

// save writes the file whole, or leaves the one that is there.
func save(file string, g *gathered) error {
	if file == "" {
		return nil
	}
	raw, err := json.Marshal(g.kept())
	if err != nil {
		return err
	}
	return durable.Replace(file, append(raw, '\n'), 0o600)
}
