package keytest_test

import (
	"testing"

	"hopnhat/keys/keytest"
)

// TestLedger: the ledger in memory promises what those on a disk do.
func TestLedger(t *testing.T) { keytest.RunLedger(t, &keytest.Ledger{}) }
