package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"

	"hopnhat/authz"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Heads keeps how far the shards of the release log are recorded (docs/decisions.md D10).
// Its statements use the connection of [Sites.Beat], which no load takes away, and are not
// counted in [DB.Stats]: they belong to no request.
//
// Each head carries a MAC. One that is altered is listed as such, and nobody takes or ends the
// shard until an operator had it sealed anew ([Heads.Reseal]).
type Heads struct {
	db     *handle.Handle
	events evidence.Book
}

const headColumns = "log, origin, epoch, size, root, checkpoint, verifier_key, writer, closed_at IS NOT NULL, mac, missing_from"

// mark is what is under the MAC of a head.
func mark(h trees.Head) rowseal.Mark {
	says := []string{
		h.Log, h.Origin, strconv.FormatUint(h.Epoch, 10), strconv.FormatUint(h.Size, 10), base64.StdEncoding.EncodeToString(h.Root[:]),
		h.Checkpoint, h.VerifierKey, h.Writer, strconv.FormatBool(h.Closed),
	}
	if h.Missing != nil {
		says = append(says, strconv.FormatUint(*h.Missing, 10))
	}
	return rowseal.Mark{Table: rowseal.Heads, Says: says}
}

func (s Heads) seal(ctx context.Context, h trees.Head) (handle.Blob, error) {
	mac, err := s.events.Keys().SealMark(ctx, mark(h))
	return handle.Blob(mac), err
}

// scan reads a head. closing reads it as it was before a statement closed it.
func (s Heads) scan(ctx context.Context, closing bool, scan func(...any) error) (trees.Head, error) {
	var h trees.Head
	var epoch, size int64
	var root string
	var mac []byte
	var missing sql.NullInt64
	if err := scan(
		&h.Log, &h.Origin, &epoch, &size, &root, &h.Checkpoint, &h.VerifierKey, &h.Writer, &h.Closed, &mac, &missing,
	); err != nil {
		return trees.Head{}, err
	}
	if missing.Valid {
		from := uint64(missing.Int64)
		h.Missing = &from
	}
	h.Epoch, h.Size, h.Closed = uint64(epoch), uint64(size), h.Closed && !closing
	raw, err := base64.StdEncoding.DecodeString(root)
	if err != nil || len(raw) != len(h.Root) {
		h.Altered = true
		return h, nil
	}
	h.Root = [sha256.Size]byte(raw)
	keys := s.events.Keys()
	if keys == nil {
		return h, nil // of a program that has none, and decides nothing by it
	}
	proved, err := keys.ProvesMark(ctx, mark(h), mac)
	h.Altered = !proved
	return h, err
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
		h, err := s.scan(ctx, false, rows.Scan)
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
	h.Epoch, h.Closed = 1, false
	mac, err := s.seal(ctx, h)
	if err != nil {
		return err
	}
	return s.one(ctx, "beginning a shard of the log", `INSERT INTO log_shards
		(log, origin, epoch, size, root, checkpoint, verifier_key, writer, recorded_at, mac, missing_from)
		VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (origin) DO NOTHING`,
		h.Log, h.Origin, int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]), h.Checkpoint, h.VerifierKey, h.Writer,
		s.db.Now().UTC(), mac, place(h.Missing))
}

// place is a place as a column has it.
func place(of *uint64) any {
	if of == nil {
		return nil
	}
	return int64(*of)
}

// Miss notes from which place on entries of a shard may have no row, as the head says, of the
// tree and the epoch in it; authz.ErrConflict if another is recorded by now.
func (s Heads) Miss(ctx context.Context, h trees.Head) error {
	mac, err := s.seal(ctx, h)
	if err != nil {
		return err
	}
	return s.one(ctx, "noting entries of the log that have no row",
		"UPDATE log_shards SET missing_from = ?, mac = ? WHERE origin = ? AND epoch = ? AND size = ? AND root = ?",
		place(h.Missing), mac, h.Origin, int64(h.Epoch), int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]))
}

