package federating

import (
	"context"
	"os"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/weather"
	"hopnhat/store/enrolments"
	"hopnhat/web/console/enrolment"
	"hopnhat/web/evidence"
)

// Desk is where steps are taken at the entity that the file says; nil if it has no
// subordinates. s has what is known of the federation; what is kept in the state folder
// counts where it is nil.
func (p Parts) Desk(e *Entity, records desk.Store, scribe desk.Scribe, s *Server) *desk.Desk {
	if e == nil || !e.HasSubordinates {
		return nil
	}
	return &desk.Desk{
		Store: records, Scribe: scribe, Entity: e.ID(), Now: time.Now,
		Known: func() (rehearsal.Known, time.Time, error) { return e.known(s, p.State) },
	}
}

// known is what the resolver of this node knows, or what one kept in the state folder.
func (e *Entity) known(s *Server, state string) (rehearsal.Known, time.Time, error) {
	switch {
	case e == nil:
		return rehearsal.Known{}, time.Time{}, desk.ErrNotKnown
	case s == nil || s.resolver == nil:
		return Known(e.Anchors, state)
	}
	stored := s.resolver.Stored()
	return rehearsal.Known{Statements: stored.Statements, Anchors: e.Anchors, Holds: stored.Holds}, stored.At, nil
}

// NodeName names a node in what is kept of the federation: its site and its machine.
func NodeName(site string) string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "?"
	}
	return site + "/" + host
}

// Console is what the pages of operators are made of.
func (p Parts) Console(records enrolments.Book, scribe desk.Scribe, pseudonyms evidence.Pseudonyms,
	s *Server,
) (enrolment.Options, error) {
	o := enrolment.Options{Records: records, Pseudonyms: pseudonyms, Now: time.Now}
	e, err := Read(p.File, p.Issuer)
	if err != nil {
		return o, err
	}
	o.Past = p.Past
	o.Known = func() (rehearsal.Known, time.Time, error) { return e.known(s, p.State) }
	o.Weather = func() (weather.Forecast, error) {
		if e == nil {
			return weather.Forecast{}, desk.ErrNotKnown
		}
		if s != nil && s.resolver != nil {
			return s.Weather(), nil
		}
		return e.Weather(p.State)
	}
	if d := p.Desk(e, records, scribe, s); d != nil {
		o.Desk, o.Terms = d, e.terms
	}
	return o, nil
}

// Weather is the forecast of the federation; empty without a resolver.
func (s *Server) Weather() weather.Forecast {
	if s == nil || s.resolver == nil {
		return weather.Forecast{}
	}
	return s.resolver.Weather()
}

// Weather is the forecast by what a resolver keeps in the state folder. The error wraps
// desk.ErrNotKnown if there is none.
func (e *Entity) Weather(state string) (weather.Forecast, error) {
	stored, err := kept(e.Anchors, state)
	if err != nil {
		return weather.Forecast{}, err
	}
	return stored.Weather(e.Anchors, time.Now()), nil
}

// terms are those that the configuration of an entity says. It is fetched for an operator, who
// named it: a failure of a moment before is not remembered.
func (e *Entity) terms(ctx context.Context, id federation.EntityID) (enrol.Terms, error) {
	c, err := fetch.New(outbound.NewWithin(e.Bounds), nil).Configuration(ctx, id)
	if err != nil {
		return enrol.Terms{}, err
	}
	return enrol.FromConfiguration(c, e.ID(), time.Now())
}

// Tell tells how many entities are in which state, for /metrics.
func (s *Server) Tell(tell func(float64, ...string)) {
	f := s.Weather()
	for state, count := range map[string]int{
		"trusted": f.Trusted, "refused": f.Refused, "unreachable": f.Unreachable(), "one_key": f.OneKey(), "weak_algorithm": f.Weak(),
	} {
		tell(float64(count), state)
	}
}
