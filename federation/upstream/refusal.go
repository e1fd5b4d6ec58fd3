package upstream

import "fmt"

// Reason is why a sign-in by another provider came to nothing, as a person is told and as
// evidence has it.
type Reason string

// The reasons.
const (
	// Cancelled: the person, or the provider for her, said no.
	Cancelled Reason = "cancelled"
	// Late: the sign-in was begun too long ago, in another browser, or was finished already.
	Late Reason = "late"
	// Mixed: the answer is not of the provider that was asked (RFC 9700 §4.4).
	Mixed Reason = "mixed"
	// Untrue: the answer or its ID token does not hold.
	Untrue Reason = "untrue"
	// Low: the level of the sign-in there does not suffice.
	Low Reason = "low"
	// Unlinked: nobody here is linked with that person, and no number says who she is.
	Unlinked Reason = "unlinked"
	// Elsewhere: the account, or the person at the provider, is linked with another.
	Elsewhere Reason = "elsewhere"
	// Another: the provider says that it is somebody else than who is signed in here.
	Another Reason = "another"
	// Closed: the account is locked.
	Closed Reason = "locked"
	// Silent: the provider did not answer.
	Silent Reason = "silent"
)

// Reasons are all of them.
func Reasons() []Reason {
	return []Reason{Cancelled, Late, Mixed, Untrue, Low, Unlinked, Elsewhere, Another, Closed, Silent}
}

// Refusal is an error of the person's sign-in. Its text names no person.
type Refusal struct {
	Reason Reason
	// Why says which rule was broken, with the section that has it.
	Why string
}

// Error says what is wrong.
func (r *Refusal) Error() string {
	return fmt.Sprintf("sign-in by another provider, %s: %s", r.Reason, r.Why)
}

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{reason, fmt.Sprintf(format, args...)}
}
