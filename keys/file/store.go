package file

import (
	"context"
	"crypto"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/envelope"
	"hopnhat/keys/jose"
)

// Options says where and how keys are kept.
type Options struct {
	Dir string
	// Passphrase seals the keys; empty takes a machine secret in Dir.
	Passphrase string
	// Algorithms of the token keys to make; ES256 alone if empty.
	Algorithms []keys.Algorithm
	// Make makes the folder and a keyring in it. Without it they must be there, or
	// the error is ErrNoKeys.
	Make bool
	Now  func() time.Time
}

// Store is a keys.Store over a folder.
type Store struct {
	*envelope.Envelope
	o     Options
	specs []keys.Spec
	aead  cipher.AEAD // seals the key files

	mu      sync.Mutex // one reading of the folder at a time
	picture atomic.Pointer[picture]
	calls   atomic.Uint64
}

// picture is what the folder held when it was read; it never changes.
type picture struct {
	seen    string // names, sizes and times of the files
	records []record
	private map[keys.KeyID]crypto.PrivateKey
	public  []keys.PublicKey
	hmac    map[keys.Use][]byte
	secrets map[int]cipher.AEAD // by version
	newest  int                 // version of secrets
}

// ErrNoKeys means that there is no keyring where one should be.
var ErrNoKeys = errors.New("there are no keys")

