package counts

import (
	"context"
	"crypto/sha256"
	"sync"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
)

// Memory is what the writer of a log noted of entries that are not counted yet. It is safe for
// concurrent use. The zero Memory is empty.
type Memory struct {
	mu     sync.Mutex
	shards map[string]map[uint64]noted
	bytes  int
	places int
}

// noted is an entry whose event is known, or has yet to be read from its copy.
type noted struct {
	tag  Tag
	copy []byte
	leaf [sha256.Size]byte
}

// What is remembered at most: entries beyond that are counted by their rows.
const (
	mostPlaces = 1 << 20
	mostBytes  = 32 << 20
)

// Note notes an entry that was given a place. The event of one that another node sent is in its
// copy.
func (m *Memory) Note(at audit.Place, e audit.Entry) {
	n := noted{tag: Of(e.Event.When.Decided, e.Event.Asked.Client, e.Event.Type)}
	if e.Event.ID == "" {
		n = noted{copy: e.Copy, leaf: copyseal.LeafHash(e.Leaf)}
		if len(e.Copy) == 0 {
			return
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.places >= mostPlaces || m.bytes+len(n.copy) > mostBytes {
		return
	}
	if m.shards == nil {
		m.shards = map[string]map[uint64]noted{}
	}
	shard := m.shards[at.Origin]
	if shard == nil {
		shard = map[uint64]noted{}
		m.shards[at.Origin] = shard
	}
	if _, twice := shard[at.Index]; !twice {
		shard[at.Index] = n
		m.places, m.bytes = m.places+1, m.bytes+len(n.copy)
	}
}

// Open reads the copy that stands beside a leaf: see [copyseal.Keys.Open].
type Open func(ctx context.Context, leaf [sha256.Size]byte, sealed []byte) (audit.Sealed, error)

// Tags are those of the noted entries of a stretch of a shard.
func (m *Memory) Tags(ctx context.Context, origin string, first, end uint64, open Open) map[uint64]Tag {
	found, sealed := map[uint64]Tag{}, map[uint64]noted{}
	m.mu.Lock()
	shard := m.shards[origin]
	for at := first; at < end && len(shard) > 0; at++ {
		switch n, there := shard[at]; {
		case there && n.copy != nil:
			sealed[at] = n
		case there:
			found[at] = n.tag
		}
	}
	m.mu.Unlock()
	for at, n := range sealed {
		// One that cannot be read is counted by its row.
		if s, err := open(ctx, n.leaf, n.copy); err == nil {
			found[at] = Of(s.Event.When.Decided, s.Event.Asked.Client, s.Event.Type)
		}
	}
	return found
}

// Forget forgets the entries of a shard before a place: they are counted.
func (m *Memory) Forget(origin string, end uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for at, n := range m.shards[origin] {
		if at < end {
			delete(m.shards[origin], at)
			m.places, m.bytes = m.places-1, m.bytes-len(n.copy)
		}
	}
	if len(m.shards[origin]) == 0 {
		delete(m.shards, origin)
	}
}
