package ledger

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/witness"
	"hopnhat/cmd/command/tool"
)

// logKey is the key of a log whose private half nobody has.
func logKey(t *testing.T) string {
	t.Helper()
	vkey, err := note.NewEd25519VerifierKey("hopnhat.example/release/dc1", make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	return vkey
}

// started runs a witness, and gives what it printed first and where it listens.
func started(t *testing.T, f witnessFlags) (key, address string, stop func() error) {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := witnessed(ctx, &tool.Env{Out: in}, f)
		in.CloseWithError(errors.Join(io.EOF, err))
		ended <- err
	}()
	lines := bufio.NewScanner(out)
	for range 2 {
		lines.Scan()
		if k, ok := strings.CutPrefix(lines.Text(), "witness key: "); ok {
			key = k
		}
		address = strings.TrimPrefix(lines.Text(), "listening on ")
	}
	return key, address, func() error { cancel(); return <-ended }
}

// TestAWitnessOnAnAuditorsMachine makes its key once, shows it, answers, and is one process.
func TestAWitnessOnAnAuditorsMachine(t *testing.T) {
	f := witnessFlags{
		dir: filepath.Join(t.TempDir(), "w"), name: "witness.example/w1", listen: "127.0.0.1:0", logs: []string{logKey(t)},
	}
	key, address, stop := started(t, f)
	if _, err := cosign.ParseKey(key); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get("http://" + address + "/key")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if said, err := io.ReadAll(answer.Body); err != nil || string(said) != key+"\n" {
		t.Errorf("it says %q, %v", said, err)
	}
	posted, err := http.Post("http://"+address+"/add-checkpoint", "text/plain", strings.NewReader("old 0\n\nx\n1\nAAAA\n\n— x AAAAAAAA\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer posted.Body.Close()
	if posted.StatusCode != http.StatusBadRequest {
		t.Errorf("no checkpoint: status %d", posted.StatusCode)
	}
	if err := witnessed(t.Context(), &tool.Env{Out: io.Discard}, f); !errors.Is(err, witness.ErrLocked) {
		t.Errorf("a second process: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	again, _, stop := started(t, f)
	if again != key {
		t.Errorf("after a start its key is %q, before %q", again, key)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAWitnessNeedsNameAndLog(t *testing.T) {
	for name, f := range map[string]witnessFlags{
		"no log": {name: "w"}, "no name": {logs: []string{logKey(t)}}, "no key": {name: "w", logs: []string{"nonsense"}},
		"half of TLS": {name: "w", logs: []string{logKey(t)}, certificate: "x.pem"},
	} {
		f.dir, f.listen = t.TempDir(), "127.0.0.1:0"
		if err := witnessed(t.Context(), &tool.Env{Out: io.Discard}, f); err == nil {
			t.Errorf("%s: it runs", name)
		}
	}
}
