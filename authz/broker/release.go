package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/calendar"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/policy"
	"hopnhat/keys/jose"
)

// releaseAnswer is what an app gets.
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
// parse, read what is live, decide, read the register, write the event while grant,
// account and consent are held, log, send.
func (b *Broker) Releases(w http.ResponseWriter, r *http.Request) {
	b.once.Do(b.defaults)
	defer b.inFlight.Add(-1)
	if b.inFlight.Add(1) > b.MaxInFlight {
		b.answer(w, refusal{code: busy})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		b.answer(w, refusal{code: methodNotAllowed})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), b.Deadline)
	defer cancel()
	started := b.Now()
	access, err := b.Verifier.BrokerAccess(r)
	if err != nil {
		b.refuseToken(w, r, err)
		return
	}
	if access.NextNonce != "" {
		w.Header().Set("DPoP-Nonce", access.NextNonce)
	}
	q := request{access: access, started: started, id: requestID(r)}
	var odd jose.TextError
	if q.asked, err = readRequest(r); errors.As(err, &odd) {
		// A text with characters that make it read differently from what it says is no
		// mistake of a program. The refusal is recorded, without the text.
		q.unfit = err.Error()
	} else if err != nil {
		b.answer(w, refusal{code: malformedRequest, detail: err.Error()})
		return
	}
	in := q.asked
	released, err := b.release(ctx, q)
	var refused refusal
	switch {
	case err == nil:
		b.answered.Add(releasedOutcome)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		// The app may be gone; the release is on record either way.
		_ = json.NewEncoder(w).Encode(releaseAnswer{
			ID: released.Event, Log: logPlace(released.Place), Subject: access.Pairwise, Registry: in.Registry, Purpose: in.Purpose,
			Basis: released.Basis, Consent: released.Consent, Attributes: in.Attributes, DataLife: released.DataLife,
			Records: released.Records,
		})
	case errors.As(err, &refused):
		b.answer(w, refused)
	default:
		slog.ErrorContext(ctx, "a release could not be completed", "client", access.Client, "error", err)
		b.answer(w, refusal{code: unavailable})
	}
}

// answer writes a refusal to the app, and counts it.
func (b *Broker) answer(w http.ResponseWriter, r refusal) {
	b.answered.Add(r.code)
	r.write(w)
}

// Answered counts the answers to release requests: "released", and the code of each
// refusal, also those that there were none of yet.
func (b *Broker) Answered() map[string]uint64 {
	counts := b.answered.All()
	counts[releasedOutcome] += 0
	for code := range Problems() {
		counts[code] += 0
	}
	return counts
}

// refuseToken answers RFC 6750 §3 and RFC 9449 §7.1.
func (b *Broker) refuseToken(w http.ResponseWriter, r *http.Request, err error) {
	refused := authz.AsError(err)
	if refused.Code == authz.TemporarilyUnavailable || refused.Code == authz.ServerError {
		slog.ErrorContext(r.Context(), "an access token could not be checked", "error", refused)
		b.answer(w, refusal{code: unavailable})
		return
	}
	if refused.Code == authz.UseDPoPNonce {
		w.Header().Set("DPoP-Nonce", b.Verifier.Nonce())
	}
	b.answer(w, refusal{code: tokenRefused, detail: refused.Description, challenge: b.challenge(refused)})
}

// challenge makes a WWW-Authenticate line for each scheme, with the address of the
// broker's resource metadata (RFC 9728 §5.1).
func (b *Broker) challenge(why *authz.Error, more ...authz.Attribute) (challenges []string) {
	more = append(more, authz.Attribute{Name: "resource_metadata", Value: b.Verifier.ResourceMetadataURL()})
	for _, scheme := range b.Verifier.BrokerSchemes() {
		challenges = append(challenges, why.Challenge(scheme, more...))
	}
	return challenges
}

// release decides, records and reads. Its error is a refusal, or something that
// went wrong on our side, after which nothing is sent.
func (b *Broker) release(ctx context.Context, q request) (*Released, error) {
	var err error
	q.client, err = b.Clients.Client(ctx, q.access.Client)
	switch {
	case errors.Is(err, authz.ErrNotFound), errors.Is(err, clientauth.ErrUnknownClient):
		return nil, refusal{
			code: tokenRefused, detail: "the app is not enabled",
			challenge: b.challenge(authz.NewError(authz.InvalidToken, "the app is not enabled")),
		}
	case err != nil:
		return nil, err
	}
	if err := consent.CheckCaseReference(q.asked.CaseReference, declaredBy(q.client, q.asked)); err != nil {
		q.asked.CaseReference, q.unfit = "", err.Error()
	}
	for attempt := 0; ; attempt++ {
		answer, err := b.attempt(ctx, q)
		// Grant, account, consent or app changed between reading and writing: what
		// was read of the register is dropped, and it is decided once more on what
		// holds now. A second change in that window is returned as a conflict.
		if errors.Is(err, authz.ErrConflict) && attempt == 0 {
			continue
		}
		return answer, err
	}
}

