package reconcile

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Row is a place of a shard as the database knows it, with the event that has it.
type Row struct {
	Index uint64
	// Event is the id of the event that was given the place.
	Event string
	// Gone says that there is no row of the event.
	Gone bool
	// Unproven says that the place carries no MAC that holds, and Forged that it carries one
	// that does not.
	Unproven, Forged bool
	// Leaf is what the row commits to, empty where it commits to nothing.
	Leaf []byte
	// Fault says why the row is not genuine; empty where it is.
	Fault string
	// Unsealed says that a release without seals wrote the row, or claims to have: it is
	// genuine where its leaf stands at its place, and nowhere else.
	Unsealed bool
	// Of a row that is genuine: the person and her number, the app, the kind, and the time.
	Pseudonym string
	Kind      audit.Type
	Number    int64
	Client    authz.ClientID
	At        time.Time
}

// Shard is one shard of the log from a place on, beside what the database knows of it.
type Shard struct {
	Origin string
	// From is the first place, To the end of what is compared: the recorded size, or less.
	From, To uint64
	// Rows are the places in the order of their indices, none before From; Leaves are all
	// leaves from From on, in their order.
	Rows   iter.Seq2[Row, error]
	Leaves iter.Seq2[[]byte, error]
	// Erased tells which of some events were erased, by their tombstones.
	Erased func(events []string) (map[string]bool, error)
	// Counts is called for each row that stands where it should; nil counts nothing.
	Counts func(Row)
}

// ErrOrder means that rows or leaves did not come in their order.
var ErrOrder = errors.New("out of order")

// pending bounds the leaves without row that wait for the end of a stretch.
const pending = 4096

// Compare merges the leaves of a shard with its rows and tells what does not fit. Leaves
// without row it returns, since a leaf that stands in the log twice has its row at the
// other place: [Doubles] sorts them out. It ends after a great many, with the place to go
// on from.
func (s Shard) Compare(tell func(Finding)) (bare []Leaf, next uint64, err error) {
	nextRow, stopRows := iter.Pull2(s.Rows)
	defer stopRows()
	nextLeaf, stopLeaves := iter.Pull2(s.Leaves)
	defer stopLeaves()
	row, rowErr, more := nextRow()
	var gone []Leaf
	settle := func() error {
		erased, err := s.erased(gone)
		if err != nil {
			return err
		}
		for _, leaf := range gone {
			if !erased[leaf.Event] {
				bare = append(bare, leaf)
			}
		}
		gone = gone[:0]
		return nil
	}
	index := s.From
	for ; index < s.To && len(bare) < pending; index++ {
		leaf, err, there := nextLeaf()
		switch {
		case err != nil:
			return bare, index, fmt.Errorf("reading leaf %d of %s: %w", index, s.Origin, err)
		case !there:
			return bare, index, fmt.Errorf("reading leaf %d of %s: there are fewer than the %d that are recorded", index, s.Origin, s.To)
		}
		var here []Row
		for more && rowErr == nil && row.Index <= index {
			if row.Index < index {
				return bare, index, fmt.Errorf("place %d of %s: %w", row.Index, s.Origin, ErrOrder)
			}
			if len(here) < mostClaims {
				here = append(here, row)
			}
			row, rowErr, more = nextRow()
		}
		claims := 0
		for _, claim := range s.claims(here, leaf, tell) {
			if claims++; claims == 2 {
				tell(Finding{Kind: PlaceTwice, Origin: s.Origin, Index: index, Event: claim.Event, Pseudonym: claim.Pseudonym})
			}
			if !claim.Gone {
				s.hold(claim, leaf, tell)
			} else if claims == 1 {
				gone = append(gone, Leaf{s.Origin, index, bytes.Clone(leaf), claim.Event})
			}
		}
		if rowErr != nil {
			return bare, index, fmt.Errorf("reading the rows of %s from place %d on: %w", s.Origin, index, rowErr)
		}
		if claims == 0 {
			bare = append(bare, Leaf{s.Origin, index, bytes.Clone(leaf), ""})
		}
		if len(gone) >= 512 {
			if err := settle(); err != nil {
				return bare, index, err
			}
		}
	}
	return bare, index, settle()
}

// mostClaims bounds the rows at one place that are looked at.
const mostClaims = 64

