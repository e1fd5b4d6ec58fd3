package regional

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"hopnhat/authz/authn"
	"hopnhat/authz/protocol"
	"hopnhat/federation"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Resolver knows who is trusted under an anchor, without a request to anybody.
type Resolver interface {
	Resolve(subject federation.EntityID, anchors ...federation.EntityID) (*resolver.Entry, error)
}

// Centre answers provinces. It is safe for concurrent use.
type Centre struct {
	self     federation.EntityID
	names    *Names
	store    ChoiceStore
	evidence Evidence
	grounds  Grounds
	ring     keys.Ring
	resolver Resolver
	now      func() time.Time
	busy     *semaphore.Weighted
	// Joins is set before anybody is answered; without it no log of a province is joined.
	Joins *Joins

	mu       sync.Mutex
	answered map[federation.EntityID]bool // now
}

// NewCentre makes the endpoint of the national provider, whose issuer is self. Whom it hands over
// it holds against grounds.
func NewCentre(
	self federation.EntityID, names *Names, store ChoiceStore, evidence Evidence, grounds Grounds, ring keys.Ring, known Resolver,
	now func() time.Time,
) *Centre {
	return &Centre{
		self: self, names: names, store: store, evidence: evidence, grounds: grounds, ring: ring, resolver: known, now: now,
		busy: semaphore.NewWeighted(atOnce), answered: map[federation.EntityID]bool{},
	}
}

// atOnce bounds the requests that are answered at one time: each opens a page of secrets. A
// province has one of these places at most, and another one waits for a place so long.
const (
	atOnce = 2
	waits  = 10 * time.Second
)

// refusal is what a province is told, with a status.
type refusal struct {
	status int
	text   string
}

func (r *refusal) Error() string { return r.text }

func refuse(status int, format string, args ...any) error {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// ServeHTTP answers a request of a province.
func (c *Centre) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, err := c.serve(w, r)
	said := (*refusal)(nil)
	switch {
	case err == nil && token == "":
		protocol.WriteJSON(w, http.StatusOK, map[string]string{})
		return
	case err == nil:
		protocol.WriteJWT(w, AnswerMedia, token)
		return
	case errors.As(err, &said):
	default:
		slog.ErrorContext(r.Context(), "a province could not be answered", "error", err)
		said = &refusal{http.StatusServiceUnavailable, "The server could not answer. Try again later."}
	}
	code := "invalid_request"
	if said.status == http.StatusServiceUnavailable {
		code = "temporarily_unavailable"
		w.Header().Set("Retry-After", "30")
	}
	protocol.WriteJSON(w, said.status, map[string]string{"error": code, "error_description": said.text})
}

func (c *Centre) serve(w http.ResponseWriter, r *http.Request) (string, error) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		return "", refuse(http.StatusMethodNotAllowed, "Post a request of type %s.", MediaType)
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	limit := int64(maxRequest)
	switch {
	case err == nil && kind == MediaType:
	case err == nil && kind == EventsMedia:
		limit = maxEvents
	default:
		return "", refuse(http.StatusUnsupportedMediaType, "Post a request of type %s or %s.", MediaType, EventsMedia)
	}
	raw, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err != nil {
		return "", refuse(http.StatusRequestEntityTooLarge, "The request cannot be read, or is longer than %d bytes.", limit)
	}
	if kind == EventsMedia {
		return "", c.join(r.Context(), string(raw))
	}
	return c.answer(r.Context(), string(raw))
}

// begin takes a place for a province, whose signature was verified: what others send takes
// none. done gives it back.
func (c *Centre) begin(ctx context.Context, province federation.EntityID) (done func(), err error) {
	c.mu.Lock()
	there := c.answered[province]
	c.answered[province] = true
	c.mu.Unlock()
	if there {
		return nil, refuse(http.StatusServiceUnavailable, "Another request of %s is being answered. Try again in a minute.", province)
	}
	leave := func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.answered, province)
	}
	ctx, cancel := context.WithTimeout(ctx, waits)
	defer cancel()
	if err := c.busy.Acquire(ctx, 1); err != nil {
		leave()
		return nil, refuse(http.StatusServiceUnavailable, "Others are being answered. Try again in a minute.")
	}
	return func() { c.busy.Release(1); leave() }, nil
}

// answer judges a request and answers it. That one is sent again does no harm: who did not
// sign it cannot read the answer.
func (c *Centre) answer(ctx context.Context, token string) (string, error) {
	q, received, err := readRequest(token)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "The request is none: %v.", err)
	}
	now := c.now()
	if q.Since < 0 || q.Since > LatestVersion(now) || q.Since > 0 && q.After != "" {
		return "", refuse(http.StatusBadRequest, "The request asks for what changed since a version, or for all after a person.")
	}
	province, err := c.province(q.claims, received, now)
	if err != nil {
		return "", err
	}
	done, err := c.begin(ctx, province.Entity)
	if err != nil {
		return "", err
	}
	defer done()
	to, err := jose.ParseSet(q.Keys)
	if err == nil {
		err = jose.CheckEncryption(to, string(keys.RSAOAEP256), "A256GCM")
	}
	if err != nil {
		return "", refuse(http.StatusBadRequest, "jwks has no key to encrypt to with RSA-OAEP-256.")
	}
	said, err := c.page(ctx, province, q, now)
	if err != nil {
		return "", err
	}
	signed, err := jose.Sign(ctx, c.ring, jose.Token{Use: keys.EntityStatement, Algorithm: keys.ES256, Type: answerType, Claims: said})
	if err != nil {
		return "", err
	}
	return jose.Encrypt(signed[0], to, string(keys.RSAOAEP256), "A256GCM")
}