func (b *Broker) attempt(ctx context.Context, q request) (*Released, error) {
	live, err := b.Permissions.Live(ctx, q.access.Grant, q.asked.Registry, q.asked.Purpose)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return nil, err
	}
	if q.owner = q.client; len(q.access.Actors) > 0 && err == nil {
		if err := b.acting(ctx, &q, live.Client); err != nil {
			return nil, err
		}
	}
	if err != nil || q.owner == nil || live.Client != q.owner.ID {
		live = Permission{} // nothing of another app's grant is looked at
	}
	pseudonym := ""
	if live.Consent != nil {
		if pseudonym, err = b.Pseudonyms.Audit(ctx, live.Consent.Subject); err != nil {
			return nil, err
		}
	}
	purpose, _ := b.Catalogue.Purpose(q.asked.Purpose)
	if live.unexplained(pseudonym, purpose.Longest()) {
		slog.ErrorContext(ctx, "no event gave a consent that is in force; it counts as none", "consent", live.Consent.ID, "version", live.Consent.Version)
		live.Consent = nil
	}
	granted := find(live.Details, q.asked)
	at := b.Now().UTC().Truncate(time.Microsecond)
	verdict, err := b.decide(ctx, q, live, granted, at)
	if err != nil {
		return nil, err
	}
	event := b.act(q, live, granted, verdict, at)
	if !verdict.Permit {
		return nil, b.recordRefusal(ctx, q, event, verdict)
	}
	return b.send(ctx, q, live, granted, event)
}

// acting finds the app that is acted for (the owner of the grant) and those that act
// for it. A disabled owner ends the grant; a disabled actor counts as an app without a
// declaration.
func (b *Broker) acting(ctx context.Context, q *request, owner authz.ClientID) error {
	find := func(id authz.ClientID) (*authz.Client, error) {
		c, err := b.Clients.Client(ctx, id)
		if errors.Is(err, authz.ErrNotFound) || errors.Is(err, clientauth.ErrUnknownClient) {
			return nil, nil
		}
		return c, err
	}
	var err error
	if q.owner, err = find(owner); err != nil {
		return err
	}
	q.actors = nil // a second attempt begins anew
	for _, id := range q.access.Actors {
		actor, err := find(id)
		if err != nil {
			return err
		}
		q.actors = append(q.actors, actor)
	}
	return nil
}

// decide asks first whether the grant still lives and is about the person asked
// for, then statute and policy.
func (b *Broker) decide(ctx context.Context, q request, live Permission, granted *authz.Release, at time.Time) (policy.Verdict, error) {
	deny := func(code policy.Code) (policy.Verdict, error) {
		return policy.Verdict{Reasons: []policy.Reason{{Code: code}}, Determining: []string{"grant"}}, nil
	}
	alive := live.GrantLive || q.redeeming && live.Unredeemed
	switch {
	case q.unfit != "" && q.asked.Registry == "":
		return deny(malformedRequest)
	case q.unfit != "":
		return deny(caseReferenceMalformed)
	case !alive && live.Locked: // a lock revokes the grants
		return deny(policy.AccountLocked)
	case !alive:
		return deny(grantEnded)
	case q.asked.Subject != "" && q.asked.Subject != string(authz.RecordOfSelf) && q.asked.Subject != string(q.access.Pairwise):
		return deny(subjectOfAnother)
	}
	facts := policy.Facts{
		Now: at, Client: q.owner, Actors: q.actors, Granted: granted, Consent: live.Consent, Subject: live.Actor, Locked: live.Locked,
		Level: live.Level, Account: live.Account, AuthTime: live.AuthTime,
		Asked: policy.Asked{Registry: q.asked.Registry, Purpose: q.asked.Purpose, Attributes: q.asked.Attributes},
	}
	if granted != nil {
		var err error
		if facts.Birth, facts.Dead, err = b.People.Facts(ctx, live.Person); err != nil {
			return policy.Verdict{}, err
		}
	}
	return b.Policy.Decide(facts), nil
}

