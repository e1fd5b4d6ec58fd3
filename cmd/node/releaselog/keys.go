package releaselog

import (
	"context"
	"crypto/ed25519"
	"time"

	"hopnhat/keys"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
)

// identify is how this node shows the others of its site that it is one of them. Nodes of
// the nation have its keys; the label says which site it is.
func identify(ctx context.Context, ring Ring, site string) (*remote.Identity, error) {
	secret, err := ring.Derive(ctx, keys.Secrets, "release log of site "+site)
	if err != nil {
		return nil, err
	}
	return remote.NewIdentity(secret, site, time.Now)
}

// checkpointKey is [CheckpointKey] of this node's keyring.
func (l *Log) checkpointKey(origin, vkey string) (tlog.Key, error) {
	return CheckpointKey(l.o.Ring, origin, vkey)
}

// CheckpointKey is the key of a shard: the one its checkpoints were signed with
// so far, and for a new shard the active one. So a key that was rotated signs
// from the next quarter on, and a shard has one key.
func CheckpointKey(ring Ring, origin, vkey string) (tlog.Key, error) {
	published, err := ring.Published(keys.LogCheckpoint)
	if err != nil {
		return tlog.Key{}, err
	}
	chosen, err := ring.Active(keys.LogCheckpoint, keys.EdDSA)
	if err != nil {
		return tlog.Key{}, err
	}
	var key tlog.Key
	for _, k := range published {
		public, ok := k.Key.(ed25519.PublicKey)
		if !ok {
			continue
		}
		if of, err := tlog.VerifierKey(origin, public); err != nil {
			return tlog.Key{}, err
		} else if of == vkey {
			chosen, key.Public = k.Handle, public
			break
		}
		if k.KeyID == chosen.KeyID {
			key.Public = public
		}
	}
	key.Sign = func(ctx context.Context, message []byte) ([]byte, error) {
		signatures, err := ring.Sign(ctx, keys.Job{Key: chosen, Input: message})
		if err != nil {
			return nil, err
		}
		return signatures[0], nil
	}
	return key, nil
}
