// Package envelope encrypts stored secrets under data keys: AES-256-GCM in this
// process with a data key that is stored beside the ciphertext, itself encrypted
// by a key that never leaves the key store. So a secret of any size costs the key
// store 32 bytes, many secrets share one round trip, and after a rotation only
// the data key has to be encrypted again.
package envelope

import (
	"bytes"
	"container/list"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"hopnhat/keys"
)

// DataKeys is what an envelope needs of a key store.
type DataKeys interface {
	// NewDataKey makes 32 random bytes, in the clear and encrypted.
	NewDataKey(ctx context.Context) (plain, wrapped []byte, err error)
	// OpenDataKey reverses it. Errors: keys.ErrNotOurs, keys.ErrUnavailable.
	OpenDataKey(ctx context.Context, wrapped []byte) (plain []byte, err error)
	// RewrapDataKey encrypts a data key under the newest version.
	RewrapDataKey(ctx context.Context, wrapped []byte) ([]byte, error)
	// Stale tells, from memory, whether there is a newer version than the one that
	// encrypted a data key.
	Stale(wrapped []byte) bool
}

// The limits of a data key: how long one is given to new secrets and to how many,
// and how many are kept open for how long. A kept one serves while the key store
// does not answer, so its time is also how long reading stored secrets outlives
// an outage.
const (
	freshFor  = time.Hour
	maxUses   = 1 << 20 // far below the 2^32 of NIST SP 800-38D §8.3
	keepFor   = 10 * time.Minute
	keepCount = 1024
)

// Envelope seals and opens. It is safe for concurrent use.
type Envelope struct {
	data DataKeys
	now  func() time.Time

	mu   sync.Mutex
	open map[[32]byte]*list.Element // by the hash of the wrapped key
	lru  *list.List                 // of *kept, the last used first

	sealing sync.Mutex // one new data key at a time
	current *kept
	uses    int
}

type kept struct {
	id      [32]byte
	wrapped []byte
	aead    cipher.AEAD
	since   time.Time
}

// New makes an Envelope over a store's data keys; now may be nil.
func New(data DataKeys, now func() time.Time) *Envelope {
	if now == nil {
		now = time.Now
	}
	return &Envelope{data: data, now: now, open: map[[32]byte]*list.Element{}, lru: list.New()}
}

// A sealed value is: format, length of the wrapped key, the wrapped key, nonce,
// ciphertext. The wrapped key is not in the associated data, since it changes
// when it is wrapped anew; it authenticates itself.
const (
	format     = 1
	maxWrapped = 512
	nonceSize  = 12
)

// Seal encrypts and binds to aad.
func (e *Envelope) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	k, err := e.forSealing(ctx)
	if err != nil {
		return nil, fmt.Errorf("sealing a secret: %w", err)
	}
	out := make([]byte, 0, 3+len(k.wrapped)+nonceSize+len(plaintext)+k.aead.Overhead())
	out = append(out, format)
	out = binary.BigEndian.AppendUint16(out, uint16(len(k.wrapped)))
	out = append(out, k.wrapped...)
	nonce := make([]byte, nonceSize)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return k.aead.Seal(append(out, nonce...), nonce, plaintext, aad), nil
}

// forSealing gives the data key in use, or makes the next one.
func (e *Envelope) forSealing(ctx context.Context) (*kept, error) {
	e.sealing.Lock()
	defer e.sealing.Unlock()
	if k := e.current; k != nil && e.uses < maxUses && e.now().Sub(k.since) < freshFor && !e.data.Stale(k.wrapped) {
		e.uses++
		return k, nil
	}
	plain, wrapped, err := e.data.NewDataKey(ctx)
	if err != nil {
		return nil, err
	}
	if len(wrapped) > maxWrapped {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: "making a data key", Err: fmt.Errorf("%d bytes", len(wrapped))}
	}
	k, err := e.keep(plain, wrapped)
	if err != nil {
		return nil, err
	}
	e.current, e.uses = k, 1
	return k, nil
}

func (e *Envelope) keep(plain, wrapped []byte) (*kept, error) {
	block, err := aes.NewCipher(plain)
	clear(plain)
	if err != nil || len(plain) != 32 {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: "opening a data key", Err: fmt.Errorf("not 256 bits")}
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	k := &kept{id: sha256.Sum256(wrapped), wrapped: bytes.Clone(wrapped), aead: aead, since: e.now()}
	e.mu.Lock()
	defer e.mu.Unlock()
	if old := e.open[k.id]; old != nil {
		e.lru.Remove(old)
	}
	e.open[k.id] = e.lru.PushFront(k)
	if e.lru.Len() > keepCount {
		delete(e.open, e.lru.Remove(e.lru.Back()).(*kept).id)
	}
	return k, nil
}

func (e *Envelope) forOpening(ctx context.Context, wrapped []byte) (*kept, error) {
	id := sha256.Sum256(wrapped)
	e.mu.Lock()
	if found := e.open[id]; found != nil {
		if k := found.Value.(*kept); e.now().Sub(k.since) < keepFor {
			e.lru.MoveToFront(found)
			e.mu.Unlock()
			return k, nil
		}
		e.lru.Remove(found)
		delete(e.open, id)
	}
	e.mu.Unlock()
	plain, err := e.data.OpenDataKey(ctx, wrapped)
	if err != nil {
		return nil, err
	}
	return e.keep(plain, wrapped)
}

// parse splits a sealed value.
func parse(sealed []byte) (wrapped, nonce, ciphertext []byte, err error) {
	bad := fmt.Errorf("opening a secret: %w", keys.ErrNotOurs)
	if len(sealed) < 3 || sealed[0] != format {
		return nil, nil, nil, bad
	}
	n := int(binary.BigEndian.Uint16(sealed[1:]))
	rest := sealed[3:]
	if n > maxWrapped || len(rest) < n+nonceSize {
		return nil, nil, nil, bad
	}
	return rest[:n], rest[n : n+nonceSize], rest[n+nonceSize:], nil
}

// Open reverses Seal; stale says that Rewrap would bring the value under a newer
// key.
func (e *Envelope) Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error) {
	wrapped, nonce, ciphertext, err := parse(sealed)
	if err != nil {
		return nil, false, err
	}
	k, err := e.forOpening(ctx, wrapped)
	if err != nil {
		return nil, false, fmt.Errorf("opening a secret: %w", err)
	}
	plaintext, err = k.aead.Open(nil, nonce, ciphertext, aad)
	if err != nil {
		return nil, false, fmt.Errorf("opening a secret: %w", keys.ErrNotOurs)
	}
	return plaintext, e.data.Stale(wrapped), nil
}

// Rewrap brings a sealed value under the newest key without opening it.
func (e *Envelope) Rewrap(ctx context.Context, sealed []byte) ([]byte, error) {
	wrapped, nonce, ciphertext, err := parse(sealed)
	if err != nil {
		return nil, err
	}
	fresh, err := e.data.RewrapDataKey(ctx, wrapped)
	if err != nil {
		return nil, fmt.Errorf("wrapping a secret anew: %w", err)
	}
	if len(fresh) > maxWrapped {
		return nil, &keys.Outage{Cause: keys.BadAnswer, Doing: "wrapping a data key anew", Err: fmt.Errorf("%d bytes", len(fresh))}
	}
	out := append([]byte{format}, binary.BigEndian.AppendUint16(nil, uint16(len(fresh)))...)
	return append(append(append(out, fresh...), nonce...), ciphertext...), nil
}

// Forget drops every open data key.
func (e *Envelope) Forget() {
	e.sealing.Lock()
	e.current = nil
	e.sealing.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.open)
	e.lru.Init()
}
