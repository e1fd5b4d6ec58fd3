package file

import (
	"context"
	"crypto"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Options says where and how keys are kept.
type Options struct {
	Dir string
	// Passphrase seals the keys; empty takes a machine secret in Dir.
	Passphrase string
	// Algorithms of the token keys to make; ES256 alone if empty.
	Algorithms []keys.Algorithm
	// Overlap is how long a retiring key stays published; 1 h if zero. It must
	// exceed the longest life of a token.
	Overlap time.Duration
	Now     func() time.Time
}

// Ring is a keys.Ring over a folder.
type Ring struct {
	o     Options
	aead  cipher.AEAD // seals the key files
	mu    sync.Mutex  // one rotation at a time
	state atomic.Pointer[state]

	signatures, calls, failures atomic.Uint64
}

// state is an immutable picture of the keys.
type state struct {
	signers map[keys.KeyID]crypto.Signer
	public  []keys.PublicKey
	hmac    map[keys.Use][]byte
	secrets cipher.AEAD
	records []record
}

// The pseudo-algorithms of secret keys in file names.
const (
	hmacKey = keys.Algorithm("HMAC")
	aeadKey = keys.Algorithm("AES256")
)

// Open reads the folder, and makes what is missing.
func Open(o Options) (*Ring, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Overlap == 0 {
		o.Overlap = time.Hour
	}
	if len(o.Algorithms) == 0 {
		o.Algorithms = []keys.Algorithm{keys.ES256}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the key folder: %w", err)
	}
	aead, err := wrappingKey(o.Dir, o.Passphrase)
	if err != nil {
		return nil, fmt.Errorf("opening the key folder: %w", err)
	}
	r := &Ring{o: o, aead: aead}
	records, err := readRecords(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key folder: %w", err)
	}
	wanted := []record{
		{Use: keys.LogCheckpoint, Algorithm: keys.EdDSA},
		{Use: keys.PairwiseSubject, Algorithm: hmacKey},
		{Use: keys.Secrets, Algorithm: hmacKey},
		{Use: keys.Secrets, Algorithm: aeadKey},
	}
	for _, alg := range o.Algorithms {
		wanted = append(wanted, record{Use: keys.TokenSigning, Algorithm: alg})
	}
	for _, w := range wanted {
		if slices.ContainsFunc(records, func(have record) bool {
			return have.Use == w.Use && have.Algorithm == w.Algorithm && have.State == keys.Active
		}) {
			continue
		}
		made, err := r.make(w.Use, w.Algorithm, 1)
		if err != nil {
			return nil, err
		}
		records = append(records, made)
	}
	return r, r.load(records)
}

// make creates and stores a key version, active.
func (r *Ring) make(use keys.Use, alg keys.Algorithm, version int) (record, error) {
	private, err := generate(alg)
	if err != nil {
		return record{}, fmt.Errorf("making a %s key: %w", alg, err)
	}
	made := record{Use: use, Algorithm: alg, Version: version, State: keys.Active, Created: r.o.Now().UTC()}
	if made.Sealed, err = seal(r.aead, private, made.aad()); err != nil {
		return record{}, err
	}
	return made, writeRecord(r.o.Dir, made)
}

func generate(alg keys.Algorithm) ([]byte, error) {
	var key any
	var err error
	switch alg {
	case keys.ES256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case keys.EdDSA:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	case keys.PS256, keys.RS256:
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case hmacKey, aeadKey:
		secret := make([]byte, 32)
		_, err := rand.Read(secret)
		return secret, err
	default:
		return nil, fmt.Errorf("algorithm %q is not supported", alg)
	}
	if err != nil {
		return nil, err
	}
	return x509.MarshalPKCS8PrivateKey(key)
}

// load opens all records and puts the new picture in place.
func (r *Ring) load(records []record) error {
	s := &state{signers: map[keys.KeyID]crypto.Signer{}, hmac: map[keys.Use][]byte{}, records: records}
	for _, rec := range records {
		plain, err := open(r.aead, rec.Sealed, rec.aad())
		if err != nil {
			return fmt.Errorf("opening key file %s: the passphrase or machine secret is not the one it was made with, or the file was altered", rec.fileName())
		}
		switch rec.Algorithm {
		case hmacKey:
			s.hmac[rec.Use] = plain
			continue
		case aeadKey:
			if s.secrets, err = newAEAD(plain); err != nil {
				return err
			}
			continue
		}
		if rec.State == keys.Retiring && r.o.Now().Sub(rec.Retired) > r.o.Overlap {
			continue
		}
		key, err := x509.ParsePKCS8PrivateKey(plain)
		signer, ok := key.(crypto.Signer)
		if err != nil || !ok {
			return fmt.Errorf("key file %s holds no private key", rec.fileName())
		}
		id, err := jose.Thumbprint(signer.Public())
		if err != nil {
			return err
		}
		s.signers[id] = signer
		s.public = append(s.public, keys.PublicKey{
			Handle: keys.Handle{Use: rec.Use, Algorithm: rec.Algorithm, KeyID: id, Name: string(rec.Use) + "-" + string(rec.Algorithm), Version: rec.Version},
			Key:    signer.Public(), State: rec.State,
		})
	}
	slices.SortFunc(s.public, func(a, b keys.PublicKey) int {
		if a.Algorithm != b.Algorithm {
			return slices.Index(order, a.Algorithm) - slices.Index(order, b.Algorithm)
		}
		return b.Version - a.Version
	})
	r.state.Store(s)
	return nil
}

var order = []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}

