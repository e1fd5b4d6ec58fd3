// Package delta writes what one file has that another has not, as pieces of the other and text in
// between. Files that a resolver keeps are sorted, so what stayed is a few long pieces. A delta is
// not signed: what comes out is held against the digest that was signed.
package delta

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
)

// MaxBytes bounds a delta, and maxBraces what it is decoded into: nobody signs it.
const (
	MaxBytes  = 128 << 20
	maxBraces = 1 << 20
)

// ErrInvalid is what every refusal wraps.
var ErrInvalid = errors.New("not a delta to the file that is here")

// form is a delta as it is written.
type form struct {
	// Base is the digest of the file that the pieces are of, SHA-256 in hexadecimal.
	Base string `json:"base"`
	Ops  []op   `json:"ops"`
}

// op is N tokens of the base from From on, and text after them.
type op struct {
	From int    `json:"from,omitempty"`
	N    int    `json:"n,omitempty"`
	Text string `json:"text,omitempty"`
}

// Digest is SHA-256 of a file, in hexadecimal.
func Digest(file []byte) string {
	sum := sha256.Sum256(file)
	return hex.EncodeToString(sum[:])
}

// tokens cuts a file after each quotation mark: a statement is one token.
func tokens(file []byte) [][]byte { return bytes.SplitAfter(file, []byte{'"'}) }

// Make writes the delta from a base to a file.
func Make(base, file []byte) ([]byte, error) {
	old, places := tokens(base), map[string]int{}
	for i, token := range old {
		if _, known := places[string(token)]; !known {
			places[string(token)] = i
		}
	}
	f := form{Base: Digest(base), Ops: []op{{}}}
	for _, token := range tokens(file) {
		last := &f.Ops[len(f.Ops)-1]
		next := last.From + last.N
		if last.N > 0 && last.Text == "" && next < len(old) && bytes.Equal(old[next], token) {
			last.N++
			continue
		}
		if at, known := places[string(token)]; known && len(token) > minPiece {
			f.Ops = append(f.Ops, op{From: at, N: 1})
			continue
		}
		last.Text += string(token)
	}
	raw, err := json.Marshal(f)
	if err == nil && !bounded(raw) {
		err = ErrTooLong
	}
	return raw, err
}

// ErrTooLong means that a delta would be longer than one may be: the file itself is taken instead.
var ErrTooLong = errors.New("the delta is too long")

// bounded reports whether a delta may be decoded.
func bounded(raw []byte) bool {
	return len(raw) <= MaxBytes && bytes.Count(raw, []byte{'{'}) <= maxBraces
}

// minPiece is how long a token is that begins a piece, in bytes: a shorter one is text.
const minPiece = 64

// Apply makes the file again from a base and a delta. It is no longer than limit bytes. The error
// wraps [ErrInvalid].
func Apply(base, raw []byte, limit int) ([]byte, error) {
	if !bounded(raw) {
		return nil, fmt.Errorf("%w: it is longer than %d bytes, or has more than %d pieces", ErrInvalid, MaxBytes, maxBraces)
	}
	var f form
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%w: it is not JSON of its form", ErrInvalid)
	}
	if f.Base != Digest(base) {
		return nil, fmt.Errorf("%w: it is one to the file with the digest %.64q", ErrInvalid, f.Base)
	}
	old := tokens(base)
	// ends[i] is where token i begins, so that a piece is one slice.
	ends := make([]int, len(old)+1)
	for i, token := range old {
		ends[i+1] = ends[i] + len(token)
	}
	size := 0
	for _, o := range f.Ops {
		if o.From < 0 || o.N < 0 || o.From > len(old) || o.N > len(old)-o.From {
			return nil, fmt.Errorf("%w: a piece is not in the file", ErrInvalid)
		}
		piece := ends[o.From+o.N] - ends[o.From] + len(o.Text)
		if piece > math.MaxInt-size || size+piece > limit {
			return nil, fmt.Errorf("%w: it makes more than %d bytes", ErrInvalid, limit)
		}
		size += piece
	}
	file := make([]byte, 0, size)
	for _, o := range f.Ops {
		file = append(append(file, base[ends[o.From]:ends[o.From+o.N]]...), o.Text...)
	}
	return file, nil
}
