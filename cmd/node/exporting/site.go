package exporting

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/proof"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/store/tlog"
)

// Site is a machine that has the folder of a site's logs.
type Site struct {
	// Archives are the logs, the release log first.
	Archives []*tlog.Archive
	Ring     releaselog.Ring
}

// waits is how long a proof waits for a checkpoint that covers it: a server makes one each
// second.
const waits = 10 * time.Second

// Shard reads a shard of the folder, which a server may write meanwhile.
func (s Site) Shard(_ context.Context, origin string) (proof.Prover, error) {
	for _, a := range s.Archives {
		name, err := tlog.ParseName(a.Log, origin)
		if err != nil {
			continue
		}
		vkey, err := a.Key(origin)
		if err != nil {
			return nil, err
		}
		r, err := tlog.OpenGrowing(tlog.Folder(name.Dir(a.Dir)), vkey)
		return patient{r}, err
	}
	return nil, fmt.Errorf("events of %s are in the log of another site, and are exported there: %w", origin, authz.ErrNotFound)
}

// patient waits for a checkpoint, and no longer.
type patient struct{ *tlog.Reader }

// RangeProof proves a stretch.
func (p patient) RangeProof(ctx context.Context, first, last uint64) (proof.Range, error) {
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	return p.Reader.RangeProof(ctx, first, last)
}

// Signing is what signs a manifest in the name of the newest shard of the release log, and its
// verifier key.
func (s Site) Signing() (sign func(text string) ([]byte, error), vkey string, err error) {
	names, err := s.Archives[0].Names()
	if err != nil {
		return nil, "", err
	}
	if len(names) == 0 {
		return nil, "", errors.New("the folder of the release log is not here: run this where the node is that writes the log")
	}
	origin := names[len(names)-1].Origin()
	known, err := s.Archives[0].Key(origin)
	if err != nil {
		return nil, "", err
	}
	key, err := releaselog.CheckpointKey(s.Ring, origin, known)
	if err != nil {
		return nil, "", err
	}
	vkey, err = tlog.VerifierKey(origin, key.Public)
	return func(text string) ([]byte, error) { return tlog.SignNote(origin, key, text) }, vkey, err
}
