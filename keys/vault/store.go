package vault

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/keys"
	"hopnhat/keys/envelope"
	"hopnhat/keys/jose"
)

// Store is a keys.Store over Transit.
type Store struct {
	*envelope.Envelope
	o     Options
	c     *client
	specs []keys.Spec

	newest atomic.Int64 // version of the key that wraps data keys
	ills   ills
	stop   context.CancelFunc
	done   chan struct{}
}

// Open prepares the client; it asks Vault nothing yet. Close ends the renewal of
// the token.
func Open(o Options) (*Store, error) {
	o.defaults()
	c, err := newClient(&o)
	if err != nil {
		return nil, err
	}
	s := &Store{o: o, c: c, specs: keys.Specs(o.Algorithms), done: make(chan struct{})}
	s.Envelope = envelope.New(dataKeys{s}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	go s.keepLogin(ctx)
	return s, nil
}

// keepLogin renews the token; failures are told once and tried again.
func (s *Store) keepLogin(ctx context.Context) {
	defer close(s.done)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := s.c.login.keep(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			slog.Error("Vault's token could not be renewed; it is tried again each second", "error", err)
		}
		failing = err != nil
	}
}

// path is a path of the transit mount for a key.
func (s *Store) path(operation string, spec keys.Spec, more ...string) string {
	return strings.Join(append([]string{s.o.Mount, operation, s.o.Prefix + spec.Name()}, more...), "/")
}

// Versions reads all versions of the asymmetric keys, and the newest version of
// the key that wraps data keys.
func (s *Store) Versions(ctx context.Context) ([]keys.PublicKey, error) {
	var mu sync.Mutex
	var all []keys.PublicKey
	var failed error
	var pending sync.WaitGroup
	for _, spec := range s.specs {
		if spec.Kind == keys.Deriving {
			continue
		}
		pending.Go(func() {
			found, err := s.versions(ctx, spec)
			mu.Lock()
			defer mu.Unlock()
			all = append(all, found...)
			if err != nil {
				failed = prefer(failed, err)
			}
		})
	}
	pending.Wait()
	s.ills.note("reading the keys", failed, func(ctx context.Context) error { _, err := s.Versions(ctx); return err })
	if failed != nil {
		return nil, failed
	}
	slices.SortFunc(all, func(a, b keys.PublicKey) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		return b.Version - a.Version
	})
	return all, nil
}

// described is what Transit says of a key. A version of a symmetric key is a
// number, the time it was made, and of an asymmetric one an object.
type described struct {
	Latest int                        `json:"latest_version"`
	Keys   map[string]json.RawMessage `json:"keys"`
}

func (s *Store) versions(ctx context.Context, spec keys.Spec) ([]keys.PublicKey, error) {
	doing := "reading key " + s.o.Prefix + spec.Name()
	var answer wrapper[described]
	if err := s.c.do(ctx, call{doing: doing, path: s.path("keys", spec), into: &answer}); err != nil {
		return nil, err
	}
	bad := func(err error) error { return &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: err} }
	if len(answer.Data.Keys) == 0 {
		return nil, bad(errors.New("no version in the answer"))
	}
	if spec.Kind == keys.Wrapping {
		s.newest.Store(int64(answer.Data.Latest))
		return nil, nil
	}
	var out []keys.PublicKey
	for text, raw := range answer.Data.Keys {
		number, err := strconv.Atoi(text)
		if err != nil {
			return nil, bad(fmt.Errorf("version %q", text))
		}
		var member struct {
			Public string `json:"public_key"`
		}
		if err := json.Unmarshal(raw, &member); err != nil {
			return nil, bad(err)
		}
		public, err := parsePublic(spec, member.Public)
		if err != nil {
			return nil, bad(fmt.Errorf("version %d: %w", number, err))
		}
		id, err := jose.Thumbprint(public)
		if err != nil {
			return nil, bad(fmt.Errorf("version %d: %w", number, err))
		}
		out = append(out, keys.PublicKey{
			Handle: keys.Handle{Use: spec.Use, Algorithm: spec.Algorithm, KeyID: id, Name: spec.Name(), Version: number}, Key: public,
		})
	}
	return out, nil
}

