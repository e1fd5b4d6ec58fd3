package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"hopnhat/keys"
)

var _ keys.Ring = (*Keeper)(nil)

// current is the picture, unless it is too old to be acted on.
func (k *Keeper) current() (*state, error) {
	s := k.state.Load()
	if age := k.o.Now().Sub(s.read); k.o.Node != "" && age > k.o.Lease {
		return nil, k.failed(&keys.Outage{
			Cause: keys.Stale, Doing: "using the keys", Err: fmt.Errorf("the book of keys was read %s ago", age.Round(time.Second)),
		})
	}
	return s, nil
}

// failed counts an outage and gives the error back.
func (k *Keeper) failed(err error) error {
	if cause, ok := keys.CauseOf(err); ok {
		if n := k.failures[cause]; n != nil {
			n.Add(1)
		}
	}
	return err
}

// Active names the version that signs now, from memory.
func (k *Keeper) Active(use keys.Use, alg keys.Algorithm) (keys.Handle, error) {
	s, err := k.current()
	if err != nil {
		return keys.Handle{}, err
	}
	if h, ok := s.active[group{use, alg}]; ok {
		return h, nil
	}
	if spec, ok := keys.FindAsymmetric(k.specs, use, alg); ok {
		return keys.Handle{}, k.failed(&keys.Outage{
			Cause: keys.KeyMissing, Doing: "choosing a version of " + spec.Name(), Err: errors.New("none is active"),
		})
	}
	return keys.Handle{}, fmt.Errorf("%w: %s %s", keys.ErrNoKey, use, alg)
}

// Published lists the versions that stand in the JWK Set, from memory.
func (k *Keeper) Published(use keys.Use) ([]keys.PublicKey, error) {
	s, err := k.current()
	if err != nil {
		return nil, err
	}
	if s.lacks[use] {
		return nil, k.failed(&keys.Outage{
			Cause: keys.KeyMissing, Doing: "listing the keys", Err: fmt.Errorf("the store does not show all of %v, which other nodes may sign with", s.missing),
		})
	}
	return s.sets[use], nil
}

// Retired lists the versions that have left the set by age, as far as the store
// still shows them.
func (k *Keeper) Retired(use keys.Use) ([]keys.PublicKey, error) {
	s, err := k.current()
	if err != nil {
		return nil, err
	}
	var retired []keys.PublicKey
	for _, l := range s.lives {
		if public, ok := s.material[l.KeyID]; ok && l.Use == use && l.State == keys.Retired {
			public.State = keys.Retired
			retired = append(retired, public)
		}
	}
	return retired, nil
}

// Sign signs all jobs. Those of one version travel together, with those of other
// callers; versions of several keys are asked for side by side.
func (k *Keeper) Sign(ctx context.Context, jobs ...keys.Job) ([][]byte, error) {
	s, err := k.current()
	if err != nil {
		return nil, err
	}
	places := map[keys.Handle][]int{}
	for i, job := range jobs {
		// A version that was active when the header was made may be retiring now;
		// one that was revoked, or has yet to be active, signs nothing.
		if state := s.byID[job.Key.KeyID].State; state != keys.Active && state != keys.Retiring {
			return nil, k.failed(&keys.Outage{
				Cause: keys.KeyMissing, Doing: "signing with " + job.Key.Name, Err: fmt.Errorf("version %d is not active", job.Key.Version),
			})
		}
		places[job.Key] = append(places[job.Key], i)
	}
	out := make([][]byte, len(jobs))
	if len(places) == 1 {
		err = k.signWith(ctx, jobs[0].Key, jobs, places[jobs[0].Key], out)
	} else {
		errs := make(chan error, len(places))
		for key, own := range places {
			go func() { errs <- k.signWith(ctx, key, jobs, own, out) }()
		}
		for range places {
			err = errors.Join(err, <-errs)
		}
	}
	if err != nil {
		return nil, k.failed(err)
	}
	now := k.o.Now()
	for key, own := range places {
		k.watch.signed(key.KeyID, now, len(own))
	}
	k.signatures.Add(uint64(len(jobs)))
	return out, nil
}