func find(details []authz.Release, in releaseRequest) *authz.Release {
	for i := range details {
		if details[i].Registry == in.Registry && details[i].Purpose == in.Purpose {
			return &details[i]
		}
	}
	return nil
}

// recordRefusal records a refusal and returns it.
func (b *Broker) recordRefusal(ctx context.Context, q request, event audit.Act, verdict policy.Verdict) error {
	if !b.refusals.take(q.client.ID, q.access.Grant, b.Now()) {
		return refusal{code: tooManyRequests}
	}
	ctx, cancel := b.writing(ctx)
	defer cancel()
	if _, err := b.Evidence.Write(ctx, event); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	first := verdict.Reasons[0]
	reply := refusal{code: string(first.Code), detail: first.Article, event: event.ID}
	for _, reason := range verdict.Reasons {
		reply.all = append(reply.all, string(reason.Code))
	}
	switch first.Code {
	case caseReferenceMalformed, malformedRequest:
		reply.detail = q.unfit
	case policy.LevelTooLow: // RFC 9470 §3
		reply.challenge = b.challenge(authz.NewError(authz.InsufficientAuthentication, "the person must sign in at a higher level"),
			authz.Attribute{Name: "acr_values", Value: policy.NeededLevel(q.owner, q.actors).ACR()})
	case policy.SignInTooOld: // RFC 9470 §3
		reply.challenge = b.challenge(authz.NewError(authz.InsufficientAuthentication, "the person must sign in again"),
			authz.Attribute{Name: "max_age", Value: strconv.Itoa(policy.NeededAge(q.asked.Purpose, q.asked.Registry, q.owner, q.actors))})
	case grantEnded:
		reply.challenge = b.challenge(authz.NewError(authz.InvalidToken, "the grant has ended"))
	}
	return reply
}

// writing is the context in which evidence is written: an app that hangs up does
// not leave half of it, and the request's deadline does not cut into a commit.
func (b *Broker) writing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), b.Deadline)
}

// send reads the register, makes the event durable with a digest of what was read,
// and answers: first the row, then the log, then the data. When the event is in
// doubt what was read is dropped.
func (b *Broker) send(ctx context.Context, q request, live Permission, granted *authz.Release, event audit.Act) (*Released, error) {
	read, err := b.Register.Read(ctx, q.asked.Registry, live.Person, q.asked.Attributes)
	if err != nil {
		return nil, b.unanswered(ctx, q, event, err)
	}
	records := project(read, q.asked.Attributes)
	event.Salt = audit.NewSalt()
	if event.Payload.Digest, err = digest(event.Salt, records); err != nil {
		return nil, fmt.Errorf("what register %q sent: %w", q.asked.Registry, err)
	}
	event.Payload.Records = int64(len(records))

	began := b.Now()
	place, err := b.record(ctx, q, live, granted, event)
	if err != nil {
		if errors.Is(err, ErrUsedUp) {
			verdict := policy.Verdict{Reasons: []policy.Reason{{Code: frequencyExceeded, Article: granted.Frequency}}, Determining: []string{"frequency"}}
			refused := b.act(q, live, granted, verdict, event.At)
			return nil, b.recordRefusal(ctx, q, refused, verdict)
		}
		return nil, err
	}
	if b.Now().Sub(began) > slow {
		if err := b.stillPermitted(ctx, q); err != nil {
			return nil, err
		}
	}
	if len(records) == 0 {
		return nil, refusal{code: noRecord, event: event.ID}
	}
	released := &Released{
		Event: event.ID, Place: place, Records: records, Basis: granted.Basis, DataLife: granted.DataLife,
		Kind: live.Kind, Account: live.Account, Proofed: live.Proofed,
	}
	if event.Consent.ID != "" {
		released.Consent = live.Consent.Reference()
	}
	return released, nil
}

// slow is how long writing an event and its leaf may take before the broker looks
// again whether the data may still go.
const slow = time.Second

// stillPermitted decides once more, after an event that took long to write: if the
// grant was ended in that time, the person was told so, and nothing may be sent after.
// That it was not sent is recorded as a refusal of its own.
func (b *Broker) stillPermitted(ctx context.Context, q request) error {
	ctx, cancel := b.writing(ctx)
	defer cancel()
	live, err := b.Permissions.Live(ctx, q.access.Grant, q.asked.Registry, q.asked.Purpose)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return err
	}
	granted, at := find(live.Details, q.asked), b.Now().UTC().Truncate(time.Microsecond)
	verdict, err := b.decide(ctx, q, live, granted, at)
	if err != nil || verdict.Permit {
		return err
	}
	event := b.act(q, live, granted, verdict, at)
	return b.recordRefusal(ctx, q, event, verdict)
}

