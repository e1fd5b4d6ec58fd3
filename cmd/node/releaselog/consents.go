package releaselog

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"hopnhat/authz/audit"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
	"hopnhat/store/tlog/seat"
)

// The consent log stands beside the release log: what a release rests on, in a tree of its
// own ([audit.Tree]). One node writes both: whoever has the lease of the site. It has shards,
// heads and checkpoints as the release log has, and the same key of the keyring signs them,
// since the same process signs; the name of the log in each checkpoint keeps them apart.

// consentPath is where the writer of the site answers for the consent log.
const consentPath = "/consent"

// ConsentOrigin is the name of the consent log beside a release log:
// hopnhat.example/consent/dc1 beside hopnhat.example/release/dc1.
func ConsentOrigin(release string) string {
	const is = "/release/"
	if i := strings.LastIndex(release, is); i >= 0 {
		return release[:i] + "/consent/" + release[i+len(is):]
	}
	return release + "/consent"
}

// consentArchive is where the consent log of a node is: below the folder of the release log,
// so that both move together.
func consentArchive(o Options) *tlog.Archive { return Archives(o.State, o.Origin, o.Folder)[1] }

// Archives are where the release log and the consent log of a node are.
func Archives(state, origin, folder string) []*tlog.Archive {
	keys := filepath.Join(state, "log.vkey")
	return []*tlog.Archive{
		{Log: origin, Dir: folder, KeyFile: keys},
		{Log: ConsentOrigin(origin), Dir: filepath.Join(folder, "consent"), KeyFile: keys},
	}
}

// Reader reads a shard of one of the logs.
func (l *Log) Reader(ctx context.Context, origin string) (*tlog.Reader, error) {
	return l.of(origin).Reader(ctx, origin)
}

// beside is the lease of the consent log: whoever writes the release log has it.
type beside struct{ log *Log }

// Take takes it if this node writes the release log.
func (b beside) Take(context.Context) error {
	if b.log.Log.Writes() {
		return nil
	}
	return seat.ErrTaken
}

// Leave leaves nothing: the lease of the site is left with the release log.
func (b beside) Leave(context.Context) error { return nil }

// Writer is where other nodes reach the writer of the site.
func (b beside) Writer(ctx context.Context) (string, error) { return lease(b).Writer(ctx) }

// openConsents opens the consent log, in the seat that this node has for the release log.
func (l *Log) openConsents(ctx context.Context, identity *remote.Identity) (err error) {
	archive := consentArchive(l.o)
	l.consents, err = seat.Open(ctx, seat.Options{
		Lease: beside{l}, Archive: archive, Heads: l.o.Heads, Key: l.checkpointKey, Writes: l.o.Writes, Candidate: true,
		Peers: peersOf(l.o),
		Dial:  func(address string) *remote.Client { return remote.DialBelow(address, consentPath, identity) },
		Open:  func(ctx context.Context) (*tlog.Shards, error) { return l.openShards(ctx, archive) },
	})
	return err
}

// follow lets the consent log follow the seat of the release log, where that was lost.
func (l *Log) follow(ctx context.Context) {
	if l.consents.Writes() && !l.Log.Writes() {
		l.consents.Lost(ctx)
	}
}

// of is the log that a shard is one of.
func (l *Log) of(origin string) *seat.Log {
	if _, err := tlog.ParseName(ConsentOrigin(l.o.Origin), origin); err == nil {
		return l.consents
	}
	return l.Log
}

// below is the consent log as other nodes are let to use it.
func (l *Log) below() remote.Below {
	return remote.Below{Path: consentPath, Writer: l.consents.Served()}
}

// Consents is the consent log.
func (l *Log) Consents() audit.Log { return falling{l.consents, l.Log} }

// ErrConsents is of the consent log where the release log works.
var ErrConsents = errors.New("the consent log")

// Health returns why one of the logs of the site cannot take entries now, nil if both can. A
// release needs both: its proof points to the place of the consent that it rests on.
func (l *Log) Health(ctx context.Context) error {
	if err := l.Log.Health(ctx); err != nil {
		return err
	}
	err := l.consents.Health(ctx)
	if err == nil || errors.Is(err, remote.ErrNoLog) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrConsents, err)
}

// Code is a stable word for what is wrong with the logs, empty if there is none: that of
// [tlog.Code], behind "consent-" where it is the consent log.
func Code(err error) string {
	code := tlog.Code(err)
	if errors.Is(err, ErrConsents) && code != "" {
		return "consent-" + code
	}
	return code
}

// Explained returns [tlog.ErrUnexplained] while entries of one of the logs have no row in the
// database and no operator has decided: nothing is released meanwhile.
func (l *Log) Explained() error { return errors.Join(l.Log.Explained(), l.consents.Explained()) }
