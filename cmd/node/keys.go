package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/cmd/node/sealing"
	"hopnhat/keys"
	"hopnhat/keys/batch"
	"hopnhat/keys/file"
	"hopnhat/keys/lifecycle"
	"hopnhat/keys/vault"
	"hopnhat/store"
	"hopnhat/store/sqldb"
)

// OpenKeyStore opens where the key material is, which must be there.
func (c *Config) OpenKeyStore() (keys.Store, error) {
	if c.Keystore == "vault" {
		return vault.Open(c.VaultOptions())
	}
	return c.OpenKeyFolder(false)
}

// passphrase is the file keystore's, empty where a machine secret stands for it. A
// file that is empty must not become one.
func (c *Config) passphrase() (string, error) {
	text, err := SecretFile(c.PassphraseFile)
	if err != nil {
		return "", fmt.Errorf("reading passphrase_file: %w", err)
	}
	if text == "" && c.PassphraseFile != "" {
		return "", fmt.Errorf("passphrase_file %s is empty: write the passphrase into it, or leave the key out for a machine secret", c.PassphraseFile)
	}
	return text, nil
}

// OpenKeyFolder opens the file keystore; with create set it is made if it is missing.
func (c *Config) OpenKeyFolder(create bool) (*file.Store, error) {
	passphrase, err := c.passphrase()
	if err != nil {
		return nil, err
	}
	return file.Open(file.Options{Dir: c.Keys, Passphrase: passphrase, Algorithms: c.algorithms(), Make: create})
}

// VaultOptions are how Vault is reached, and what keys it has.
func (c *Config) VaultOptions() vault.Options {
	return vault.Options{
		Addresses: List(c.VaultAddress), Namespace: c.VaultNamespace, CACert: c.VaultCA, TokenFile: c.VaultTokenFile,
		RoleID: c.VaultRoleID, SecretIDFile: c.VaultSecretIDFile, SecretIDWrapped: c.VaultSecretIDWrapped, Algorithms: c.algorithms(),
	}
}

// OpenKeys opens the keys with the book of their lives. node is empty for a
// command beside the server. Where begin is set and the database has no keyring
// yet, it is given this one, and a file keystore is made for it; nobody else makes
// keys.
func (c *Config) OpenKeys(ctx context.Context, db *store.DB, node string, begin bool) (*lifecycle.Keeper, error) {
	o := lifecycle.Options{
		Ledger: db, Algorithms: c.algorithms(), Rules: c.rules(), Node: node, Begin: begin,
		// Vault makes new versions by its own schedule, with no right of ours.
		MayCreate: c.Keystore == "file", Record: c.recordKeys(db),
	}
	complete := func(context.Context) error { return nil } // in Vault that is another role's right
	if c.Keystore == "vault" {
		material, err := vault.Open(c.VaultOptions())
		if err != nil {
			return nil, err
		}
		o.Store, o.Coalesce = material, &batch.Options{}
	} else {
		empty, err := hasNoKeyring(ctx, db)
		if err != nil {
			return nil, err
		}
		folder, err := c.OpenKeyFolder(begin && empty)
		if errors.Is(err, file.ErrNoKeys) {
			return nil, c.noKeys(err, empty)
		}
		if err != nil {
			return nil, err
		}
		if o.Store = folder; begin {
			complete = folder.Complete
		}
	}
	rows := rowseal.New(o.Store)
	sealed := c.trustRows(ctx, db, rows)
	o.Recognised = func(ctx context.Context) error {
		if sealed {
			c.beginSealing(ctx, db)
		}
		return complete(ctx)
	}
	k, err := lifecycle.Open(ctx, o)
	if cause, _ := keys.CauseOf(err); cause == keys.KeyMissing && c.Keystore == "vault" {
		err = fmt.Errorf("%w. If this Vault has no keys yet, make them with `hopnhat keys vault-setup`; otherwise it is another Vault, or a key was deleted", err)
	}
	if err == nil && sealed {
		err = rows.Ready(ctx, time.Now())
	}
	if err != nil {
		return nil, errors.Join(err, o.Store.Close())
	}
	return k, nil
}

// trustRows lets the database seal and check the rows of events, before the first is written.
// The role that rotates keys in Vault may use none of them but these, and with a policy of
// before not even these: what it writes then carries no MAC, and is told to be so.
func (c *Config) trustRows(ctx context.Context, db *store.DB, rows *rowseal.Keys) (sealed bool) {
	err := rows.Ready(ctx, time.Now())
	if cause, _ := keys.CauseOf(err); cause == keys.PermissionDenied {
		slog.WarnContext(ctx, "this role may not seal evidence: what is recorded of the keys has no MAC. Apply the policies that `hopnhat keys vault-policy` prints", "error", err)
		return false
	}
	db.TrustRows(rows) // any other error is told by who opens the keys, or asks again
	return true
}

// beginSealing notes since when rows are sealed, before the first is: of a database whose keys
// these are, since a tool at another one writes nothing.
func (c *Config) beginSealing(ctx context.Context, db *store.DB) {
	if err := sealing.Begin(ctx, filepath.Join(c.State, sealing.File), db.Leaves.Book); err != nil {
		slog.WarnContext(ctx, "it was not noted since when evidence is sealed", "error", err)
	}
}

// hasNoKeyring reports whether a database has never had keys.
func hasNoKeyring(ctx context.Context, db *store.DB) (bool, error) {
	id, err := db.Keyring(ctx)
	if err != nil || id != "" {
		return false, err
	}
	states, err := db.KeyVersions(ctx)
	return len(states) == 0, err
}

// noKeys says what to do where the folder has no keys.
func (c *Config) noKeys(err error, begins bool) error {
	if begins {
		return fmt.Errorf("%w; a tool makes none. To begin with new keys and an empty database, run `hopnhat init` with these flags, or start the server", err)
	}
	return fmt.Errorf("%w; the database %s has had keys, and new ones would be of another house: every pseudonym and stored secret hangs on the first", err, sqldb.Redacted(c.Database))
}

// rules are those of this configuration: a new version waits for cached sets, an old one stays
// as long as what it signed.
func (c *Config) rules() map[keys.Use]lifecycle.Rule {
	return lifecycle.Rules(c.JWKSCache, c.KeyOverlap, c.KeyRotateEvery)
}

// recordKeys writes transitions into the evidence, in the transaction that makes
// them. The log entry follows within a minute, by the recorder's own sweep: keys
// move before there is a log that they could sign.
func (c *Config) recordKeys(db *store.DB) func(ctx context.Context, t lifecycle.Transition) error {
	scribe := &audit.Scribe{Rows: db, Site: c.Site}
	return func(ctx context.Context, t lifecycle.Transition) error {
		_, err := scribe.Write(ctx, audit.Act{Action: audit.KeyMoved(string(t.To)), At: t.At, Detail: audit.Detail{
			Object: string(t.KeyID), Text: fmt.Sprintf("%s %s, from %q to %q: %s", t.Use, t.Algorithm, t.From, t.To, t.Why),
		}})
		return err
	}
}

// Initialise makes the state folder, database and keys that a server begins with, and
// changes nothing that is there: a PostgreSQL database must have been migrated, and
// keys in Vault are made by `hopnhat keys vault-setup`.
func (c *Config) Initialise(ctx context.Context) error {
	db, err := c.OpenDatabase(ctx, true)
	if err != nil {
		return err
	}
	k, err := c.OpenKeys(ctx, db, "", true)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	return errors.Join(k.Close(), db.Close())
}
