package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
	"hopnhat/keys/jose"
)

// Access is a checked access token at the broker.
type Access struct {
	Grant     authz.GrantID
	Client    authz.ClientID
	Pairwise  authz.Pairwise
	NextNonce string
}

// Verifier checks the token and the proof of a request. Its error is an
// *authz.Error.
type Verifier interface {
	BrokerAccess(r *http.Request) (Access, error)
	Nonce() string
}

// Permission is what is live at release time: one query.
type Permission struct {
	// GrantLive is false when the grant was revoked, expired, or never redeemed.
	GrantLive bool
	Subject   authz.Subject
	Person    string
	Kind      string
	Level     authz.AuthenticationLevel
	Account   authz.AccountLevel
	Locked    bool
	Details   []authz.Release
	Consent   *consent.Consent
}

// Permissions reads what is live. authz.ErrNotFound when there is no grant.
type Permissions interface {
	Live(ctx context.Context, grant authz.GrantID, registry authz.RegistryID, purpose authz.PurposeID) (Permission, error)
	// CountUse counts one release under a consent with a limited frequency, in
	// the transaction of the context; authz.ErrConflict when it is used up. day
	// is the day that counts, or empty for a lifetime limit.
	CountUse(ctx context.Context, id authz.ConsentID, version int, day string, limit int) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Record is one row of a register: attribute to value.
type Record map[string]any

// Register reads rows of a national register: one statement that names only the
// attributes asked for.
type Register interface {
	Read(ctx context.Context, registry authz.RegistryID, person string, attributes []authz.AttributeID) ([]Record, error)
}

// Evidence stages an event and appends it to the log after the commit.
type Evidence interface {
	Stage(ctx context.Context, e audit.Event) (logIt func(context.Context) error, err error)
	// Place is where the leaf of an event that was just logged is.
	Place(id string) (index uint64, ok bool)
}

// Clients finds an app's registration, from memory.
type Clients interface {
	Client(ctx context.Context, id authz.ClientID) (*authz.Client, error)
}

// Pseudonyms gives the name a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// Broker answers release requests.
type Broker struct {
	Verifier    Verifier
	Permissions Permissions
	Register    Register
	Evidence    Evidence
	Clients     Clients
	Pseudonyms  Pseudonyms
	Catalogue   *consent.Catalogue
	Policy      *policy.Engine
	LogOrigin   string
	Site        string
	Now         func() time.Time

	refusals refusalLimit
}

// Limits of a release request.
const (
	maxBody       = 16 << 10
	maxAttributes = 50
)

type releaseRequest struct {
	Registry   authz.RegistryID    `json:"registry"`
	Purpose    authz.PurposeID     `json:"purpose"`
	Attributes []authz.AttributeID `json:"attributes"`
}

type releaseAnswer struct {
	ID         string              `json:"release_id"`
	Log        logPlace            `json:"log"`
	Subject    authz.Pairwise      `json:"sub"`
	Registry   authz.RegistryID    `json:"registry"`
	Purpose    authz.PurposeID     `json:"purpose"`
	Basis      authz.Basis         `json:"legal_basis"`
	Consent    string              `json:"consent_reference,omitempty"`
	Attributes []authz.AttributeID `json:"attributes"`
	DataLife   string              `json:"data_life,omitempty"`
	Records    []Record            `json:"records"`
}

type logPlace struct {
	Origin string `json:"origin"`
	Index  uint64 `json:"index"`
}

// Releases is POST /broker/v1/releases. The order is: limit, authenticate,
// parse, read what is live, decide, read the register while the event is
// written, log, send.
func (b *Broker) Releases(w http.ResponseWriter, r *http.Request) {
	started := b.Now()
	access, err := b.Verifier.BrokerAccess(r)
	if err != nil {
		b.refuseToken(w, err)
		return
	}
	if access.NextNonce != "" {
		w.Header().Set("DPoP-Nonce", access.NextNonce)
	}
	if !b.refusals.allowed(access.Client, started) {
		write(w, "too-many-requests", "this app was refused too often in the last minute", "", nil)
		return
	}
	asked, err := parse(r)
	if err != nil {
		write(w, "malformed-request", err.Error(), "", nil)
		return
	}
	b.release(w, r, access, asked, started)
}

func (b *Broker) refuseToken(w http.ResponseWriter, err error) {
	refusal := authz.AsError(err)
	if refusal.Code == authz.TemporarilyUnavailable || refusal.Code == authz.ServerError {
		slog.Error("release request could not be checked", "error", refusal)
		write(w, "unavailable", "", "", nil)
		return
	}
	if refusal.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", b.Verifier.Nonce())
	}
	// RFC 9449 §7.1, RFC 6750 §3.
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`DPoP algs="ES256 EdDSA PS256", error=%q, error_description=%q`, refusal.Code, refusal.Description))
	write(w, "token-refused", refusal.Description, "", nil)
}

