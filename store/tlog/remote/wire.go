package remote

import (
	"encoding/binary"
	"errors"
	"fmt"

	"hopnhat/authz/audit"
)

// Bounds on one request to append.
const (
	maxEntry   = 1<<16 - 1
	maxEntries = 1024
	maxBody    = 1 << 20
	maxErasure = 4 << 10
	// MostErased is how many places one request to erase may be of.
	MostErased = 1 << 20
)

// errForm means that a body is not of entries.
var errForm = errors.New("the body is not a list of entries")

// marshal writes leaves, each after its length, and behind each its copy after its length if
// with is set: a node of the release before takes leaves alone.
func marshal(entries []audit.Entry, with bool) []byte {
	var body []byte
	part := func(p []byte) {
		body = binary.BigEndian.AppendUint16(body, uint16(len(p)))
		body = append(body, p...)
	}
	for _, entry := range entries {
		part(entry.Leaf)
		if with {
			part(entry.Copy)
		}
	}
	return body
}

// unmarshal reads what marshal wrote, and nothing else.
func unmarshal(body []byte, with bool) ([]audit.Entry, error) {
	var entries []audit.Entry
	part := func() ([]byte, error) {
		if len(body) < 2 {
			return nil, fmt.Errorf("%w: half a length at its end", errForm)
		}
		size := int(binary.BigEndian.Uint16(body))
		if body = body[2:]; size > len(body) {
			return nil, fmt.Errorf("%w: a part of %d bytes where %d are left", errForm, size, len(body))
		}
		p := body[:size]
		body = body[size:]
		return p, nil
	}
	for len(body) > 0 {
		if len(entries) == maxEntries {
			return nil, fmt.Errorf("%w: more than %d entries", errForm, maxEntries)
		}
		var entry audit.Entry
		var err error
		if entry.Leaf, err = part(); err == nil && len(entry.Leaf) == 0 {
			err = fmt.Errorf("%w: an empty entry", errForm)
		}
		if err == nil && with {
			entry.Copy, err = part()
		}
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: no entry", errForm)
	}
	return entries, nil
}

// erasure asks for the copies of one leaf to be erased, at a place or at so many from it on.
type erasure struct {
	place
	Count uint64 `json:"count"`
	// Leaf is the hash of the leaf, hex.
	Leaf string `json:"leaf"`
}

// place is where an entry stands, in an answer.
type place struct {
	Origin string `json:"origin"`
	Index  uint64 `json:"index"`
}

// Status is what a writer says of its log.
type Status struct {
	// Origin is the shard that takes entries.
	Origin string `json:"origin"`
	// Keys are the verifier keys of all shards that the writer knows.
	Keys []string `json:"keys"`
	// Cause is why the log does not work, and Code a stable word for it; both empty if it
	// works.
	Cause string `json:"cause,omitempty"`
	Code  string `json:"code,omitempty"`
	// Unexplained says that entries have no row in the database, empty if all have.
	Unexplained string `json:"unexplained,omitempty"`
}