// Take makes a writer the one of an open shard, if nobody took it since epoch was read,
// and returns the head as it then is: the writer before can record nothing any more.
// Of racing calls one wins; the others get authz.ErrConflict.
func (s Heads) Take(ctx context.Context, origin string, epoch uint64, writer string) (taken trees.Head, err error) {
	const doing = "taking a shard of the log"
	err = s.held(ctx, doing, origin, epoch, "epoch = epoch", nil, func(tx *sql.Tx, h trees.Head) error {
		taken = h
		taken.Epoch, taken.Writer = epoch+1, writer
		mac, err := s.seal(ctx, taken)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE log_shards SET epoch = ?, writer = ?, mac = ? WHERE origin = ?"),
			int64(taken.Epoch), writer, mac, origin)
		return handle.Wrap(doing, err)
	})
	if err != nil {
		return trees.Head{}, err
	}
	return taken, nil
}

// held changes an open shard of an epoch, by one transaction that holds its row: it sets
// something, reads what was there before, and does the rest. authz.ErrConflict if the epoch is
// over, [trees.ErrAltered] if the head was altered.
func (s Heads) held(
	ctx context.Context, doing, origin string, epoch uint64, set string, args []any, do func(tx *sql.Tx, h trees.Head) error,
) error {
	tx, err := s.db.Beats().BeginTx(ctx, nil)
	if err != nil {
		return handle.Wrap(doing, err)
	}
	defer tx.Rollback()
	if s.db.Dialect() == PostgreSQL { // against DB.NotePlaces, which locks the key
		if _, err := tx.ExecContext(ctx, "SELECT 1 FROM log_shards WHERE origin = $1 FOR UPDATE", origin); err != nil {
			return handle.Wrap(doing, err)
		}
	}
	h, err := s.scan(ctx, true, tx.QueryRowContext(ctx, s.db.Bind("UPDATE log_shards SET "+set+
		" WHERE origin = ? AND epoch = ? AND closed_at IS NULL RETURNING "+headColumns), append(args, origin, int64(epoch))...).Scan)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: another node took shard %s: %w", doing, origin, authz.ErrConflict)
	case err != nil:
		return handle.Wrap(doing, err)
	case h.Altered:
		return fmt.Errorf("%s: shard %s: %w", doing, origin, trees.ErrAltered)
	}
	if err := do(tx, h); err != nil {
		return err
	}
	return handle.Wrap(doing, tx.Commit())
}

// Reseal takes the row of a head as it stands for what a server wrote. Whoever calls it has
// proved that it is so, by the checkpoint in it.
func (s Heads) Reseal(ctx context.Context, h trees.Head) error {
	mac, err := s.seal(ctx, h)
	if err != nil {
		return err
	}
	return s.one(ctx, "sealing a head anew", "UPDATE log_shards SET mac = ? WHERE origin = ? AND epoch = ? AND size = ? AND root = ?",
		mac, h.Origin, int64(h.Epoch), int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]))
}

// Record records a larger tree of a shard, or the same one again, if the shard is open
// and its epoch still that of the head; authz.ErrConflict otherwise. A checkpoint is
// published only after that.
func (s Heads) Record(ctx context.Context, h trees.Head) error {
	mac, err := s.seal(ctx, h)
	if err != nil {
		return err
	}
	return s.one(ctx, "recording a checkpoint", `UPDATE log_shards SET size = ?, root = ?, checkpoint = ?, recorded_at = ?, mac = ?, missing_from = ?
		WHERE origin = ? AND epoch = ? AND closed_at IS NULL AND (size < ? OR (size = ? AND root = ?))`,
		int64(h.Size), base64.StdEncoding.EncodeToString(h.Root[:]), h.Checkpoint, s.db.Now().UTC(), mac, place(h.Missing),
		h.Origin, int64(h.Epoch),
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
	const doing = "closing a shard of the log"
	return s.held(ctx, doing, origin, epoch, "closed_at = ?", []any{s.db.Now().UTC()}, func(tx *sql.Tx, h trees.Head) error {
		size := int64(h.Size)
		h.Closed = true
		mac, err := s.seal(ctx, h)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, s.db.Bind("UPDATE log_shards SET mac = ? WHERE origin = ?"), mac, origin); err != nil {
			return handle.Wrap(doing, err)
		}
		_, err = tx.ExecContext(ctx, s.db.Bind("UPDATE events SET log_index = NULL, log_origin = ''"+
			" WHERE id IN (SELECT event_id FROM event_places WHERE origin = ? AND idx >= ?) AND log_origin = ? AND log_index >= ?"),
			origin, size, origin, size)
		return handle.Wrap(doing, err)
	})
}
