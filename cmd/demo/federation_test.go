package demo

import (
	"bytes"
	"context"
	"net"
	"strings"
	"sync"
	"testing"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/command/trust"
	"hopnhat/cmd/node"
)

// said is what a command printed so far.
type said struct {
	mu sync.Mutex
	b  bytes.Buffer
	// last is closed when the last line is there.
	last chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, err := s.b.Write(p)
	if bytes.Contains(p, []byte("Ctrl-C")) {
		close(s.last)
	}
	return n, err
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestFederation: the federation of the nation runs, all of it is trusted, and the command
// that it prints shows the chain of an app over HTTPS, with its trust mark.
func TestFederation(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	l.Close()
	c := node.Defaults()
	c.State = t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, ended := &said{last: make(chan struct{})}, make(chan error, 1)
	go func() { ended <- runFederation(ctx, &tool.Env{Out: out, Err: out}, &c, port) }()
	select {
	case <-out.last:
	case err := <-ended:
		t.Fatalf("it ended: %v\n%s", err, out)
	}
	if !strings.Contains(out.String(), "139 entities run") || !strings.Contains(out.String(), "139 are trusted") {
		t.Errorf("got %s", out)
	}
	var words []string
	for line := range strings.Lines(out.String()) {
		if after, ok := strings.CutPrefix(line, "hopnhat federation "); ok {
			words = strings.Fields(after)
		}
	}
	var shown bytes.Buffer
	cmd := trust.Federation(&tool.Env{Out: &shown, Err: &shown})
	cmd.SetArgs(words)
	err = cmd.ExecuteContext(t.Context())
	for _, want := range []string{
		"TRUSTED: https://127.34.1.1:", `openid_relying_party.subject_type value "pairwise"`, "TRUST MARK: https://127.34.0.1:", "Đất đai Hà Nội",
		`openid_relying_party.grant_types value ["authorization_code"]`,
	} {
		if err != nil || !strings.Contains(shown.String(), want) {
			t.Errorf("%v: does not say %q:\n%s", err, want, shown.String())
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