// Active names the version that signs now.
func (r *Ring) Active(use keys.Use, alg keys.Algorithm) (keys.Handle, error) {
	for _, k := range r.state.Load().public {
		if k.Use == use && k.Algorithm == alg && k.State == keys.Active {
			return k.Handle, nil
		}
	}
	return keys.Handle{}, fmt.Errorf("%w: %s %s", keys.ErrNoKey, use, alg)
}

// Published lists the versions whose signatures are good. A retiring key leaves
// when its overlap is over.
func (r *Ring) Published(use keys.Use) []keys.PublicKey {
	s := r.state.Load()
	out := make([]keys.PublicKey, 0, len(s.public))
	for _, k := range s.public {
		if k.Use == use {
			out = append(out, k)
		}
	}
	return out
}

// Sign signs in this process.
func (r *Ring) Sign(ctx context.Context, jobs ...keys.Job) ([][]byte, error) {
	r.calls.Add(1)
	s := r.state.Load()
	out := make([][]byte, len(jobs))
	for i, job := range jobs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		signer, ok := s.signers[job.Key.KeyID]
		if !ok {
			r.failures.Add(1)
			return nil, fmt.Errorf("key %s is gone: %w", job.Key.KeyID, keys.ErrUnavailable)
		}
		signature, err := sign(signer, job.Key.Algorithm, job.Input)
		if err != nil {
			r.failures.Add(1)
			return nil, fmt.Errorf("signing with %s: %w: %w", job.Key.Name, keys.ErrUnavailable, err)
		}
		out[i] = signature
	}
	r.signatures.Add(uint64(len(jobs)))
	return out, nil
}

func sign(signer crypto.Signer, alg keys.Algorithm, input []byte) ([]byte, error) {
	digest := sha256.Sum256(input)
	switch key := signer.(type) {
	case *ecdsa.PrivateKey:
		rr, ss, err := ecdsa.Sign(rand.Reader, key, digest[:])
		if err != nil {
			return nil, err
		}
		out := make([]byte, 64) // RFC 7518 §3.4
		rr.FillBytes(out[:32])
		ss.FillBytes(out[32:])
		return out, nil
	case ed25519.PrivateKey:
		return ed25519.Sign(key, input), nil
	case *rsa.PrivateKey:
		if alg == keys.PS256 {
			return rsa.SignPSS(rand.Reader, key, crypto.SHA256, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	}
	return nil, errors.New("a key of a type that does not sign")
}

// Rotate makes a new active version; the old one stays published for the overlap.
func (r *Ring) Rotate(_ context.Context, use keys.Use, alg keys.Algorithm) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	records := slices.Clone(r.state.Load().records)
	version := 0
	for _, rec := range records {
		if rec.Use == use && rec.Algorithm == alg {
			version = max(version, rec.Version)
		}
	}
	if version == 0 || alg == hmacKey || alg == aeadKey {
		return fmt.Errorf("rotating %s %s: %w", use, alg, keys.ErrNoKey)
	}
	made, err := r.make(use, alg, version+1)
	if err != nil {
		return err
	}
	for i, rec := range records {
		if rec.Use == use && rec.Algorithm == alg && rec.State == keys.Active {
			records[i].State, records[i].Retired = keys.Retiring, r.o.Now().UTC()
			if err := writeRecord(r.o.Dir, records[i]); err != nil {
				return err
			}
		}
	}
	return r.load(append(records, made))
}

// Derive is HMAC-SHA-256 of the label.
func (r *Ring) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	key, ok := r.state.Load().hmac[use]
	if !ok {
		return nil, fmt.Errorf("deriving for %s: %w", use, keys.ErrNoKey)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(label))
	return m.Sum(nil), nil
}

// Seal encrypts with AES-256-GCM.
func (r *Ring) Seal(_ context.Context, plaintext, aad []byte) ([]byte, error) {
	return seal(r.state.Load().secrets, plaintext, aad)
}

// Open reverses Seal.
func (r *Ring) Open(_ context.Context, sealed, aad []byte) ([]byte, error) {
	plain, err := open(r.state.Load().secrets, sealed, aad)
	if err != nil {
		return nil, errors.New("the sealed value is not ours or was altered")
	}
	return plain, nil
}

// Health is nil: the keys are in memory.
func (r *Ring) Health(context.Context) error { return nil }

// Stats counts since Open.
func (r *Ring) Stats() keys.Stats {
	return keys.Stats{Signatures: r.signatures.Load(), Calls: r.calls.Load(), Failures: r.failures.Load()}
}

// Close forgets the keys.
func (r *Ring) Close() error {
	r.state.Store(&state{})
	return nil
}

var _ keys.Ring = (*Ring)(nil)
