// Package sqldb is what our databases have in common before they are opened: which
// kind an address names, and the file that SQLite keeps one in.
package sqldb

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Postgres reports whether an address names a PostgreSQL database.
func Postgres(dsn string) bool {
	return strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://")
}

// scheme begins an address of some other database.
var scheme = regexp.MustCompile(`^([A-Za-z][A-Za-z0-9+.-]*)://`)

// Check refuses an address that is neither of PostgreSQL nor a path. What it says
// holds no password.
func Check(dsn string) error {
	const want = "want postgres://user@host:port/database, or the path of a SQLite file"
	switch found := scheme.FindStringSubmatch(dsn); {
	case dsn == "" || Path(dsn) == "":
		return errors.New("no address: " + want)
	case Postgres(dsn):
		if u, err := url.Parse(dsn); err != nil || u.Host == "" && u.Query().Get("host") == "" {
			return errors.New("the address cannot be read: " + want)
		}
	case found != nil:
		return fmt.Errorf("%s:// is no database that is supported: %s", found[1], want)
	case strings.Contains(dsn, "host=") || strings.Contains(dsn, "dbname="):
		return errors.New("an address of words is not taken: " + want)
	}
	return nil
}

// Redacted is an address without its passwords.
func Redacted(dsn string) string {
	if !Postgres(dsn) {
		if Check(dsn) != nil {
			return "(not a database address)"
		}
		return dsn
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "postgres://(unreadable)"
	}
	q := u.Query()
	for name := range q {
		if strings.Contains(strings.ToLower(name), "password") {
			q.Set(name, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}

// Path is the file of a SQLite address: a path, sqlite:path or file:path.
func Path(dsn string) string {
	return strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite:"), "file:")
}

// URI is the address that the driver takes of a file, to which parameters are
// added.
func URI(path string) string { return "file:" + (&url.URL{Path: path}).EscapedPath() }

// ErrNoFile means that there is no database where one should be.
var ErrNoFile = errors.New("there is no database")

// magic begins every SQLite file.
const magic = "SQLite format 3\x00"

// File sees to it that path can be opened. It makes the file if told to, for its
// owner alone; SQLite gives the files beside it the same mode. One that others on
// this machine can read is mended, with a warning.
func File(path string, create bool) error {
	if create {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			return f.Close()
		}
		if !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the database %s: %w", path, err)
		}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w at %s", ErrNoFile, path)
	}
	if err != nil {
		return fmt.Errorf("opening the database %s: %w", path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("opening the database %s: %w", path, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("opening the database %s: it is no file", path)
	}
	head := make([]byte, len(magic))
	if n, err := io.ReadFull(f, head); n > 0 && (err != nil || string(head) != magic) {
		return fmt.Errorf("opening the database %s: it is no SQLite database", path)
	}
	for _, name := range []string{path, path + "-wal", path + "-shm", path + ".lock"} {
		mend(name)
	}
	return nil
}

// mend takes a file away from group and others.
func mend(path string) {
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm()&0o077 == 0 {
		return
	}
	log := slog.With("file", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	if err := os.Chmod(path, 0o600); err != nil {
		log.Warn("a database can be read by others on this machine, and it could not be mended: run chmod 600 on it", "error", err)
		return
	}
	log.Warn("a database could be read by others on this machine: it is its owner's alone from now on")
}

// Folder makes a folder for its owner alone, with those above it that are missing.
// One that is there stays as it is; that others can enter it is told.
func Folder(path string) error {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return fmt.Errorf("making the folder %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("making the folder %s: %w", path, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if entries, err := filepath.Glob(filepath.Join(path, "*")); err == nil && len(entries) > 0 {
			slog.Warn("the state folder can be entered by others on this machine: run chmod 700 on it", "folder", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
		}
	}
	return nil
}

// Numbered writes placeholders as PostgreSQL wants them: $1 for the first ?. There is no
// other ? in a statement.
func Numbered(query string) string {
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
