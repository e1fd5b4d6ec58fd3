package releaselog

import (
	"fmt"
	"os"
	"time"

	"hopnhat/authz/audit/witness"
	"hopnhat/authz/outbound"
)

// ReadWitnesses reads the file of those who are asked to cosign checkpoints (C2SP
// tlog-witness), of whom so many are wanted. No file is no witness, nil. Only where this
// machine alone is served may a witness be on it.
func ReadWitnesses(path string, wanted int, loopback bool) (*witness.Circle, error) {
	if path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("log_witnesses: %w", err)
	}
	peers, err := witness.ParsePeers(raw)
	if err != nil {
		return nil, fmt.Errorf("log_witnesses: %s: %w", path, err)
	}
	circle, err := witness.NewCircle(peers, wanted, outbound.New(loopback), time.Now)
	if err != nil {
		return nil, fmt.Errorf("log_witnesses: %s: %w", path, err)
	}
	return circle, nil
}
