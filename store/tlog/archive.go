package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz"
)

// Archive reads the shards of a log that are in a folder, and knows the keys of all.
type Archive struct {
	// Log is the name all shards of the site share, Dir their folder.
	Log, Dir string
	// KeyFile holds the verifier key of each shard, one a line, where auditors look.
	KeyFile string

	mu sync.Mutex // of the file
}

// Keys are the verifier keys of all shards, in the order in which they began.
func (a *Archive) Keys() ([]string, error) {
	raw, err := os.ReadFile(a.KeyFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the keys of the log: %w", err)
	}
	return strings.Fields(string(raw)), nil
}

// Key is the verifier key of a shard; authz.ErrNotFound if it is not known here.
func (a *Archive) Key(origin string) (string, error) {
	keys, err := a.Keys()
	if err != nil {
		return "", err
	}
	for _, vkey := range keys {
		if strings.HasPrefix(vkey, origin+"+") {
			return vkey, nil
		}
	}
	return "", fmt.Errorf("no key of log %q is known here: %w", origin, authz.ErrNotFound)
}

// AddKeys adds verifier keys of shards of this log to the file; those that are there
// stay. A key of another log is refused.
func (a *Archive) AddKeys(vkeys ...string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, err := a.Keys()
	if err != nil {
		return err
	}
	all := slices.Clone(known)
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return fmt.Errorf("adding a key of the log: %q is none", vkey)
		}
		if _, err := ParseName(a.Log, v.Name()); err != nil {
			return fmt.Errorf("adding a key of the log: %w", err)
		}
		if !slices.Contains(all, vkey) {
			all = append(all, vkey)
		}
	}
	if len(all) == len(known) {
		return nil
	}
	if err := os.WriteFile(a.KeyFile, []byte(strings.Join(all, "\n")+"\n"), 0o644); err != nil {
		return fmt.Errorf("adding a key of the log: %w", err)
	}
	return nil
}

// Has reports whether the folder holds a shard.
func (a *Archive) Has(n Name) bool {
	_, err := os.Stat(n.Dir(a.Dir))
	return err == nil
}

// Reader reads a shard of the folder.
func (a *Archive) Reader(ctx context.Context, origin string) (*Reader, error) {
	n, err := ParseName(a.Log, origin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authz.ErrNotFound, err)
	}
	vkey, err := a.Key(origin)
	if err != nil {
		return nil, err
	}
	return OpenReader(ctx, Folder(n.Dir(a.Dir)), vkey)
}
