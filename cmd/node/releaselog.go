package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/keys"
	"hopnhat/store/tlog"
)

// openLog opens the release log of this quarter and brings into it what a crash
// left out.
func (n *Node) openLog(ctx context.Context) error {
	shard := tlog.Shard(time.Now())
	origin := n.Config.LogOrigin + "/" + shard
	handle, public, err := n.checkpointKey(origin)
	if err != nil {
		return err
	}
	known, err := n.DB.KnownLogSize(ctx, origin)
	if err != nil {
		return err
	}
	n.log, err = tlog.Open(ctx, tlog.Options{
		Dir: n.Config.shardDir(shard), Origin: origin, Public: public, KnownSize: known,
		Sign: func(ctx context.Context, message []byte) ([]byte, error) {
			signatures, err := n.Ring.Sign(ctx, keys.Job{Key: handle, Input: message})
			if err != nil {
				return nil, err
			}
			return signatures[0], nil
		},
	})
	if other := (*tlog.OtherLogError)(nil); errors.As(err, &other) {
		return fmt.Errorf("%w. A log keeps its name, which was made of issuer and site when it began: to go on with it set log_origin: %s; if the issuer or the site is wrong, mend that", err, strings.TrimSuffix(other.Origin, "/"+shard))
	}
	if err != nil {
		return err
	}
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return n.log.Close(ctx)
	})
	n.recorder = audit.NewRecorderWith(n.DB, n.log, audit.Options{Site: n.Config.Site})
	n.closers = append(n.closers, n.recorder.Close) // before the log's, which is below it
	logged, err := n.recorder.Recover(ctx)
	if errors.Is(err, audit.ErrRow) {
		// Whoever can write a row must not be able to keep a node from starting.
		slog.Error("the database holds events that are no evidence; somebody altered or added them", "error", err)
	} else if err != nil {
		return err
	}
	if logged > 0 {
		slog.Info("events without a log entry were found and logged", "events", logged)
	}
	return n.publishLogKey()
}

// checkpointKey is the key of a shard: the one its checkpoints were signed with
// so far, and for a new shard the active one. So a key that was rotated signs
// from the next quarter on, and a shard has one key.
func (n *Node) checkpointKey(origin string) (keys.Handle, ed25519.PublicKey, error) {
	published, err := n.Ring.Published(keys.LogCheckpoint)
	if err != nil {
		return keys.Handle{}, nil, err
	}
	began, err := n.logKeys()
	if err != nil {
		return keys.Handle{}, nil, err
	}
	active, err := n.Ring.Active(keys.LogCheckpoint, keys.EdDSA)
	if err != nil {
		return keys.Handle{}, nil, err
	}
	var chosen ed25519.PublicKey
	for _, k := range published {
		public, ok := k.Key.(ed25519.PublicKey)
		if !ok {
			continue
		}
		vkey, err := tlog.VerifierKey(origin, public)
		if err != nil {
			return keys.Handle{}, nil, err
		}
		if slices.Contains(began, vkey) {
			return k.Handle, public, nil
		}
		if k.KeyID == active.KeyID {
			chosen = public
		}
	}
	return active, chosen, nil
}

// logKeys are the keys of all shards there were, from log.vkey.
func (n *Node) logKeys() ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(n.Config.State, "log.vkey"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(raw)), nil
}

// shardDir is the folder of one quarter's log.
func (c *Config) shardDir(shard string) string { return filepath.Join(c.State, "tlog", shard) }

// publishLogKey adds the shard's key to log.vkey, where verifiers look; the keys
// of earlier shards stay.
func (n *Node) publishLogKey() error {
	path := filepath.Join(n.Config.State, "log.vkey")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Fields(string(raw)), n.log.VerifierKey()) {
		return nil
	}
	return os.WriteFile(path, append(raw, n.log.VerifierKey()+"\n"...), 0o644)
}
