package reconcile

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"hopnhat/authz/audit"
)

// Standing is a role, an app or an API as it stands in the database.
type Standing struct {
	Kind Kind
	// Object is the role, the id of the app or of the incident, or the URL of the API;
	// Pseudonym the person who has the role.
	Object, Pseudonym string
	// State is what events commit to of an app or an API ([change.State]); of an incident it
	// is the action that brought it where it is.
	State []byte
	// Altered says that its row is not as it was written.
	Altered bool
	// Ended says that an app was deleted and holds no key and no secret any more.
	Ended bool
}

// Said is what one event says of a role, an app or an API.
type Said struct {
	Action            audit.Action
	Event             string
	Object, Pseudonym string
	At                time.Time
	// Salt and Digest commit to the state after; Digest is empty in events of a release
	// before there were any.
	Salt   audit.Salt
	Digest string
}

// skew is how far the clocks of two nodes may differ that change one thing: of events so
// close to each other any may be the last.
const skew = time.Minute

// kindOf is what an action tells of; empty where it is none of these.
func kindOf(a audit.Action) Kind {
	switch a {
	case audit.RoleGranted, audit.RoleRevoked:
		return RoleUnexplained
	case audit.ClientRegistered, audit.ClientUpdated, audit.ClientDeleted, audit.ClientDisabled, audit.ClientEnabled,
		audit.ClientVerified, audit.ClientUnverified, audit.ClientSecretRotated:
		return AppUnexplained
	case audit.ResourceRegistered, audit.ResourceDisabled:
		return ResourceUnexplained
	case audit.IncidentOpened, audit.IncidentCloseProposed, audit.IncidentClosed:
		return IncidentUnexplained
	}
	return ""
}

type thing struct {
	kind              Kind
	object, pseudonym string
}

// Explained holds roles, apps and APIs against the newest event of each. said are the events
// in the order of their times; of each thing only the newest are kept.
func Explained(standing []Standing, said iter.Seq2[Said, error], tell func(Finding)) error {
	newest := map[thing][]Said{}
	for s, err := range said {
		if err != nil {
			return fmt.Errorf("reading what events say of roles, apps and APIs: %w", err)
		}
		kind := kindOf(s.Action)
		if kind == "" {
			continue
		}
		of := thing{kind, s.Object, ""}
		if kind == RoleUnexplained {
			of.pseudonym = s.Pseudonym
		}
		kept := slices.DeleteFunc(newest[of], func(before Said) bool { return before.At.Before(s.At.Add(-skew)) })
		newest[of] = append(kept, s)
	}
	for _, one := range standing {
		of := thing{one.Kind, one.Object, one.Pseudonym}
		events := newest[of]
		delete(newest, of)
		f := Finding{Kind: one.Kind, Object: one.Object, Pseudonym: one.Pseudonym}
		switch {
		case one.Altered:
			f.Text = RowAltered.with()
		case len(events) == 0:
			f.Text = NoEvent.with()
		case !slices.ContainsFunc(events, one.is):
			f.Event, f.Text = events[len(events)-1].Event, NotAsSaid.with()
		default:
			continue
		}
		tell(f)
	}
	order := func(a, b thing) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.object, b.object), cmp.Compare(a.pseudonym, b.pseudonym))
	}
	for _, of := range slices.SortedFunc(maps.Keys(newest), order) {
		events := newest[of]
		last := events[len(events)-1]
		if slices.ContainsFunc(events, func(s Said) bool { return s.Action == audit.RoleRevoked }) {
			continue
		}
		tell(Finding{
			Kind: of.kind, Object: of.object, Pseudonym: of.pseudonym, Event: last.Event,
			Text: Gone.with(),
		})
	}
	return nil
}

// is reports whether a thing is as an event says.
func (s Standing) is(said Said) bool {
	switch {
	case s.Kind == RoleUnexplained:
		return said.Action == audit.RoleGranted
	case s.Kind == IncidentUnexplained:
		return string(said.Action) == string(s.State)
	case said.Action == audit.ClientDeleted:
		return s.Ended
	case s.Ended:
		return false
	}
	return said.Digest == "" || said.Digest == said.Salt.PayloadDigest(s.State)
}

// Again tells what both of two looks found: between the reading of a thing and that of its
// events somebody may have changed it.
func Again(look func(tell func(Finding)) error, tell func(Finding)) error {
	first := map[string]bool{}
	if err := look(func(f Finding) { first[f.Key()] = true }); err != nil || len(first) == 0 {
		return err
	}
	return look(func(f Finding) {
		if first[f.Key()] {
			tell(f)
		}
	})
}
