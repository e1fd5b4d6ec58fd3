// Package keybook keeps what the nodes tell each other of the keys, in tables of the main
// database.
package keybook

import (
	"context"
	"slices"
	"strings"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
	"hopnhat/store/handle"
)

// Book implements lifecycle.Ledger.
type Book struct{ *handle.Handle }

var _ lifecycle.Ledger = Book{}

type lifeRow struct {
	KeyID       string     `gorm:"column:key_id"`
	Use         string     `gorm:"column:use"`
	Alg         string     `gorm:"column:alg"`
	State       string     `gorm:"column:state"`
	Urgent      bool       `gorm:"column:urgent"`
	AnnouncedAt time.Time  `gorm:"column:announced_at"`
	PublishedAt *time.Time `gorm:"column:published_at"`
	ActivatedAt *time.Time `gorm:"column:activated_at"`
	RetiringAt  *time.Time `gorm:"column:retiring_at"`
	EndedAt     *time.Time `gorm:"column:ended_at"`
}

// Keyring is the keyring that the database is of, empty if it has none yet.
func (db Book) Keyring(ctx context.Context) (lifecycle.KeyringID, error) {
	var ids []string
	err := db.Reader(ctx).Raw("SELECT id FROM keyring").Scan(&ids).Error
	return lifecycle.KeyringID(strings.Join(ids, "")), handle.Wrap("reading the keyring's name", err)
}

// RecordKeyring makes the database one of a keyring, unless it is of one already,
// and tells of which it is.
func (db Book) RecordKeyring(ctx context.Context, id lifecycle.KeyringID) (lifecycle.KeyringID, error) {
	if err := db.Writer(ctx).Exec("INSERT INTO keyring (one, id, recorded_at) VALUES (1, ?, ?) ON CONFLICT DO NOTHING", string(id), db.Now().UTC()).Error; err != nil {
		return "", handle.Wrap("recording the keyring's name", err)
	}
	var recorded string
	err := db.Writer(ctx).Raw("SELECT id FROM keyring").Scan(&recorded).Error
	return lifecycle.KeyringID(recorded), handle.Wrap("reading the keyring's name", err)
}

// KeyVersions lists all key versions there ever were.
func (db Book) KeyVersions(ctx context.Context) ([]lifecycle.VersionState, error) {
	var rows []lifeRow
	if err := db.Reader(ctx).Raw(`SELECT key_id, use, alg, state, urgent, announced_at, published_at, activated_at, retiring_at, ended_at
		FROM key_versions ORDER BY announced_at, key_id`).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("reading the versions of the keys", err)
	}
	out := make([]lifecycle.VersionState, len(rows))
	for i, r := range rows {
		out[i] = lifecycle.VersionState{
			KeyID: keys.KeyID(r.KeyID), Use: keys.Use(r.Use), Algorithm: keys.Algorithm(r.Alg), State: keys.State(r.State),
			Urgent:    r.Urgent,
			Announced: r.AnnouncedAt.UTC(), Published: handle.Time(r.PublishedAt), Activated: handle.Time(r.ActivatedAt),
			Retiring: handle.Time(r.RetiringAt), Ended: handle.Time(r.EndedAt),
		}
	}
	return out, nil
}

