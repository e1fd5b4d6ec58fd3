package harness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Run executes the program to its end and returns what it printed; a status
// other than zero fails the test.
func Run(t testing.TB, env []string, args ...string) string {
	t.Helper()
	output, status := Try(t, env, args...)
	if status != 0 {
		t.Fatalf("hopnhat %s: exit status %d\n%s", strings.Join(args, " "), status, output)
	}
	return output
}

// Try executes the program to its end and returns what it printed, and its exit
// status.
func Try(t testing.TB, env []string, args ...string) (output string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, Binary(t), args...)
	command.Env = append(os.Environ(), env...)
	text, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("hopnhat %s: %v", strings.Join(args, " "), err)
	}
	return string(text), command.ProcessState.ExitCode()
}

// Program says what to start.
type Program struct {
	Args []string
	Env  []string // added to the environment of the test
	// Base is where it will answer; Start waits for /readyz there.
	Base string
	// Trust issued the server's certificate where Base is https.
	Trust *Authority
	// Transport reaches Base where the test itself does not; it goes before Trust.
	Transport *http.Transport
	// Patience bounds the wait until it is ready, two minutes if zero.
	Patience time.Duration
}

// Process is a started program. It is ended with the test.
type Process struct {
	Base string

	t       testing.TB
	command *exec.Cmd
	output  *tail
	exited  chan struct{}
	err     error // of Wait; read after exited is closed
}

// Start starts the program and waits until it is ready. If the test fails, the
// end of its output is printed, and all of it is kept under artifacts/.
func Start(t testing.TB, program Program) *Process {
	t.Helper()
	p, err := start(t, program)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func start(t testing.TB, program Program) (*Process, error) {
	p := &Process{
		Base: strings.TrimSuffix(program.Base, "/"), t: t,
		command: exec.Command(Binary(t), program.Args...),
		output:  &tail{}, exited: make(chan struct{}),
	}
	p.command.Env = append(os.Environ(), program.Env...)
	p.command.Stdout, p.command.Stderr = p.output, p.output
	// If the test program dies, nobody is left to end this one.
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting hopnhat: %w", err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.exited)
	}()
	t.Cleanup(p.cleanup)
	patience := program.Patience
	if patience == 0 {
		patience = 2 * time.Minute
	}
	client := plain
	if transport := program.Transport; transport != nil || program.Trust != nil {
		if transport == nil {
			transport = program.Trust.Transport()
		}
		transport.DisableKeepAlives = true
		client = &http.Client{Timeout: plain.Timeout, Transport: transport}
	}
	if err := p.waitReady(client, patience); err != nil {
		return nil, fmt.Errorf("hopnhat %s: %w; its output ends:\n%s", strings.Join(program.Args, " "), err, p.output.last(40))
	}
	return p, nil
}

// waitReady asks /readyz until it answers 200, the program ends, or patience is
// over.
func (p *Process) waitReady(client *http.Client, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	last := errors.New("no answer yet")
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.Base+"/readyz", nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err == nil {
			text, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return nil
			}
			err = fmt.Errorf("/readyz: %s %s", response.Status, bytes.TrimSpace(text))
		}
		if ctx.Err() == nil {
			last = err
		}
		select {
		case <-p.exited:
			return fmt.Errorf("ended before it was ready: %v", p.err)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", patience, last)
		case <-again.C:
		}
	}
}

// plain keeps no connection: one left from a killed process would be taken for
// the next one's.
var plain = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Stop ends the program as an operator would and waits. An exit status other
// than zero fails the test.
func (p *Process) Stop() {
	p.t.Helper()
	if p.ended() {
		p.t.Fatalf("hopnhat had ended before it was stopped: %v", p.err)
	}
	p.signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		p.Kill()
		p.t.Fatal("hopnhat did not end within a minute of SIGTERM")
	}
	if p.err != nil {
		p.t.Fatalf("hopnhat ended badly after SIGTERM: %v", p.err)
	}
}

