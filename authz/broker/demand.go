package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Released is what left: the records, and the evidence of it.
type Released struct {
	// Event is the id of the event, Place where its leaf is in the log.
	Event    string
	Place    audit.Place
	Records  []Record
	Basis    authz.Basis
	DataLife string
	// Consent is the consent with its version; empty where the release rests on
	// another basis.
	Consent string
	// Of the account, as the decision knew it.
	Kind    authz.Kind
	Account authz.AccountLevel
	Proofed time.Time
}

// Refused means that a release was decided against, by the code of [Problems].
// Event is the evidence of it; empty where none is written.
type Refused struct {
	Code  string
	Event string
}

// Error says the code.
func (r *Refused) Error() string { return "the release was refused: " + r.Code }

// Release answers a demand. Its error is a *Refused, after which the data are left
// out, or something that could not be done, after which the caller must answer
// nothing: authz.ErrUnavailable.
func (b *Broker) Release(ctx context.Context, d authz.Demand) (*Released, error) {
	b.once.Do(b.defaults)
	defer b.inFlight.Add(-1)
	if b.inFlight.Add(1) > b.MaxInFlight {
		return nil, fmt.Errorf("%d releases are in work: %w", b.MaxInFlight, authz.ErrUnavailable)
	}
	ctx, cancel := context.WithTimeout(ctx, b.Deadline)
	defer cancel()
	q := request{
		asked:  releaseRequest{Registry: d.Registry, Purpose: d.Purpose, Attributes: slices.Sorted(slices.Values(d.Attributes))},
		access: Access{Grant: d.Grant, Client: d.Client}, started: b.Now(), id: d.RequestID, redeeming: d.Redeeming,
	}
	released, err := b.release(ctx, q)
	var refused refusal
	switch {
	case err == nil:
		return released, nil
	case errors.As(err, &refused) && refused.code != registerSilent:
		return nil, &Refused{Code: refused.code, Event: refused.event}
	default:
		return nil, fmt.Errorf("releasing from register %q: %w", d.Registry, errors.Join(err, authz.ErrUnavailable))
	}
}
