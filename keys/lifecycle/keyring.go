package lifecycle

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"hopnhat/keys"
)

// ErrForeignKeys means that a Ledger is of another keyring than the one at hand.
// Nothing was announced or written.
var ErrForeignKeys = errors.New("these are not the keys of this database")

// ErrNoKeyring means that a Ledger has no keyring yet, and that this process may
// not give it one.
var ErrNoKeyring = errors.New("this database has no keyring yet")

// KeyringID names a keyring for ever: whatever rotates, and wherever the keys are
// kept. It is made of the two secrets that never change, and tells nothing of
// them.
type KeyringID string

// identify makes the id. It is empty for a role that may not use the keys: one
// that only rotates them.
func identify(ctx context.Context, store keys.Secrecy) (KeyringID, error) {
	h := sha256.New()
	for _, use := range []keys.Use{keys.PairwiseSubject, keys.Secrets} {
		derived, err := store.Derive(ctx, use, "identifier of the keyring")
		if cause, _ := keys.CauseOf(err); cause == keys.PermissionDenied {
			return "", nil
		}
		if err != nil {
			return "", fmt.Errorf("identifying the keyring: %w", err)
		}
		h.Write(derived)
	}
	return KeyringID(base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:15])), nil
}

// keyring is the keys at hand beside the Ledger that may be of others.
type keyring struct {
	ledger   Ledger
	store    keys.Store
	mayBegin bool // give an empty Ledger this keyring
}

// recognise compares the keys at hand with the keyring that the Ledger is of. A Ledger without
// one is given this one if the process may begin, or if the Ledger, written by a release that
// did not know of keyrings, began with these keys.
func (k keyring) recognise(ctx context.Context) error {
	id, err := identify(ctx, k.store)
	if err != nil {
		return err
	}
	recorded, err := k.ledger.Keyring(ctx)
	if err != nil {
		return fmt.Errorf("reading which keyring the database is of: %w", err)
	}
	if recorded != "" && id != "" {
		return compare(id, recorded)
	}
	states, err := k.ledger.KeyVersions(ctx)
	if err != nil {
		return fmt.Errorf("reading the book of keys: %w", err)
	}
	if len(states) == 0 {
		return k.begin(ctx, id)
	}
	ours, err := k.began(ctx, states)
	switch {
	case err != nil:
		return err
	case !ours:
		return compare(id, recorded)
	case id == "": // the rotation role: it shows the right keys, and cannot say their id
		return nil
	}
	return k.adopt(ctx, id)
}

// compare refuses another keyring than the recorded one.
func compare(id, recorded KeyringID) error {
	if id == recorded && id != "" {
		return nil
	}
	orElse := func(id KeyringID, unknown string) string {
		if id == "" {
			return unknown
		}
		return string(id)
	}
	return fmt.Errorf("%w: it is of keyring %s, and at hand is %s; nothing was written. Name the key store that belongs to the database (keystore, keys, passphrase_file, vault_address), or the database that belongs to the keys (state, database)",
		ErrForeignKeys, orElse(recorded, "the first release's, that is not named yet"), orElse(id, "another"))
}

// begin gives an empty Ledger its keyring.
func (k keyring) begin(ctx context.Context, id KeyringID) error {
	switch {
	case !k.mayBegin:
		return fmt.Errorf("%w: a tool gives it none. Run `hopnhat init` once, or start the server; if it has been in service, this is not its database: name the right one (state, database)", ErrNoKeyring)
	case id == "":
		return fmt.Errorf("%w: the role at hand may not use the keys, so it cannot name them: begin with the serving role", ErrNoKeyring)
	}
	return k.adopt(ctx, id)
}

// adopt records the id; of several processes that begin at once one does, and the others are
// compared with it.
func (k keyring) adopt(ctx context.Context, id KeyringID) error {
	recorded, err := k.ledger.RecordKeyring(ctx, id)
	if err != nil {
		return fmt.Errorf("recording which keyring the database is of: %w", err)
	}
	return compare(id, recorded)
}

// began reports whether the Ledger began with keys of the store: whether the store
// shows the first version of one of the keys that every keyring has had from its
// first day. A later stranger's versions are never the first.
func (k keyring) began(ctx context.Context, states []VersionState) (bool, error) {
	versions, err := k.store.Versions(ctx)
	if err != nil {
		return false, err
	}
	all := groups(states)
	for _, spec := range keys.Specs(nil) {
		first := all[group{spec.Use, spec.Algorithm}]
		if len(first) > 0 && slices.ContainsFunc(versions, func(v keys.PublicKey) bool { return v.KeyID == first[0].KeyID }) {
			return true, nil
		}
	}
	return false, nil
}
