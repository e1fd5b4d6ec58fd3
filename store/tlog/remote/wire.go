package remote

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Bounds on one request to append.
const (
	maxEntry   = 1<<16 - 1
	maxEntries = 1024
	maxBody    = 1 << 20
)

// errForm means that a body is not of entries.
var errForm = errors.New("the body is not a list of entries")

// marshal writes entries, each after its length.
func marshal(entries [][]byte) []byte {
	var body []byte
	for _, entry := range entries {
		body = binary.BigEndian.AppendUint16(body, uint16(len(entry)))
		body = append(body, entry...)
	}
	return body
}

// unmarshal reads what marshal wrote, and nothing else.
func unmarshal(body []byte) ([][]byte, error) {
	var entries [][]byte
	for len(body) > 0 {
		if len(body) < 2 {
			return nil, fmt.Errorf("%w: half a length at its end", errForm)
		}
		size := int(binary.BigEndian.Uint16(body))
		body = body[2:]
		switch {
		case size == 0:
			return nil, fmt.Errorf("%w: an empty entry", errForm)
		case size > len(body):
			return nil, fmt.Errorf("%w: an entry of %d bytes where %d are left", errForm, size, len(body))
		case len(entries) == maxEntries:
			return nil, fmt.Errorf("%w: more than %d entries", errForm, maxEntries)
		}
		entries, body = append(entries, body[:size]), body[size:]
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%w: no entry", errForm)
	}
	return entries, nil
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
