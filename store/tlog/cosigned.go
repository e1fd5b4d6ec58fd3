package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/inspect"
)

// CosignedPath is the newest checkpoint of a shard that witnesses cosigned, beside its
// checkpoint. Witnesses are asked after a checkpoint is published, so it is of a smaller tree
// for a moment, and of a much smaller one while they are down.
const CosignedPath = "checkpoint.cosigned"

// KeepCosigned keeps a checkpoint of a shard that witnesses cosigned, in place of the one before.
func (a *Archive) KeepCosigned(n Name, raw []byte) error {
	if err := inspect.Replace(filepath.Join(n.Dir(a.Dir), CosignedPath), raw); err != nil {
		return fmt.Errorf("keeping a cosigned checkpoint: %w", err)
	}
	return nil
}

// Cosigned is the newest checkpoint that witnesses cosigned. Verified is that the log signed
// it; who trusts witnesses verifies their lines. fs.ErrNotExist says that there is none.
func (r *Reader) Cosigned(ctx context.Context) ([]byte, proof.Checkpoint, error) {
	raw, err := r.files.Read(ctx, CosignedPath)
	if err != nil {
		return nil, proof.Checkpoint{}, fmt.Errorf("reading the cosigned checkpoint: %w", err)
	}
	c, err := proof.OpenCheckpoint(raw, r.verifiers...)
	if err != nil {
		return nil, proof.Checkpoint{}, fmt.Errorf("reading the cosigned checkpoint: %w", err)
	}
	return raw, c, nil
}

// best is the checkpoint that proves most of an entry: the cosigned one where it covers it,
// and otherwise the newest. One that cannot be read keeps nobody from a proof.
func (r *Reader) best(ctx context.Context, index uint64) ([]byte, proof.Checkpoint, error) {
	if raw, c, err := r.Cosigned(ctx); err == nil && index < c.Size {
		return raw, c, nil
	}
	return r.checkpoint(ctx)
}

// Head is the newest signed tree head, verified; fs.ErrNotExist says that there is none.
func (r *Reader) Head(ctx context.Context) ([]byte, proof.Checkpoint, error) {
	return r.checkpoint(ctx)
}

// File reads a file of the shard by its path in C2SP tlog-tiles.
func (r *Reader) File(ctx context.Context, path string) ([]byte, error) {
	raw, err := r.files.Read(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s of log %s: %w", path, r.origin, fs.ErrNotExist)
	}
	return raw, err
}