func parse(r *http.Request) (releaseRequest, error) {
	var in releaseRequest
	if r.Method != http.MethodPost || !strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/json") {
		return in, errors.New("send a POST with Content-Type: application/json")
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil || len(body) > maxBody {
		return in, fmt.Errorf("the body is longer than %d bytes or could not be read", maxBody)
	}
	if err := jose.DecodeStrict(body, &in); err != nil {
		return in, errors.New("the body must be an object with registry, purpose and attributes, and nothing else")
	}
	switch {
	case in.Registry == "" || len(in.Registry) > 64 || in.Purpose == "" || len(in.Purpose) > 64:
		return in, errors.New("registry and purpose are needed")
	case len(in.Attributes) == 0 || len(in.Attributes) > maxAttributes:
		return in, fmt.Errorf("name 1 to %d attributes", maxAttributes)
	}
	slices.Sort(in.Attributes)
	if len(slices.Compact(slices.Clone(in.Attributes))) != len(in.Attributes) {
		return in, errors.New("an attribute stands twice")
	}
	for _, a := range in.Attributes {
		if len(a) > 64 || !strings.HasPrefix(string(a), string(in.Registry)+".") {
			return in, errors.New("an attribute is not of this register")
		}
	}
	return in, nil
}

func (b *Broker) release(w http.ResponseWriter, r *http.Request, access Access, asked releaseRequest, started time.Time) {
	ctx := r.Context()
	fail := func(err error) {
		slog.Error("release failed", "client", access.Client, "error", err)
		write(w, "unavailable", "", "", nil)
	}
	client, err := b.Clients.Client(ctx, access.Client)
	if err != nil {
		fail(err)
		return
	}
	live, err := b.Permissions.Live(ctx, access.Grant, asked.Registry, asked.Purpose)
	if errors.Is(err, authz.ErrNotFound) || err == nil && !live.GrantLive {
		w.Header().Set("WWW-Authenticate", `DPoP error="invalid_token", error_description="the grant has ended"`)
		write(w, "grant-ended", "send the person to sign in again", "", nil)
		return
	}
	if err != nil {
		fail(err)
		return
	}
	granted := find(live.Details, asked)
	verdict := b.Policy.Decide(policy.Facts{
		Now: b.Now(), Client: client, Granted: granted, Consent: relevant(granted, live.Consent), Locked: live.Locked,
		Level: live.Level, Account: live.Account,
		Asked: policy.Asked{Registry: asked.Registry, Purpose: asked.Purpose, Attributes: asked.Attributes},
	})
	event, err := b.event(ctx, r, client, access, live, granted, asked, verdict, started)
	if err != nil {
		fail(err)
		return
	}
	if !verdict.Permit {
		b.refuse(w, r, client, event, verdict)
		return
	}
	b.send(w, r, access, live, granted, asked, event)
}

// relevant: the consent that counts is the one the grant refers to; a later
// version narrows it, and a consent the grant does not refer to says nothing.
func relevant(granted *authz.Release, live *consent.Consent) *consent.Consent {
	if granted == nil || live == nil {
		return nil
	}
	id, _, _ := strings.Cut(granted.ConsentReference, "#")
	if id != string(live.ID) {
		return nil
	}
	return live
}

func find(details []authz.Release, asked releaseRequest) *authz.Release {
	for i := range details {
		if details[i].Registry == asked.Registry && details[i].Purpose == asked.Purpose {
			return &details[i]
		}
	}
	return nil
}

// refuse records the refusal, then tells it.
func (b *Broker) refuse(w http.ResponseWriter, r *http.Request, client *authz.Client, event audit.Event, verdict policy.Verdict) {
	b.refusals.count(client.ID, b.Now())
	codes := make([]string, len(verdict.Reasons))
	for i, reason := range verdict.Reasons {
		codes[i] = string(reason.Code)
	}
	logIt, err := b.Evidence.Stage(r.Context(), event)
	if err == nil {
		err = logIt(r.Context())
	}
	if err != nil {
		slog.Error("a refusal could not be recorded", "client", client.ID, "error", err)
		write(w, "unavailable", "", "", nil)
		return
	}
	write(w, codes[0], verdict.Reasons[0].Article, event.ID, codes)
}

