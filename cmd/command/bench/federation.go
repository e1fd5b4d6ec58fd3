package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/demo/federated"
	"hopnhat/federation/authority"
)

// FederationMeasured is what `hopnhat bench federation` prints.
type FederationMeasured struct {
	Entities int `json:"entities"`
	// Walk is how long the first walk took, with the answers of the peers, which run in the
	// same process; Again that of one that finds everything young.
	Walk  float64 `json:"walk_s"`
	Again float64 `json:"walk_again_s"`
	// Warm is the time of an answer in process, Allocated its allocations.
	Warm      float64 `json:"warm_ns"`
	Allocated float64 `json:"warm_allocs"`
	// HTTP is the mean time of an answer of the resolve endpoint over HTTPS, one caller.
	HTTP float64 `json:"http_ms"`
	// Heap is what is in use after a walk, with all peers in the same process.
	Heap float64 `json:"heap_mb"`
}

// benchFederation is `hopnhat bench federation`.
func benchFederation(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "federation", Short: "Measure the resolver on a federation of the nation, over HTTPS on this machine", Args: tool.NoWords,
		Example: tool.Lines("hopnhat bench federation", "hopnhat bench federation --apps 294 --json"),
	}
	apps := cmd.Flags().Int("apps", 3, "apps in each of the 34 provinces; 294 make 10,000 entities")
	port := cmd.Flags().Int("port", 8450, "port at each address of "+federated.Network)
	calls := cmd.Flags().Int("calls", 1_000_000, "answers in process that are measured")
	asJSON := tool.JSONFlag(cmd, tool.Object, FederationMeasured{})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *apps < 1 || *apps > 500 || *calls < 1 {
			return errors.New("--apps goes from 1 to 500, --calls from 1")
		}
		m, err := measureFederation(cmd.Context(), *port, *apps, *calls)
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(m)
		}
		e.Printf("%d entities: first walk %.2f s, again %.2f s; an answer %.0f ns and %.2f allocations in process, %.2f ms over HTTPS; %.0f MB\n",
			m.Entities, m.Walk, m.Again, m.Warm, m.Allocated, m.HTTP, m.Heap)
		return nil
	}
	return cmd
}

func measureFederation(ctx context.Context, port, apps, calls int) (m FederationMeasured, err error) {
	n, err := federated.New(ctx, port, apps)
	if err != nil {
		return m, err
	}
	if err := n.Start(ctx); err != nil {
		return m, err
	}
	defer n.Stop()
	for _, into := range []*float64{&m.Walk, &m.Again} {
		began := time.Now()
		n.Resolver.Refresh(ctx)
		*into = time.Since(began).Seconds()
	}
	if m.Entities, _, _ = n.Resolver.Known(); m.Entities != n.Entities() {
		return m, fmt.Errorf("%d of %d entities are trusted after a walk; the log says what could not be fetched", m.Entities, n.Entities())
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	for range calls {
		if _, err := n.Resolver.Resolve(n.App); err != nil {
			return m, err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	m.Warm, m.Allocated = float64(took.Nanoseconds())/float64(calls), float64(after.Mallocs-before.Mallocs)/float64(calls)
	m.Heap = float64(before.HeapAlloc) / (1 << 20)
	m.HTTP, err = overHTTP(ctx, n)
	return m, err
}

// overHTTP is the mean time of an answer of the resolve endpoint, in milliseconds.
func overHTTP(ctx context.Context, n *federated.Nation) (float64, error) {
	const requests = 500
	query := url.Values{"sub": {string(n.App)}, "trust_anchor": {string(n.Anchor())}}
	address := string(n.Anchor()) + authority.ResolvePath + "?" + query.Encode()
	client := n.Client()
	var began time.Time
	for i := range requests + 1 {
		if i == 1 { // the first makes the connection and the signature
			began = time.Now()
		}
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return 0, err
		}
		answer, err := client.Do(r)
		if err != nil {
			return 0, err
		}
		_, err = io.Copy(io.Discard, answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != http.StatusOK {
			return 0, errors.Join(fmt.Errorf("the resolve endpoint answered %d", answer.StatusCode), err)
		}
	}
	return float64(time.Since(began).Microseconds()) / 1000 / requests, nil
}
