package regional

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Path is where a province asks the centre, after the issuer of the national provider.
const Path = "/federation/regional"

// The types of the messages, and the media type of what is posted and answered.
const (
	requestType = "regional-request+jwt"
	answerType  = "regional-answer+jwt"
	MediaType   = "application/" + requestType
	AnswerMedia = "application/jwt"
)

// Bounds of the messages.
const (
	maxRequest = 16 << 10
	maxAnswer  = 512 << 10
	maxBefore  = 10_000
	// maxHash is how long the hash of a password is at most.
	maxHash = 512
	// page is how many people one answer has.
	page = 100
	// life of a message.
	life   = time.Minute
	leeway = time.Minute
)

// algorithms are those of federation keys.
var algorithms = []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}

// claims are what both messages have.
type claims struct {
	Issuer   federation.EntityID `json:"iss"`
	Audience federation.EntityID `json:"aud"`
	IssuedAt int64               `json:"iat"`
	Expiry   int64               `json:"exp"`
	ID       string              `json:"jti"`
}

// check refuses a message that is not of one entity for another, now.
func (c claims) check(from, to federation.EntityID, now time.Time) error {
	switch issued, until := time.Unix(c.IssuedAt, 0), time.Unix(c.Expiry, 0); {
	case c.Issuer != from || c.Audience != to:
		return fmt.Errorf("it is not of %s for %s alone", from, to)
	case len(c.ID) < 16 || len(c.ID) > 64:
		return errors.New("jti has not 16 to 64 characters")
	case issued.After(now.Add(leeway)) || !until.After(now) || until.After(now.Add(life+leeway)):
		return errors.New("it is not of this minute: look at the clocks")
	}
	return nil
}

// request is what a province asks, with the keys to which the answer is encrypted: what changed
// after a version; or, without one, who comes after a person, by the names that it knows. It
// is signed with a federation key of the province.
type request struct {
	claims
	Since int64           `json:"since,omitempty"`
	After authz.Subject   `json:"after,omitempty"`
	Keys  json.RawMessage `json:"jwks"`
	// Rule is the digest of the key and the rule that the province has.
	Rule string `json:"rule,omitempty"`
}

// answer is signed with a federation key of the centre and encrypted to the province. Its jti is
// that of the request.
type answer struct {
	claims
	// Until is when what stands here of people is good no more.
	Until int64 `json:"good_until"`
	// Version is one that is in what stands here, with all before it.
	Version int64    `json:"version"`
	People  []person `json:"people"`
	// More says that there are people after the last one.
	More bool `json:"more"`
	// Key and Rule go with an answer to who has others, or none.
	Key  string `json:"key,omitempty"`
	Rule *Rule  `json:"rule,omitempty"`
	// Logs is up to where the log of the province is held, and Keys are those to which the rest
	// is encrypted; without them it is not asked for.
	Logs []heldLog       `json:"logs,omitempty"`
	Keys json.RawMessage `json:"jwks,omitempty"`
}

// Rule says which sectors the province names people in.
type Rule struct {
	// Domains are those whose hosts it serves, from Since on.
	Domains []string  `json:"domains"`
	Since   time.Time `json:"since"`
	// Before are sectors below them that are named under the national key.
	Before []string `json:"before"`
}

// person is what is handed over of a person. Of one who is locked, or has withdrawn her choice,
// there is the name alone.
type person struct {
	Subject authz.Subject `json:"sub"`
	// Version is when it changed last; a later change has a later one.
	Version  int64              `json:"version"`
	Kind     authz.Kind         `json:"kind,omitempty"`
	Level    authz.AccountLevel `json:"level,omitempty"`
	Number   string             `json:"number,omitempty"`
	Password string             `json:"password,omitempty"`
	Seed     []byte             `json:"totp,omitempty"`
	Step     int64              `json:"totp_step,omitempty"`
	Locked   bool               `json:"locked,omitempty"`
	Gone     bool               `json:"gone,omitempty"`
}

