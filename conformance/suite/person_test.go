package suite

import (
	"testing"
	"time"
)

// TestCodes: RFC 6238 appendix B, six digits; and each code only once.
func TestCodes(t *testing.T) {
	p := &Person{values: map[string]string{"totp": "3132333435363738393031323334353637383930"}}
	now := time.Unix(86, 0)
	for _, want := range []string{"287082", "359152", "969429"} { // steps 1, 2 and 3
		if got, wait, err := p.Code(now); err != nil || wait != 0 || got != want {
			t.Fatalf("got %s, wait %s, %v; want %s", got, wait, err, want)
		}
	}
	if _, wait, _ := p.Code(now); wait != 4*time.Second {
		t.Errorf("the fourth in a row has to wait %s, want four seconds", wait)
	}
	// Step 1 is over for the provider when a code made at the end of step 2 arrives.
	p = &Person{values: p.values}
	if got, wait, err := p.Code(time.Unix(89, 0)); err != nil || wait != 0 || got != "359152" {
		t.Errorf("in the last seconds of step 2: got %s, wait %s, %v; want 359152, of step 2", got, wait, err)
	}
	p = &Person{values: map[string]string{"totp": "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"}}
	if got, _, err := p.Code(now); err != nil || got != "287082" {
		t.Errorf("base32: got %s, %v", got, err)
	}
	if _, _, err := (&Person{values: map[string]string{"totp": "0!"}}).Code(now); err == nil {
		t.Error("a seed that is none was taken")
	}
}