// send reads the register while the event is made durable, and answers when
// both are done: first the row, then the log, then the data.
func (b *Broker) send(w http.ResponseWriter, r *http.Request, access Access, live Permission, granted *authz.Release, asked releaseRequest, event audit.Event) {
	ctx := r.Context()
	var records []Record
	var readErr error
	var reading sync.WaitGroup
	reading.Go(func() { records, readErr = b.Register.Read(ctx, asked.Registry, live.Person, asked.Attributes) })

	index, err := b.record(ctx, granted, live.Consent, event)
	reading.Wait()
	switch {
	case errors.Is(err, authz.ErrConflict):
		write(w, "frequency-exceeded", granted.Frequency, "", nil)
		return
	case err != nil || readErr != nil:
		slog.Error("release failed", "client", access.Client, "event", event.ID, "error", errors.Join(err, readErr))
		write(w, "unavailable", "", event.ID, nil)
		return
	case len(records) == 0:
		write(w, "no-record", "", event.ID, nil)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(releaseAnswer{
		ID: event.ID, Log: logPlace{b.LogOrigin, index}, Subject: access.Pairwise, Registry: asked.Registry, Purpose: asked.Purpose,
		Basis: granted.Basis, Consent: granted.ConsentReference, Attributes: asked.Attributes, DataLife: granted.DataLife, Records: records,
	})
}

// record makes the event durable in the database, with the count of a limited
// consent in the same commit, and then in the log.
func (b *Broker) record(ctx context.Context, granted *authz.Release, c *consent.Consent, event audit.Event) (uint64, error) {
	var logIt func(context.Context) error
	stage := func(ctx context.Context) (err error) {
		logIt, err = b.Evidence.Stage(ctx, event)
		return err
	}
	var err error
	if day, limit := frequency(granted.Frequency, b.Now()); limit == 0 || c == nil {
		err = stage(ctx)
	} else {
		err = b.Permissions.Tx(ctx, func(ctx context.Context) error {
			if err := b.Permissions.CountUse(ctx, c.ID, c.Version, day, limit); err != nil {
				return err
			}
			return stage(ctx)
		})
	}
	if err != nil {
		return 0, err
	}
	if err := logIt(ctx); err != nil {
		return 0, err
	}
	index, _ := b.Evidence.Place(event.ID)
	return index, nil
}

// frequency reads once, unlimited, N/day; days are those of Hà Nội.
func frequency(f string, now time.Time) (day string, limit int) {
	switch {
	case f == "once":
		return "", 1
	case strings.HasSuffix(f, "/day"):
		n, err := strconv.Atoi(strings.TrimSuffix(f, "/day"))
		if err != nil || n < 1 {
			return "", 1
		}
		return now.In(hanoi).Format(time.DateOnly), n
	default:
		return "", 0
	}
}

var hanoi = time.FixedZone("ICT", 7*3600)

func (b *Broker) event(ctx context.Context, r *http.Request, client *authz.Client, access Access, live Permission, granted *authz.Release, asked releaseRequest, verdict policy.Verdict, started time.Time) (audit.Event, error) {
	pseudonym, err := b.Pseudonyms.Audit(ctx, live.Subject)
	if err != nil {
		return audit.Event{}, err
	}
	now := b.Now().UTC().Truncate(time.Microsecond)
	e := audit.Event{
		ID: authz.NewID(), Type: audit.ReleasePermitted,
		Asked: audit.Asked{
			Client: client.ID, Name: client.Name.VI, Owner: client.Owner.VI, Grant: access.Grant, RequestID: r.Header.Get("X-Request-Id"),
		},
		Person: audit.Person{Pseudonym: pseudonym, Kind: live.Kind, Relation: string(authz.SubjectSelf)},
		Reason: audit.Reason{Purpose: asked.Purpose},
		Data:   audit.Data{Registry: asked.Registry, Attributes: asked.Attributes, Form: "value"},
		Decision: audit.Decision{
			Permit: verdict.Permit, Code: "released", Determining: verdict.Determining, PolicyHash: verdict.PolicyHash,
			ACR: live.Level.ACR(), Account: int(live.Account),
		},
		When:       audit.When{Decided: now, Site: b.Site, Latency: now.Sub(started).Microseconds()},
		Visibility: audit.Visibility{Sight: audit.Visible},
	}
	if granted != nil {
		basis, _ := b.Catalogue.Basis(granted.Basis)
		e.Reason.Basis, e.Reason.Citation, e.Reason.CaseReference = granted.Basis, basis.Citation, granted.CaseReference
		if c := relevant(granted, live.Consent); c != nil {
			e.Reason.Consent, e.Reason.ConsentVersion, e.Reason.ConsentText = c.ID, c.Version, c.TextHash
		} else if !basis.NeedsConsent {
			e.Reason.NoConsent = basis.Citation
		}
	}
	if !verdict.Permit {
		e.Type, e.Decision.Code = audit.ReleaseRefused, string(verdict.Reasons[0].Code)
	}
	return e, nil
}

// refusalLimit keeps an app that is refused again and again from filling the
// log: after so many refusals in a minute it is turned away before any write.
type refusalLimit struct {
	mu     sync.Mutex
	minute int64
	counts map[authz.ClientID]int
}

const refusalsPerMinute = 120

func (l *refusalLimit) allowed(id authz.ClientID, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return now.Unix()/60 != l.minute || l.counts[id] < refusalsPerMinute
}

func (l *refusalLimit) count(id authz.ClientID, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := now.Unix() / 60; minute != l.minute || l.counts == nil {
		l.minute, l.counts = minute, map[authz.ClientID]int{}
	}
	l.counts[id]++
}
