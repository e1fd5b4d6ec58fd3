package broker

import (
	"context"
	"fmt"

	"hopnhat/authz"
)

// Registers are the connectors of the registers by their ids. One more register is one
// more row.
type Registers map[authz.RegistryID]Register

// Read reads from the register with the id.
func (r Registers) Read(
	ctx context.Context, id authz.RegistryID, person authz.PersonID, attributes []authz.AttributeID,
) ([]Record, error) {
	register, ok := r[id]
	if !ok {
		return nil, fmt.Errorf("register %q has no connector here", id)
	}
	return register.Read(ctx, id, person, attributes)
}

// Reader is a function that reads the rows of a person in one register.
type Reader func(ctx context.Context, person authz.PersonID, attributes []authz.AttributeID) ([]Record, error)

// Read calls the function, whatever the id: [Registers] chose it by that.
func (f Reader) Read(
	ctx context.Context, _ authz.RegistryID, person authz.PersonID, attributes []authz.AttributeID,
) ([]Record, error) {
	return f(ctx, person, attributes)
}
