package regional

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation"
	"hopnhat/federation/regional/stretch"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// The message by which a province sends a stretch of its log.
const (
	eventsType  = "regional-events+jwt"
	EventsMedia = "application/" + eventsType
	maxEvents   = 128 << 10 // what the route takes
)

// sending is signed with a federation key of the province. The stretch in it is encrypted to the
// centre, which opens it when the signature was verified.
type sending struct {
	claims
	Sealed string `json:"sealed"`
}

// heldLog is up to where the centre has a shard, as an answer says it.
type heldLog struct {
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
}

// maxLogs bounds the shards that an answer names.
const maxLogs = 200

// JoinStore keeps the events of provinces at the centre.
type JoinStore interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// HeldLogs lists what is held of a province's log.
	HeldLogs(ctx context.Context, provider federation.EntityID) ([]stretch.Held, error)
	// Join keeps events, and that more is held than before, in the transaction of the context;
	// authz.ErrConflict if it is not as before.
	Join(ctx context.Context, provider federation.EntityID, before uint64, now stretch.Held, events []stretch.Joined, at time.Time) error
	// Whose are the people of a province, as the centre knows them; who never chose it is not
	// in it.
	Whose(ctx context.Context, provider federation.EntityID, people []authz.Subject) (map[authz.Subject]authz.Subject, error)
}

// Joins joins the logs of provinces to the evidence of the centre. It is safe for concurrent use.
type Joins struct {
	Grounds
	Store    JoinStore
	Evidence Evidence
	Now      func() time.Time
}

// join takes a stretch of a province's log.
func (c *Centre) join(ctx context.Context, token string) error {
	if c.Joins == nil {
		return refuse(http.StatusForbidden, "This server joins no logs of provinces.")
	}
	received, err := jose.Receive(token, jose.Rule{Type: eventsType, Algorithms: algorithms, MaxBytes: maxEvents})
	var q sending
	if err == nil {
		err = decode(received.Claims(), &q)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "The message is none: %v.", err)
	}
	province, err := c.province(q.claims, received, c.now())
	if err != nil {
		return err
	}
	done, err := c.begin(ctx, province.Entity)
	if err != nil {
		return err
	}
	defer done()
	plain, err := jose.Decrypt(ctx, c.ring, q.Sealed, maxEvents)
	if errors.Is(err, keys.ErrUnavailable) {
		return err
	}
	var s stretch.Stretch
	if err == nil {
		err = decode([]byte(plain), &s)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, "The stretch cannot be read.")
	}
	err = c.Joins.take(ctx, province.Entity, s)
	switch {
	case errors.Is(err, stretch.ErrNext), errors.Is(err, authz.ErrConflict):
		return refuse(http.StatusConflict, "%v.", err)
	case errors.Is(err, stretch.ErrFork):
		slog.ErrorContext(ctx, "the log of a province is not what it was", "province", province.Entity, "origin", s.Origin, "error", err)
		return refuse(http.StatusUnprocessableEntity, "%v.", err)
	}
	return err
}

// take keeps what a stretch has of persons, once, and notes it where each of them sees it. A
// stretch that is no part of the log that was is an incident, and nothing of it is kept.
func (j *Joins) take(ctx context.Context, province federation.EntityID, s stretch.Stretch) error {
	held := stretch.Held{Origin: s.Origin}
	all, err := j.Store.HeldLogs(ctx, province)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Origin == s.Origin {
			held = h
		}
	}
	if held.Size == 0 && len(all) >= maxLogs {
		return refuse(http.StatusForbidden, "The province has %d shards already.", maxLogs)
	}
	next, events, missing, err := s.Check(held)
	finding := reconcile.Finding{Kind: reconcile.ProvinceLog, Origin: s.Origin, Index: held.Size, Object: string(province)}
	switch {
	case errors.Is(err, stretch.ErrFork):
		return errors.Join(err, j.Report(ctx, finding))
	case errors.Is(err, stretch.ErrNext):
		return err
	case err != nil:
		return refuse(http.StatusBadRequest, "The stretch does not count: %v.", err)
	}
	for _, place := range missing { // nothing after it waits for it
		finding.Index = place
		if err := j.Report(ctx, finding); err != nil {
			return err
		}
	}
	people := make([]authz.Subject, len(events))
	for i, e := range events {
		people[i] = e.Person
	}
	whose, err := j.Store.Whose(ctx, province, people)
	if err != nil {
		return err
	}
	var acts []audit.Act
	for i := range events {
		e := &events[i]
		if e.Subject = whose[e.Person]; e.Subject == "" { // it is kept, and shown to nobody
			continue
		}
		if e.Conflict, e.Since, err = j.conflict(ctx, province, *e); err != nil {
			return err
		}
		if audit.Action(e.Read.Detail.Action) == audit.RegionalReceived { // she sees that it was handed over
			continue
		}
		text := fmt.Sprintf("%s %s %s", e.Read.Type, e.Read.When.Decided.UTC().Format(time.RFC3339), e.Read.ID)
		acts = append(acts, audit.Act{
			Action: audit.RegionalJoined, Subject: e.Subject, Detail: audit.Detail{Object: string(province), Text: text},
		})
	}
	return j.Store.Tx(ctx, func(ctx context.Context) error {
		if err := j.Store.Join(ctx, province, held.Size, next, events, j.Now()); err != nil || len(acts) == 0 {
			return err
		}
		_, err := j.Evidence.Write(ctx, acts...)
		return err
	})
}

