package broker_test

import (
	"context"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/broker"
)

// TestRegisters: each id has its connector, and an id without one is refused by name.
func TestRegisters(t *testing.T) {
	named := func(name string) broker.Reader {
		return func(_ context.Context, person authz.PersonID, attributes []authz.AttributeID) ([]broker.Record, error) {
			return []broker.Record{{"of": name, "person": string(person), "attribute": attributes[0]}}, nil
		}
	}
	all := broker.Registers{"land": named("land"), "civil": named("civil")}
	for _, id := range []authz.RegistryID{"land", "civil"} {
		rows, err := all.Read(t.Context(), id, "p1", []authz.AttributeID{"a1"})
		if err != nil || len(rows) != 1 || rows[0]["of"] != string(id) || rows[0]["person"] != "p1" ||
			rows[0]["attribute"] != authz.AttributeID("a1") {
			t.Errorf("%s: %v, %v", id, rows, err)
		}
	}
	if rows, err := all.Read(t.Context(), "moon", "p1", []authz.AttributeID{"a1"}); err == nil || rows != nil || !strings.Contains(err.Error(), `"moon"`) {
		t.Errorf("a register that is none: %v, %v", rows, err)
	}
}