// Format masks a person for every verb of fmt.
func (p person) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(a person of a province)") }

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// check refuses what nobody can sign in with. No error tells what it says.
func (p person) check() error {
	id, err := uuid.Parse(string(p.Subject))
	switch {
	case err != nil || id.Version() != 8 || id.String() != string(p.Subject):
		return errors.New("a person has no name of version 8")
	case p.Version < 0:
		return errors.New("a person has no version")
	case p.Locked || p.Gone:
		return nil
	case !numberForm.MatchString(p.Number):
		return errors.New("the number of a person has not 12 digits")
	case p.Level < 1 || p.Level > 2 || p.Kind == "":
		return errors.New("a person has no kind or level of account")
	case p.Password == "" || len(p.Password) > maxHash || len(p.Seed) < 16 || len(p.Seed) > 64 || p.Step < 0:
		return errors.New("a person has not both factors")
	}
	return nil
}

// digest names what is handed over of a person, but for the time step.
func (p person) digest() string {
	raw, _ := json.Marshal([]any{p.Kind, p.Level, p.Number, p.Password, p.Seed}) // of these types it never fails
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// decode reads the claims of a message, without members that nobody knows.
func decode(raw []byte, into any) error {
	if err := jose.CheckJSON(raw); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errors.New("its claims are not those of such a message") // and might be told by err
	}
	return nil
}

// readRequest reads a request, whose signature is not verified.
func readRequest(token string) (request, *jose.Received, error) {
	var q request
	received, err := jose.Receive(token, jose.Rule{Type: requestType, Algorithms: algorithms, MaxBytes: maxRequest})
	if err == nil {
		err = decode(received.Claims(), &q)
	}
	return q, received, err
}

// readAnswer reads an answer that was decrypted, and verifies it.
func readAnswer(token string, by *jose.Set) (answer, error) {
	var a answer
	received, err := jose.Receive(token, jose.Rule{Type: answerType, Algorithms: algorithms, MaxBytes: maxAnswer})
	if err == nil {
		err = received.VerifyNamed(by)
	}
	if err == nil {
		err = decode(received.Claims(), &a)
	}
	if err != nil {
		return a, err
	}
	if len(a.Logs) > maxLogs {
		return a, errors.New("it has more shards than one answer")
	}
	if len(a.People) > page || a.Rule != nil && (len(a.Rule.Before) > maxBefore || CheckSectors(a.Rule.Domains) != nil) {
		return a, errors.New("it has more people or sectors than one answer, or domains that are none")
	}
	for _, p := range a.People {
		if err := p.check(); err != nil {
			return a, err
		}
	}
	return a, nil
}

// answers refuses an answer that is not one to a request: what changed comes in the order of
// versions, all in that of the names.
func (a answer) answers(q request, now time.Time) error {
	if a.ID != q.ID {
		return errors.New("the answer of the centre is to another request")
	}
	if a.Version > LatestVersion(now) || slices.ContainsFunc(a.People, func(p person) bool { return p.Version > LatestVersion(now) }) {
		return errors.New("the answer of the centre has a version of the future")
	}
	version, name := q.Since, q.After
	for _, p := range a.People {
		switch {
		case q.Since > 0 && p.Version <= version, q.Since == 0 && (p.Subject <= name || p.Gone):
			return errors.New("the answer of the centre is of another page, or in no order")
		}
		version, name = p.Version, p.Subject
	}
	if a.Version < 0 || a.More && len(a.People) == 0 {
		return errors.New("the answer of the centre has no version, or no end")
	}
	return nil
}

// LatestVersion bounds the versions that there can be at a time: they are times in microseconds,
// and run ahead of the clock by what changed at once.
func LatestVersion(now time.Time) int64 { return now.Add(time.Hour).UnixMicro() }

// digest names the key and the rule of a province.
func (r Rule) digest(key string) string {
	raw, _ := json.Marshal([]any{key, r.Domains, r.Since.UTC(), r.Before}) // of these types it never fails
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// key is the key of the province, 32 bytes.
func (a answer) key() ([]byte, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(a.Key)
	if err != nil || len(raw) != 32 {
		return nil, errors.New("its key is not one of 32 bytes")
	}
	return raw, nil
}
