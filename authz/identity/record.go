package identity

import (
	"context"
	"strings"

	"hopnhat/authz"
)

// Mandate says that a person represents an organisation by law, from one day to
// another (Law 59/2020/QH14 Art. 12). Organisations never sign in: she does, for it.
type Mandate struct {
	Organisation string
	Code         string // enterprise code in force
	Status       string
	Title        string
	// Joint means that she signs only together with the others (cùng ký).
	Joint     bool
	ValidFrom string
	ValidTo   string // empty while no end is set
}

// Mandates lists the organisations a person represents today, from the business
// register: at most so many of them.
type Mandates interface {
	RepresentedBy(ctx context.Context, person authz.PersonID, limit int) ([]Mandate, error)
}

// maxMandates bounds how many mandates of one person are told.
const maxMandates = 20

// Record is what the electronic identity system itself knows of a person, as a
// register that the broker reads: her verified contacts and her mandates.
type Record struct {
	Contacts *Contacts
	Mandates Mandates
}

// The attributes of the record.
const (
	emailAttribute    authz.AttributeID = "eid.email"
	phoneAttribute    authz.AttributeID = "eid.phone"
	mandatesAttribute authz.AttributeID = "eid.mandates"
)

// Read reads the attributes named and nothing else. An attribute without a value is
// not in the row; a person without any has no row.
func (r *Record) Read(ctx context.Context, person authz.PersonID, attributes []authz.AttributeID) (map[authz.AttributeID]any, error) {
	kinds, mandates := map[ContactKind]bool{}, false
	for _, id := range attributes {
		switch id {
		case emailAttribute, phoneAttribute:
			kinds[ContactKind(strings.TrimPrefix(string(id), "eid."))] = true
		case mandatesAttribute:
			mandates = true
		}
	}
	row := map[authz.AttributeID]any{}
	if len(kinds) > 0 {
		contacts, err := r.Contacts.Verified(ctx, person, kinds)
		if err != nil {
			return nil, err
		}
		for kind, value := range contacts {
			row[authz.AttributeID("eid."+string(kind))] = value
		}
	}
	if mandates {
		list, err := r.Mandates.RepresentedBy(ctx, person, maxMandates)
		if err != nil {
			return nil, err
		}
		if len(list) > 0 {
			row[mandatesAttribute] = mandateValues(list)
		}
	}
	return row, nil
}

// mandateValues is the value of the attribute, as claims and releases carry it.
func mandateValues(list []Mandate) []any {
	out := make([]any, 0, len(list))
	for _, m := range list {
		one := map[string]any{
			"organisation": map[string]any{"name": m.Organisation, "enterprise_code": m.Code, "status": m.Status},
			"basis":        "legal_representative", "title": m.Title, "joint": m.Joint, "valid_from": m.ValidFrom,
		}
		if m.ValidTo != "" {
			one["valid_to"] = m.ValidTo
		}
		out = append(out, one)
	}
	return out
}
