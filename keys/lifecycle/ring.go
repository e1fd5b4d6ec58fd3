package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"hopnhat/keys"
	"hopnhat/keys/batch"
)

// Ring signs with the versions that are active and shows those that are published, all by
// the latest snapshot. It is safe for concurrent use.
type Ring struct {
	keys.Secrecy // of the store; Unwrap is ours
	o            Options
	specs        []keys.Spec
	batch        *batch.Batcher // nil: each signature is a call of its own
	watch        watch
	snapshot     atomic.Pointer[snapshot]

	signatures atomic.Uint64
	failures   map[keys.Cause]*atomic.Uint64
}

func newRing(o Options) *Ring {
	r := &Ring{Secrecy: o.Store, o: o, specs: keys.Specs(o.Algorithms), failures: map[keys.Cause]*atomic.Uint64{}}
	for _, cause := range keys.Causes {
		r.failures[cause] = new(atomic.Uint64)
	}
	if o.Coalesce != nil {
		r.batch = batch.New(o.Store.SignBatch, *o.Coalesce)
	}
	return r
}

// current is the latest snapshot, unless it is too old to be acted on.
func (r *Ring) current() (*snapshot, error) {
	s := r.snapshot.Load()
	if age := r.o.Now().Sub(s.read); r.o.Node != "" && age > r.o.Lease {
		return nil, r.countFailure(&keys.Outage{
			Cause: keys.Stale, Doing: "using the keys", Err: fmt.Errorf("the book of keys was read %s ago", age.Round(time.Second)),
		})
	}
	return s, nil
}

// countFailure counts an outage and gives the error back.
func (r *Ring) countFailure(err error) error {
	if cause, ok := keys.CauseOf(err); ok {
		if n := r.failures[cause]; n != nil {
			n.Add(1)
		}
	}
	return err
}

// Active names the version that signs now, from memory.
func (r *Ring) Active(use keys.Use, alg keys.Algorithm) (keys.Handle, error) {
	s, err := r.current()
	if err != nil {
		return keys.Handle{}, err
	}
	if h, ok := s.active[group{use, alg}]; ok {
		return h, nil
	}
	if spec, ok := keys.FindAsymmetric(r.specs, use, alg); ok {
		return keys.Handle{}, r.countFailure(&keys.Outage{
			Cause: keys.KeyMissing, Doing: "choosing a version of " + spec.Name(), Err: errors.New("none is active"),
		})
	}
	return keys.Handle{}, fmt.Errorf("%w: %s %s", keys.ErrNoKey, use, alg)
}

// Published lists the versions that stand in the JWK Set, from memory.
func (r *Ring) Published(use keys.Use) ([]keys.PublicKey, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	if s.incomplete[use] {
		return nil, r.countFailure(&keys.Outage{
			Cause: keys.KeyMissing, Doing: "listing the keys",
			Err: fmt.Errorf("the store does not show all of %v, which other nodes may sign with", s.missing),
		})
	}
	return s.sets[use], nil
}

// Retired lists the versions that have left the set by age, as far as the store
// still shows them.
func (r *Ring) Retired(use keys.Use) ([]keys.PublicKey, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	var retired []keys.PublicKey
	for _, l := range s.states {
		if public, ok := s.material[l.KeyID]; ok && l.Use == use && l.State == keys.Retired {
			public.State = keys.Retired
			retired = append(retired, public)
		}
	}
	return retired, nil
}

// Sign signs all jobs. Those of one version travel together, with those of other
// callers; versions of several keys are asked for side by side.
func (r *Ring) Sign(ctx context.Context, jobs ...keys.Job) ([][]byte, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	places := map[keys.Handle][]int{}
	for i, job := range jobs {
		// A version that was active when the header was made may be retiring now;
		// one that was revoked, or has yet to be active, signs nothing.
		if state := s.byID[job.Key.KeyID].State; state != keys.Active && state != keys.Retiring {
			return nil, r.countFailure(&keys.Outage{
				Cause: keys.KeyMissing, Doing: "signing with " + job.Key.Name, Err: fmt.Errorf("version %d is not active", job.Key.Version),
			})
		}
		places[job.Key] = append(places[job.Key], i)
	}
	out := make([][]byte, len(jobs))
	if len(places) == 1 {
		err = r.signWith(ctx, jobs[0].Key, jobs, places[jobs[0].Key], out)
	} else {
		errs := make(chan error, len(places))
		for key, indices := range places {
			go func() { errs <- r.signWith(ctx, key, jobs, indices, out) }()
		}
		for range places {
			err = errors.Join(err, <-errs)
		}
	}
	if err != nil {
		return nil, r.countFailure(err)
	}
	now := r.o.Now()
	for key, indices := range places {
		r.watch.signed(key.KeyID, now, len(indices))
	}
	r.signatures.Add(uint64(len(jobs)))
	return out, nil
}