// ParseJoined reads what the event of a joined event says: its kind, and when it was decided
// there.
func ParseJoined(text string) (kind audit.Type, at time.Time, ok bool) {
	words := strings.Fields(text)
	if len(words) != 3 {
		return "", at, false
	}
	at, err := time.Parse(time.RFC3339, words[1])
	return audit.Type(words[0]), at, err == nil
}

// begins are the kinds of events that may begin nothing after a lock or a withdrawal.
var begins = map[audit.Type]bool{
	audit.SignedIn: true, audit.ConsentApproved: true, audit.TokenExchanged: true, audit.ReleasePermitted: true,
}

// conflict is what the centre had taken from a person when something began at a province, by
// the clocks of both.
func (j *Joins) conflict(
	ctx context.Context, province federation.EntityID, e stretch.Joined,
) (why stretch.Conflict, since time.Time, err error) {
	if !begins[e.Read.Type] {
		return "", since, nil
	}
	pseudonym, err := j.Pseudonyms.Audit(ctx, e.Subject)
	if err != nil {
		return "", since, err
	}
	newest := func(kind audit.Type, limit int, is func(audit.Event) bool) (audit.Event, error) {
		return j.newest(ctx, audit.Query{Pseudonym: pseudonym, Type: kind, To: e.Read.When.Decided, Limit: limit}, is)
	}
	each := func(audit.Event) bool { return true }
	locked, err1 := newest(audit.AccountLocked, 1, each)
	unlocked, err2 := newest(audit.AccountUnlocked, 1, each)
	chosen, err3 := newest(audit.FactorChanged, audit.MaxLimit, actsOn(province, audit.RegionalChosen, audit.RegionalWithdrawn))
	switch {
	case errors.Join(err1, err2, err3) != nil:
		return "", since, errors.Join(err1, err2, err3)
	case locked.ID != "" && (unlocked.ID == "" || locked.When.Decided.After(unlocked.When.Decided)):
		return stretch.Locked, locked.When.Decided, nil
	case audit.Action(chosen.Detail.Action) == audit.RegionalWithdrawn:
		return stretch.Withdrawn, chosen.When.Decided, nil
	}
	return "", since, nil
}

// Logs is the log of a province, as its node reads it.
type Logs interface {
	// Origins are its shards.
	Origins(ctx context.Context) ([]string, error)
	// Stretch is what a shard has from a place on, [stretch.MaxStretch] entries at most; without
	// leaves where there is nothing yet.
	Stretch(ctx context.Context, origin string, from uint64) (stretch.Stretch, error)
}

// stretches is how many of a shard are sent in one round.
const stretches = 50

// tell sends the centre what it does not hold of the log yet. What cannot be sent of one shard
// delays no other.
func (f *Feeder) tell(ctx context.Context) error {
	f.mu.Lock()
	held, set := f.held, f.centreKeys
	f.mu.Unlock()
	if f.Logs == nil || len(set) == 0 { // or the centre does not ask for it
		return nil
	}
	to, err := jose.ParseSet(set)
	if err != nil {
		return fmt.Errorf("the keys of the centre: %w", err)
	}
	origins, err := f.Logs.Origins(ctx)
	if err != nil {
		return err
	}
	var failed error
	for _, origin := range origins {
		from := held[origin]
		for range stretches {
			s, err := f.Logs.Stretch(ctx, origin, from)
			if err == nil && len(s.Leaves) > 0 {
				err = f.send(ctx, s, to)
			}
			if failed = errors.Join(failed, err); err != nil || len(s.Leaves) == 0 {
				break
			}
			from += uint64(len(s.Leaves))
		}
	}
	return failed
}

// send sends one stretch.
func (f *Feeder) send(ctx context.Context, s stretch.Stretch, to *jose.Set) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return err
	}
	sealed, err := jose.Encrypt(string(raw), to, string(keys.RSAOAEP256), "A256GCM")
	if err != nil {
		return err
	}
	now := f.Now()
	q := sending{claims{f.Self, f.Centre, now.Unix(), now.Add(life).Unix(), authz.NewID()}, sealed}
	token, err := f.sign(ctx, eventsType, q)
	if err != nil {
		return err
	}
	got, err := f.post(ctx, EventsMedia, token)
	switch {
	case err != nil:
		return err
	case got.Status == http.StatusConflict: // another node sent it
		return nil
	case got.Status != http.StatusOK:
		return fmt.Errorf("the centre does not take entries of the log from %d on: it answered %d: %.300q", s.First, got.Status, got.Body)
	}
	return nil
}
