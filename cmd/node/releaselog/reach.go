package releaselog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
)

// Reached are the logs of a site as a tool has them.
type Reached struct {
	Release, Consent audit.Log
	// Erase overwrites the copies of one leaf at a place, or wherever it stands among n, at
	// most [remote.MostErased], at every node that has the shard. [authz.ErrNotFound] says that
	// none of those that are reached has it.
	Erase Eraser
	Close func() error
}

// Eraser overwrites copies: see [Reached].
type Eraser func(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error

// ErrUnwritten means that a tool cannot write the logs now: another process may be the writer
// and is not reached, or there is nothing to write to.
var ErrUnwritten = errors.New("the log is not reached from here")

// Reach lets a tool write the logs of the site: at the node that writes them, by the socket in
// the state folder that both share or by the address that the node has for others; and where
// no node writes them, in the folder of the log, if it is here, whose seat the tool takes until
// Close.
func Reach(ctx context.Context, o Options) (*Reached, error) {
	identity, err := identify(ctx, o.Ring, o.Site)
	if err != nil {
		return nil, err
	}
	if path := socket(o.State); path != "" {
		if r := dial(o, identity, remote.Socket(path)); r.answers(ctx) {
			return r.Reached, nil
		}
	}
	holder, err := o.Sites.Holder(ctx, o.Site)
	if err != nil {
		return nil, err
	}
	// A node of this very folder would lose the seat to us at once, so one that may live is
	// left alone.
	if alive := holder != (store.Holder{}) && time.Since(holder.SeenAt) < store.SiteLease; alive {
		if holder.Address == "" {
			return nil, fmt.Errorf("%w: %s writes it, which other machines do not reach", ErrUnwritten, holder.Place)
		}
		return dial(o, identity, holder.Address).Reached, nil
	}
	if _, err := os.Stat(o.Folder); err != nil {
		return nil, fmt.Errorf("%w: no node writes it, and its folder %s is not here", ErrUnwritten, o.Folder)
	}
	o.Listen, o.Address, o.Writes = "", "", true
	l, err := Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnwritten, err)
	}
	return &Reached{l, l.Consents(), eraser(l), l.Close}, nil
}

// away are the logs at another process.
type away struct {
	*Reached
	client *remote.Client
}

func dial(o Options, identity *remote.Identity, address string) away {
	release, consent := remote.Dial(address, identity), remote.DialBelow(address, consentPath, identity)
	erase := func(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error {
		return eraseAt(ctx, o, identity, address, at, n, leaf)
	}
	return away{&Reached{release, falling{consent, release}, erase, func() error { release.Close(); consent.Close(); return nil }}, release}
}

// eraseAt erases at a node and at all others of the site.
func eraseAt(
	ctx context.Context, o Options, identity *remote.Identity, address string, at audit.Place, n uint64, leaf [sha256.Size]byte,
) error {
	peers, err := o.Sites.Peers(ctx, o.Site)
	if err != nil {
		return err
	}
	below := ""
	if _, err := tlog.ParseName(ConsentOrigin(o.Origin), at.Origin); err == nil {
		below = consentPath
	}
	here := 0
	var failed error
	for _, node := range append([]string{address}, peers...) {
		if node == "" {
			continue
		}
		client := remote.DialBelow(node, below, identity)
		err := client.Erase(ctx, at, n, leaf)
		client.Close()
		switch {
		case err == nil:
			here++
		case !errors.Is(err, authz.ErrNotFound):
			failed = errors.Join(failed, err)
			if node == address {
				return err
			}
		}
	}
	// A node that is gone for good stands in the list for ever: it is asked in vain only where
	// no other has the shard.
	switch {
	case here > 0:
		return nil
	case failed != nil:
		return failed
	}
	return fmt.Errorf("shard %s is at no node that is reached: %w", at.Origin, authz.ErrNotFound)
}

// eraser erases here and at the other nodes of the site.
func eraser(l *Log) Eraser {
	return func(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error {
		here := l.of(at.Origin).Erase(ctx, at, n, leaf)
		if here != nil && !errors.Is(here, authz.ErrNotFound) {
			return here
		}
		identity, err := identify(ctx, l.o.Ring, l.o.Site)
		if err != nil {
			return err
		}
		elsewhere := eraseAt(ctx, l.o, identity, "", at, n, leaf)
		if here == nil {
			return nil
		}
		return elsewhere
	}
}

// answers reports whether the process writes the logs.
func (a away) answers(ctx context.Context) bool {
	_, err := a.client.Status(ctx)
	if err != nil {
		_ = a.Close()
	}
	return err == nil
}

// falling is a consent log at a writer that may have none.
type falling struct{ consent, release audit.Log }

// Append adds an entry to the consent log, or to the release log of a writer of the release
// before.
func (f falling) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	place, err := f.consent.Append(ctx, entry)
	if errors.Is(err, remote.ErrNoLog) {
		return f.release.Append(ctx, entry)
	}
	return place, err
}

// socket is where the node of a state folder answers tools on the same machine; empty where
// the path is longer than a socket's may be (unix(7): 108 bytes).
func socket(state string) string {
	path, err := filepath.Abs(filepath.Join(state, "log.sock"))
	if err != nil || len(path) > 100 {
		return ""
	}
	return path
}

// answerTools lets tools on this machine append, by a socket in the state folder. They show
// the same certificates as nodes do.
func (l *Log) answerTools(identity *remote.Identity) error {
	path := socket(l.o.State)
	if path == "" || !l.o.Writes {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a process that was killed
		return fmt.Errorf("listening for tools: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err == nil {
		err = os.Chmod(path, 0o600)
	}
	if err != nil {
		return fmt.Errorf("listening for tools: %w", err)
	}
	l.servers = append(l.servers, remote.Serve(listener, identity, l.Served(), l.below()))
	return nil
}
