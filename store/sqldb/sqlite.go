package sqldb

import (
	"database/sql"
	"fmt"
	"strings"

	_ "modernc.org/sqlite"
)

// OpenSQLite makes a pool of at most conns connections to a SQLite file, each with the
// given pragmas, "busy_timeout(10000)". The file is there: see [File]. A transaction
// begins as a writer if the pool is for writing, or it could be thrown out when it
// comes to write, because another process wrote meanwhile.
func OpenSQLite(path string, conns int, writes bool, pragmas ...string) (*sql.DB, error) {
	var address strings.Builder
	// The format sorts as the times do; the driver's own default does not.
	address.WriteString(URI(path) + "?_time_format=sqlite")
	for _, pragma := range pragmas {
		address.WriteString("&_pragma=" + pragma)
	}
	if writes {
		address.WriteString("&_txlock=immediate")
	}
	pool, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, fmt.Errorf("opening the database %s: %w", path, err)
	}
	pool.SetMaxOpenConns(conns)
	pool.SetMaxIdleConns(conns)
	return pool, nil
}
