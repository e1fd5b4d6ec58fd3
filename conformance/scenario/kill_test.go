package scenario_test

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"hopnhat/conformance/harness"
)

// TestKilledAtAnyMoment: whatever instant the process dies at, every release that
// a client received has its event and its log entry (docs/decisions.md D8). The process is
// killed under load again and again, DRILL_KILLS times or 6, and afterwards every release
// is looked for in the citizen's own portal, with its proof.
func TestKilledAtAnyMoment(t *testing.T) {
	rounds := 6
	if text := os.Getenv("DRILL_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("DRILL_KILLS is %q: want a number of kills", text)
		}
		rounds = n
	}
	onEach(t, func(t *testing.T, n *nation) { killed(t, n, rounds) })
}

func killed(t *testing.T, n *nation, rounds int) {
	const callers, atOneSignIn = 8, 10
	received, lost := 0, 0
	// A person's one-time codes suffice for three sign-ins in half a minute, and kills are faster.
	people := []*person{n.someone(t), n.someone(t), n.someone(t), n.someone(t)}
	var b *http.Client
	var token string
	for round := range rounds {
		if round%atOneSignIn == 0 { // neither token nor session lives as long as many rounds take
			b = browser(t)
			token = n.app.tokens(t, b, people[round/atOneSignIn%len(people)], taxDetail).text("access_token")
		}
		ids := underFire(t, n, token, callers, 10+rand.IntN(60))
		received += len(ids)
		n.start(t)
		for _, id := range ids {
			if err := proved(t, n, b, id); err != nil {
				lost++
				t.Errorf("kill %d: release %s was received: %v", round+1, id, err)
			}
		}
		t.Logf("kill %d of %d: %d releases received before it; %d in all, %d lost", round+1, rounds, len(ids), received, lost)
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

// proved downloads the proof of a release as the citizen and verifies it offline.
func proved(t *testing.T, n *nation, b *http.Client, id string) error {
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/portal/releases/"+id+"/proof", nil)
	if err != nil {
		return err
	}
	response, err := b.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("its proof is not there: %d %.300s (%v)", response.StatusCode, raw, err)
	}
	file := filepath.Join(n.state, "killed.proof")
	if err := os.WriteFile(file, raw, 0o600); err != nil {
		return err
	}
	verify := exec.CommandContext(t.Context(), harness.Verifier(t), "--log-key", filepath.Join(n.state, "log.vkey"), file)
	if report, err := verify.CombinedOutput(); err != nil || !bytes.Contains(raw, []byte(id)) {
		return fmt.Errorf("its proof does not hold: %v\n%s", err, report)
	}
	return nil
}
