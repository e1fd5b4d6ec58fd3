package store

import (
	"context"

	"hopnhat/authz"
	"hopnhat/store/handle"
)

// What is kept in an [authz.Reading]: a request that waits by its id, a session by the hash
// of its secret. A session that is not there is kept as an empty row.
type (
	pendingKey authz.AuthorizationID
	sessionKey string
)

// reading is the reading of a request, nil in a transaction, which reads for itself.
func reading(ctx context.Context, db *handle.Handle) *authz.Reading {
	if db.Joined(ctx) {
		return nil
	}
	return authz.ReadingOf(ctx)
}

// waitingRow is a request that waits with the session of the browser that asks for it.
type waitingRow struct {
	Pending authorizationRow `gorm:"embedded;embeddedPrefix:p_"`
	Session sessionRow       `gorm:"embedded"`
}

const (
	pendingColumns = "p.id AS p_id, p.client_id AS p_client_id, p.pushed AS p_pushed, p.request AS p_request, p.created_at AS p_created_at, " +
		"p.expires_at AS p_expires_at, p.finished_at AS p_finished_at, p.refused AS p_refused"
	pendingQuery = "SELECT " + pendingColumns + " FROM authorizations p WHERE p.id = ?"
	// A browser whose session is not there finds what waits all the same.
	waitingQuery = "SELECT " + pendingColumns + ", " + sessionColumns + ` FROM authorizations p
		LEFT JOIN (sessions s JOIN accounts a ON a.subject = s.subject) ON s.secret_hash = ? WHERE p.id = ?`
)
