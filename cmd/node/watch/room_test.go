package watch

import "testing"

// TestEnoughRoom asks a real disk.
func TestEnoughRoom(t *testing.T) {
	dir := t.TempDir()
	if err := EnoughRoom(dir, 1); err != nil {
		t.Errorf("one byte: %v", err)
	}
	if err := EnoughRoom(dir, 1<<62); err == nil {
		t.Error("there is room for 4 EiB")
	}
	if err := EnoughRoom(dir+"/nowhere", 1); err == nil {
		t.Error("a folder that is not there has room")
	}
}
