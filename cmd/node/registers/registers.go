// Package registers shows the national registers to the broker and to the identity part, which
// do not know how they are kept.
package registers

import (
	"context"

	"hopnhat/authz"
	"hopnhat/authz/broker"
	"hopnhat/authz/claims"
	"hopnhat/authz/consent"
	"hopnhat/authz/identity"
	"hopnhat/store/registry"
)

// All are the connectors of all registers of the catalogue: the record of the
// electronic identity system, which is our own, and the national registers.
func All(catalogue *consent.Catalogue, db *registry.DB, contacts *identity.Contacts) broker.Registers {
	account := &identity.Record{Contacts: contacts, Mandates: Mandates{db}}
	all := broker.Registers{}
	for _, r := range catalogue.Registries {
		all[r.ID] = national{db}
	}
	all[claims.EID] = broker.Reader(func(
		ctx context.Context, person authz.PersonID, attributes []authz.AttributeID,
	) ([]broker.Record, error) {
		row, err := account.Read(ctx, person, attributes)
		if err != nil || len(row) == 0 {
			return nil, err
		}
		record := broker.Record{}
		for attribute, value := range row {
			record[string(attribute)] = value
		}
		return []broker.Record{record}, nil
	})
	return all
}

// national shows the national registers to the broker.
type national struct{ db *registry.DB }

func (r national) Read(
	ctx context.Context, id authz.RegistryID, person authz.PersonID, attributes []authz.AttributeID,
) ([]broker.Record, error) {
	names := make([]string, len(attributes))
	for i, a := range attributes {
		names[i] = string(a)
	}
	rows, err := r.db.Read(ctx, string(id), string(person), names)
	out := make([]broker.Record, len(rows))
	for i, row := range rows {
		out[i] = row
	}
	return out, err
}

// Mandates shows the business register's representatives to the identity part.
type Mandates struct{ DB *registry.DB }

// RepresentedBy lists the organisations that a person represents today, at most limit.
func (m Mandates) RepresentedBy(ctx context.Context, person authz.PersonID, limit int) ([]identity.Mandate, error) {
	found, err := m.DB.RepresentedBy(ctx, string(person))
	if err != nil {
		return nil, err
	}
	var out []identity.Mandate
	for _, one := range found[:min(len(found), limit)] {
		o, err := m.DB.Organisation(ctx, one.Organisation)
		if err != nil {
			return nil, err
		}
		out = append(out, identity.Mandate{
			Organisation: o.Name, Code: o.Code, Status: o.Status, Title: one.Title, Joint: one.Joint, ValidFrom: one.ValidFrom,
			ValidTo: one.ValidTo,
		})
	}
	return out, nil
}
