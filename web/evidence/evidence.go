// Package evidence is what the pages of citizens and of auditors share about recorded
// events: which of them a person may see of herself, where an event stands in the
// release log, and its proof file to take away.
package evidence

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/proof"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// ConsoleClient stands in evidence for the auditors' console.
const ConsoleClient authz.ClientID = "hopnhat-console"

// Counts are totals over all pages of a search. Concealed are those that the person
// herself may not see now.
type Counts struct {
	Total, Permitted, People, Concealed int
	Capped                              bool
}

// Events finds one recorded event; [authz.ErrNotFound] where there is none.
type Events interface {
	Get(ctx context.Context, id string) (audit.Recorded, error)
}

// Pseudonyms gives the name that a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// Log proves entries of the release log.
type Log interface {
	// Proof proves the entry at a place of a shard, and names the shard's key.
	Proof(ctx context.Context, origin string, index uint64) (in proof.Inclusion, key string, err error)
	// KeyOf is the verifier key of a shard; empty if it is not known here.
	KeyOf(ctx context.Context, origin string) string
}

// Own is what is recorded of the person who asks.
type Own struct {
	Events     Events
	Pseudonyms Pseudonyms
	Now        func() time.Time
}

// Pseudonym is the name in the evidence of the person who is signed in.
func (o Own) Pseudonym(v *page.Visit) (string, error) {
	return o.Pseudonyms.Audit(v.Context, v.Session.Actor)
}

// Event finds the event of an address that is about the person who asks and that she
// may see now; any other is not found.
func (o Own) Event(v *page.Visit) (audit.Recorded, error) {
	pseudonym, err := o.Pseudonym(v)
	if err != nil {
		return audit.Recorded{}, err
	}
	found, err := o.Events.Get(v.Context, v.C.Params("id"))
	if err != nil {
		return found, err
	}
	from, ever := found.Event.Visibility.SeenFrom(found.Event.When.Decided)
	if found.Event.Person.Pseudonym != pseudonym || !ever || o.Now().Before(from) {
		return audit.Recorded{}, authz.ErrNotFound
	}
	if found.Fault != "" {
		return audit.Recorded{}, page.Fault(view.ErrorNotGenuine)
	}
	return found, nil
}

// At is when an event was decided; of a row that cannot be read, when its id was made, as
// far as that is a UUIDv7 (RFC 9562 §5.7).
func At(r audit.Recorded) time.Time {
	if at := r.Event.When.Decided; !at.IsZero() {
		return at
	}
	id, err := hex.DecodeString(strings.ReplaceAll(r.Event.ID, "-", ""))
	if err != nil || len(id) != 16 {
		return time.Unix(0, 0).UTC()
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id) >> 16)).UTC()
}

// Proofs hands out proof files. That of a release has the event by which the consent was given
// that it rests on, as far as that is there.
type Proofs struct {
	Log    Log
	Events Events
	Now    func() time.Time
}

// Place is where an event stands in the log, with the address of its proof file.
func (p Proofs) Place(ctx context.Context, r audit.Recorded, address string) view.Proof {
	place := view.Proof{Logged: r.Logged, Index: r.Index, Origin: r.Origin, URL: address, File: fileName(r.Event.ID)}
	if r.Fault != "" {
		place.URL = ""
	}
	if r.Logged {
		place.Key = p.Log.KeyOf(ctx, r.Origin)
	}
	return place
}

func fileName(id string) string { return "hopnhat-" + id + ".proof" }

// Send sends the proof file; while no checkpoint covers the entry it says so, with a time
// to come back.
func (p Proofs) Send(v *page.Visit, r audit.Recorded) error {
	if r.Fault != "" {
		return page.Fault(view.ErrorNotGenuine)
	}
	if !r.Logged {
		return page.Fault(view.ErrorNotAvailable)
	}
	f, err := p.file(v.Context, r)
	if err != nil {
		return err
	}
	ground, reference, err := proof.GroundOf(f.Event)
	if err != nil {
		return err
	}
	if f.Ground = ground; ground == proof.GroundProved {
		if f.Given, err = p.given(v.Context, reference, r.Event.Person.Pseudonym); err != nil {
			return err
		}
		if f.Given == nil {
			f.Ground = proof.GroundUnproved
		}
	}
	v.C.Set(fiber.HeaderContentType, "text/plain; charset=utf-8")
	v.C.Set(fiber.HeaderContentDisposition, fmt.Sprintf("attachment; filename=%q", fileName(r.Event.ID)))
	return v.C.Send(f.Marshal())
}

// file proves one event.
func (p Proofs) file(ctx context.Context, r audit.Recorded) (proof.File, error) {
	inclusion, key, err := p.Log.Proof(ctx, r.Origin, r.Index)
	if err != nil {
		return proof.File{}, page.Fault(view.ErrorNotAvailable)
	}
	canonical, err := r.Event.Canonical()
	return proof.File{LogKey: key, Event: canonical, Salt: r.Salt, Inclusion: inclusion}, err
}

// given proves the event by which a consent was given; nil where it cannot be shown: it was
// erased, is not genuine or hidden, is about somebody else, or is in a log of another site.
func (p Proofs) given(ctx context.Context, reference commitment.Reference, pseudonym string) (*proof.File, error) {
	r, err := p.Events.Get(ctx, reference.ID)
	if errors.Is(err, authz.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	from, ever := r.Event.Visibility.SeenFrom(r.Event.When.Decided)
	if r.Fault != "" || r.Event.Person.Pseudonym != pseudonym || !ever || p.Now().Before(from) {
		return nil, nil
	}
	if !r.Logged { // its place is noted within a second
		return nil, page.Fault(view.ErrorNotAvailable)
	}
	if p.Log.KeyOf(ctx, r.Origin) == "" {
		return nil, nil
	}
	f, err := p.file(ctx, r)
	return &f, err
}

// Paginate cuts events, of which one more than a page was asked for, down to a page. It
// returns the links to the newest page and to the older ones, empty where there is none.
func Paginate(found []audit.Recorded, size int, q audit.Query, address string) (shown []audit.Recorded, newer, older string) {
	if q.Before != "" {
		newer = address
	}
	if len(found) <= size {
		return found, newer, ""
	}
	shown = found[:size]
	next := url.Values{"before": {shown[size-1].Event.ID}}
	if q.Client != "" {
		next.Set("app", string(q.Client))
	}
	return shown, newer, address + "?" + next.Encode()
}