func (r *Ring) signWith(ctx context.Context, key keys.Handle, jobs []keys.Job, places []int, out [][]byte) error {
	inputs := make([][]byte, len(places))
	for i, place := range places {
		inputs[i] = jobs[place].Input
	}
	var signatures []keys.Signature
	var err error
	if r.batch != nil {
		signatures, err = r.batch.Sign(ctx, key, inputs...)
	} else {
		signatures, err = r.o.Store.SignBatch(ctx, key, inputs)
	}
	if err != nil {
		return err
	}
	for i, signature := range signatures {
		if signature.Err != nil {
			return fmt.Errorf("signing with %s: %w", key.Name, signature.Err)
		}
		out[places[i]] = signature.Bytes
	}
	return nil
}

// Unwrap decrypts with a version that callers may have encrypted to.
func (r *Ring) Unwrap(ctx context.Context, key keys.Handle, encrypted []byte) ([]byte, error) {
	s, err := r.current()
	if err != nil {
		return nil, err
	}
	if state := s.byID[key.KeyID].State; key.Use != keys.RequestDecryption || !state.InSet() {
		return nil, fmt.Errorf("decrypting with %s: %w", key.Name, keys.ErrNotOurs)
	}
	plain, err := r.o.Store.Unwrap(ctx, key, encrypted)
	return plain, r.countFailure(err)
}

// Decrypting names the version that a key id of the set names, retiring ones
// included.
func (r *Ring) Decrypting(id keys.KeyID) (keys.Handle, error) {
	s, err := r.current()
	if err != nil {
		return keys.Handle{}, err
	}
	if l := s.byID[id]; l.Use == keys.RequestDecryption && l.State.InSet() {
		if public, ok := s.material[id]; ok {
			return public.Handle, nil
		}
	}
	return keys.Handle{}, keys.ErrNotOurs
}

// Health returns the cause when keys cannot be used, and nil when they can.
func (r *Ring) Health(ctx context.Context) error {
	s, err := r.current()
	if err != nil {
		return err
	}
	if err := r.o.Store.Health(ctx); err != nil {
		return err
	}
	if len(s.missing) > 0 {
		return &keys.Outage{Cause: keys.KeyMissing, Doing: "looking for the keys", Err: fmt.Errorf("not in the store: %v", s.missing)}
	}
	return nil
}

// Stats counts since Open.
func (r *Ring) Stats() keys.Stats {
	s := keys.Stats{Signatures: r.signatures.Load(), Calls: r.o.Store.Calls(), Failures: map[keys.Cause]uint64{}}
	for cause, n := range r.failures {
		s.Failures[cause] = n.Load()
	}
	return s
}

// Waiting is how many signatures have not left for the store yet.
func (r *Ring) Waiting() int {
	if r.batch == nil {
		return 0
	}
	return r.batch.Waiting()
}

// Age is how long ago the Book was read.
func (r *Ring) Age() time.Duration { return r.o.Now().Sub(r.snapshot.Load().read) }

// Missing is how many versions should be in the store and are not.
func (r *Ring) Missing() int { return len(r.snapshot.Load().missing) }

// Unseen is how many versions are announced that the store does not show.
func (r *Ring) Unseen() int { return len(r.snapshot.Load().unseen) }

// Overdue is how many active versions should have had a successor by now.
func (r *Ring) Overdue() int {
	n := 0
	for _, l := range r.snapshot.Load().states {
		if r.overdue(l) {
			n++
		}
	}
	return n
}

// overdue allows a quarter more than the rule: the store's own schedule, and the
// wait for relying parties, take their time.
func (r *Ring) overdue(l VersionState) bool {
	every := r.o.Rules[l.Use].Every
	return l.State == keys.Active && every > 0 && r.o.Now().After(l.Activated.Add(every+every/4))
}

// Fetched notes that the JWK Set was fetched: by a party that told its name, or
// from an address. Anybody may claim any name: one that is no text is nobody's, and
// a database that refused it would keep this node from noting anything.
func (r *Ring) Fetched(party, address string) {
	if !utf8.ValidString(party) || strings.ContainsFunc(party, unicode.IsControl) {
		party = ""
	}
	r.watch.observe(Observation{Party: party, Address: address, At: r.o.Now().UTC()})
}

// Used notes that a relying party used its credentials from an address.
func (r *Ring) Used(party, address string) {
	r.watch.observe(Observation{Party: party, Address: address, Active: true, At: r.o.Now().UTC()})
}
