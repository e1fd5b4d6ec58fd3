package federated

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"maps"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
	"hopnhat/federation/mark"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/lifecycle"
)

// ring has one key in memory, which lives as long as the demonstration.
type ring struct {
	keys.Ring // nothing but federation keys is asked for
	handle    keys.Handle
	key       *ecdsa.PrivateKey
}

func newRing() (*ring, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := jose.Thumbprint(key.Public())
	if err != nil {
		return nil, err
	}
	return &ring{handle: keys.Handle{Use: keys.EntityStatement, Algorithm: keys.ES256, KeyID: id, Version: 1}, key: key}, nil
}

// Active is the one key.
func (r *ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) { return r.handle, nil }

// Published is its public half.
func (r *ring) Published(keys.Use) ([]keys.PublicKey, error) {
	return []keys.PublicKey{{Handle: r.handle, Key: r.key.Public(), State: keys.Active}}, nil
}

// Retired are none.
func (r *ring) Retired(keys.Use) ([]keys.PublicKey, error) { return nil, nil }

// Past are none.
func (r *ring) Past(keys.Use) ([]lifecycle.Past, error) { return nil, nil }

// Sign signs each input (RFC 7518 §3.4).
func (r *ring) Sign(_ context.Context, jobs ...keys.Job) ([][]byte, error) {
	out := make([][]byte, len(jobs))
	for i, job := range jobs {
		digest := sha256.Sum256(job.Input)
		a, b, err := ecdsa.Sign(rand.Reader, r.key, digest[:])
		if err != nil {
			return nil, err
		}
		out[i] = append(a.FillBytes(make([]byte, 32)), b.FillBytes(make([]byte, 32))...)
	}
	return out, nil
}

// set are the public keys as a JWK Set.
func (r *ring) set() ([]byte, error) {
	published, err := r.Published(keys.EntityStatement)
	if err != nil {
		return nil, err
	}
	return jose.MarshalSet(published)
}

// registry keeps subordinates and marks in memory.
type registry struct {
	mu           sync.Mutex
	subordinates map[federation.EntityID]enrol.Subordinate
	marks        map[string]enrol.Mark // by type and holder
}

func newRegistry() *registry {
	return &registry{subordinates: map[federation.EntityID]enrol.Subordinate{}, marks: map[string]enrol.Mark{}}
}

// Subordinate finds one.
func (r *registry) Subordinate(_ context.Context, id federation.EntityID) (enrol.Subordinate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.subordinates[id]; ok {
		return s, nil
	}
	return enrol.Subordinate{}, authz.ErrNotFound
}

func (r *registry) keep(s enrol.Subordinate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subordinates[s.ID] = s
}

// Subordinates lists them in the order of their names.
func (r *registry) Subordinates(_ context.Context, after federation.EntityID, limit int) ([]enrol.Subordinate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []enrol.Subordinate
	for _, id := range slices.Sorted(maps.Keys(r.subordinates)) {
		if id > after && len(list) < limit {
			list = append(list, r.subordinates[id])
		}
	}
	return list, nil
}

// Mark finds one.
func (r *registry) Mark(_ context.Context, kind string, subject federation.EntityID) (enrol.Mark, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.marks[kind+" "+string(subject)]; ok {
		return m, nil
	}
	return enrol.Mark{}, authz.ErrNotFound
}

// Holders lists those with an active mark.
func (r *registry) Holders(
	_ context.Context, kind string, now time.Time, after federation.EntityID, limit int,
) ([]federation.EntityID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []federation.EntityID
	for _, m := range r.marks {
		if (kind == "" || m.Type == kind) && m.Subject > after && m.Status(now) == mark.Active {
			ids = append(ids, m.Subject)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), limit)], nil
}
