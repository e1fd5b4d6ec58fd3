package registry

import "database/sql"

// Pool is the database itself, for tests that spoil it.
func (db *DB) Pool() *sql.DB { return db.pool }

// Prepared is how many statements are kept.
func (db *DB) Prepared() int {
	db.mu.RLock()
	defer db.mu.RUnlock()
	return len(db.prepared)
}

// MaxAttributes bounds one read.
const MaxAttributes = maxAttributes

// Bind writes placeholders as the database wants them.
func (db *DB) Bind(query string) string { return db.bind(query) }
