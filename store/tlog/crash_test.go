package tlog

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
)

// The child appends as fast as it can and tells each place after it was
// acknowledged, until it is killed.
const childDir = "HOPNHAT_TLOG_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		appendUntilKilled(dir)
	}
	os.Exit(m.Run())
}

func appendUntilKilled(dir string) {
	l, err := Open(context.Background(), options(dir))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	var all sync.WaitGroup
	for c := range 64 {
		all.Go(func() {
			for i := c; ; i += 64 {
				place, err := l.Append(context.Background(), audit.Entry{Leaf: leaf(i)})
				if err != nil {
					fmt.Println("error", err)
					os.Exit(1)
				}
				mu.Lock() // one line is one write, so a line is whole or absent
				fmt.Printf("%d %d\n", place.Index, i)
				mu.Unlock()
			}
		})
	}
	all.Wait()
}

// TestWhatWasAcknowledgedSurvivesKill kills the writing process with SIGKILL
// under load, again and again on one log. Each time every acknowledged entry must
// be at its place, no place may be given twice, the checkpoint must be of what is
// there, and the log must go on.
func TestWhatWasAcknowledgedSurvivesKill(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	o := options(t.TempDir())
	acknowledged := map[uint64][]byte{}
	var before proof.Checkpoint
	for round := range rounds {
		// Kills come after different numbers of entries, so at different moments
		// of a group and of a bundle.
		runAndKill(t, o.Dir, 40+97*round, acknowledged)
		l, err := Open(t.Context(), o)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkPlaces(t, l.Reader, acknowledged)
		size, err := l.Size(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		in, err := l.Proof(t.Context(), size-1) // a checkpoint comes for what had none
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		now, err := proof.OpenCheckpoint([]byte(in.Checkpoint), l.verifiers...)
		if err != nil || now.Size < before.Size {
			t.Fatalf("round %d: checkpoint of %d after one of %d: %v", round, now.Size, before.Size, err)
		}
		before = now
		if err := l.CheckAll(t.Context()); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d entries acknowledged over %d kills, %d in the log", len(acknowledged), rounds, before.Size)
}

func runAndKill(t *testing.T, dir string, after int, acknowledged map[uint64][]byte) {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^$")
	child.Env = append(os.Environ(), childDir+"="+dir)
	var stderr bytes.Buffer
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines, killed := bufio.NewScanner(out), false
	for n := 0; lines.Scan(); n++ { // and what was written before the kill took effect
		place, number, ok := strings.Cut(lines.Text(), " ")
		index, err1 := strconv.ParseUint(place, 10, 64)
		i, err2 := strconv.Atoi(number)
		if !ok || errors.Join(err1, err2) != nil {
			t.Fatalf("the child says %q", lines.Text())
		}
		if _, taken := acknowledged[index]; taken {
			t.Fatalf("place %d was acknowledged twice", index)
		}
		acknowledged[index] = leaf(i)
		if n >= after && !killed {
			killed = true
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	var exit *exec.ExitError
	if err := child.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Fatalf("the child was not killed: %v\n%s", err, stderr.Bytes())
	}
}
