package lifecycle

import (
	"context"
	"errors"
	"time"

	"hopnhat/keys"
)

// ErrMoved means that a version was not in the state it was to be moved from:
// another node was first.
var ErrMoved = errors.New("the key version is in another state already")

// Ledger is the shared memory of the nodes: storage that survives them. Every nil
// error of a writing method is durable.
type Ledger interface {
	// Keyring is the keyring that the Ledger is of, empty if it has none yet.
	Keyring(ctx context.Context) (KeyringID, error)
	// RecordKeyring makes the Ledger one of a keyring, once and for ever, and gives
	// the one it is of: another, where another was first.
	RecordKeyring(ctx context.Context, id KeyringID) (KeyringID, error)

	// KeyVersions lists all versions there ever were.
	KeyVersions(ctx context.Context) ([]VersionState, error)
	// AnnounceKey adds a version unless it is known; added says which.
	AnnounceKey(ctx context.Context, l VersionState) (added bool, err error)
	// MoveKey makes one transition. Errors: ErrMoved.
	MoveKey(ctx context.Context, s Step, at time.Time) error
	// ExpediteKey makes a version urgent.
	ExpediteKey(ctx context.Context, id keys.KeyID) error

	// RecordHeartbeat says that a node lives, and what it serves.
	RecordHeartbeat(ctx context.Context, n Node) error
	// KeyNodes lists the nodes seen since a time.
	KeyNodes(ctx context.Context, since time.Time) ([]Node, error)
	// DropKeyNode forgets a node that ends in good order.
	DropKeyNode(ctx context.Context, id string) error
	// LeaseKeys makes a node the one that moves versions, until a time; false when
	// another is.
	LeaseKeys(ctx context.Context, node string, now, until time.Time) (bool, error)

	// NoteKeyParties remembers which parties were active and which fetched.
	NoteKeyParties(ctx context.Context, seen []Observation) error
	// KeyParties lists the parties active since a time.
	KeyParties(ctx context.Context, since time.Time) ([]Party, error)

	// AddKeySignatures adds to the count of what a version signed in a minute;
	// KeySignatures sums it up from a time on.
	AddKeySignatures(ctx context.Context, counts []Count) error
	KeySignatures(ctx context.Context, id keys.KeyID, since time.Time) (int64, error)

	// Tx runs fn in one transaction that the other methods join.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Observation is one thing that a relying party did. A fetch of the public JWK Set names the
// party by a parameter or, when exactly one active party has it, by the network address.
type Observation struct {
	Party   string // empty: known by address only
	Address string
	// Active: it used its credentials. Otherwise it fetched the set.
	Active bool
	At     time.Time
}

// Count is how many signatures a version made in a minute.
type Count struct {
	KeyID  keys.KeyID
	Minute time.Time
	N      int64
}