// AnnounceKey adds a version unless it is known. A first version that comes in as
// the active one loses to another that is already.
func (db Book) AnnounceKey(ctx context.Context, l lifecycle.VersionState) (added bool, err error) {
	res := db.Writer(ctx).Exec(`INSERT INTO key_versions (key_id, use, alg, state, urgent, announced_at, published_at, activated_at, retiring_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(l.KeyID), string(l.Use), string(l.Algorithm), string(l.State), l.Urgent, l.Announced.UTC(),
		handle.NullTime(l.Published), handle.NullTime(l.Activated), handle.NullTime(l.Retiring))
	return res.RowsAffected == 1, handle.Wrap("announcing a key version", res.Error)
}

// MoveKey makes one transition, if the version is where it is thought to be. The
// old active version makes room first, since the index allows one.
func (db Book) MoveKey(ctx context.Context, s lifecycle.Step, at time.Time) error {
	column := map[keys.State]string{
		keys.Published: "published_at", keys.Active: "activated_at", keys.Retiring: "retiring_at", keys.Retired: "ended_at", keys.Revoked: "ended_at",
	}[s.To]
	return db.Tx(ctx, func(ctx context.Context) error {
		if s.To == keys.Active {
			if err := db.Writer(ctx).Exec("UPDATE key_versions SET state = 'retiring', retiring_at = ? WHERE use = ? AND alg = ? AND state = 'active' AND key_id <> ?",
				at.UTC(), string(s.Use), string(s.Algorithm), string(s.KeyID)).Error; err != nil {
				return handle.Wrap("retiring a key version", err)
			}
		}
		// The predecessor of a new active version is retiring by then: being there
		// already is as good.
		res := db.Writer(ctx).Exec("UPDATE key_versions SET state = ?, "+column+" = COALESCE("+column+", ?) WHERE key_id = ? AND state IN (?, ?)",
			string(s.To), at.UTC(), string(s.KeyID), string(s.From), string(s.To))
		if res.Error != nil {
			return handle.Wrap("moving a key version", res.Error)
		}
		if res.RowsAffected == 0 {
			return lifecycle.ErrMoved
		}
		return nil
	})
}

// ExpediteKey makes a version urgent.
func (db Book) ExpediteKey(ctx context.Context, id keys.KeyID) error {
	return handle.OneRow("hurrying a key version", db.Writer(ctx).Exec("UPDATE key_versions SET urgent = ? WHERE key_id = ?", true, string(id)))
}

// RecordHeartbeat says that a node lives, and forgets nodes that are long gone.
func (db Book) RecordHeartbeat(ctx context.Context, n lifecycle.Node) error {
	serving := make([]string, len(n.Serving))
	for i, id := range n.Serving {
		serving[i] = string(id)
	}
	return handle.Wrap("noting a node", db.Writer(ctx).Exec(`INSERT INTO key_nodes (id, seen_at, serving) VALUES (?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, serving = excluded.serving`,
		n.ID, n.Seen.UTC(), strings.Join(serving, " ")).Error)
}

// KeyNodes lists the nodes seen since a time.
func (db Book) KeyNodes(ctx context.Context, since time.Time) ([]lifecycle.Node, error) {
	var rows []struct {
		ID      string    `gorm:"column:id"`
		SeenAt  time.Time `gorm:"column:seen_at"`
		Serving string    `gorm:"column:serving"`
	}
	if err := db.Reader(ctx).Raw("SELECT id, seen_at, serving FROM key_nodes WHERE seen_at >= ? ORDER BY id", since.UTC()).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("reading the nodes", err)
	}
	out := make([]lifecycle.Node, len(rows))
	for i, r := range rows {
		out[i] = lifecycle.Node{ID: r.ID, Seen: r.SeenAt.UTC()}
		for _, id := range strings.Fields(r.Serving) {
			out[i].Serving = append(out[i].Serving, keys.KeyID(id))
		}
	}
	return out, nil
}

// DropKeyNode forgets a node.
func (db Book) DropKeyNode(ctx context.Context, id string) error {
	return handle.Wrap("forgetting a node", db.Writer(ctx).Exec("DELETE FROM key_nodes WHERE id = ?", id).Error)
}

// LeaseKeys takes or keeps the lease.
func (db Book) LeaseKeys(ctx context.Context, node string, now, until time.Time) (bool, error) {
	res := db.Writer(ctx).Exec(`INSERT INTO key_lease (one, node, expires_at) VALUES (1, ?, ?)
		ON CONFLICT (one) DO UPDATE SET node = excluded.node, expires_at = excluded.expires_at
		WHERE key_lease.node = excluded.node OR key_lease.expires_at < ?`, node, until.UTC(), now.UTC())
	return res.RowsAffected == 1, handle.Wrap("taking the lease of the keys", res.Error)
}

// NoteKeyParties remembers who was active and who fetched. A fetch from an
// address counts for the one party that has it; of several it tells nothing.
func (db Book) NoteKeyParties(ctx context.Context, seen []lifecycle.Observation) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		for _, s := range seen {
			var err error
			switch {
			case s.Active:
				err = db.Writer(ctx).Exec(`INSERT INTO key_parties (party, address, active_at) VALUES (?, ?, ?)
					ON CONFLICT (party) DO UPDATE SET address = excluded.address, active_at = excluded.active_at`, s.Party, s.Address, s.At.UTC()).Error
			case s.Party != "":
				err = db.Writer(ctx).Exec("UPDATE key_parties SET fetched_at = ? WHERE party = ?", s.At.UTC(), s.Party).Error
			}
			if err != nil {
				return handle.Wrap("noting a relying party", err)
			}
		}
		return db.noteAddresses(ctx, seen)
	})
}

// noteAddresses handles the fetches that are known by address only, many in one
// statement.
func (db Book) noteAddresses(ctx context.Context, seen []lifecycle.Observation) error {
	var addresses []string
	var at time.Time
	for _, s := range seen {
		if s.Party == "" && s.Address != "" {
			addresses = append(addresses, s.Address)
			if at.IsZero() || s.At.Before(at) {
				at = s.At // of all, the one that claims least
			}
		}
	}
	for chunk := range slices.Chunk(addresses, 500) {
		if err := db.Writer(ctx).Exec(`UPDATE key_parties SET fetched_at = ? WHERE address IN ?
			AND NOT EXISTS (SELECT 1 FROM key_parties o WHERE o.address = key_parties.address AND o.party <> key_parties.party)`,
			at.UTC(), chunk).Error; err != nil {
			return handle.Wrap("noting fetches of the JWK Set", err)
		}
	}
	return nil
}

// KeyParties lists the parties active since a time.
func (db Book) KeyParties(ctx context.Context, since time.Time) ([]lifecycle.Party, error) {
	var rows []struct {
		Party     string     `gorm:"column:party"`
		ActiveAt  time.Time  `gorm:"column:active_at"`
		FetchedAt *time.Time `gorm:"column:fetched_at"`
	}
	if err := db.Reader(ctx).Raw("SELECT party, active_at, fetched_at FROM key_parties WHERE active_at >= ? ORDER BY party", since.UTC()).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("reading the relying parties", err)
	}
	out := make([]lifecycle.Party, len(rows))
	for i, r := range rows {
		out[i] = lifecycle.Party{ID: r.Party, Active: r.ActiveAt.UTC(), Fetched: handle.Time(r.FetchedAt)}
	}
	return out, nil
}

// AddKeySignatures adds to the counts.
func (db Book) AddKeySignatures(ctx context.Context, counts []lifecycle.Count) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		for _, c := range counts {
			if err := db.Writer(ctx).Exec(`INSERT INTO key_signatures (key_id, minute, n) VALUES (?, ?, ?)
				ON CONFLICT (key_id, minute) DO UPDATE SET n = key_signatures.n + excluded.n`, string(c.KeyID), c.Minute.UTC(), c.N).Error; err != nil {
				return handle.Wrap("counting signatures", err)
			}
		}
		return nil
	})
}

// KeySignatures sums up what a version signed from a time on.
func (db Book) KeySignatures(ctx context.Context, id keys.KeyID, since time.Time) (int64, error) {
	var n int64
	err := db.Reader(ctx).Raw("SELECT COALESCE(sum(n), 0) FROM key_signatures WHERE key_id = ? AND minute >= ?",
		string(id), since.UTC().Truncate(time.Minute)).Scan(&n).Error
	return n, handle.Wrap("reading the count of signatures", err)
}

// PurgeKeyBook deletes counts and parties that matter no more, at most limit.
func (db Book) PurgeKeyBook(ctx context.Context, before time.Time, limit int) (int64, error) {
	res := db.Writer(ctx).Exec(`DELETE FROM key_signatures WHERE (key_id, minute) IN
		(SELECT key_id, minute FROM key_signatures WHERE minute < ? LIMIT ?)`, before.UTC(), limit)
	if res.Error != nil {
		return 0, handle.Wrap("purging the counts of signatures", res.Error)
	}
	gone := db.Writer(ctx).Exec("DELETE FROM key_parties WHERE party IN (SELECT party FROM key_parties WHERE active_at < ? LIMIT ?)", before.UTC(), limit)
	if gone.Error != nil {
		return 0, handle.Wrap("purging relying parties", gone.Error)
	}
	nodes := db.Writer(ctx).Exec("DELETE FROM key_nodes WHERE seen_at < ?", before.UTC())
	return max(res.RowsAffected, gone.RowsAffected), handle.Wrap("purging nodes", nodes.Error)
}
