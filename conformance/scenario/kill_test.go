package scenario_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hopnhat/conformance/harness"
)

// TestKilledAtAnyMoment: whatever instant the process dies at, every release that
// a client received has its event and its log entry (docs/decisions.md D8). The process is
// killed under load again and again, and afterwards every release is looked for
// in the citizen's own portal, with its proof.
func TestKilledAtAnyMoment(t *testing.T) { onEach(t, killed) }

func killed(t *testing.T, n *nation) {
	who, b := n.someone(t), browser(t)
	token := n.app.tokens(t, b, who, taxDetail).text("access_token")
	const rounds, callers = 6, 8
	received := 0
	for round := range rounds {
		ids := underFire(t, n, token, callers, 10+rand.IntN(60))
		received += len(ids)
		n.start(t)
		for _, id := range ids {
			checkRelease(t, n, b, id)
		}
		t.Logf("round %d: %d releases received before the kill, all recorded and proved", round+1, len(ids))
	}
	if received < rounds*10 {
		t.Fatalf("only %d releases were received in all: the load was none", received)
	}
}

// underFire reads with many callers until enough answers have come, kills the
// server in the middle of it, and returns the releases that were received.
func underFire(t *testing.T, n *nation, token string, callers, enough int) []string {
	t.Helper()
	var mu sync.Mutex
	var ids []string
	var dead atomic.Bool
	full := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	for range callers {
		p := *n.app // a nonce of its own
		group.Go(func() {
			for !dead.Load() {
				id, ok := tryRelease(t, &p, token)
				if !ok {
					continue
				}
				mu.Lock()
				ids = append(ids, id)
				if len(ids) >= enough {
					once.Do(func() { close(full) })
				}
				mu.Unlock()
			}
		})
	}
	<-full
	n.process.Kill()
	dead.Store(true)
	group.Wait()
	return ids
}

// tryRelease makes one release; a connection that breaks is what a kill looks
// like, and not a failure.
func tryRelease(t *testing.T, p *party, token string) (id string, ok bool) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.n.base+"/broker/v1/releases", strings.NewReader(taxRead))
	if err != nil {
		return "", false
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "DPoP "+token)
	r.Header.Set("DPoP", p.dpop(t, http.MethodPost, p.n.base+"/broker/v1/releases", token, nil))
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", false
	}
	defer response.Body.Close()
	if nonce := response.Header.Get("DPoP-Nonce"); nonce != "" {
		p.nonce = nonce
	}
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return "", false
	}
	_, rest, found := strings.Cut(string(raw), `"release_id":"`)
	id, _, closed := strings.Cut(rest, `"`)
	return id, found && closed && bytes.HasSuffix(bytes.TrimSpace(raw), []byte("}"))
}

// checkRelease downloads the proof as the citizen and verifies it offline.
func checkRelease(t *testing.T, n *nation, b *http.Client, id string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/portal/releases/"+id+"/proof", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("release %s was received, but its proof is not there: %d %.300s", id, response.StatusCode, raw)
	}
	file := filepath.Join(t.TempDir(), "p.proof")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if output, status := harness.Try(t, nil, "audit", "verify", "--log-key", filepath.Join(n.state, "log.vkey"), file); status != 0 ||
		!strings.Contains(string(raw), id) {
		t.Fatalf("release %s: its proof does not hold:\n%s", id, output)
	}
}