// digest names what left, see [commitment.Salt.PayloadDigest].
func digest(salt audit.Salt, records []Record) (string, error) {
	sent, err := json.Marshal(records) // members sorted by name
	if err != nil {
		return "", err
	}
	return salt.PayloadDigest(sent), nil
}

// unanswered records that a register did not answer: it was permitted, nothing left,
// and no use is spent. Many of them are one fault of the register's, so beyond the
// limit of refusals they are told and not written.
func (b *Broker) unanswered(ctx context.Context, q request, event audit.Act, cause error) error {
	slog.ErrorContext(ctx, "a register did not answer", "register", q.asked.Registry, "event", event.ID, "error", cause)
	reply := refusal{code: registerSilent}
	if !b.silences.take(q.client.ID, q.access.Grant, b.Now()) {
		return reply
	}
	ctx, cancel := b.writing(ctx)
	defer cancel()
	event.Action, event.Decision.Code = audit.RegisterSilent, registerSilent
	if _, err := b.Evidence.Write(ctx, event); err != nil {
		return fmt.Errorf("recording that a register did not answer: %w", err)
	}
	reply.event = event.ID
	return reply
}

// project copies what was granted and nothing else, whatever a register's
// connector sent along.
func project(records []Record, attributes []authz.AttributeID) []Record {
	out := make([]Record, len(records))
	for i, r := range records {
		out[i] = make(Record, len(attributes))
		for _, id := range attributes {
			if v, ok := r[string(id)]; ok {
				out[i][string(id)] = v
			}
		}
	}
	return out
}

// record makes the event durable in the database and then in the log. By the same
// statement grant, account, consent and apps are held, so that no release is written
// after what ends one of them, and in the same commit a use is counted where the
// frequency is limited.
func (b *Broker) record(ctx context.Context, q request, live Permission, granted *authz.Release, event audit.Act) (audit.Place, error) {
	ctx, cancel := b.writing(ctx)
	defer cancel()
	event.Hold = &audit.Hold{
		Grant: q.access.Grant, Redeeming: q.redeeming, Locked: live.Locked,
		Consent: event.Consent.ID, Version: event.Consent.Version, Clients: []authz.ClientID{q.owner.ID},
	}
	for _, actor := range q.actors {
		if actor.ID != q.owner.ID {
			event.Hold.Clients = append(event.Hold.Clients, actor.ID)
		}
	}
	var written []audit.Written
	write := func(ctx context.Context) (err error) {
		written, err = b.Evidence.Write(ctx, event)
		return err
	}
	var err error
	if use, limited := b.use(q, live, granted, event); limited {
		err = b.Permissions.Tx(ctx, func(ctx context.Context) error {
			if err := b.Permissions.CountUse(ctx, use); err != nil {
				return err
			}
			return write(ctx)
		})
	} else {
		err = write(ctx)
	}
	if err != nil {
		return audit.Place{}, err
	}
	return written[0].Place(), nil
}

// use names what is counted: the consent in its version, where the release rests
// on one, and otherwise person, app, purpose and register. So two grants double
// neither what the person agreed to nor what the law allows the app, and a silent
// sign-in is no new beginning.
func (b *Broker) use(q request, live Permission, granted *authz.Release, event audit.Act) (Use, bool) {
	limit := consent.ParseFrequency(granted.Frequency)
	if limit.Limit == 0 {
		return Use{}, false
	}
	u := Use{Limit: limit.Limit}
	if limit.PerDay {
		u.Day = event.At.In(calendar.Hanoi).Format(time.DateOnly)
	}
	if event.Consent.ID != "" {
		u.Permission, u.Expires = live.Consent.Reference(), live.Consent.ValidUntil
		return u, true
	}
	u.Permission = "of:" + strings.Join([]string{string(live.Actor), string(live.Client), string(granted.Purpose), string(granted.Registry)}, "/")
	// As long as the app may be permitted this at all, which no request shortens.
	days := 2 // of one day
	if !limit.PerDay {
		purpose, _ := b.Catalogue.Purpose(granted.Purpose)
		days = consent.Days(declaredBy(q.owner, q.asked), purpose)
	}
	u.Expires = event.At.AddDate(0, 0, days)
	return u, true
}

// declaredBy is an app's declaration of what is asked; the zero value if it has none.
func declaredBy(app *authz.Client, in releaseRequest) authz.Declaration {
	for _, d := range app.Declarations {
		if d.Purpose == in.Purpose && d.Registry == in.Registry {
			return d
		}
	}
	return authz.Declaration{}
}
