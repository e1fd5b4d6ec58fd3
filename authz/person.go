package authz

// PersonID is the id of a person inside the national register of population. It is a
// key of registers, never shown, and no [Subject]: it says whose record is read, not who
// signed in.
type PersonID string

// Kind is the kind of a subject.
type Kind string

// The kinds (Decree 69/2024/NĐ-CP Art. 7, 15). An organisation never signs in: a person
// does, for it.
const (
	Citizen           Kind = "citizen"
	ForeignResident   Kind = "foreigner"
	OriginUnconfirmed Kind = "origin_unconfirmed" // a person of Vietnamese origin whose nationality is not determined
	Organisation      Kind = "organisation"
)

// MandateID names the mandate under which a person acts for another.
type MandateID string

// Role is what a person may do beside her own affairs.
type Role string

// The roles. They are given and taken by an operator's command.
const (
	Auditor  Role = "auditor"
	Operator Role = "operator"
)

// Roles are all that there are.
func Roles() []Role { return []Role{Auditor, Operator} }

// RecordSubject says whose record is asked for (member subject of vn_data_release).
type RecordSubject string

// Whose record: that of the person who signed in, of somebody she represents, or of the
// person of a case file.
const (
	RecordOfSelf        RecordSubject = "self"
	RecordOfRepresented RecordSubject = "represented"
	RecordOfCase        RecordSubject = "case"
)
