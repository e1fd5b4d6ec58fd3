package scenario_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
)

// towards sends everything to one node, whatever host it is meant for.
func towards(base string) http.RoundTripper {
	return &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, strings.TrimPrefix(base, "http://"))
		},
	}
}

// at is the app, and a browser, that reach one node only.
func (n *nation) at(t *testing.T, base string) (*party, *http.Client) {
	t.Helper()
	p, b := *n.app, browser(t)
	p.http, b.Transport = &http.Client{Transport: towards(base), Timeout: time.Minute}, towards(base)
	return &p, b
}

// logged is where a release stands in the log.
type logged struct {
	id, origin string
	index      uint64
}

// released makes a release that must succeed.
func released(t *testing.T, p *party, token string) logged {
	t.Helper()
	a := p.release(t, token, taxRead)
	if a.status != http.StatusOK {
		t.Fatalf("a release: %d %s", a.status, a.raw)
	}
	log, _ := a.body["log"].(map[string]any)
	index, _ := log["index"].(float64)
	origin, _ := log["origin"].(string)
	return logged{a.text("release_id"), origin, uint64(index)}
}

// aged lets the lease of the site be over, as half a minute does.
func (n *nation) aged(t *testing.T) {
	t.Helper()
	pgtest.Exec(t, n.tool[slices.Index(n.tool, "--database")+1], "UPDATE sites SET seen_at = now() - interval '1 hour'")
}

// proofAt fetches a proof. A node that did not log the event itself knows its place once
// that is in the database, within a second; until then it says that there is none yet.
func proofAt(t *testing.T, b *http.Client, address string) string {
	t.Helper()
	var a answer
	waits(t, "a proof at "+address, func() bool {
		a = open(t, b, http.MethodGet, address, nil)
		return a.status == http.StatusOK
	})
	return a.raw
}

// proofOf takes the proof of a release from a node and verifies it by keys.
func proofOf(t *testing.T, b *http.Client, n *nation, id, keys string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "p.proof")
	if err := os.WriteFile(file, []byte(proofAt(t, b, n.base+"/portal/releases/"+id+"/proof")), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, status := harness.Try(t, nil, "audit", "verify", "--lang", "en", "--log-key", keys, file); status != 0 ||
		!strings.Contains(out, "GREEN") {
		t.Errorf("the proof of %s: status %d\n%s", id, status, out)
	}
}

