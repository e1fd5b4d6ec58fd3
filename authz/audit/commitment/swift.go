package commitment

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
)

// LeafOf is the leaf of canonical bytes under a salt, for whoever holds millions of rows
// against the log: it does not read the inside of the groups, which the commitment covers
// byte for byte. Of what is not canonical at the outside there is none; of what is not
// canonical inside of a group, it is one that no event has.
func LeafOf(canonical []byte, salt Salt) (id string, leaf []byte, err error) {
	var parts [13][]byte
	var eventType string
	if id, eventType, err = outside(canonical, &parts); err != nil {
		return "", nil, err
	}
	h := make([]byte, 0, 640)
	h = append(h, "hopnhat event v1\x00"...)
	h = append(strconv.AppendInt(h, int64(len(id)), 10), ':')
	h = append(h, id...)
	h = append(strconv.AppendInt(h, int64(len(eventType)), 10), ':')
	h = append(h, eventType...)
	h = append(strconv.AppendInt(h, int64(len(parts)), 10), ':')
	var work [2048]byte
	for i, g := range groupOrder {
		own := swiftMAC(work[:0], salt[:], derivePrefix[i], nil)
		canonical := parts[i]
		if len(canonical) == 0 {
			canonical = []byte(absent)
		}
		sum := swiftMAC(work[:0], own[:], digestPrefix[g], canonical)
		h = append(h, sum[:]...)
	}
	return id, Leaf(eventType, sha256.Sum256(h)), nil
}

// The groups in their order, and what stands before their bytes.
var (
	groupOrder   = Groups()
	derivePrefix = prefixes(func(g Group) string { return "hopnhat event salt v1\x00" + string(g) })
	digestPrefix = func() map[Group][]byte {
		m := map[Group][]byte{}
		for _, g := range groupOrder {
			m[g] = []byte("hopnhat event group v1\x00" + string(g) + "\x00")
		}
		return m
	}()
	groupNumber = func() map[string]int {
		m := map[string]int{}
		for i, g := range groupOrder {
			m[string(g)] = i
		}
		return m
	}()
)

// memberNames are the names of an event's members, by themselves: to find one allocates nothing.
var memberNames = func() map[string]string {
	m := map[string]string{"id": "id", "type": "type", "v": "v"}
	for _, g := range groupOrder {
		m[string(g)] = string(g)
	}
	return m
}()

func prefixes(of func(Group) string) (list [][]byte) {
	for _, g := range groupOrder {
		list = append(list, []byte(of(g)))
	}
	return list
}

// swiftMAC is HMAC-SHA256 (RFC 2104) under a key of 32 bytes, of two parts, in memory that
// is given: it allocates nothing while they fit.
func swiftMAC(work, key, first, second []byte) [sha256.Size]byte {
	var pad [sha256.BlockSize]byte
	xored(&pad, key, 0x36)
	work = append(append(append(work, pad[:]...), first...), second...)
	inner := sha256.Sum256(work)
	var outer [sha256.BlockSize + sha256.Size]byte
	xored((*[sha256.BlockSize]byte)(outer[:]), key, 0x5c)
	copy(outer[sha256.BlockSize:], inner[:])
	return sha256.Sum256(outer[:])
}

func xored(pad *[sha256.BlockSize]byte, key []byte, with byte) {
	word := uint64(with) * 0x0101010101010101
	for i := 0; i < len(pad); i += 8 {
		var k uint64
		if i < len(key) {
			k = binary.LittleEndian.Uint64(key[i:])
		}
		binary.LittleEndian.PutUint64(pad[i:], k^word)
	}
}

// outside reads the outside of the canonical bytes of an event: its members in their
// order, each at most once, with nothing between them.
func outside(canonical []byte, parts *[13][]byte) (id, eventType string, err error) {
	var version []byte
	before := ""
	err = Members(canonical, func(name string, value []byte) error {
		if name <= before {
			return fmt.Errorf("its member %q is out of order: %w", name, ErrNotCanonical)
		}
		before = name
		switch name {
		case "id":
			id = Text(value)
		case "type":
			eventType = Text(value)
		case "v":
			version = value
		default:
			i, known := groupNumber[name]
			if !known || value[0] != '{' || string(value) == absent {
				return fmt.Errorf("its member %q: %w", name, ErrNotCanonical)
			}
			parts[i] = value
		}
		return nil
	})
	switch {
	case err != nil:
		return "", "", fmt.Errorf("reading an event: %w", err)
	case string(version) != "1" || CheckID(id) != nil || !validType(eventType) || len(canonical) > MaxCanonical:
		return "", "", fmt.Errorf("reading an event: its id, type, version or size: %w", ErrNotCanonical)
	}
	return id, eventType, nil
}

// Text is a JSON text without escapes, as a value of [Members]; of any other value it is
// empty.
func Text(value []byte) string {
	if len(value) < 2 || value[0] != '"' || bytes.IndexByte(value, '\\') >= 0 {
		return ""
	}
	return string(value[1 : len(value)-1])
}

// Members gives the members of a JSON object that has nothing between its parts, in their
// order, each with the bytes of its value. It looks no further into a value than to find
// where that ends; visit ends it with an error.
func Members(object []byte, visit func(name string, value []byte) error) error {
	bad := func(at int) error { return fmt.Errorf("a JSON object at byte %d: %w", at, ErrNotCanonical) }
	if len(object) < 2 || object[0] != '{' || object[len(object)-1] != '}' {
		return bad(0)
	}
	if len(object) == 2 {
		return nil
	}
	for i := 1; ; i++ {
		end := textEnd(object, i)
		if end < 0 || end+1 >= len(object) || object[end] != ':' {
			return bad(i)
		}
		from := end + 1
		to := valueEnd(object, from)
		if to < 0 || to >= len(object) {
			return bad(from)
		}
		name, known := memberNames[string(object[i+1:end-1])]
		if !known {
			name = string(object[i+1 : end-1])
		}
		if err := visit(name, object[from:to]); err != nil {
			return err
		}
		switch i = to; {
		case object[i] == ',':
		case object[i] == '}' && i == len(object)-1:
			return nil
		default:
			return bad(i)
		}
	}
}

// textEnd is where a JSON text that begins at i has ended, negative if none begins there.
func textEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// valueEnd is where a JSON value that begins at i has ended, negative if it does not end.
func valueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return textEnd(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = textEnd(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	start := i
	for i < len(b) && b[i] != ',' && b[i] != '}' && b[i] != ']' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}
