package handle

// Locked is the end of a query whose rows are locked, in its order, until the transaction ends.
// SQLite has one writer at a time.
func (d Dialect) Locked() string {
	if d == PostgreSQL {
		return " FOR NO KEY UPDATE"
	}
	return ""
}

// SkipLocked is the end of a query that passes over rows which somebody else has locked.
func (d Dialect) SkipLocked() string {
	if d == PostgreSQL {
		return " FOR UPDATE SKIP LOCKED"
	}
	return ""
}

// InOrder is a condition on rows of a table that an UPDATE changes, and locks them in the order of
// their ids before: two statements that come to the same rows by different indexes would lock
// them in different orders, and wait for each other.
func (d Dialect) InOrder(table, condition string) string {
	if d == PostgreSQL {
		return "id IN (SELECT id FROM " + table + " WHERE " + condition + " ORDER BY id" + d.Locked() + ")"
	}
	return condition
}
