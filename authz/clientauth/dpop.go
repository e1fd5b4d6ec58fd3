package clientauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/seal"
)

// Limits of DPoP proofs, RFC 9449 §4.3 and §11.1.
const (
	maxProof = 4 << 10
	// A nonce is of a step of time, the same on every node, and good in its step and
	// the next.
	nonceStep = 15 * time.Second
	nonceLife = 2 * nonceStep
	// clockSkew is how far the clocks of nodes may be apart.
	clockSkew = 10 * time.Second
	// generation is how long proofs are remembered at least: longer than their nonce
	// is good.
	generation    = nonceLife + clockSkew + 5*time.Second
	maxRemembered = 400_000
	// setBack is how far a clock may be set back without a nonce being good again.
	setBack = 2 * time.Minute
)

// Proofs checks DPoP proofs (RFC 9449). Every proof must carry a nonce of ours (§8),
// which any node can check, since it is a time under a key that all nodes have. A
// node remembers the proofs that it took as long as their nonces are good, so no node
// takes one twice; an endpoint that writes to the database anyway writes the proof
// with it, so that no other takes it either.
type Proofs struct {
	now  func() time.Time
	key  seal.Key
	most int

	mu             sync.Mutex
	epoch          int64
	seen, previous memory
	// forgotten is the newest nonce of which proofs were forgotten.
	forgotten time.Time
}

// memory is the proofs of one stretch of time, by app.
type memory struct {
	of map[authz.ClientID]map[[32]byte]struct{}
	n  int
	// shut are the apps whose proofs were forgotten to make room for those of others.
	shut   map[authz.ClientID]bool
	newest time.Time // of the nonces
}

func newMemory() memory {
	return memory{of: map[authz.ClientID]map[[32]byte]struct{}{}, shut: map[authz.ClientID]bool{}}
}

// NewProofs makes a checker with the key of [seal.Nonces]. now is the
// clock, that of package time if nil.
func NewProofs(key seal.Key, now func() time.Time) *Proofs {
	if now == nil {
		now = time.Now
	}
	return &Proofs{now: now, key: key, most: maxRemembered, seen: newMemory(), previous: newMemory()}
}

