package authz

import "errors"

// Principal says who acts, and for whom. Whatever a person begins carries it to its end:
// session, grant, consent, permission, event and claims. That she acts for herself is the
// zero case: For is nil, no column, claim or canonical byte is written for it.
type Principal struct {
	// Actor is the person who signed in.
	Actor Subject
	// For is whom she acts for, nil for herself.
	For *Represented
	// Mandate is what lets her act for another, empty for herself.
	Mandate MandateID
}

// Represented is whom a person acts for: an organisation, a child, a ward.
type Represented struct {
	Subject Subject
	Kind    Kind
}

// Herself is the principal of a person who acts for herself.
func Herself(actor Subject) Principal { return Principal{Actor: actor} }

// Acting is the principal of a person who acts for another under a mandate.
func Acting(actor Subject, forWhom Represented, mandate MandateID) Principal {
	return Principal{Actor: actor, For: &forWhom, Mandate: mandate}
}

// ForHerself reports whether the person acts for herself.
func (p Principal) ForHerself() bool { return p.For == nil }

// Concerned is whose affairs they are: those of whom she acts for, or her own.
func (p Principal) Concerned() Subject {
	if p.For != nil {
		return p.For.Subject
	}
	return p.Actor
}

// Relation says whose record the principal reaches.
func (p Principal) Relation() RecordSubject {
	if p.For != nil {
		return RecordOfRepresented
	}
	return RecordOfSelf
}

// Equal reports whether two principals are the same person, acting for the same.
func (p Principal) Equal(other Principal) bool {
	return p.Actor == other.Actor && p.Mandate == other.Mandate && p.Represented() == other.Represented()
}

// Represented is whom she acts for, zero for herself.
func (p Principal) Represented() Represented {
	if p.For == nil {
		return Represented{}
	}
	return *p.For
}

// Check refuses a principal that is half one thing and half the other.
func (p Principal) Check() error {
	switch {
	case p.Actor == "":
		return errors.New("a principal names the person who acts")
	case p.For == nil && p.Mandate != "":
		return errors.New("a mandate names whom the person acts for")
	case p.For != nil && (p.For.Subject == "" || p.For.Kind == "" || p.Mandate == ""):
		return errors.New("a person acts for somebody of a kind, under a mandate")
	case p.For != nil && p.For.Subject == p.Actor:
		return errors.New("nobody represents herself")
	}
	return nil
}