// Open reads the folder.
func Open(o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Store{o: o, specs: keys.Specs(o.Algorithms)}
	s.Envelope = envelope.New(dataKeys{s}, o.Now)
	if o.Make {
		if err := makeFolder(o.Dir); err != nil {
			return nil, err
		}
	} else if found, err := filepath.Glob(filepath.Join(o.Dir, "*.key")); err != nil || len(found) == 0 {
		return nil, fmt.Errorf("%w in %s: name the folder that holds them (state, keys)", ErrNoKeys, o.Dir)
	}
	unlock, err := lock(o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if s.aead, err = wrappingKey(o.Dir, o.Passphrase, o.Make); err != nil {
		return nil, fmt.Errorf("opening the key folder: %w", err)
	}
	// What is there is opened first: a wrong passphrase must not add keys.
	p, err := s.read()
	if err != nil {
		return nil, err
	}
	if o.Make {
		if p, err = s.makeMissing(p); err != nil {
			return nil, err
		}
	}
	// Without these it is no keyring: what hangs on them could never be made again.
	for _, spec := range s.specs {
		if !spec.Public() && newest(p.records, spec) == 0 {
			return nil, fmt.Errorf("key %s is missing from %s: restore the folder from its backup", spec.Name(), o.Dir)
		}
	}
	s.picture.Store(p)
	return s, nil
}

// makeMissing makes the first version of each key that never had one. The folder is
// locked.
func (s *Store) makeMissing(p *picture) (*picture, error) {
	for _, spec := range s.specs {
		if newest(p.records, spec) > 0 {
			continue
		}
		if err := s.make(spec, 1); err != nil {
			return nil, err
		}
	}
	return s.read()
}

// Complete makes the keys that the configuration names and the keyring never had: of
// a signing algorithm that was added.
func (s *Store) Complete(context.Context) error {
	unlock, err := lock(s.o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	p, err := s.read()
	if err != nil {
		return err
	}
	if p, err = s.makeMissing(p); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.picture.Store(p)
	return nil
}

// newest is the number of a key's newest version, destroyed ones included; 0 if
// there is none.
func newest(records []record, spec keys.Spec) int {
	version := 0
	for _, r := range records {
		if r.Use == spec.Use && r.Algorithm == algorithm(spec) {
			version = max(version, r.Version)
		}
	}
	return version
}

// make creates and stores a key version.
func (s *Store) make(spec keys.Spec, version int) error {
	private, err := generate(algorithm(spec))
	if err != nil {
		return fmt.Errorf("making a key %s: %w", spec.Name(), err)
	}
	defer clear(private)
	r := record{Use: spec.Use, Algorithm: algorithm(spec), Version: version, Created: s.o.Now().UTC()}
	if r.Sealed, err = seal(s.aead, private, r.aad()); err != nil {
		return err
	}
	return writeRecord(s.o.Dir, r)
}

// read opens everything in the folder.
func (s *Store) read() (*picture, error) {
	seen, err := look(s.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key folder: %w", err)
	}
	records, err := readRecords(s.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("reading the key folder: %w", err)
	}
	p := &picture{
		seen: seen, records: records, private: map[keys.KeyID]crypto.PrivateKey{}, hmac: map[keys.Use][]byte{},
		secrets: map[int]cipher.AEAD{},
	}
	for _, r := range records {
		if r.Destroyed.IsZero() {
			if err := s.add(p, r); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

func (s *Store) add(p *picture, r record) error {
	plain, err := open(s.aead, r.Sealed, r.aad())
	if err != nil {
		return fmt.Errorf("opening key file %s: the passphrase or machine secret is not the one it was made with, or the file was altered", r.fileName())
	}
	switch r.Algorithm {
	case hmacKey:
		if r.Version == 1 {
			p.hmac[r.Use] = plain
		}
		return nil
	case aeadKey:
		aead, err := newAEAD(plain)
		if err != nil {
			return fmt.Errorf("key file %s holds no AES key: %w", r.fileName(), err)
		}
		p.secrets[r.Version], p.newest = aead, max(p.newest, r.Version)
		return nil
	}
	private, err := x509.ParsePKCS8PrivateKey(plain)
	half, ok := private.(interface{ Public() crypto.PublicKey })
	if err != nil || !ok {
		return fmt.Errorf("key file %s holds no private key", r.fileName())
	}
	id, err := jose.Thumbprint(half.Public())
	if err != nil {
		return err
	}
	spec := keys.Spec{Use: r.Use, Algorithm: r.Algorithm, Kind: keys.Signing}
	if r.Algorithm == keys.RSAOAEP256 {
		spec.Kind = keys.Decryption
	}
	p.private[id] = private
	p.public = append(p.public, keys.PublicKey{
		Handle: keys.Handle{Use: r.Use, Algorithm: r.Algorithm, KeyID: id, Name: spec.Name(), Version: r.Version}, Key: half.Public(),
	})
	return nil
}

// Versions reads the folder again if it has changed.
func (s *Store) Versions(context.Context) ([]keys.PublicKey, error) {
	p, err := s.refresh()
	if err != nil {
		return nil, &keys.Outage{Cause: keys.Unreachable, Doing: "reading the key folder", Err: err}
	}
	return p.public, nil
}

func (s *Store) refresh() (*picture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.picture.Load()
	if p == nil {
		return nil, errClosed
	}
	seen, err := look(s.o.Dir)
	if err != nil {
		return nil, err
	}
	if seen == p.seen {
		return p, nil
	}
	unlock, err := lock(s.o.Dir) // so that nothing is half-written by a command
	if err != nil {
		return nil, err
	}
	defer unlock()
	if p, err = s.read(); err != nil {
		return nil, err
	}
	s.picture.Store(p)
	return p, nil
}

var errClosed = errors.New("the key store is closed")

// Create makes a new version of a key. Two processes that create at once make two
// versions, never one over the other.
func (s *Store) Create(ctx context.Context, use keys.Use, alg keys.Algorithm) error {
	spec, ok := keys.FindAsymmetric(s.specs, use, alg)
	if alg == "" {
		spec, ok = keys.Find(s.specs, use, keys.Wrapping)
	}
	if !ok {
		return fmt.Errorf("a new version of %s %s: %w", use, alg, keys.ErrNoKey)
	}
	err := s.change(func(records []record) error { return s.make(spec, newest(records, spec)+1) })
	if err != nil {
		return &keys.Outage{Cause: keys.Unreachable, Doing: "creating a version of " + spec.Name(), Err: err}
	}
	_, err = s.Versions(ctx)
	return err
}

// change changes the folder as the only one who does.
func (s *Store) change(do func([]record) error) error {
	unlock, err := lock(s.o.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	records, err := readRecords(s.o.Dir)
	if err != nil {
		return err
	}
	return do(records)
}

// Destroy deletes the private half of a version; its number is never used again.
func (s *Store) Destroy(ctx context.Context, key keys.Handle) error {
	err := s.change(func(records []record) error {
		for _, r := range records {
			if r.Use == key.Use && r.Algorithm == key.Algorithm && r.Version == key.Version {
				r.Sealed, r.Destroyed = nil, s.o.Now().UTC()
				return writeRecord(s.o.Dir, r)
			}
		}
		return fmt.Errorf("version %d of %s: %w", key.Version, key.Name, keys.ErrNoKey)
	})
	if err != nil {
		return fmt.Errorf("destroying a key: %w", err)
	}
	_, err = s.Versions(ctx)
	return err
}

// SignBatch signs in this process.
func (s *Store) SignBatch(ctx context.Context, key keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
	s.calls.Add(1)
	private, err := s.private(key)
	if err != nil {
		return nil, err
	}
	out := make([]keys.Signature, len(inputs))
	for i, input := range inputs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		out[i].Bytes, out[i].Err = sign(private, key.Algorithm, input)
	}
	return out, nil
}

func (s *Store) private(key keys.Handle) (crypto.PrivateKey, error) {
	if p := s.picture.Load(); p != nil {
		if private, ok := p.private[key.KeyID]; ok {
			return private, nil
		}
	}
	return nil, &keys.Outage{Cause: keys.KeyMissing, Doing: "using version " + strconv.Itoa(key.Version) + " of " + key.Name}
}

// Unwrap decrypts with RSA-OAEP-256 in this process.
func (s *Store) Unwrap(_ context.Context, key keys.Handle, encrypted []byte) ([]byte, error) {
	s.calls.Add(1)
	private, err := s.private(key)
	if err != nil {
		return nil, err
	}
	half, ok := private.(*rsa.PrivateKey)
	if !ok || key.Algorithm != keys.RSAOAEP256 {
		return nil, fmt.Errorf("decrypting with %s: %w", key.Name, keys.ErrNoKey)
	}
	plain, err := rsa.DecryptOAEP(sha256.New(), nil, half, encrypted, nil)
	if err != nil {
		return nil, fmt.Errorf("decrypting with %s: %w", key.Name, keys.ErrNotOurs)
	}
	return plain, nil
}

// Derive is HMAC-SHA-256 of the label.
func (s *Store) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	p := s.picture.Load()
	if p == nil || p.hmac[use] == nil {
		return nil, fmt.Errorf("deriving for %s: %w", use, keys.ErrNoKey)
	}
	m := hmac.New(sha256.New, p.hmac[use])
	m.Write([]byte(label))
	return m.Sum(nil), nil
}

// dataKeys wraps data keys with the versions of the secrets key. The text is the
// one Transit uses, so that the keys can move to Vault and what they wrapped
// stays readable (see Export).
type dataKeys struct{ s *Store }

// NewDataKey makes a data key.
func (d dataKeys) NewDataKey(context.Context) (plain, wrapped []byte, err error) {
	if plain, err = generate(aeadKey); err != nil {
		return nil, nil, err
	}
	wrapped, err = d.wrap(plain)
	return plain, wrapped, err
}

func (d dataKeys) wrap(plain []byte) ([]byte, error) {
	p := d.s.picture.Load()
	if p == nil || p.newest == 0 {
		return nil, &keys.Outage{Cause: keys.KeyMissing, Doing: "wrapping a data key", Err: errClosed}
	}
	raw, err := seal(p.secrets[p.newest], plain, nil)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "vault:v%d:%s", p.newest, base64.StdEncoding.EncodeToString(raw)), nil
}

// wrappedBy reads the version that wrapped a data key.
func wrappedBy(wrapped []byte) (version int, raw []byte, err error) {
	prefix, text, ok := strings.Cut(strings.TrimPrefix(string(wrapped), "vault:v"), ":")
	version, err1 := strconv.Atoi(prefix)
	raw, err2 := base64.StdEncoding.DecodeString(text)
	if !ok || err1 != nil || err2 != nil {
		return 0, nil, keys.ErrNotOurs
	}
	return version, raw, nil
}

// OpenDataKey unwraps a data key.
func (d dataKeys) OpenDataKey(_ context.Context, wrapped []byte) ([]byte, error) {
	version, raw, err := wrappedBy(wrapped)
	if err != nil {
		return nil, err
	}
	p := d.s.picture.Load()
	if p == nil {
		return nil, &keys.Outage{Cause: keys.Unreachable, Doing: "opening a data key", Err: errClosed}
	}
	if p.secrets[version] == nil {
		return nil, keys.ErrNotOurs
	}
	plain, err := open(p.secrets[version], raw, nil)
	if err != nil {
		return nil, keys.ErrNotOurs
	}
	return plain, nil
}

// RewrapDataKey wraps with the newest version.
func (d dataKeys) RewrapDataKey(ctx context.Context, wrapped []byte) ([]byte, error) {
	plain, err := d.OpenDataKey(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	return d.wrap(plain)
}

// Stale reports whether there is a newer version.
func (d dataKeys) Stale(wrapped []byte) bool {
	version, _, err := wrappedBy(wrapped)
	p := d.s.picture.Load()
	return err == nil && p != nil && version < p.newest
}

// Health is whether the folder can be read.
func (s *Store) Health(ctx context.Context) error {
	_, err := s.Versions(ctx)
	return err
}

// Calls counts uses of private keys.
func (s *Store) Calls() uint64 { return s.calls.Load() }

// Close forgets the keys.
func (s *Store) Close() error {
	s.picture.Store(nil)
	s.Forget()
	return nil
}

var _ keys.Store = (*Store)(nil)
