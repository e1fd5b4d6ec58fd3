package few_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"hopnhat/authz/audit/few"
)

// TestAFewAreTold: each can be recognised, and the rest is counted.
func TestAFewAreTold(t *testing.T) {
	var none, all few.Errors
	none.Add(nil)
	if err := none.Err(); err != nil {
		t.Error(err)
	}
	last := errors.New("told")
	for i := range few.Told - 1 {
		all.Add(fmt.Errorf("error %d", i))
	}
	all.Add(last)
	for range 3 {
		all.Add(errors.New("not told"))
	}
	err := all.Err()
	if !errors.Is(err, last) || strings.Contains(err.Error(), "not told") || !strings.HasSuffix(err.Error(), "and 3 more") {
		t.Errorf("got %v", err)
	}
}
