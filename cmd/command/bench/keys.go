package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/node"
	"hopnhat/conformance/bench/vaultserver"
	"hopnhat/keys"
	"hopnhat/keys/batch"
	"hopnhat/keys/file"
	"hopnhat/keys/vault"
)

// cell is one line of the result.
type cell struct {
	Mode    string         `json:"mode"` // file, vault-single or vault-batched
	Alg     keys.Algorithm `json:"alg"`
	Callers int            `json:"callers"`
	Rate    float64        `json:"sigs_per_s"`
	P50     float64        `json:"p50_ms"`
	P99     float64        `json:"p99_ms"`
	Errors  int            `json:"errors"`
}

// signOne signs one input for one caller.
type signOne func(ctx context.Context, input []byte) error

// benchKeys is `hopnhat bench keys`.
func benchKeys(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "keys", Short: "Measure signatures: by a file keystore, by Vault one a call, by Vault coalesced", Args: tool.NoWords,
		Example: tool.Lines("hopnhat bench keys --algs ES256 --callers 1,64 --json keys.json"),
	}
	f := cmd.Flags()
	out := f.String("json", "", "write one JSON object a line to this `file`")
	algs := f.String("algs", "ES256,EdDSA,PS256,RS256", "algorithms, separated by commas")
	callers := f.String("callers", "1,16,64", "numbers of callers, separated by commas")
	duration := f.Duration("duration", 2*time.Second, "how long each cell is measured, in three rounds")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		b := &keyBench{out: e.Out, duration: *duration}
		for _, word := range node.List(*algs) {
			if !slices.Contains(keys.OpenIDSignatures, keys.Algorithm(word)) {
				return fmt.Errorf("--algs: %q is none of %v", word, keys.OpenIDSignatures)
			}
			b.algs = append(b.algs, keys.Algorithm(word))
		}
		if b.callers, err = numbers(*callers, 20_000); err != nil {
			return err
		}
		if *duration <= 0 || len(b.algs) == 0 || len(b.callers) == 0 {
			return errors.New("--duration must be more than zero, and an algorithm and a number of callers be given")
		}
		return b.run(cmd.Context(), *out)
	}
	return cmd
}

// run measures, and writes the cells to a file if one is named.
func (b *keyBench) run(ctx context.Context, file string) error {
	if err := b.open(ctx); err != nil {
		return err
	}
	defer b.close()
	cells, err := b.measure(ctx)
	if err != nil || file == "" {
		return err
	}
	var lines strings.Builder
	enc := tool.Encoder(&lines)
	for _, c := range cells {
		if err := enc.Encode(c); err != nil {
			return err
		}
	}
	return os.WriteFile(file, []byte(lines.String()), 0o644)
}

type keyBench struct {
	out      io.Writer
	algs     []keys.Algorithm
	callers  []int
	duration time.Duration
	dir      string
	server   *vaultserver.Server
	folder   *file.Store
	vault    *vault.Store
	batcher  *batch.Batcher
}

// open starts a Vault of its own, set up as docs/keys.md says and reached as a node
// reaches it: its audit device on, over TLS, with a token of the serving role.
func (b *keyBench) open(ctx context.Context) error {
	var err error
	if b.dir, err = os.MkdirTemp("", "hopnhat-bench-keys-"); err != nil {
		return err
	}
	fail := func(err error) error { b.close(); return err }
	if b.server, err = vaultserver.Start(vaultserver.Options{Dir: b.dir, TLS: true}); err != nil {
		return fail(err)
	}
	o := vault.Options{Addresses: []string{b.server.Address}, CACert: b.server.CA, Algorithms: b.algs, Timeout: 30 * time.Second}
	policies := o.Policies()
	rotation, err := b.enter(ctx, "rotation", policies.Rotation, o)
	if err != nil {
		return fail(err)
	}
	err = rotation.Ensure(ctx, 0)
	_ = rotation.Close()
	if err != nil {
		return fail(err)
	}
	if b.vault, err = b.enter(ctx, "serving", policies.Serving, o); err != nil {
		return fail(err)
	}
	if b.folder, err = file.Open(file.Options{Dir: filepath.Join(b.dir, "keys"), Algorithms: b.algs, Make: true}); err != nil {
		return fail(err)
	}
	b.batcher = batch.New(b.vault.SignBatch, batch.Options{Timeout: time.Minute})
	return nil
}

