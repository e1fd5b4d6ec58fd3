package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"hopnhat/authz"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/handle"
)

// Heads keeps how far the shards of the release log are recorded (docs/decisions.md D10).
// Its statements use the connection of [Sites.Beat], which no load takes away, and are not
// counted in [DB.Stats]: they belong to no request.
type Heads struct{ db *handle.Handle }

const headColumns = "log, origin, epoch, size, root, checkpoint, verifier_key, writer, closed_at IS NOT NULL"

func scanHead(scan func(...any) error) (trees.Head, error) {
	var h trees.Head
	var epoch, size int64
	var root string
	if err := scan(&h.Log, &h.Origin, &epoch, &size, &root, &h.Checkpoint, &h.VerifierKey, &h.Writer, &h.Closed); err != nil {
		return trees.Head{}, err
	}
	raw, err := base64.StdEncoding.DecodeString(root)
	if err != nil || len(raw) != len(h.Root) || epoch < 0 || size < 0 {
		return trees.Head{}, fmt.Errorf("the recorded head of shard %s was altered", h.Origin)
	}
	h.Epoch, h.Size, h.Root = uint64(epoch), uint64(size), [sha256.Size]byte(raw)
	return h, nil
}

// Shards lists the recorded heads of a log.
func (s Heads) Shards(ctx context.Context, log string) ([]trees.Head, error) {
	rows, err := s.db.Beats().QueryContext(ctx, s.db.Bind("SELECT "+headColumns+" FROM log_shards WHERE log = ? ORDER BY origin"), log)
	if err != nil {
		return nil, handle.Wrap("listing the shards of a log", err)
	}
	defer rows.Close()
	var heads []trees.Head
	for rows.Next() {
		h, err := scanHead(rows.Scan)
		if err != nil {
			return nil, handle.Wrap("listing the shards of a log", err)
		}
		heads = append(heads, h)
	}
	return heads, handle.Wrap("listing the shards of a log", rows.Err())
}

// Begin records a shard that has no head yet, with what is already in it, under epoch 1;
// authz.ErrConflict if it has one.
func (s Heads) Begin(ctx context.Context, h trees.Head) error {
	return s.one(ctx, "beginning a shard of the log", `INSERT INTO log_shards
		(log, origin, epoch, size, root, checkpoint, verifier_key, writer, recorded_at) VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (origin) DO NOTHING`,
		h.Log, h.Origin, int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]), h.Checkpoint, h.VerifierKey, h.Writer,
		s.db.Now().UTC())
}

// Take makes a writer the one of an open shard, if nobody took it since epoch was read,
// and returns the head as it then is: the writer before can record nothing any more.
// Of racing calls one wins; the others get authz.ErrConflict.
func (s Heads) Take(ctx context.Context, origin string, epoch uint64, writer string) (trees.Head, error) {
	h, err := scanHead(s.db.Beats().QueryRowContext(ctx, s.db.Bind(`UPDATE log_shards SET epoch = epoch + 1, writer = ?
		WHERE origin = ? AND epoch = ? AND closed_at IS NULL RETURNING `+headColumns), writer, origin, int64(epoch)).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return trees.Head{}, fmt.Errorf("taking shard %s: another node took it: %w", origin, authz.ErrConflict)
	}
	return h, handle.Wrap("taking a shard of the log", err)
}

// Record records a larger tree of a shard, or the same one again, if the shard is open
// and its epoch still that of the head; authz.ErrConflict otherwise. A checkpoint is
// published only after that.
func (s Heads) Record(ctx context.Context, h trees.Head) error {
	return s.one(ctx, "recording a checkpoint", `UPDATE log_shards SET size = ?, root = ?, checkpoint = ?, recorded_at = ?
		WHERE origin = ? AND epoch = ? AND closed_at IS NULL AND (size < ? OR (size = ? AND root = ?))`,
		int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]), h.Checkpoint, s.db.Now().UTC(), h.Origin, int64(h.Epoch),
		int64(h.Size), int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]))
}

// one is a statement that changes one row or finds that it may not.
func (s Heads) one(ctx context.Context, doing, query string, args ...any) error {
	res, err := s.db.Beats().ExecContext(ctx, s.db.Bind(query), args...)
	if err != nil {
		return handle.Wrap(doing, err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return handle.Wrap(doing, err)
	} else if n == 0 {
		return fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	}
	return nil
}

// Close ends a shard at the size that is recorded, by its writer of an epoch;
// authz.ErrConflict if another took it. Events whose places lie beyond lose them in the
// same commit: their leaves are in no tree that was signed, and go into the next shard.
func (s Heads) Close(ctx context.Context, origin string, epoch uint64) error {
	tx, err := s.db.Beats().BeginTx(ctx, nil)
	if err != nil {
		return handle.Wrap("closing a shard of the log", err)
	}
	defer tx.Rollback()
	if s.db.Dialect() == PostgreSQL { // against DB.NotePlaces, which locks the key
		if _, err := tx.ExecContext(ctx, "SELECT 1 FROM log_shards WHERE origin = $1 FOR UPDATE", origin); err != nil {
			return handle.Wrap("closing a shard of the log", err)
		}
	}
	var size int64
	err = tx.QueryRowContext(ctx, s.db.Bind(`UPDATE log_shards SET closed_at = ?
		WHERE origin = ? AND epoch = ? AND closed_at IS NULL RETURNING size`), s.db.Now().UTC(), origin, int64(epoch)).Scan(&size)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("closing shard %s: another node took it: %w", origin, authz.ErrConflict)
	}
	if err != nil {
		return handle.Wrap("closing a shard of the log", err)
	}
	if _, err := tx.ExecContext(ctx, s.db.Bind("UPDATE events SET log_index = NULL, log_origin = ''"+
		" WHERE id IN (SELECT event_id FROM event_places WHERE origin = ? AND idx >= ?) AND log_origin = ? AND log_index >= ?"),
		origin, size, origin, size); err != nil {
		return handle.Wrap("closing a shard of the log", err)
	}
	return handle.Wrap("closing a shard of the log", tx.Commit())
}
