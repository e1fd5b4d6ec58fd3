package clients

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// run starts a program that serves, in a process group of its own, and waits until the
// address answers; it ends with the test. more is what the log of a test that failed shows
// beside the program's output.
func run(t testing.TB, name string, command *exec.Cmd, address string, more func() string) {
	t.Helper()
	if command.SysProcAttr == nil {
		command.SysProcAttr = &syscall.SysProcAttr{}
	}
	// If the test program dies, nobody is left to end this one.
	command.SysProcAttr.Pdeathsig, command.SysProcAttr.Setpgid = syscall.SIGKILL, true
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Start(); err != nil {
		t.Fatalf("starting %s: %v", name, err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = command.Wait() // its log says why
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGTERM)
		<-exited
		if t.Failed() {
			t.Logf("the log of %s:\n%s%s", name, output.String(), more())
		}
	})
	if err := ready(address, exited); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// ready asks until an address answers.
func ready(address string, exited <-chan struct{}) error {
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	over := time.After(time.Minute)
	for {
		response, err := http.Get(address)
		if err == nil {
			response.Body.Close()
			return nil
		}
		select {
		case <-exited:
			return errors.New("it ended before it was ready")
		case <-over:
			return fmt.Errorf("it is not ready within a minute: %w", err)
		case <-again.C:
		}
	}
}