// enter makes an AppRole with a policy and opens the store as it.
func (b *keyBench) enter(ctx context.Context, role, policy string, o vault.Options) (*vault.Store, error) {
	if err := b.server.Policy("hopnhat-"+role, policy); err != nil {
		return nil, err
	}
	roleID, secretID, err := b.server.AppRole(role, "hopnhat-"+role, "20m", false)
	if err != nil {
		return nil, err
	}
	o.RoleID, o.SecretIDFile = roleID, filepath.Join(b.dir, role)
	if err := os.WriteFile(o.SecretIDFile, []byte(secretID), 0o600); err != nil {
		return nil, err
	}
	return vault.Open(o)
}

func (b *keyBench) close() {
	if b.batcher != nil {
		b.batcher.Close()
	}
	if b.vault != nil {
		_ = b.vault.Close()
	}
	if b.folder != nil {
		_ = b.folder.Close()
	}
	if b.server != nil {
		b.server.Kill()
	}
	_ = os.RemoveAll(b.dir)
}

func keyOf(ctx context.Context, s keys.Store, alg keys.Algorithm) (keys.Handle, error) {
	versions, err := s.Versions(ctx)
	if err != nil {
		return keys.Handle{}, err
	}
	for _, v := range versions {
		if v.Use == keys.TokenSigning && v.Algorithm == alg {
			return v.Handle, nil
		}
	}
	return keys.Handle{}, keys.ErrNoKey
}

// modes are the three ways to one signature.
func (b *keyBench) modes(ctx context.Context, alg keys.Algorithm) (names []string, sign map[string]signOne, err error) {
	inFolder, err := keyOf(ctx, b.folder, alg)
	if err != nil {
		return nil, nil, err
	}
	inVault, err := keyOf(ctx, b.vault, alg)
	if err != nil {
		return nil, nil, err
	}
	first := func(signatures []keys.Signature, err error) error {
		if err == nil {
			err = signatures[0].Err
		}
		return err
	}
	return []string{"file", "vault-single", "vault-batched"}, map[string]signOne{
		"file": func(ctx context.Context, in []byte) error {
			return first(b.folder.SignBatch(ctx, inFolder, [][]byte{in}))
		},
		"vault-single": func(ctx context.Context, in []byte) error {
			return first(b.vault.SignBatch(ctx, inVault, [][]byte{in}))
		},
		"vault-batched": func(ctx context.Context, in []byte) error {
			return first(b.batcher.Sign(ctx, inVault, in))
		},
	}, nil
}

// token is as large as an access token's signing input.
var token = []byte(strings.Repeat("eyJhbGciOiJFUzI1NiJ9.", 48))

