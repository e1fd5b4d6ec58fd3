package store

import (
	"context"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// What is kept in an [authz.Reading]: a request that waits by its id, a session by the hash
// of its secret, a person's consents with an app by both. A session that is not there is
// kept as an empty row.
type (
	pendingKey  authz.AuthorizationID
	sessionKey  string
	standingKey struct {
		subject authz.Subject
		client  authz.ClientID
	}
)

// reading is the reading of a request, nil in a transaction, which reads for itself.
func reading(ctx context.Context, db *handle.Handle) *authz.Reading {
	if db.Joined(ctx) {
		return nil
	}
	return authz.ReadingOf(ctx)
}

// waitingRow is a request that waits with the session of the browser that asks for it and,
// if it asks for releases, one of the person's consents with the app.
type waitingRow struct {
	Pending  authorizationRow `gorm:"embedded;embeddedPrefix:p_"`
	Session  sessionRow       `gorm:"embedded"`
	Standing standingRow      `gorm:"embedded;embeddedPrefix:k_"`
}

const (
	pendingColumns = "p.id AS p_id, p.client_id AS p_client_id, p.pushed AS p_pushed, p.request AS p_request, p.created_at AS p_created_at, " +
		"p.expires_at AS p_expires_at, p.finished_at AS p_finished_at, p.refused AS p_refused"
	pendingQuery = "SELECT " + pendingColumns + " FROM authorizations p WHERE p.id = ?"
	concerned    = "COALESCE(s.represented, s.subject)"
)

// waitingQueries read what waits also for a browser whose session is not there.
var waitingQueries = map[Dialect]string{SQLite: waitingQuery(SQLite), PostgreSQL: waitingQuery(PostgreSQL)}

func waitingQuery(dialect Dialect) string {
	return "SELECT " + pendingColumns + ", " + sessionColumns + ", " + standingColumns(dialect, "k_", concerned) + ` FROM authorizations p
		LEFT JOIN (sessions s JOIN accounts a ON a.subject = s.subject) ON s.secret_hash = ?
		LEFT JOIN clients c ON c.id = p.client_id AND p.request -> 'authorization_details' IS NOT NULL
		LEFT JOIN consents k ON k.client_id = c.id AND k.subject = ` + concerned + " WHERE p.id = ? ORDER BY k.at DESC LIMIT 500"
}

// keepWaiting keeps what was read with a request of an app.
func keepWaiting(once *authz.Reading, client authz.ClientID, all []waitingRow) error {
	s := all[0].Session
	once.Keep(sessionKey(once.Session), s)
	if s.ID == "" || all[0].Standing.Record == nil {
		return nil
	}
	rows := make([]standingRow, len(all))
	for i := range all {
		rows[i] = all[i].Standing
	}
	standing, err := standingOf(client, rows)
	who := principalOf(s.Subject, s.Represented, s.RepresentedKind, s.Mandate)
	once.Keep(standingKey{who.Concerned(), client}, standing)
	return err
}