// claims are those of the rows at a place whose place counts: that a server noted, or where
// the row is what the log has. Another that no server noted is told of. One of before there
// were MACs counts where no other does and its row is not there, or is not genuine.
func (s Shard) claims(here []Row, leaf []byte, tell func(Finding)) []Row {
	var counts, doubtful []Row
	for _, row := range here {
		stands := !row.Gone && row.Fault == "" && bytes.Equal(row.Leaf, leaf)
		switch {
		case !row.Unproven || stands:
			counts = append(counts, row)
			if row.Forged {
				s.forged(row, tell)
			}
		case !row.Forged && (row.Gone || row.Fault != "" || row.Unsealed):
			doubtful = append(doubtful, row)
		default:
			s.forged(row, tell)
		}
	}
	if len(counts) == 0 {
		return doubtful
	}
	for _, row := range doubtful {
		s.forged(row, tell)
	}
	return counts
}

func (s Shard) forged(row Row, tell func(Finding)) {
	tell(Finding{Kind: PlaceForged, Origin: s.Origin, Index: row.Index, Event: row.Event, Pseudonym: row.Pseudonym})
}

// hold holds one row against the leaf of its place.
func (s Shard) hold(row Row, leaf []byte, tell func(Finding)) {
	f := Finding{Origin: s.Origin, Index: row.Index, Event: row.Event, Pseudonym: row.Pseudonym}
	switch {
	case row.Fault != "":
		f.Kind, f.Text = NotGenuine, row.Fault
		tell(f)
	case !bytes.Equal(row.Leaf, leaf):
		if f.Kind = OtherCommitment; row.Unsealed {
			f.Kind, f.Text = NotGenuine, NoSeal.with()
		}
		tell(f)
	case s.Counts != nil:
		s.Counts(row)
	}
}

func (s Shard) erased(gone []Leaf) (map[string]bool, error) {
	if len(gone) == 0 || s.Erased == nil {
		return nil, nil
	}
	events := make([]string, len(gone))
	for i, leaf := range gone {
		events[i] = leaf.Event
	}
	erased, err := s.Erased(events)
	if err != nil {
		return nil, fmt.Errorf("looking for the tombstones of %d events: %w", len(gone), err)
	}
	return erased, nil
}

// Leaf is a leaf whose row is not there. Event is the id that the place names, empty where
// there is no place either.
type Leaf struct {
	Origin string
	Index  uint64
	Bytes  []byte
	Event  string
}

// Bare is what is said of leaves that have no row anywhere.
func Bare(leaves []Leaf, tell func(Finding)) {
	for _, l := range leaves {
		tell(Finding{Kind: LeafWithoutRow, Origin: l.Origin, Index: l.Index, Event: l.Event})
	}
}

// Doubles are the leaves of some that no row commits to. A leaf that a crash had appended
// again is the same bytes as the one that has its row, and harms nothing.
func Doubles(leaves []Leaf, rows iter.Seq2[Row, error]) ([]Leaf, error) {
	if len(leaves) == 0 {
		return nil, nil
	}
	waiting := make(map[string]bool, len(leaves))
	for _, l := range leaves {
		waiting[string(l.Bytes)] = true
	}
	for row, err := range rows {
		if err != nil {
			return nil, fmt.Errorf("looking for the rows of %d leaves: %w", len(leaves), err)
		}
		if !row.Gone && row.Fault == "" {
			delete(waiting, string(row.Leaf))
		}
	}
	var rest []Leaf
	for _, l := range leaves {
		if waiting[string(l.Bytes)] {
			rest = append(rest, l)
		}
	}
	return rest, nil
}

// Unplaced holds rows that have no place against the time in which they should have one. A
// row that is not genuine is told as that, since it never gets one.
func Unplaced(rows iter.Seq2[Row, error], now time.Time, tell func(Finding)) error {
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("reading rows without a place: %w", err)
		}
		f := Finding{Event: row.Event, Pseudonym: row.Pseudonym}
		switch {
		case row.Fault != "":
			f.Kind, f.Text = NotGenuine, row.Fault
		case !row.At.Before(now.Add(-Within)):
			continue
		case row.Unsealed:
			f.Kind, f.Text = NotGenuine, NoSeal.with()
		default:
			f.Kind = RowWithoutLeaf
		}
		tell(f)
	}
	return nil
}

// Beyond tells of places beyond the end of their shard: of those that a server noted as rows
// that are not in the log.
func Beyond(origin string, rows iter.Seq2[Row, error], tell func(Finding)) error {
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("reading the places beyond the end of %s: %w", origin, err)
		}
		f := Finding{Kind: RowWithoutLeaf, Origin: origin, Index: row.Index, Event: row.Event, Pseudonym: row.Pseudonym}
		if row.Unproven {
			f.Kind = PlaceForged
		}
		tell(f)
	}
	return nil
}
