package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/tlog/inspect"
	"hopnhat/store/tlog/sole"
)

// Archive reads the shards of a log that are in a folder, and knows the keys of all.
type Archive struct {
	// Log is the name all shards of the site share, Dir their sole.
	Log, Dir string
	// KeyFile holds the verifier key of each shard, one a line, where auditors look. The logs
	// of a site share it.
	KeyFile string
}

// Keys are the verifier keys of the shards of this log that are known here.
func (a *Archive) Keys() ([]string, error) {
	all, err := a.keys()
	return slices.DeleteFunc(all, func(vkey string) bool {
		v, err := note.NewVerifier(vkey)
		if err == nil {
			_, err = ParseName(a.Log, v.Name())
		}
		return err != nil
	}), err
}

// keys are those of the file, which the logs of a site share.
func (a *Archive) keys() ([]string, error) {
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

// keyFiles is held while a file of keys is written.
var keyFiles sync.Mutex

// AddKeys adds verifier keys of shards of this log to the file; those that are there
// stay. A key of another log is refused.
func (a *Archive) AddKeys(vkeys ...string) error {
	keyFiles.Lock()
	defer keyFiles.Unlock()
	known, err := a.keys()
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

// Mend gives shards of the folder that are closed their last checkpoint, where the writer
// was replaced after it was recorded and before it was published.
func (a *Archive) Mend(ctx context.Context, heads Heads) error {
	list, err := heads.Shards(ctx, a.Log)
	if err != nil {
		return err
	}
	var failed error
	for _, h := range list {
		n, err := ParseName(a.Log, h.Origin)
		if err == nil && h.Closed && !h.Altered && h.Checkpoint != "" && a.Has(n) {
			err = a.mend(ctx, n, h)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

func (a *Archive) mend(ctx context.Context, n Name, h trees.Head) error {
	dir := n.Dir(a.Dir)
	lock, err := sole.Take(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	_, published, err := readCheckpoint(ctx, dir, h.VerifierKey)
	if err != nil || published.Size >= h.Size {
		return err
	}
	r, err := openReader(Folder(dir), []string{h.VerifierKey})
	if err != nil {
		return err
	}
	c, err := proof.OpenCheckpoint([]byte(h.Checkpoint), r.verifiers...)
	if err != nil {
		return fmt.Errorf("the last checkpoint of %s: %w", h.Origin, err)
	}
	if err := r.checkDisk(ctx, c); err != nil {
		return fmt.Errorf("the last checkpoint of %s: %w", h.Origin, err)
	}
	return inspect.Replace(filepath.Join(dir, layout.CheckpointPath), []byte(h.Checkpoint))
}

// Reader reads a shard of the sole.
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
