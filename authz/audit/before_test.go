package audit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"
)

// TestEventsOfBeforeAreTheSameBytes: events that a program of before wrote, with the
// leaves that it appended (testdata/before), read back as themselves and commit to the
// same leaves. Evidence is kept for decades; what is written today must not change what
// was written then.
func TestEventsOfBeforeAreTheSameBytes(t *testing.T) {
	f, err := os.Open("testdata/before/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	kinds := map[Type]bool{}
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		var row struct {
			Event, Salt string
			Leaf        string
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		salt, err := hex.DecodeString(row.Salt)
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		e, err := Parse([]byte(row.Event))
		if err != nil {
			t.Errorf("line %d: %v", n, err)
			continue
		}
		kinds[e.Type] = true
		if again, err := e.Canonical(); err != nil || string(again) != row.Event {
			t.Errorf("line %d: got %s (%v), want %s", n, again, err, row.Event)
		}
		want, err := base64.StdEncoding.DecodeString(row.Leaf)
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		if leaf, err := Leaf(e, Salt(salt)); err != nil || !bytes.Equal(leaf, want) {
			t.Errorf("line %d: leaf %x (%v), want %x", n, leaf, err, want)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(kinds) != 12 {
		t.Errorf("the corpus has %d kinds of event: %v", len(kinds), kinds)
	}
}
