package inspect

import (
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
)

// Vouched returns an error unless a recorded head is proved by the checkpoint in it, under the
// verifier key of its shard: so much a writer of the log signed, whoever wrote the row.
func Vouched(h trees.Head, vkey string) error {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return fmt.Errorf("key %q: %w", vkey, err)
	}
	c, err := proof.OpenCheckpoint([]byte(h.Checkpoint), v)
	if err == nil && (c.Origin != h.Origin || c.Size != h.Size || c.Root != proof.Hash(h.Root) || h.VerifierKey != vkey) {
		err = fmt.Errorf("its checkpoint is of %d entries of %s", c.Size, c.Origin)
	}
	if err != nil {
		return fmt.Errorf("what the database has recorded of shard %s was never signed, bring its row back from a copy: %w", h.Origin, err)
	}
	return nil
}
