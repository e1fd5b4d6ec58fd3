package watch

import "testing"

// TestEnoughRoom asks a real disk.
func TestEnoughRoom(t *testing.T) {
	dir := t.TempDir()
	if err := EnoughRoom(1, dir); err != nil {
		t.Errorf("one byte: %v", err)
	}
	if err := EnoughRoom(1<<62, dir); err == nil {
		t.Error("there is room for 4 EiB")
	}
	if err := EnoughRoom(1, dir, dir+"/nowhere"); err == nil {
		t.Error("a folder that is not there has room")
	}
}
