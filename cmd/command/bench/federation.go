package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/demo/federated"
	"hopnhat/federation"
	"hopnhat/federation/authority"
)

// FederationMeasured is what `hopnhat bench federation` prints.
type FederationMeasured struct {
	Entities int `json:"entities"`
	// Walk is how long the first walk took, with the answers of the peers, which run in the
	// same process; Again that of one that finds everything young.
	Walk  float64 `json:"walk_s"`
	Again float64 `json:"walk_again_s"`
	// Restart is how long it takes to know all from the file, without a network.
	Restart float64 `json:"restart_s"`
	// Warm is the time of an answer in process, Allocated its allocations.
	Warm      float64 `json:"warm_ns"`
	Allocated float64 `json:"warm_allocs"`
	// HTTP is the mean time of an answer of the resolve endpoint over HTTPS, one caller.
	HTTP float64 `json:"http_ms"`
	// Median and P99 are of answers over HTTPS when Rate of them are asked for each second, from
	// when each was due to its end; the callers are in the same process.
	Rate   float64 `json:"rate_per_s"`
	Median float64 `json:"http_median_ms"`
	P99    float64 `json:"http_p99_ms"`
	// Revoked is how long after the revocation of an app the resolver knows of it.
	Revoked float64 `json:"revoked_s"`
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
	perSecond := cmd.Flags().Int("rate", 1000, "answers over HTTPS that are asked for each second")
	seconds := cmd.Flags().Int("seconds", 5, "how long they are")
	calls := cmd.Flags().Int("calls", 1_000_000, "answers in process that are measured")
	asJSON := tool.JSONFlag(cmd, tool.Object, FederationMeasured{})
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *apps < 1 || *apps > 500 || *calls < 1 || *perSecond < 1 || *seconds < 1 {
			return errors.New("--apps goes from 1 to 500, --calls, --rate and --seconds from 1")
		}
		m, err := measureFederation(cmd.Context(), federationLoad{*port, *apps, *calls, *perSecond, *seconds})
		if err != nil {
			return err
		}
		if *asJSON {
			return e.JSON(m)
		}
		e.Printf("%d entities: first walk %.2f s, again %.2f s, start from the file %.2f s; an answer %.0f ns and %.2f allocations in process, %.2f ms over HTTPS; "+
			"at %.0f a second a median of %.2f ms and a p99 of %.2f ms; a revocation known after %.1f s; %.0f MB\n",
			m.Entities, m.Walk, m.Again, m.Restart, m.Warm, m.Allocated, m.HTTP, m.Rate, m.Median, m.P99, m.Revoked, m.Heap)
		return nil
	}
	return cmd
}

// federationLoad is how much is measured.
type federationLoad struct{ port, apps, calls, rate, seconds int }

func measureFederation(ctx context.Context, l federationLoad) (m FederationMeasured, err error) {
	folder, err := os.MkdirTemp("", "hopnhat-bench-*")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	n, err := federated.New(ctx, l.port, l.apps, filepath.Join(folder, "federation.json"))
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
	began := time.Now()
	known, _, _ := n.Restarted().Known()
	if m.Restart = time.Since(began).Seconds(); known != m.Entities {
		return m, fmt.Errorf("%d of %d entities are trusted after a start from the file", known, m.Entities)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began = time.Now()
	for range l.calls {
		if _, err := n.Resolver.Resolve(n.App); err != nil {
			return m, err
		}
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	m.Warm, m.Allocated = float64(took.Nanoseconds())/float64(l.calls), float64(after.Mallocs-before.Mallocs)/float64(l.calls)
	m.Heap = float64(before.HeapAlloc) / (1 << 20)
	if m.HTTP, err = overHTTP(ctx, n); err != nil {
		return m, err
	}
	if err := m.atRate(ctx, n, l); err != nil {
		return m, err
	}
	m.Revoked, err = revoked(ctx, n)
	return m, err
}

// revoked is how long it takes until the resolver knows of a revocation, in seconds.
func revoked(ctx context.Context, n *federated.Nation) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	known := make(chan struct{}, 1)
	n.Resolver.OnDropped(func(federation.EntityID) { known <- struct{}{} })
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		n.Resolver.Run(ctx)
	}()
	defer func() {
		cancel()
		<-ended
	}()
	_, before, _ := n.Resolver.Known()
	for at := before; at.Equal(before) && ctx.Err() == nil; _, at, _ = n.Resolver.Known() {
		time.Sleep(10 * time.Millisecond) // the first walk finds everybody as he is
	}
	began := time.Now()
	if err := n.Revoke(n.App); err != nil {
		return 0, err
	}
	select {
	case <-known:
		return time.Since(began).Seconds(), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("a revocation is not known after a minute: %w", ctx.Err())
	}
}

// ask asks the resolve endpoint about the app, and reads the answer.
func ask(ctx context.Context, client *http.Client, n *federated.Nation) error {
	query := url.Values{"sub": {string(n.App)}, "trust_anchor": {string(n.Anchor())}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, string(n.Anchor())+authority.ResolvePath+"?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body)
	answer.Body.Close()
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("the resolve endpoint answered %d", answer.StatusCode)
	}
	return err
}

// overHTTP is the mean time of an answer of the resolve endpoint, in milliseconds.
func overHTTP(ctx context.Context, n *federated.Nation) (float64, error) {
	const requests = 500
	client := n.Client()
	var began time.Time
	for i := range requests + 1 {
		if i == 1 { // the first makes the connection and the signature
			began = time.Now()
		}
		if err := ask(ctx, client, n); err != nil {
			return 0, err
		}
	}
	return float64(time.Since(began).Microseconds()) / 1000 / requests, nil
}

// callersAtRate are the connections over which requests at a rate go.
const callersAtRate = 16

// atRate measures answers that are asked for at a rate, whether or not those before have come:
// each counts from when it was due.
func (m *FederationMeasured) atRate(ctx context.Context, n *federated.Nation, l federationLoad) error {
	total := l.rate * l.seconds
	took, due := make([]float64, total), make(chan int, total)
	client := n.Client()
	client.Transport.(*http.Transport).MaxIdleConnsPerHost = callersAtRate
	warm, ctx := errgroup.WithContext(ctx)
	for range callersAtRate {
		warm.Go(func() error { return ask(ctx, client, n) })
	}
	if err := warm.Wait(); err != nil {
		return err
	}
	callers, ctx := errgroup.WithContext(context.WithoutCancel(ctx))
	began := time.Now()
	at := func(i int) time.Time { return began.Add(time.Duration(i) * time.Second / time.Duration(l.rate)) }
	for range callersAtRate {
		callers.Go(func() error {
			for i := range due {
				if err := ask(ctx, client, n); err != nil {
					return err
				}
				took[i] = time.Since(at(i)).Seconds() * 1000
			}
			return nil
		})
	}
	for i := range total {
		time.Sleep(time.Until(at(i)))
		due <- i
	}
	close(due)
	err := callers.Wait()
	m.Rate = float64(total) / time.Since(began).Seconds()
	slices.Sort(took)
	m.Median, m.P99 = took[total/2], took[min(total-1, total*99/100)]
	return err
}