// checkpoints are those below a folder, by shard.
func checkpoints(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	found, err := filepath.Glob(filepath.Join(folder, "*", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range found {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(filepath.Dir(path))] = string(raw)
	}
	return all
}

// TestNodesOfOneSiteHaveOneLog: releases at both nodes stand in one log, each once, and
// each node has the proofs of both.
func TestNodesOfOneSiteHaveOneLog(t *testing.T) {
	n := begin(t, onTwoNodes)
	who, b := n.someone(t), browser(t)
	token := n.app.tokens(t, b, who, taxDetail).text("access_token")
	var mu sync.Mutex
	var all sync.WaitGroup
	places := map[string]string{}
	var ids []string
	for _, base := range []string{"http://" + n.direct, n.second.Base} {
		for range 4 {
			p, _ := n.at(t, base)
			all.Go(func() {
				for range 5 {
					l := released(t, p, token)
					mu.Lock()
					place := fmt.Sprintf("%s %d", l.origin, l.index)
					if other, twice := places[place]; twice {
						t.Errorf("%s is the place of %s and of %s", place, other, l.id)
					}
					places[place] = l.id
					ids = append(ids, l.id)
					mu.Unlock()
				}
			})
		}
	}
	all.Wait()
	for i, id := range ids[:4] {
		proofOf(t, b, n, id, filepath.Join([]string{n.state, n.state + "-2"}[i%2], "log.vkey"))
	}
	if found := checkpoints(t, filepath.Join(n.state+"-2", "tlog")); len(found) > 0 {
		t.Errorf("the second node writes a log of its own: %v", found)
	}
	for _, base := range []string{"http://" + n.direct, n.second.Base} {
		becomes(t, base, map[string]string{})
	}
}

// TestTheWriterIsKilled: nothing is released at the other node while nobody writes the
// log, people go on signing in, and then that node writes it in a folder of its own: the
// shard ends where it was recorded, and the next part begins. Its place in the database
// makes that one tree; the node that comes back follows.
func TestTheWriterIsKilled(t *testing.T) {
	n := begin(t, onTwoNodes)
	p, b := n.at(t, n.second.Base)
	who := n.someone(t)
	token := n.app.tokens(t, browser(t), who, taxDetail).text("access_token")
	before := released(t, p, token)
	signed := checkpoints(t, filepath.Join(n.state, "tlog"))
	n.process.Kill()
	becomes(t, n.second.Base, map[string]string{"log": "unavailable: unreached"}, "broker")
	if a := p.release(t, token, taxRead); a.status != http.StatusServiceUnavailable || a.text("code") != "unavailable" {
		t.Errorf("a release without a writer: %d %s", a.status, a.raw)
	}
	p.tokens(t, b, who, taxDetail) // in the middle of it
	n.aged(t)
	becomes(t, n.second.Base, map[string]string{})
	after := released(t, p, token)
	if after.origin != before.origin+"-2" {
		t.Errorf("the log goes on in %s after %s", after.origin, before.origin)
	}
	proofOf(t, b, n, after.id, filepath.Join(n.state+"-2", "log.vkey"))

	first := harness.Start(t, harness.Program{Args: n.argument, Base: "http://" + n.direct})
	n.process = first
	q, back := n.at(t, first.Base)
	if l := released(t, q, token); l.origin != after.origin {
		t.Errorf("the node that came back writes %s", l.origin)
	}
	q.tokens(t, back, who, taxDetail)
	proofOf(t, back, n, before.id, filepath.Join(n.state, "log.vkey"))
	for shard, was := range signed {
		if is := checkpoints(t, filepath.Join(n.state, "tlog"))[shard]; is != was &&
			!strings.HasPrefix(is, strings.SplitN(was, "\n", 2)[0]) {
			t.Errorf("the checkpoint of %s changed:\n%s\n%s", shard, was, is)
		}
	}
}

// TestTheWriterHangsAndGoesOn: a writer that is stopped is replaced, and when it goes on
// its late checkpoint is not published; what it acknowledged before is logged once more.
func TestTheWriterHangsAndGoesOn(t *testing.T) {
	n := begin(t, onTwoNodes)
	base, who := "http://"+n.direct, n.someone(t)
	p, _ := n.at(t, base)
	q, _ := n.at(t, n.second.Base)
	token := n.app.tokens(t, browser(t), who, taxDetail).text("access_token")
	old := released(t, p, token)
	ids := []string{old.id}
	for range 5 { // the newest of them no checkpoint covers yet
		ids = append(ids, released(t, p, token).id)
	}
	n.process.Pause()
	n.aged(t)
	waits(t, "the second node writes", func() bool {
		a := q.release(t, token, taxRead)
		return a.status == http.StatusOK && strings.Contains(a.raw, old.origin+"-2")
	})
	n.process.Resume()
	waits(t, "the first node follows", func() bool {
		a := p.release(t, token, taxRead)
		return a.status == http.StatusOK && strings.Contains(a.raw, old.origin+"-2")
	})
	becomes(t, base, map[string]string{})
	if found := regexp.MustCompile(`"msg":"another node took the release log over`).FindString(n.logs(t)); found == "" {
		t.Error("the first node says nothing of it")
	}
	// At its next start it logs what no checkpoint covered.
	n.process.Stop()
	n.process = harness.Start(t, harness.Program{Args: n.argument, Base: base})
	p, b := n.at(t, base)
	p.tokens(t, b, who, taxDetail)
	for _, id := range ids {
		proofOf(t, b, n, id, filepath.Join(n.state, "log.vkey"))
	}
}

// TestTheWriterIsKilledAndItsFolderGoesOn: a node that has the same folder goes on with
// the shard.
func TestTheWriterIsKilledAndItsFolderGoesOn(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "shared")
	n := begin(t, onTwoNodes, "--log-folder", folder)
	p, b := n.at(t, n.second.Base)
	who := n.someone(t)
	token := n.app.tokens(t, b, who, taxDetail).text("access_token")
	before := released(t, p, token)
	n.process.Kill()
	becomes(t, n.second.Base, map[string]string{"log": "unavailable: unreached"}, "broker")
	n.aged(t)
	becomes(t, n.second.Base, map[string]string{})
	after := released(t, p, token)
	if after.origin != before.origin || after.index <= before.index {
		t.Errorf("the log goes on at %d of %s, after %d of %s", after.index, after.origin, before.index, before.origin)
	}
	p.tokens(t, b, who, taxDetail)
	for _, id := range []string{before.id, after.id} {
		proofOf(t, b, n, id, filepath.Join(n.state+"-2", "log.vkey"))
	}
}

// TestTwoNodesTakeOver: of two that could write the log when the writer is gone one does,
// and the other follows.
func TestTwoNodesTakeOver(t *testing.T) {
	n := begin(t, onTwoNodes)
	port := harness.Port(t, 2)
	third := harness.Start(t, harness.Program{
		Base: fmt.Sprintf("http://127.0.0.1:%d", port),
		Args: append(
			slices.Clone(n.serve), "--state", n.state+"-3", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--log-listen",
			fmt.Sprintf("127.0.0.1:%d", port+1),
		),
	})
	token := n.app.tokens(t, browser(t), n.someone(t), taxDetail).text("access_token")
	before := released(t, n.app, token)
	n.process.Kill()
	bases := []string{n.second.Base, third.Base}
	for _, base := range bases {
		becomes(t, base, map[string]string{"log": "unavailable: unreached"}, "broker")
	}
	n.aged(t)
	seen := map[uint64]bool{}
	for _, base := range bases {
		becomes(t, base, map[string]string{})
		p, _ := n.at(t, base)
		for range 3 {
			l := released(t, p, token)
			if l.origin != before.origin+"-2" || seen[l.index] {
				t.Errorf("%s: entry %d of %s", base, l.index, l.origin)
			}
			seen[l.index] = true
		}
	}
	if writers := len(checkpoints(t, n.state+"-2/tlog")) + len(checkpoints(t, n.state+"-3/tlog")); writers != 1 {
		t.Errorf("%d nodes write a log", writers)
	}
}

// waits waits for what comes by itself within a minute.
func waits(t *testing.T, what string, done func() bool) {
	t.Helper()
	again, over := time.NewTicker(200*time.Millisecond), time.NewTimer(time.Minute)
	defer again.Stop()
	defer over.Stop()
	for !done() {
		select {
		case <-again.C:
		case <-over.C:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}