// Nonce makes a nonce for the DPoP-Nonce header: the beginning of this step of time,
// and our MAC over it.
func (p *Proofs) Nonce() string {
	var b [8 + 16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.now().Truncate(nonceStep).Unix()))
	copy(b[8:], p.key.MAC(b[:8]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// given is the time at which a nonce of ours was issued; ok is false for any other.
func (p *Proofs) given(nonce string) (at time.Time, ok bool) {
	if len(nonce) != 32 {
		return time.Time{}, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || !p.key.Genuine(b[8:], b[:8]) {
		return time.Time{}, false
	}
	return time.Unix(int64(binary.BigEndian.Uint64(b[:8])), 0), true
}

// Proof is what a checked DPoP proof says.
type Proof struct {
	// JKT is the RFC 7638 thumbprint of the key, base64url.
	JKT string
	// NextNonce is a fresh nonce for the answer when the one used grows old.
	NextNonce string
	// Digest names the proof, which must be accepted once only, and Expires is when
	// no node takes its nonce any more. Digest is empty when there was no proof.
	Digest  []byte
	Expires time.Time

	given time.Time // its nonce
}

type proofClaims struct {
	ID       string   `json:"jti"`
	Method   string   `json:"htm"`
	URL      string   `json:"htu"`
	IssuedAt *float64 `json:"iat"`
	Hash     string   `json:"ath"`
	Nonce    string   `json:"nonce"`
}

// Check verifies the DPoP headers of a request to method and target (the URL of
// the endpoint without query). accessToken is the token presented with it, or
// empty at endpoints of the authorization server. Errors are *authz.Error:
// invalid_dpop_proof, or use_dpop_nonce with which the caller sends
// [Proofs.Nonce]. An absent header is an error: where DPoP is optional, look for it
// first. Whether the proof was used before, [Proofs.Use] tells.
func (p *Proofs) Check(headers []string, method, target, accessToken string) (Proof, error) {
	bad := func(why string) (Proof, error) {
		return Proof{}, authz.NewError(authz.InvalidDPoPProof, "DPoP proof: %s", why)
	}
	if len(headers) != 1 {
		return bad("exactly one DPoP header is needed (RFC 9449 §4.3)")
	}
	if len(headers[0]) > maxProof {
		return bad("longer than allowed")
	}
	verified, jkt, err := jose.VerifyEmbedded(headers[0], jose.Rule{
		Type: "dpop+jwt", Algorithms: keys.FAPI2Signatures, MaxBytes: maxProof,
	})
	if err != nil {
		return Proof{}, authz.NewError(authz.InvalidDPoPProof,
			"DPoP proof: not a valid dpop+jwt signed by its own jwk with ES256, EdDSA or PS256").Because(err)
	}
	var claims proofClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		return bad("claims of a wrong type")
	}
	switch {
	case claims.ID == "" || len(claims.ID) > 256:
		return bad("jti is missing or too long")
	case claims.Method != method:
		return bad("htm is not the method of this request")
	case !sameTarget(claims.URL, target):
		return bad("htu is not the URL of this request")
	case accessToken != "" && !hashMatches(claims.Hash, accessToken):
		return bad("ath is not the hash of the access token")
	case claims.IssuedAt == nil:
		return bad("iat is missing")
	}
	// RFC 9449 §4.3 (11), §11.1: the nonce carries our time, so what iat says does not
	// matter: an app whose clock is wrong can call.
	now := p.now()
	given, ours := p.given(claims.Nonce)
	if age := now.Sub(given); !ours || age >= nonceLife || age < -clockSkew {
		return Proof{}, needNonce()
	}
	digest := sha256.Sum256([]byte("dpop\x00" + string(jkt) + "\x00" + claims.Nonce + "\x00" + claims.ID))
	proof := Proof{JKT: string(jkt), Digest: digest[:], Expires: given.Add(nonceLife + clockSkew).UTC(), given: given}
	if now.Sub(given) >= nonceStep {
		proof.NextNonce = p.Nonce()
	}
	return proof, nil
}

func needNonce() error {
	return authz.NewError(authz.UseDPoPNonce, "the DPoP proof must carry the nonce of the DPoP-Nonce header")
}

// ErrProofUsed is returned where a proof comes a second time.
var ErrProofUsed = fmt.Errorf("a DPoP proof was used before: %w", authz.ErrConflict)

// UsedProof is the refusal of a proof that was used before.
func UsedProof() error {
	return authz.NewError(authz.InvalidDPoPProof,
		"DPoP proof: this proof was used before; make a new one with a new jti").Because(ErrProofUsed)
}

// Use marks a checked proof as used, for an app that has authenticated or has presented
// a token bound to the proof's key; invalid_dpop_proof if it was used at this node
// before (RFC 9449 §11.1).
//
// Memory is bounded. When it is full, the app with the most proofs in it is refused
// until they have expired and none of them can be replayed: one app cannot crowd out
// the others.
func (p *Proofs) Use(app authz.ClientID, proof Proof) error {
	digest := [32]byte(proof.Digest)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turn()
	if !proof.given.After(p.forgotten) {
		return needNonce()
	}
	_, old := p.previous.of[app][digest]
	_, recent := p.seen.of[app][digest]
	if old || recent {
		return UsedProof()
	}
	if p.seen.n >= p.most && !p.seen.shut[app] {
		p.seen.shutLargest()
	}
	if p.seen.shut[app] || p.previous.shut[app] {
		return authz.NewError(authz.InvalidDPoPProof,
			"DPoP proof: more proofs than this server can remember came from this app; wait a minute, then send fewer")
	}
	of := p.seen.of[app]
	if of == nil {
		of = map[[32]byte]struct{}{}
		p.seen.of[app] = of
	}
	of[digest] = struct{}{}
	p.seen.n++
	if proof.given.After(p.seen.newest) {
		p.seen.newest = proof.given
	}
	return nil
}

// turn begins a new period when this one is over, and forgets the proofs of the period
// before. If the clock was set forward and is set back, proofs that were forgotten
// meanwhile stay refused, unless it is set back by more than setBack.
func (p *Proofs) turn() {
	now := p.now()
	if p.forgotten.Sub(now) > setBack {
		p.forgotten = time.Time{}
	}
	epoch := now.UnixNano() / int64(generation)
	if epoch <= p.epoch && p.epoch-epoch < int64(setBack/generation)+1 {
		return
	}
	next := newMemory()
	if epoch == p.epoch+1 {
		p.forget(p.previous)
		p.previous, p.seen, p.epoch = p.seen, next, epoch
		return
	}
	p.forget(p.previous)
	p.forget(p.seen)
	p.previous, p.seen, p.epoch = newMemory(), next, epoch
}

func (p *Proofs) forget(m memory) {
	if m.newest.After(p.forgotten) {
		p.forgotten = m.newest
	}
}

// shutLargest forgets the proofs of the app that has most, and shuts it out.
func (m *memory) shutLargest() {
	var largest authz.ClientID
	for app, proofs := range m.of {
		if len(proofs) > len(m.of[largest]) {
			largest = app
		}
	}
	m.n -= len(m.of[largest])
	delete(m.of, largest)
	m.shut[largest] = true
}

// sameTarget compares as RFC 9449 §4.3 (9) says: without query and fragment,
// after syntax- and scheme-based normalization.
func sameTarget(htu, target string) bool {
	if htu == target {
		return true
	}
	if len(htu) > 2048 {
		return false
	}
	a, errA := url.Parse(htu)
	b, errB := url.Parse(target)
	if errA != nil || errB != nil || a.User != nil {
		return false
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && hostOf(a) == hostOf(b) && pathOf(a) == pathOf(b)
}

func hostOf(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch strings.ToLower(u.Scheme) {
	case "https":
		return strings.TrimSuffix(host, ":443")
	case "http":
		return strings.TrimSuffix(host, ":80")
	}
	return host
}

func pathOf(u *url.URL) string {
	if u.Path == "" {
		return "/"
	}
	return u.EscapedPath()
}

func hashMatches(ath, token string) bool {
	sum := sha256.Sum256([]byte(token))
	want := base64.RawURLEncoding.EncodeToString(sum[:])
	return subtle.ConstantTimeCompare([]byte(ath), []byte(want)) == 1
}
