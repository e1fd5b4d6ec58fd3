package clientauth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Limits of DPoP proofs, RFC 9449 §4.3 and §11.1.
const (
	maxProof       = 4 << 10
	proofAge       = 60 * time.Second
	nonceLife      = 2 * time.Minute
	maxRemembered  = 400_000
	nonceRefreshAt = nonceLife / 2
)

// Proofs checks DPoP proofs (RFC 9449). Every proof must carry a nonce that this
// node gave out (§8), and a node remembers the proofs of one nonce's life, so a
// proof is accepted once in the whole nation and no database is asked.
type Proofs struct {
	now func() time.Time
	key [32]byte

	mu       sync.Mutex
	epoch    int64
	seen     map[[32]byte]struct{}
	previous map[[32]byte]struct{}
}

// NewProofs makes a checker with a nonce key of its own.
func NewProofs(now func() time.Time) *Proofs {
	if now == nil {
		now = time.Now
	}
	p := &Proofs{now: now, seen: map[[32]byte]struct{}{}, previous: map[[32]byte]struct{}{}}
	if _, err := rand.Read(p.key[:]); err != nil {
		panic("clientauth: no randomness: " + err.Error())
	}
	return p
}

// Nonce makes a nonce for the DPoP-Nonce header: the time, and our MAC over it.
func (p *Proofs) Nonce() string {
	var b [8 + 16]byte
	binary.BigEndian.PutUint64(b[:8], uint64(p.now().Unix()))
	copy(b[8:], p.mac(b[:8]))
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func (p *Proofs) mac(b []byte) []byte {
	m := hmac.New(sha256.New, p.key[:])
	m.Write(b)
	return m.Sum(nil)[:16]
}

// nonceAge tells how old a nonce of ours is; ok is false for anything else.
func (p *Proofs) nonceAge(nonce string) (age time.Duration, ok bool) {
	if len(nonce) != 32 {
		return 0, false
	}
	b, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || subtle.ConstantTimeCompare(b[8:], p.mac(b[:8])) != 1 {
		return 0, false
	}
	return p.now().Sub(time.Unix(int64(binary.BigEndian.Uint64(b[:8])), 0)), true
}

// Proof is what a checked DPoP proof says.
type Proof struct {
	// JKT is the RFC 7638 thumbprint of the key, base64url.
	JKT string
	// NextNonce is a fresh nonce for the answer when the one used grows old.
	NextNonce string
}

type proofClaims struct {
	ID       string  `json:"jti"`
	Method   string  `json:"htm"`
	URL      string  `json:"htu"`
	IssuedAt float64 `json:"iat"`
	Hash     string  `json:"ath"`
	Nonce    string  `json:"nonce"`
}

// Check verifies the DPoP headers of a request to method and target (the URL of
// the endpoint without query). accessToken is the token presented with it, or
// empty at endpoints of the authorization server. Errors are *authz.Error:
// invalid_dpop_proof, or use_dpop_nonce with which the caller sends
// [Proofs.Nonce]. An absent header is an error: ask [Present] first where
// DPoP is optional.
func (p *Proofs) Check(headers []string, method, target, accessToken string) (Proof, error) {
	bad := func(why string) (Proof, error) {
		return Proof{}, authz.Refuse(authz.InvalidDPoPProof, "DPoP proof: %s", why)
	}
	if len(headers) != 1 {
		return bad("exactly one DPoP header is needed (RFC 9449 §4.3)")
	}
	if len(headers[0]) > maxProof {
		return bad("longer than allowed")
	}
	verified, jkt, err := jose.VerifyEmbedded(headers[0], jose.Rule{
		Type: "dpop+jwt", Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256}, MaxBytes: maxProof,
	})
	if err != nil {
		return Proof{}, authz.Refuse(authz.InvalidDPoPProof, "DPoP proof: not a valid dpop+jwt signed by its own jwk with ES256, EdDSA or PS256").Because(err)
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
	}
	// The nonce is judged before the time: a client whose clock is wrong
	// learns the nonce, and the nonce carries our time.
	age, ours := p.nonceAge(claims.Nonce)
	if !ours || age > nonceLife || age < -time.Second {
		return Proof{}, authz.Refuse(authz.UseDPoPNonce, "the DPoP proof must carry the nonce of the DPoP-Nonce header")
	}
	now := p.now()
	if iat := time.Unix(int64(claims.IssuedAt), 0); claims.IssuedAt == 0 || now.Sub(iat) > nonceLife+proofAge || iat.Sub(now) > proofAge {
		return bad("iat is too far from our time")
	}
	if !p.first(string(jkt), claims.ID, claims.Nonce, now) {
		return bad("this proof was used before")
	}
	proof := Proof{JKT: string(jkt)}
	if age > nonceRefreshAt {
		proof.NextNonce = p.Nonce()
	}
	return proof, nil
}

// first remembers a proof for at least one nonce life in two generations; when
// memory is full it refuses rather than forgets.
func (p *Proofs) first(jkt, id, nonce string, now time.Time) bool {
	digest := sha256.Sum256([]byte(jkt + "\x00" + nonce + "\x00" + id))
	epoch := now.UnixNano() / int64(nonceLife+2*time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case epoch <= p.epoch: // a clock that stepped back forgets nothing
	case epoch == p.epoch+1:
		p.previous, p.seen, p.epoch = p.seen, map[[32]byte]struct{}{}, epoch
	default:
		p.previous, p.seen, p.epoch = map[[32]byte]struct{}{}, map[[32]byte]struct{}{}, epoch
	}
	_, old := p.previous[digest]
	_, recent := p.seen[digest]
	if old || recent || len(p.seen) >= maxRemembered {
		return false
	}
	p.seen[digest] = struct{}{}
	return true
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
