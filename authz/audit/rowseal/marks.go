package rowseal

import (
	"context"
	"encoding/binary"
	"slices"
	"time"

	"hopnhat/keys/seal"
)

// Place is a row of the places of leaves, as it is kept.
type Place struct {
	Origin string
	Index  uint64
	Event  string
	Late   bool
	// Noted is when it was noted, in whole microseconds.
	Noted time.Time
}

// append adds what is under the MAC of a place.
func (p Place) append(b []byte) []byte {
	late := uint64(0)
	if p.Late {
		late = 1
	}
	b = part(slices.Grow(b, 160), "hopnhat event place v1")
	b = part(b, p.Origin)
	b = part(b, p.Event)
	for _, n := range []uint64{p.Index, late, uint64(p.Noted.UnixMicro())} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

// part adds a text with its length before it.
func part(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

// SealPlace makes the MAC of a place that is about to be noted. Without keys there is none.
func (k *Keys) SealPlace(ctx context.Context, p Place) ([]byte, error) {
	return k.mark(ctx, "places", p.append(nil))
}

// ProvesPlace reports whether a MAC is that of a place: a server noted it, when the log had
// taken the event's leaf there. An error is of the keyring. A place without a MAC, or with a
// wrong one, counts only where the log has the leaf.
func (k *Keys) ProvesPlace(ctx context.Context, p Place, mac []byte) (bool, error) {
	b := scratch.Get().(*[]byte)
	defer scratch.Put(b)
	*b = p.append((*b)[:0])
	return k.marked(ctx, "places", *b, mac)
}

// SealSince makes the MAC of the time since which rows carry MACs.
func (k *Keys) SealSince(ctx context.Context, since time.Time) ([]byte, error) {
	return k.mark(ctx, "sealed since", sinceBytes(since))
}

// ProvesSince reports whether a MAC is that of the time since which rows carry MACs.
func (k *Keys) ProvesSince(ctx context.Context, since time.Time, mac []byte) (bool, error) {
	return k.marked(ctx, "sealed since", sinceBytes(since), mac)
}

func sinceBytes(since time.Time) []byte {
	return binary.BigEndian.AppendUint64(part(nil, "hopnhat evidence sealed v1"), uint64(since.UnixMicro()))
}

// mark is the MAC of a row of a table beside the events, under a key for that table.
func (k *Keys) mark(ctx context.Context, table string, under []byte) ([]byte, error) {
	if k == nil {
		return nil, nil
	}
	key, err := k.key(ctx, seal.EvidenceTables.Version(table))
	if err != nil {
		return nil, err
	}
	return key.MAC(under), nil
}

func (k *Keys) marked(ctx context.Context, table string, under, mac []byte) (bool, error) {
	if k == nil || len(mac) == 0 {
		return false, nil
	}
	key, err := k.key(ctx, seal.EvidenceTables.Version(table))
	if err != nil {
		return false, err
	}
	return key.Genuine(mac, under), nil
}

// Mark is a row of a table that says what became of the evidence: the table, and what its row
// says, always in the same order.
type Mark struct {
	Table Table
	Says  []string
}

// Table separates the MACs of one table from those of another.
type Table string

// The tables.
const (
	Heads     Table = "heads"     // of the shards of the log
	Decisions Table = "decisions" // of operators on the log
	Incidents Table = "incidents"
	Looks     Table = "looks" // how far reconciliation has come
	Counters  Table = "counters"
)

func (m Mark) bytes() []byte {
	b := part(make([]byte, 0, 512), "hopnhat evidence table v1")
	for _, s := range m.Says {
		b = part(b, s)
	}
	return b
}

// SealMark makes the MAC of a row of a table. Without keys there is none.
func (k *Keys) SealMark(ctx context.Context, m Mark) ([]byte, error) {
	return k.mark(ctx, string(m.Table), m.bytes())
}

// ProvesMark reports whether a MAC is that of a row of a table: a server or a tool wrote it so.
// An error is of the keyring.
func (k *Keys) ProvesMark(ctx context.Context, m Mark, mac []byte) (bool, error) {
	return k.marked(ctx, string(m.Table), m.bytes(), mac)
}