// parsePublic reads PEM, or for Ed25519 the bare key.
func parsePublic(spec keys.Spec, encoded string) (crypto.PublicKey, error) {
	if spec.Algorithm == keys.EdDSA {
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil || len(raw) != ed25519.PublicKeySize {
			return nil, errors.New("not an Ed25519 public key")
		}
		return ed25519.PublicKey(raw), nil
	}
	block, _ := pem.Decode([]byte(encoded))
	if block == nil {
		return nil, errors.New("no PEM public key")
	}
	return x509.ParsePKIXPublicKey(block.Bytes)
}

// input is one item of a batch.
type input struct {
	Input []byte `json:"input"` // base64 in JSON
}

// signRequest is the body of Transit's sign. The version is pinned: it is the one
// whose key id stands in the header that is signed.
type signRequest struct {
	Batch      []input `json:"batch_input"`
	Version    int     `json:"key_version"`
	Prehashed  bool    `json:"prehashed,omitempty"`
	Marshaling string  `json:"marshaling_algorithm,omitempty"`
	Signature  string  `json:"signature_algorithm,omitempty"`
	Salt       string  `json:"salt_length,omitempty"`
}

// SignBatch is one call, whatever the number of inputs. All but Ed25519 sign a
// digest, so that the digest is what travels.
func (s *Store) SignBatch(ctx context.Context, key keys.Handle, inputs [][]byte) ([]keys.Signature, error) {
	if len(inputs) == 0 {
		return nil, nil
	}
	spec, ok := keys.FindAsymmetric(s.specs, key.Use, key.Algorithm)
	if !ok || spec.Kind != keys.Signing {
		return nil, fmt.Errorf("signing with %s: %w", key.Name, keys.ErrNoKey)
	}
	body := signRequest{Version: key.Version, Batch: make([]input, len(inputs)), Prehashed: key.Algorithm != keys.EdDSA}
	path := s.path("sign", spec)
	for i, raw := range inputs {
		body.Batch[i].Input = raw
		if body.Prehashed {
			digest := sha256.Sum256(raw)
			body.Batch[i].Input = digest[:]
		}
	}
	switch key.Algorithm {
	case keys.ES256:
		path, body.Marshaling = path+"/sha2-256", "jws"
	case keys.PS256:
		path, body.Signature, body.Salt = path+"/sha2-256", "pss", "hash"
	case keys.RS256:
		path, body.Signature = path+"/sha2-256", "pkcs1v15"
	}
	var answer wrapper[struct {
		Results []struct {
			Signature string `json:"signature"`
			Error     string `json:"error"`
		} `json:"batch_results"`
	}]
	doing := "signing with version " + strconv.Itoa(key.Version) + " of " + key.Name
	err := s.c.do(ctx, call{doing: doing, path: path, body: body, into: &answer})
	if results := answer.Data.Results; err == nil && len(results) != len(inputs) {
		err = &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: fmt.Errorf("%d results for %d inputs", len(results), len(inputs))}
	} else if err == nil && isAboutVersion(results[0].Error) { // of one is of all
		err = &keys.Outage{Cause: keys.KeyMissing, Doing: doing, Err: errors.New(results[0].Error)}
	}
	s.ills.note("signing with "+key.Name, err, func(ctx context.Context) error { // any version that signs ends it
		_, err := s.SignBatch(ctx, key, [][]byte{[]byte("hopnhat: is signing possible again?")})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]keys.Signature, len(inputs))
	for i, result := range answer.Data.Results {
		if result.Error != "" {
			out[i].Err = &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: errors.New(result.Error)}
			continue
		}
		if out[i].Bytes, err = parseSignature(result.Signature, key); err != nil {
			out[i].Err = &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: err}
		}
	}
	return out, nil
}

