// Package single is a keyring of one key in memory, which lives as long as the process: for
// simulators and demonstrations, beside the keyring of a server.
package single

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"

	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/lifecycle"
)

// Ring has one ES256 key. It signs for whatever use and does nothing else.
type Ring struct {
	keys.Ring // nothing but signatures is asked for
	handle    keys.Handle
	key       *ecdsa.PrivateKey
}

// New makes a key for a use.
func New(use keys.Use) (*Ring, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	id, err := jose.Thumbprint(key.Public())
	if err != nil {
		return nil, err
	}
	return &Ring{handle: keys.Handle{Use: use, Algorithm: keys.ES256, KeyID: id, Version: 1}, key: key}, nil
}

// Active is the one key.
func (r *Ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) { return r.handle, nil }

// Published is its public half.
func (r *Ring) Published(keys.Use) ([]keys.PublicKey, error) {
	return []keys.PublicKey{{Handle: r.handle, Key: r.key.Public(), State: keys.Active}}, nil
}

// Retired are none.
func (r *Ring) Retired(keys.Use) ([]keys.PublicKey, error) { return nil, nil }

// Past are none.
func (r *Ring) Past(keys.Use) ([]lifecycle.Past, error) { return nil, nil }

// Sign signs each input (RFC 7518 §3.4).
func (r *Ring) Sign(_ context.Context, jobs ...keys.Job) ([][]byte, error) {
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

// Set are the public keys as a JWK Set (RFC 7517 §5).
func (r *Ring) Set() ([]byte, error) {
	published, err := r.Published(r.handle.Use)
	if err != nil {
		return nil, err
	}
	return jose.MarshalSet(published)
}
