package handle

// Locked is the end of a query whose rows are locked, in its order, until the transaction ends.
// SQLite has one writer at a time.
func (db *Handle) Locked() string {
	if db.dialect == PostgreSQL {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// SkipLocked is the end of a query that passes over rows which somebody else has locked.
func (db *Handle) SkipLocked() string {
	if db.dialect == PostgreSQL {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// InOrder is a condition on rows of a table that an UPDATE changes, and locks them in the order of
// their ids before: two statements that come to the same rows by different indexes would lock
// them in different orders, and wait for each other.
func (db *Handle) InOrder(table, condition string) string {
	if db.dialect == PostgreSQL {
		return "id IN (SELECT id FROM " + table + " WHERE " + condition + " ORDER BY id" + db.Locked() + ")"
	}
	return condition
}
