package registry

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"syscall"
)

// ErrServed means that a server reads the nation, so that it cannot be replaced.
var ErrServed = errors.New("a server reads it: stop it first")

// servingName is the application_name of a server's connections to PostgreSQL. Every
// role that may connect sees those of all connections, across nodes.
const servingName = "hopnhat-serve"

// served is an address whose connections are called so.
func served(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return dsn // Dial says what is wrong with it
	}
	q := u.Query()
	q.Set("application_name", servingName)
	u.RawQuery = q.Encode()
	return u.String()
}

// hold keeps a shared lock beside a SQLite file, until Close or the end of the
// process. It is not on the file itself: closing a second handle on that would drop
// the locks that SQLite holds on it.
func (db *DB) hold(path string) error {
	f, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the national database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("locking the national database %s, which is being generated: %w", path, err), f.Close())
	}
	db.held = f
	return nil
}

// alone refuses to go on while a server reads the nation.
func (db *DB) alone(ctx context.Context) error {
	if db.postgres {
		var n int
		if err := db.pool.QueryRowContext(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1", servingName).Scan(&n); err != nil {
			return fmt.Errorf("looking who reads the national database %s: %w", db.where, err)
		}
		if n > 0 {
			return fmt.Errorf("the national database %s: %w", db.where, ErrServed)
		}
		return nil
	}
	if db.held != nil {
		return nil // this handle is alone already
	}
	f, err := os.OpenFile(db.where+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("locking the national database: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errors.Join(fmt.Errorf("the national database %s: %w", db.where, ErrServed), f.Close())
	}
	db.held = f // until Close: no server starts while it is written
	return nil
}
