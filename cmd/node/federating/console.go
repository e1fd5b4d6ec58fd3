package federating

import (
	"context"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/desk"
	"hopnhat/federation/enrol"
	"hopnhat/federation/fetch"
	"hopnhat/federation/rehearsal"
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

// Console is what the pages of operators are made of.
func (p Parts) Console(records enrolments.Book, scribe desk.Scribe, pseudonyms evidence.Pseudonyms, s *Server) (enrolment.Options, error) {
	o := enrolment.Options{Records: records, Pseudonyms: pseudonyms, Now: time.Now}
	e, err := Read(p.File, p.Issuer)
	if err != nil {
		return o, err
	}
	o.Known = func() (rehearsal.Known, time.Time, error) { return e.known(s, p.State) }
	if d := p.Desk(e, records, scribe, s); d != nil {
		o.Desk, o.Terms = d, e.terms
	}
	return o, nil
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