// province is whose request it is: a provider that is named here, that the federation trusts
// now, that has the mark of the anchor, and that signed the request with a federation key.
func (c *Centre) province(q claims, received *jose.Received, now time.Time) (Provider, error) {
	p, ok := c.names.Providers.Of(q.Issuer)
	if !ok {
		return p, refuse(http.StatusForbidden, "%q is no provider of a province here: ask the centre to name it in regional_choices.", q.Issuer)
	}
	if err := q.check(p.Entity, c.self, now); err != nil {
		return p, refuse(http.StatusBadRequest, "The request does not count: %v.", err)
	}
	e, err := c.resolver.Resolve(p.Entity, c.names.Providers.Anchor)
	if err != nil {
		return p, refuse(http.StatusForbidden, "The federation does not vouch for %s now: %v.", p.Entity, err)
	}
	marked := false
	for _, m := range e.Marks {
		marked = marked || m.Type == c.names.Providers.Mark && (m.Expiry.IsZero() || now.Before(m.Expiry))
	}
	if !marked {
		return p, refuse(http.StatusForbidden, "%s has no trust mark of type %q that counts.", p.Entity, c.names.Providers.Mark)
	}
	own, err := statement.Parse(e.Chain[0])
	if err != nil {
		return p, err
	}
	if err := received.VerifyNamed(own.Keys); err != nil {
		return p, refuse(http.StatusForbidden, "No federation key of %s that is known here signed the request; after a change of keys ask again in ten minutes.", p.Entity)
	}
	return p, nil
}

// welcome says up to where the log of a province is held, and to which keys the rest is encrypted.
func (c *Centre) welcome(ctx context.Context, province federation.EntityID, a *answer) error {
	if c.Joins == nil {
		return nil
	}
	held, err := c.Joins.Store.HeldLogs(ctx, province)
	if err != nil {
		return err
	}
	for _, h := range held {
		a.Logs = append(a.Logs, heldLog{h.Origin, h.Size})
	}
	published, err := c.ring.Published(keys.RequestDecryption)
	if err == nil {
		a.Keys, err = jose.MarshalSet(published)
	}
	return err
}

// page is the answer to a request: who comes next, with what is handed over. It is recorded
// before it leaves. A province that was told more than is known here, which is in an older copy
// of the database, is told of nobody, and the version: it asks for all then.
func (c *Centre) page(ctx context.Context, p Provider, q request, now time.Time) (answer, error) {
	a := answer{
		claims: claims{c.self, p.Entity, now.Unix(), now.Add(life).Unix(), q.ID},
		Until:  now.AddDate(0, 0, c.names.Providers.Days).Unix(), People: []person{},
	}
	var err error
	if err := c.welcome(ctx, p.Entity, &a); err != nil {
		return a, err
	}
	if a.Version, err = c.store.Number(ctx, p.Entity, now); err != nil {
		return a, err
	}
	if a.Version < q.Since { // the versions that come are later than any that was told
		return a, c.store.Raise(ctx, p.Entity, q.Since)
	}
	var list []Chosen
	if q.Since > 0 {
		list, err = c.store.Changes(ctx, p.Entity, q.Since, page)
	} else {
		list, err = c.store.People(ctx, p.Entity, q.After, page)
	}
	if err != nil {
		return a, err
	}
	a.More = len(list) == page
	before, err1 := c.names.Sectors.Before(ctx, p.Sectors, c.names.Providers.Since)
	key, err2 := c.names.Key(ctx, p.Entity)
	if err := errors.Join(err1, err2); err != nil {
		return a, err
	}
	rule, text := Rule{Domains: p.Sectors, Since: c.names.Providers.Since.UTC(), Before: before}, base64.RawURLEncoding.EncodeToString(key)
	if rule.digest(text) != q.Rule {
		a.Key, a.Rule = text, &rule
	}
	if err := c.grounds.explained(ctx, p.Entity, list); err != nil {
		return a, err
	}
	if err := handOver(ctx, c.store, c.evidence, p.Entity, list, now); err != nil {
		return a, err
	}
	for _, one := range list {
		if q.Since == 0 { // so it stands now, also where an older copy of the database says it
			one.Version = a.Version
		}
		said := person{Subject: one.Person, Version: one.Version, Locked: !one.Gone, Gone: one.Gone}
		if one.signsIn() {
			seed, _, err := c.ring.Open(ctx, one.Seed, authn.SeedAAD(one.Subject))
			if err != nil {
				return a, fmt.Errorf("opening a seed that is handed over: %w", err)
			}
			said = person{
				Subject: one.Person, Version: one.Version, Kind: one.Kind, Level: one.Level, Number: one.Number.Reveal(),
				Password: string(one.Password), Seed: seed, Step: one.Step,
			}
			if said.check() != nil { // one whom the province cannot take keeps no other from coming
				said = person{Subject: one.Person, Version: one.Version, Locked: true}
			}
		}
		a.People = append(a.People, said)
	}
	return a, nil
}
