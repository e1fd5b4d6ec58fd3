package releaselog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/seat"
)

// KeyOf is the verifier key of a shard; empty if it is not known.
func (l *Log) KeyOf(ctx context.Context, origin string) string {
	key, err := l.of(origin).Key(ctx, origin)
	if err != nil {
		return ""
	}
	return key
}

// Leaf is the leaf at a place of a shard, as far as a checkpoint covers it.
func (l *Log) Leaf(ctx context.Context, origin string, index uint64) ([]byte, error) {
	shard, err := l.Reader(ctx, origin)
	if err != nil {
		return nil, err
	}
	leaves, err := shard.Entries(ctx, index, 1)
	if err != nil || len(leaves) == 0 {
		return nil, fmt.Errorf("reading entry %d of %s: %w", index, origin, errors.Join(err, authz.ErrUnavailable))
	}
	return leaves[0], nil
}

// Proof proves an entry, and names the key of the shard it is in. It waits for
// the checkpoint that covers the entry, a few seconds at most.
func (l *Log) Proof(ctx context.Context, origin string, index uint64) (proof.Inclusion, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	shard, err := l.of(origin).Reader(ctx, origin)
	if err != nil {
		return proof.Inclusion{}, "", err
	}
	in, err := shard.Proof(ctx, index)
	return in, shard.VerifierKey(), err
}

// Bundle makes an export of what a query found, of whichever shards; the log that is written
// now signs it.
func (l *Log) Bundle(ctx context.Context, query []byte, made time.Time, found proof.Found) ([]byte, error) {
	const whole = 1000 // entries between the first and the last of a shard that are carried as leaves
	shard := func(origin string) (proof.Prover, error) { return l.of(origin).Reader(ctx, origin) }
	export, err := proof.Assemble(ctx, shard, query, made, found, whole)
	if err != nil {
		return nil, err
	}
	sign, vkeys, err := l.Signing()
	if err != nil {
		return nil, err
	}
	return export.Marshal(sign, vkeys...)
}

// tree is one of the logs, and its name without the shard.
func (l *Log) tree(log audit.Tree) (*seat.Log, string) {
	if log == audit.ConsentTree {
		return l.consents, ConsentOrigin(l.o.Origin)
	}
	return l.Log, l.o.Origin
}

// ShardFile is a file of a shard by its path in C2SP tlog-tiles: here, or at the node that
// writes the log.
func (l *Log) ShardFile(ctx context.Context, log audit.Tree, shard, path string) ([]byte, error) {
	of, name := l.tree(log)
	r, err := of.Reader(ctx, name+"/"+shard)
	if err != nil {
		return nil, err
	}
	return r.File(ctx, path)
}

// Newest is the newest checkpoint of the shard of a log that takes entries.
func (l *Log) Newest(ctx context.Context, log audit.Tree) ([]byte, error) {
	of, _ := l.tree(log)
	return of.Checkpoint(ctx)
}

// NewestKey is the verifier key of that shard; empty as long as it is not known here.
func (l *Log) NewestKey(log audit.Tree) string {
	of, _ := l.tree(log)
	return of.VerifierKey()
}
