package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// TestTailKeepsTheEnd: of a long output the newest part is what explains a
// failure.
func TestTailKeepsTheEnd(t *testing.T) {
	var output tail
	for i := range 300_000 {
		fmt.Fprintf(&output, "line %d\n", i)
	}
	if got := output.last(2); got != "line 299998\nline 299999" {
		t.Errorf("last 2 lines: got %q", got)
	}
	if all := output.last(0); len(all) > 2*keep || !strings.HasSuffix(all, "line 299999") {
		t.Errorf("kept %d bytes, want at most %d, with the end", len(all), 2*keep)
	}
}

// TestPortsInARow: a server and its neighbours need adjacent ports.
func TestPortsInARow(t *testing.T) {
	first := Port(t, 3)
	for port := first; port < first+3; port++ {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Errorf("port %d of the row from %d: %v", port, first, err)
			continue
		}
		defer listener.Close()
	}
}

// TestNoPortIsGivenTwice: whoever draws ports after another, who does not listen yet,
// gets others.
func TestNoPortIsGivenTwice(t *testing.T) {
	given := map[int]bool{}
	for range 40 {
		first := Port(t, 4)
		for port := first; port < first+4; port++ {
			if given[port] {
				t.Fatalf("port %d is given twice", port)
			}
			given[port] = true
		}
	}
}

// TestABlockOfPortsIsOneProcess: while this process of tests runs no other has its
// ports.
func TestABlockOfPortsIsOneProcess(t *testing.T) {
	first := Port(t, 3)
	if low := 10_000 + block()*blockSize; first < low || first+3 > low+blockSize {
		t.Fatalf("ports from %d are not of the block from %d", first, low)
	}
	other, err := os.OpenFile(blockLock.Name(), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		t.Fatal("a second one has the block")
	}
}

// TestProgramThatEnds: its exit status and its words come back.
func TestProgramThatEnds(t *testing.T) {
	if output := Run(t, nil, "help"); !strings.Contains(output, "hopnhat") {
		t.Errorf("help printed %q", output)
	}
	output, status := Try(t, nil, "no-such-command")
	if status == 0 || !strings.Contains(output, "no-such-command") {
		t.Errorf("an unknown command: status %d, %q", status, output)
	}
}

// TestStartTellsWhyNot: a program that ends instead of serving is reported with
// its status and its words, without waiting for the whole patience.
func TestStartTellsWhyNot(t *testing.T) {
	_, err := start(t, Program{Args: []string{"no-such-command"}, Base: fmt.Sprintf("http://127.0.0.1:%d", Port(t, 1))})
	if err == nil || !strings.Contains(err.Error(), "ended before it was ready") || !strings.Contains(err.Error(), "no-such-command") {
		t.Errorf("got %v", err)
	}
}

// TestAShallowCloneSaysWhatToDo: the release before is built from the clone's own
// history, which a shallow one lacks.
func TestAShallowCloneSaysWhatToDo(t *testing.T) {
	git := func(dir string, words ...string) {
		t.Helper()
		command := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.invalid"}, words...)...)
		command.Dir = dir
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v %s", words, err, out)
		}
	}
	dir := t.TempDir()
	git(dir, "init", "-q")
	git(dir, "commit", "-q", "--allow-empty", "-m", "later")
	for name, folder := range map[string]string{"shallow": dir, "no clone": t.TempDir()} {
		if _, err := buildBefore(folder); err == nil || !strings.Contains(err.Error(), "git fetch --unshallow") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