func (b *keyBench) measure(ctx context.Context) ([]cell, error) {
	fmt.Fprintf(b.out, "%d cores, shared by Vault (audit device on), its client and the load; three rounds, the modes in turn\n",
		runtime.NumCPU())
	fmt.Fprintf(b.out, "%-14s %-6s %8s %12s %9s %9s %7s\n", "mode", "alg", "callers", "signatures/s", "p50 ms", "p99 ms", "errors")
	var all []cell
	for _, alg := range b.algs {
		names, sign, err := b.modes(ctx, alg)
		if err != nil {
			return nil, err
		}
		peak, at, plain := 0.0, 0, 0.0
		for _, n := range b.callers {
			merged := map[string]*load{}
			for _, name := range names {
				merged[name] = &load{}
				closedLoop(ctx, sign[name], n, 50*time.Millisecond) // warm
			}
			for range 3 {
				for _, name := range names {
					merged[name].add(closedLoop(ctx, sign[name], n, b.duration/3))
				}
			}
			for _, name := range names {
				c := merged[name].cell(name, alg, n)
				all = append(all, c)
				b.print(c)
				switch {
				case name == "vault-batched":
					if c.Rate > peak {
						peak, at = c.Rate, n
					}
				case name == "vault-single" && n == 1:
					plain = c.P50
				}
			}
			if single, batched := merged["vault-single"].rate(), merged["vault-batched"].rate(); single > 0 {
				fmt.Fprintf(b.out, "%-14s %-6s %8d %11.2fx\n", "  coalesced", alg, n, batched/single)
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
		c := paced(ctx, sign["vault-batched"], at, peak/2, b.duration).cell("  half the peak", alg, at)
		fmt.Fprintf(b.out, "%-15s%-6s %8d %12.0f %9.2f %9.2f %7d", c.Mode, alg, at, c.Rate, c.P50, c.P99, c.Errors)
		if plain > 0 {
			fmt.Fprintf(b.out, "   p99 is %.1f times the median of a plain call", c.P99/plain)
		}
		fmt.Fprintln(b.out)
	}
	return all, b.crowd(ctx)
}

func (b *keyBench) print(c cell) {
	fmt.Fprintf(b.out, "%-14s %-6s %8d %12.0f %9.2f %9.2f %7d\n", c.Mode, c.Alg, c.Callers, c.Rate, c.P50, c.P99, c.Errors)
}

// crowd measures the memory that ten thousand waiting callers cost.
func (b *keyBench) crowd(ctx context.Context) error {
	const callers = 10_000
	_, sign, err := b.modes(ctx, b.algs[0])
	if err != nil {
		return err
	}
	before := memory()
	var ready, all sync.WaitGroup
	ready.Add(callers)
	for range callers {
		all.Go(func() {
			ready.Done()
			_ = sign["vault-batched"](ctx, token)
		})
	}
	ready.Wait()
	highest := memory()
	for b.batcher.Waiting() > 0 && ctx.Err() == nil {
		highest = max(highest, memory())
	}
	all.Wait()
	fmt.Fprintf(b.out, "memory: %.1f MiB, at most %.1f MiB while %d callers wait, %.1f MiB after them\n",
		before, highest, callers, memory())
	return ctx.Err()
}

func memory() float64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc+m.StackInuse) / (1 << 20)
}

// load is what was measured: how long each signature took, in all how long.
type load struct {
	took   []time.Duration
	errors int
	lasted time.Duration
}

func (l *load) add(more *load) {
	l.took = append(l.took, more.took...)
	l.errors += more.errors
	l.lasted += more.lasted
}

func (l *load) rate() float64 { return float64(len(l.took)) / l.lasted.Seconds() }

func (l *load) cell(mode string, alg keys.Algorithm, callers int) cell {
	slices.Sort(l.took)
	at := func(share float64) float64 {
		if len(l.took) == 0 {
			return 0
		}
		return float64(l.took[min(len(l.took)-1, int(share*float64(len(l.took))))].Microseconds()) / 1000
	}
	return cell{mode, alg, callers, l.rate(), at(0.5), at(0.99), l.errors}
}

// closedLoop lets callers sign one after the other, each its own.
func closedLoop(ctx context.Context, sign signOne, callers int, d time.Duration) *load {
	parts := make([]load, callers)
	began := time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			for time.Since(began) < d && ctx.Err() == nil {
				from := time.Now()
				if err := sign(ctx, token); err != nil {
					parts[i].errors++
					continue
				}
				parts[i].took = append(parts[i].took, time.Since(from))
			}
		})
	}
	all.Wait()
	return merge(parts, time.Since(began))
}

// paced lets callers sign at a rate in all, each at its own times, evenly spread.
// The time of a signature runs from when it is asked for.
func paced(ctx context.Context, sign signOne, callers int, rate float64, d time.Duration) *load {
	parts := make([]load, callers)
	interval := time.Duration(float64(callers) / rate * float64(time.Second))
	began := time.Now()
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			next := began.Add(interval * time.Duration(i) / time.Duration(callers))
			for ; next.Sub(began) < d && ctx.Err() == nil; next = next.Add(interval) {
				time.Sleep(time.Until(next))
				from := time.Now()
				if err := sign(ctx, token); err != nil {
					parts[i].errors++
					continue
				}
				parts[i].took = append(parts[i].took, time.Since(from))
			}
		})
	}
	all.Wait()
	return merge(parts, time.Since(began))
}

func merge(parts []load, lasted time.Duration) *load {
	out := &load{}
	for i := range parts {
		out.add(&parts[i])
	}
	out.lasted = lasted
	return out
}
