package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"hopnhat/store/handle"
)

// ErrCollation means that the database does not compare texts by their bytes, as this program and
// SQLite do: ids would come in another order from an index than from here, and evidence that
// is there would not be found. [RolesSQL] makes a database that does.
var ErrCollation = errors.New("the database does not order texts by their bytes (its collation is not C)")

// sorted are texts that collations of languages order otherwise.
var sorted = []string{"-", "0", "9-", "90", "B", "Z", "_", "a", "b", "z", "~", "\u00e1", "\u0111", "\u1ea5"}

// byBytes returns ErrCollation unless PostgreSQL orders texts by their bytes. It asks for the order
// and not for the collation's name, of which there are many that do.
func byBytes(ctx context.Context, db *handle.Handle) error {
	if db.Dialect() == handle.SQLite {
		return nil
	}
	var got string
	err := db.Pool().QueryRowContext(ctx, "SELECT string_agg(t, ' ' ORDER BY t) FROM unnest(string_to_array($1, ' ')) AS t",
		strings.Join(sorted, " ")).Scan(&got)
	switch {
	case err != nil:
		return fmt.Errorf("looking how the database orders texts: %w", err)
	case got != strings.Join(sorted, " "):
		return fmt.Errorf("%w: back it up, make it anew by what `hopnhat migrate --print-roles` prints, and restore it", ErrCollation)
	}
	return nil
}
