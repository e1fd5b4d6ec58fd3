package suite

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Suite runs plans against one provider.
type Suite struct {
	Config Config

	transport http.RoundTripper
	roots     *x509.CertPool
	listener  *listener
	people    people
	redirects string   // base of redirect URIs
	hosts     []string // where redirects are ours
	slots     chan struct{}
	wait      func(time.Duration)

	mu      sync.Mutex
	closers []func()
	turn    int // of the initial access tokens
}

// Options say how plans are run.
type Options struct {
	// Parallel is how many modules are at work at a time, 8 if zero. Those that wait
	// do not count.
	Parallel int
	// Only names modules to run; empty is all.
	Only []string
	// Done is told each outcome as it comes, one at a time.
	Done func(Outcome)
	// Patience bounds one module, 5 minutes if zero.
	Patience time.Duration
	// Wait lets time pass where a rule needs it; nil is the real time. For a provider
	// whose clock the caller sets.
	Wait func(time.Duration)
}

// New makes a suite and starts its listener.
func New(c Config) (*Suite, error) {
	if err := c.complete(); err != nil {
		return nil, err
	}
	s := &Suite{Config: c, people: newPeople(c.People)}
	var err error
	if s.roots, err = Roots(c.CA); err != nil {
		return nil, err
	}
	s.transport = s.newTransport(nil)
	if s.listener, err = listen(c.Listen); err != nil {
		return nil, err
	}
	s.redirects = strings.TrimSuffix(cmp.Or(c.Listen.Redirects, s.listener.base.String()), "/")
	redirects, err := url.Parse(s.redirects)
	if err != nil || redirects.Host == "" {
		s.Close()
		return nil, fmt.Errorf("listen: redirects: %q is no URL", s.redirects)
	}
	s.hosts = []string{redirects.Host}
	for _, static := range []*StaticClient{c.Client, c.Client2, c.ClientPost} {
		if static == nil {
			continue
		}
		for _, uri := range static.RedirectURIs {
			if u, err := url.Parse(uri); err == nil {
				s.hosts = append(s.hosts, u.Host)
			}
		}
	}
	return s, nil
}

// Close ends the listener.
func (s *Suite) Close() {
	_ = s.listener.server.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.closers {
		f()
	}
}

// newTransport shows a certificate if there is one.
func (s *Suite) newTransport(certificate *tls.Certificate) http.RoundTripper {
	config := &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12}
	if certificate != nil {
		config.Certificates = []tls.Certificate{*certificate}
	}
	t := &http.Transport{
		TLSClientConfig: config, MaxIdleConnsPerHost: 16, IdleConnTimeout: 5 * time.Second,
		ResponseHeaderTimeout: s.Config.Timeout, TLSHandshakeTimeout: s.Config.Timeout,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closers = append(s.closers, t.CloseIdleConnections)
	return t
}

// initialToken is the next in turn, empty if there are none.
func (s *Suite) initialToken() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	tokens := s.Config.InitialAccessTokens
	if len(tokens) == 0 {
		return ""
	}
	s.turn++
	return tokens[s.turn%len(tokens)]
}

// Trusting is a transport that trusts the suite's own certificate: for a provider in
// the same program, which fetches what the suite serves.
func (s *Suite) Trusting() http.RoundTripper {
	pool := x509.NewCertPool()
	if s.listener.certificate != nil {
		pool.AddCert(s.listener.certificate)
	}
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
}

// Base is how the provider reaches the suite.
func (s *Suite) Base() string { return s.listener.base.String() }

// ours reports whether a redirect goes to the suite.
func (s *Suite) ours(u *url.URL) bool { return slices.Contains(s.hosts, u.Host) }

// enter takes a place among those at work; leave gives it up.
func (s *Suite) enter() {
	if s.slots != nil {
		s.slots <- struct{}{}
	}
}

func (s *Suite) leave() {
	if s.slots != nil {
		<-s.slots
	}
}

// Run runs the modules of the plans, several at a time, and gives the outcomes in
// the plans' order.
func (s *Suite) Run(ctx context.Context, o Options, plans ...Plan) []Outcome {
	s.slots, s.wait = make(chan struct{}, cmp.Or(o.Parallel, 8)), o.Wait
	var runs []*Run
	for _, p := range plans {
		runs = append(runs, s.runs(p, o.Only)...)
	}
	outcomes := make([]Outcome, len(runs))
	order := make([]int, len(runs))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return rank(runs[a]) - rank(runs[b]) })
	var wait sync.WaitGroup
	var tell sync.Mutex
	for _, i := range order {
		s.enter()
		wait.Go(func() {
			defer s.leave()
			outcomes[i] = s.one(ctx, runs[i], cmp.Or(o.Patience, 5*time.Minute))
			if o.Done != nil {
				tell.Lock()
				defer tell.Unlock()
				o.Done(outcomes[i])
			}
		})
	}
	wait.Wait()
	return outcomes
}

func rank(r *Run) int {
	if r.Module.Slow {
		return 0
	}
	return 1
}

// runs are the modules of a plan with their variants.
func (s *Suite) runs(p Plan, only []string) []*Run {
	var runs []*Run
	for _, part := range p.Registered(s.Config.Registration).Parts {
		if !part.Variant.fits(s.Config.Variant) {
			continue
		}
		for _, m := range part.Modules {
			if len(only) > 0 && !slices.Contains(only, m.Name) {
				continue
			}
			v := part.Variant
			for name, value := range m.Set {
				v = v.With(name, value)
			}
			runs = append(runs, &Run{Plan: p.Name, Variant: v, Module: m, suite: s})
		}
	}
	return runs
}

func (s *Suite) one(ctx context.Context, r *Run, patience time.Duration) Outcome {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r.begin(ctx)
	o := r.do()
	s.listener.forget(&r.Places)
	if r.person != nil {
		s.people.giveBack(r.person)
	}
	return o
}

// readAnswer reads a response that the recorder has already taken in.
func readAnswer(response *http.Response) Answer {
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		raw = fmt.Append(nil, err)
	}
	response.Body.Close()
	return Answer{Status: response.StatusCode, Header: response.Header, Raw: string(raw)}
}
