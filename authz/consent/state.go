package consent

import (
	"fmt"

	"hopnhat/authz"
)

// State of a consent.
type State string

// The states. Suspended and expired also follow from account and clock before
// they are written, see [Consent.StateAt].
const (
	Requested  State = "requested"
	Approved   State = "approved"
	Declined   State = "declined"
	Lapsed     State = "lapsed" // asked and not answered in time
	Superseded State = "superseded"
	Suspended  State = "suspended" // the account is locked, or there is a dispute
	Withdrawn  State = "withdrawn"
	Expired    State = "expired"
	Ended      State = "ended" // death, or a child who came of age
)

// States lists all.
func States() []State {
	return []State{Requested, Approved, Declined, Lapsed, Superseded, Suspended, Withdrawn, Expired, Ended}
}

// Step is what happens to a consent.
type Step string

// The steps. Each adds a version; none changes one.
const (
	Approve   Step = "approve"
	Decline   Step = "decline"
	Lapse     Step = "lapse"
	Supersede Step = "supersede"
	Suspend   Step = "suspend"
	Resume    Step = "resume"
	Withdraw  Step = "withdraw"
	Expire    Step = "expire"
	End       Step = "end"
)

// Steps lists all.
func Steps() []Step {
	return []Step{Approve, Decline, Lapse, Supersede, Suspend, Resume, Withdraw, Expire, End}
}

// transitions is the whole state machine of one version. From a final state
// nothing leads on: to agree again is to begin a new version with [Requested].
var transitions = map[State]map[Step]State{
	Requested: {Approve: Approved, Decline: Declined, Lapse: Lapsed},
	Approved:  {Supersede: Superseded, Suspend: Suspended, Withdraw: Withdrawn, Expire: Expired, End: Ended},
	Suspended: {Resume: Approved, Withdraw: Withdrawn, Expire: Expired, End: Ended},
}

// Next is the state after a step; authz.ErrConflict where the step does not
// belong.
func Next(from State, step Step) (State, error) {
	to, ok := transitions[from][step]
	if !ok {
		return "", fmt.Errorf("to %s a consent that is %s: %w", step, from, authz.ErrConflict)
	}
	return to, nil
}

// Final reports whether nothing leads on from a state.
func (s State) Final() bool { return len(transitions[s]) == 0 }
