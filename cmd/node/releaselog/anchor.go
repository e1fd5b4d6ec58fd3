package releaselog

import (
	"bytes"
	"fmt"
	"os"

	"hopnhat/authz/audit/proof"
)

// ReadAnchors reads checkpoints that were kept elsewhere, on paper, at another site or by a
// witness: one signed note (https://c2sp.org/tlog-checkpoint) or several, one behind the
// other with empty lines between. Whoever gives them vouches for them, so their signatures
// play no part. No file is no anchor.
func ReadAnchors(path string) ([]proof.Checkpoint, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("log_anchor: reading the anchor of the log: %w", err)
	}
	anchors, err := parseAnchors(raw)
	if err != nil {
		return nil, fmt.Errorf("log_anchor: reading the anchor of the log, %s: %w", path, err)
	}
	return anchors, nil
}

// signature begins each signature line of a note (https://c2sp.org/signed-note).
var signature = []byte("\u2014 ")

func parseAnchors(raw []byte) (all []proof.Checkpoint, err error) {
	var one []byte
	signed := false
	for line := range bytes.Lines(append(bytes.TrimSpace(raw), '\n')) {
		if signed && !bytes.HasPrefix(line, signature) {
			if all, err = with(all, one); err != nil {
				return nil, err
			}
			one, signed = nil, false
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
		}
		if len(one) == 0 && len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		one, signed = append(one, line...), signed || bytes.HasPrefix(line, signature)
	}
	return with(all, one)
}

func with(all []proof.Checkpoint, one []byte) ([]proof.Checkpoint, error) {
	c, err := proof.ParseCheckpoint(one)
	if err != nil {
		return nil, fmt.Errorf("checkpoint %d of the file: %w", len(all)+1, err)
	}
	return append(all, c), nil
}
