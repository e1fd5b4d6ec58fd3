package authority

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"time"

	"hopnhat/authz"
	"hopnhat/federation/enrol"
)

// eventsType is the `typ` of what happened to a subordinate (Subordinate Events 1.0 ID1 §2.3.1).
const eventsType = "entity-events-statement+jwt"

// eventsLife is how long an answer about events says that it is valid.
const eventsLife = 5 * time.Minute

// serveEvents is Subordinate Events 1.0 ID1 §2.2 and §2.3: what happened to one subordinate. The
// reasons that people gave are not said.
func (a *Authority) serveEvents(ctx context.Context, form url.Values) (answer, error) {
	id, err := entity(form, "sub", true)
	if err != nil {
		return answer{}, err
	}
	s, err := a.o.Registry.Subordinate(ctx, id)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return answer{}, err
	}
	events := s.Events(a.o.Now())
	if err != nil || len(events) == 0 {
		return answer{}, refuse(NotFound, "The entity is not, and was not, a subordinate of this one.")
	}
	name := "events " + strconv.Itoa(s.Revision) + " " + strconv.Itoa(len(events)) + " " + string(id)
	token, err := a.signWithin(ctx, a.statuses, name, eventsType, func(now time.Time) (any, error) {
		if err := a.o.Registry.CheckSubordinate(context.WithoutCancel(ctx), s); err != nil {
			return nil, err
		}
		return map[string]any{
			"iss": a.o.ID, "sub": id, "iat": now.Unix(), "exp": now.Add(eventsLife).Unix(), "federation_registration_events": said(events),
		}, nil
	})
	return answer{"application/" + eventsType, token}, err
}

// said are events as the answer has them.
func said(events []enrol.Event) []map[string]any {
	all := make([]map[string]any, len(events))
	for i, e := range events {
		all[i] = map[string]any{"iat": e.At.Unix(), "event": e.Kind}
	}
	return all
}
