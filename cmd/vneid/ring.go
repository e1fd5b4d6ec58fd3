package vneid

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// ring has one key in memory, which lives as long as the simulator.
type ring struct {
	keys.Ring // nothing but signatures of tokens is asked for
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
	return &ring{handle: keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: id, Version: 1}, key: key}, nil
}

// Active is the one key.
func (r *ring) Active(keys.Use, keys.Algorithm) (keys.Handle, error) { return r.handle, nil }

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
	return jose.MarshalSet([]keys.PublicKey{{Handle: r.handle, Key: r.key.Public(), State: keys.Active}})
}