// Kill ends the program at once, wherever it is, and waits until it is gone.
func (p *Process) Kill() {
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// Pause stops the program where it is, as a machine does that hangs; Resume lets it go on.
func (p *Process) Pause() { p.signal(syscall.SIGSTOP) }

// Resume lets a paused program go on.
func (p *Process) Resume() { p.signal(syscall.SIGCONT) }

// Ends waits until the program has ended by itself, which it must do in a minute, and
// gives how: nil is exit status zero.
func (p *Process) Ends() error {
	p.t.Helper()
	select {
	case <-p.exited:
	case <-time.After(time.Minute):
		p.t.Fatal("hopnhat did not end")
	}
	return p.err
}

// Output is what the program has printed so far, at most its last megabyte.
func (p *Process) Output() string { return p.output.last(0) }

func (p *Process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

func (p *Process) signal(s syscall.Signal) {
	if err := p.command.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("sending %s to hopnhat: %v", s, err)
	}
}

func (p *Process) cleanup() {
	if !p.ended() {
		p.Kill()
	}
	if !p.t.Failed() {
		return
	}
	p.t.Logf("the end of hopnhat's output:\n%s", p.output.last(40))
	if dir, err := artifacts(p.t); err == nil {
		name := filepath.Join(dir, fmt.Sprintf("hopnhat-%d.log", p.command.Process.Pid))
		if err := os.WriteFile(name, []byte(p.Output()), 0o600); err == nil {
			p.t.Logf("all of it: %s", name)
		}
	}
}

// Artifacts is a folder for what the test shows: screenshots, logs. It survives
// the test, below artifacts/ in the module's root.
func Artifacts(t testing.TB) string {
	t.Helper()
	dir, err := artifacts(t)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func artifacts(t testing.TB) (string, error) {
	folder, err := root()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(folder, "artifacts", filepath.FromSlash(t.Name()))
	return dir, os.MkdirAll(dir, 0o755)
}

// Port is the first of n free ports in a row on loopback. They are free now; a
// program that finds one taken meanwhile must say so and end.
func Port(t testing.TB, n int) int {
	t.Helper()
	for range 50 {
		if first, ok := freeRow(n); ok {
			return first
		}
	}
	t.Fatalf("no %d free ports in a row", n)
	return 0
}

// Between the drawing of a port and the program that listens on it another process of
// tests may draw the same. So each has a block of its own while it runs, by a lock on a
// file that ends with it.
const (
	blocks    = 20
	blockSize = 10_000 / blocks
)

var block = sync.OnceValue(func() int {
	for _, n := range rand.Perm(blocks) {
		lock, err := os.OpenFile(filepath.Join(os.TempDir(), fmt.Sprintf("hopnhat-test-ports-%d.lock", n)), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			continue // another user's
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			blockLock = lock
			return n
		}
		_ = lock.Close()
	}
	panic("harness: every block of ports has a process of tests that runs")
})

// blockLock is kept, or the collector would close it.
var blockLock *os.File

// drawn counts the ports of the block that were given out.
var drawn struct {
	sync.Mutex
	n int
}

// freeRow gives the ports of the block in turn, so that none is given twice before its
// program listens. They lie below those that the system gives to connections going out,
// or one of these may have taken a port before that.
func freeRow(n int) (first int, ok bool) {
	drawn.Lock()
	defer drawn.Unlock()
	if drawn.n+n > blockSize {
		drawn.n = 0
	}
	first = 10_000 + block()*blockSize + drawn.n
	drawn.n += n
	for i := range n {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+i))
		if err != nil {
			return 0, false
		}
		defer listener.Close()
	}
	return first, true
}

// tail keeps the last megabyte of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const keep = 1 << 20

func (t *tail) Write(text []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, text...)
	if len(t.text) > 2*keep {
		t.text = bytes.Clone(t.text[len(t.text)-keep:])
	}
	return len(text), nil
}

// last is the last n lines, or all that is kept if n is zero.
func (t *tail) last(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := strings.TrimRight(string(t.text), "\n")
	if n == 0 {
		return text
	}
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
