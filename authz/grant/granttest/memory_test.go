package granttest_test

import (
	"testing"

	"hopnhat/authz/grant/granttest"
)

// TestMemory keeps what a grant.Store promises, as the database does.
func TestMemory(t *testing.T) { granttest.Run(t, granttest.NewMemory()) }