// parseSignature reads vault:vN:… and holds N against the version that stands in
// the header by its key id.
func parseSignature(text string, key keys.Handle) ([]byte, error) {
	rest, ok := strings.CutPrefix(text, "vault:v"+strconv.Itoa(key.Version)+":")
	if !ok {
		return nil, errors.New("the signature is not by the version asked for")
	}
	encoding := base64.StdEncoding
	if key.Algorithm == keys.ES256 {
		encoding = base64.RawURLEncoding // marshaling_algorithm=jws
	}
	signature, err := encoding.DecodeString(rest)
	if err != nil || len(signature) == 0 || key.Algorithm == keys.ES256 && len(signature) != 64 {
		return nil, errors.New("the signature cannot be read")
	}
	return signature, nil
}

// Unwrap is Transit's decrypt of RSA keys, which is RSA-OAEP with SHA-256.
func (s *Store) Unwrap(ctx context.Context, key keys.Handle, encrypted []byte) ([]byte, error) {
	spec, ok := keys.FindAsymmetric(s.specs, key.Use, key.Algorithm)
	if !ok || spec.Kind != keys.Decryption {
		return nil, fmt.Errorf("decrypting with %s: %w", key.Name, keys.ErrNoKey)
	}
	ciphertext := "vault:v" + strconv.Itoa(key.Version) + ":" + base64.StdEncoding.EncodeToString(encrypted)
	return s.decrypt(ctx, "decrypting with "+key.Name, spec, ciphertext)
}

// decrypt tells a ciphertext that is not ours from a Vault that does not serve.
func (s *Store) decrypt(ctx context.Context, doing string, spec keys.Spec, ciphertext string) ([]byte, error) {
	var answer wrapper[struct {
		Plaintext []byte `json:"plaintext"`
	}]
	err := s.c.do(ctx, call{doing: doing, path: s.path("decrypt", spec), body: map[string]string{"ciphertext": ciphertext}, into: &answer})
	if isBadInput(err) {
		return nil, fmt.Errorf("%s: %w", doing, keys.ErrNotOurs)
	}
	if err != nil {
		return nil, err
	}
	return answer.Data.Plaintext, nil
}

// Derive is Transit's HMAC-SHA-256 under version 1 of the use's key, which never
// changes.
func (s *Store) Derive(ctx context.Context, use keys.Use, label string) ([]byte, error) {
	spec, ok := keys.Find(s.specs, use, keys.Deriving)
	if !ok {
		return nil, fmt.Errorf("deriving for %s: %w", use, keys.ErrNoKey)
	}
	doing := "deriving with " + spec.Name()
	var answer wrapper[struct {
		HMAC string `json:"hmac"`
	}]
	err := s.c.do(ctx, call{doing: doing, path: s.path("hmac", spec, "sha2-256"), into: &answer, body: struct {
		Input   []byte `json:"input"`
		Version int    `json:"key_version"`
	}{[]byte(label), 1}})
	s.ills.note(doing, err, func(ctx context.Context) error { _, err := s.Derive(ctx, use, "health"); return err })
	if err != nil {
		return nil, err
	}
	encoded, ok := strings.CutPrefix(answer.Data.HMAC, "vault:v1:")
	out, err := base64.StdEncoding.DecodeString(encoded)
	if !ok || err != nil || len(out) != sha256.Size {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: doing, Err: errors.New("not an HMAC of version 1")}
	}
	return out, nil
}

// Calls counts requests to Vault.
func (s *Store) Calls() uint64 { return s.c.calls.Load() }

// Close stops the renewal and forgets the open data keys.
func (s *Store) Close() error {
	s.stop()
	<-s.done
	s.Forget()
	return nil
}

var _ keys.Store = (*Store)(nil)
