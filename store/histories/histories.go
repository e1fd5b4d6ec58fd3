// Package histories keeps what nodes found of the entities of a federation, and when they had
// gone through it.
package histories

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/history"
	"hopnhat/store/handle"
)

// Book has verdicts by node, entity and time. Rows are added, and deleted when they are old. It
// is safe for concurrent use.
type Book struct{ *handle.Handle }

// NewestVerdicts are the digests of the newest verdicts of a node, by entity; no row of a time to
// come is one.
func (db Book) NewestVerdicts(ctx context.Context, node string) (map[federation.EntityID]string, error) {
	var rows []struct {
		ID     string `gorm:"column:entity_id"`
		Digest string `gorm:"column:digest"`
	}
	err := db.Reader(ctx).Raw(`SELECT v.entity_id, v.digest FROM federation_verdicts v JOIN
		(SELECT entity_id, max(at) AS at FROM federation_verdicts WHERE node = ? AND at <= ? GROUP BY entity_id) n
		ON v.entity_id = n.entity_id AND v.at = n.at WHERE v.node = ?`, node, db.Now().UTC(), node).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("reading the newest verdicts", err)
	}
	all := make(map[federation.EntityID]string, len(rows))
	for _, r := range rows {
		all[federation.EntityID(r.ID)] = r.Digest
	}
	return all, nil
}

// batch is how many rows one statement adds.
const batch = 200

// KeepWalk adds a walk with the verdicts that were others, in one commit.
func (db Book) KeepWalk(ctx context.Context, node string, w history.Walk, rows []history.Row) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		err := db.Writer(ctx).Exec("INSERT INTO federation_walks (node, at, trusted, failed) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			node, w.At.UTC(), w.Trusted, w.Failed).Error
		if err != nil {
			return handle.Wrap("keeping a walk through the federation", err)
		}
		for some := range slices.Chunk(rows, batch) {
			var values []any
			for _, r := range some {
				record, err := json.Marshal(r.Verdict)
				if err != nil {
					return handle.Wrap("encoding a verdict", err)
				}
				values = append(values, node, string(r.Entity), r.At.UTC(), r.Digest, string(record))
			}
			query := "INSERT INTO federation_verdicts (node, entity_id, at, digest, record) VALUES " +
				strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?), ", len(some)), ", ") + " ON CONFLICT DO NOTHING"
			if err := db.Writer(ctx).Exec(query, values...).Error; err != nil {
				return handle.Wrap("keeping verdicts on the federation", err)
			}
		}
		return nil
	})
}

// PurgeHistory deletes at most limit rows of each table that are not needed after a time: a
// verdict is needed until another took its place before that time. It says of which table most
// were deleted.
func (db Book) PurgeHistory(ctx context.Context, before time.Time, limit int) (int64, error) {
	verdicts, err := db.Change(ctx, "deleting old verdicts", `DELETE FROM federation_verdicts WHERE (node, entity_id, at) IN
		(SELECT v.node, v.entity_id, v.at FROM federation_verdicts v WHERE v.at < ? AND EXISTS (SELECT 1 FROM federation_verdicts n
		WHERE n.node = v.node AND n.entity_id = v.entity_id AND n.at > v.at AND n.at <= ?) LIMIT ?)`, before.UTC(), before.UTC(), limit)
	if err != nil {
		return 0, err
	}
	walks, err := db.Change(ctx, "deleting old walks", `DELETE FROM federation_walks WHERE (node, at) IN
		(SELECT node, at FROM federation_walks WHERE at < ? LIMIT ?)`, before.UTC(), limit)
	return max(verdicts, walks), err
}

// maxNodes bounds the nodes that one answer is of.
const maxNodes = 64

// VerdictsAt is what each node knew of an entity at a time, in the order of their names: the
// newest verdict up to then, with the walks before and behind. Empty if nobody walked by then
// or later.
func (db Book) VerdictsAt(ctx context.Context, id federation.EntityID, at time.Time) ([]history.Answer, error) {
	const doing = "reading what was found of an entity"
	at = at.UTC()
	var nodes []string
	err := db.Reader(ctx).Raw("SELECT DISTINCT node FROM federation_walks ORDER BY node LIMIT ?", maxNodes).Scan(&nodes).Error
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	answers := make([]history.Answer, len(nodes))
	for i, node := range nodes {
		a := &answers[i]
		a.Node = node
		if a.Before, err = db.walk(ctx, "at <= ? ORDER BY at DESC", node, at); err != nil {
			return nil, err
		}
		if a.After, err = db.walk(ctx, "at > ? ORDER BY at", node, at); err != nil {
			return nil, err
		}
		var found []struct {
			At     time.Time `gorm:"column:at"`
			Record string    `gorm:"column:record"`
		}
		err := db.Reader(ctx).Raw(`SELECT at, record FROM federation_verdicts WHERE node = ? AND entity_id = ? AND at <= ?
			ORDER BY at DESC LIMIT 1`, node, string(id), at).Scan(&found).Error
		if err != nil {
			return nil, handle.Wrap(doing, err)
		}
		if len(found) == 0 {
			continue
		}
		a.Since = found[0].At.UTC()
		if err := json.Unmarshal([]byte(found[0].Record), &a.Verdict); err != nil {
			return nil, handle.Wrap(doing, err)
		}
	}
	return answers, nil
}

// walk is the time of a node's walk by a condition; zero if there is none.
func (db Book) walk(ctx context.Context, condition, node string, at time.Time) (time.Time, error) {
	var found []struct {
		At time.Time `gorm:"column:at"`
	}
	err := db.Reader(ctx).Raw("SELECT at FROM federation_walks WHERE node = ? AND "+condition+" LIMIT 1", node, at).Scan(&found).Error
	if err != nil || len(found) == 0 {
		return time.Time{}, handle.Wrap("reading the walks through the federation", err)
	}
	return found[0].At.UTC(), nil
}
