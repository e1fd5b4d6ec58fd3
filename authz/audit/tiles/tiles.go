// Package tiles reads a log by the files of https://c2sp.org/tlog-tiles, wherever they come
// from, and proves from them that a tree of the log goes on from an older one.
package tiles

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"hopnhat/authz/audit/proof"
)

// Fetch reads a file of a log by its path below the prefix of the log. fs.ErrNotExist says
// that there is none.
type Fetch func(ctx context.Context, path string) ([]byte, error)

// Checkpoint is the path of the newest signed tree head.
const Checkpoint = "checkpoint"

const (
	height = 8           // of a tile
	width  = 1 << height // entries of a bundle, hashes of a tile
)

// form is what paths look like: tile/<L>/<N>[.p/<W>] and tile/entries/<N>[.p/<W>], where N is
// written in groups of three digits.
var form = regexp.MustCompile(`^tile/(?:[0-9]|[1-5][0-9]|6[0-3]|entries)/(?:x[0-9]{3}/){0,6}[0-9]{3}` +
	`(?:\.p/(?:[1-9]|[1-9][0-9]|1[0-9]{2}|2[0-4][0-9]|25[0-5]))?$`)

// Known reports whether a path is one of a file that a log serves. A group of zeroes leads
// no number.
func Known(path string) bool {
	if path == Checkpoint {
		return true
	}
	_, number, _ := strings.Cut(strings.TrimPrefix(path, "tile/"), "/")
	return form.MatchString(path) && !strings.HasPrefix(number, "x000/")
}

// Partial reports whether a path is of a tile or bundle that is not full yet, which another
// one replaces.
func Partial(path string) bool { return strings.Contains(path, ".p/") }

// number writes the index of a tile.
func number(n int64) string {
	text := fmt.Sprintf("%03d", n%1000)
	for n >= 1000 {
		n /= 1000
		text = fmt.Sprintf("x%03d/%s", n%1000, text)
	}
	return text
}

// path is where a tile is.
func path(t tlog.Tile, w int) string {
	p := "tile/" + strconv.Itoa(t.L) + "/" + number(t.N)
	if w < width {
		p += ".p/" + strconv.Itoa(w)
	}
	return p
}

// reader reads tiles for the library, which verifies each against the root.
type reader struct {
	ctx   context.Context
	fetch Fetch
}

func (r reader) Height() int { return height }

func (r reader) SaveTiles([]tlog.Tile, [][]byte) {}

func (r reader) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	out := make([][]byte, len(list))
	for i, t := range list {
		raw, err := r.fetch(r.ctx, path(t, t.W))
		if errors.Is(err, fs.ErrNotExist) && t.W < width {
			// A partial tile may be gone once there is the full one.
			raw, err = r.fetch(r.ctx, path(t, width))
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", path(t, t.W), err)
		}
		if len(raw) < t.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes: %w", path(t, t.W), len(raw), proof.ErrNotIncluded)
		}
		out[i] = raw[:t.W*tlog.HashSize]
	}
	return out, nil
}

// Consistency makes the proof that a tree goes on from the first entries of it, RFC 6962
// §2.1.2, from the tiles of the tree. What it reads of them is verified against the root of
// the tree. Where the older tree is known, the proof is still to be checked against it.
func Consistency(ctx context.Context, fetch Fetch, size uint64, tree proof.Checkpoint) ([]proof.Hash, error) {
	if size > tree.Size || tree.Size > 1<<62 {
		return nil, fmt.Errorf("the tree of %s has %d entries, fewer than %d: %w", tree.Origin, tree.Size, size, proof.ErrInconsistent)
	}
	if size == 0 || size == tree.Size {
		return nil, nil
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: int64(tree.Size), Hash: tlog.Hash(tree.Root)}, reader{ctx, fetch})
	proved, err := tlog.ProveTree(int64(tree.Size), int64(size), hashes)
	if err != nil {
		return nil, fmt.Errorf("proving that %d entries of %s go on from %d: %w", tree.Size, tree.Origin, size, err)
	}
	out := make([]proof.Hash, len(proved))
	for i, h := range proved {
		out[i] = proof.Hash(h)
	}
	return out, nil
}

// Root recomputes the root of the first entries of a tree from its tiles, which are verified
// against the root of the tree.
func Root(ctx context.Context, fetch Fetch, size uint64, tree proof.Checkpoint) (proof.Hash, error) {
	if size == 0 || size > tree.Size || tree.Size > 1<<62 {
		return proof.Hash{}, fmt.Errorf("the tree of %s has %d entries: %w", tree.Origin, tree.Size, proof.ErrInconsistent)
	}
	hashes := tlog.TileHashReader(tlog.Tree{N: int64(tree.Size), Hash: tlog.Hash(tree.Root)}, reader{ctx, fetch})
	root, err := tlog.TreeHash(int64(size), hashes)
	if err != nil {
		return proof.Hash{}, fmt.Errorf("the root of %d entries of %s: %w", size, tree.Origin, err)
	}
	return proof.Hash(root), nil
}