func (k *Keeper) signWith(ctx context.Context, key keys.Handle, jobs []keys.Job, places []int, out [][]byte) error {
	inputs := make([][]byte, len(places))
	for i, place := range places {
		inputs[i] = jobs[place].Input
	}
	var signatures []keys.Signature
	var err error
	if k.batch != nil {
		signatures, err = k.batch.Sign(ctx, key, inputs...)
	} else {
		signatures, err = k.o.Store.SignBatch(ctx, key, inputs)
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
func (k *Keeper) Unwrap(ctx context.Context, key keys.Handle, encrypted []byte) ([]byte, error) {
	s, err := k.current()
	if err != nil {
		return nil, err
	}
	if state := s.byID[key.KeyID].State; key.Use != keys.RequestDecryption || !state.InSet() {
		return nil, fmt.Errorf("decrypting with %s: %w", key.Name, keys.ErrNotOurs)
	}
	plain, err := k.o.Store.Unwrap(ctx, key, encrypted)
	return plain, k.failed(err)
}

// Decrypting names the version that a key id of the set names, retiring ones
// included.
func (k *Keeper) Decrypting(id keys.KeyID) (keys.Handle, error) {
	s, err := k.current()
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
func (k *Keeper) Health(ctx context.Context) error {
	s, err := k.current()
	if err != nil {
		return err
	}
	if err := k.o.Store.Health(ctx); err != nil {
		return err
	}
	if len(s.missing) > 0 {
		return &keys.Outage{Cause: keys.KeyMissing, Doing: "looking for the keys", Err: fmt.Errorf("not in the store: %v", s.missing)}
	}
	return nil
}

// Stats counts since Open.
func (k *Keeper) Stats() keys.Stats {
	s := keys.Stats{Signatures: k.signatures.Load(), Calls: k.o.Store.Calls(), Failures: map[keys.Cause]uint64{}}
	for cause, n := range k.failures {
		s.Failures[cause] = n.Load()
	}
	return s
}

// Waiting is how many signatures have not left for the store yet.
func (k *Keeper) Waiting() int {
	if k.batch == nil {
		return 0
	}
	return k.batch.Waiting()
}

// Age is how long ago the Book was read.
func (k *Keeper) Age() time.Duration { return k.o.Now().Sub(k.state.Load().read) }

// Missing is how many versions should be in the store and are not.
func (k *Keeper) Missing() int { return len(k.state.Load().missing) }

// Unseen is how many versions are announced that the store does not show.
func (k *Keeper) Unseen() int { return len(k.state.Load().unseen) }

// Overdue is how many active versions should have had a successor by now.
func (k *Keeper) Overdue() int {
	n := 0
	for _, l := range k.state.Load().lives {
		if k.overdue(l) {
			n++
		}
	}
	return n
}

// overdue allows a quarter more than the rule: the store's own schedule, and the
// wait for relying parties, take their time.
func (k *Keeper) overdue(l Life) bool {
	every := k.o.Rules[l.Use].Every
	return l.State == keys.Active && every > 0 && k.o.Now().After(l.Activated.Add(every+every/4))
}

// Fetched notes that the JWK Set was fetched: by a party that told its name, or
// from an address. Anybody may claim any name: one that is no text is nobody's, and
// a database that refused it would keep this node from noting anything.
func (k *Keeper) Fetched(party, address string) {
	if !utf8.ValidString(party) || strings.ContainsFunc(party, unicode.IsControl) {
		party = ""
	}
	k.watch.see(Sighting{Party: party, Address: address, At: k.o.Now().UTC()})
}

// Used notes that a relying party used its credentials from an address.
func (k *Keeper) Used(party, address string) {
	k.watch.see(Sighting{Party: party, Address: address, Active: true, At: k.o.Now().UTC()})
}
