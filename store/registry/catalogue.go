package registry

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed catalogue.json
var catalogueJSON []byte

// Register is one national register.
type Register struct {
	ID          string `json:"id"`
	VI          string `json:"vi"`
	EN          string `json:"en"`
	Owner       string `json:"owner"`
	LegalSource string `json:"legal_source"`
	// Subject says who a row is about: person, organisation, or either.
	Subject string `json:"subject"`
	// Key is the number by which the owner's own system knows a row. It is never
	// a key here.
	Key        string      `json:"key"`
	Freshness  string      `json:"freshness"`
	Attributes []Attribute `json:"attributes"`
}

// Attribute is one column of a register.
type Attribute struct {
	ID   string `json:"id"`
	VI   string `json:"vi"`
	EN   string `json:"en"`
	Type string `json:"type"`
	// Class is PUB, P1 (basic), P2 (sensitive), P3 (closed), O1 (official).
	Class string `json:"class"`
	// ClassSource is the clause that puts it there, or "product policy".
	ClassSource string   `json:"class_source"`
	Purposes    []string `json:"purposes"`
	Note        string   `json:"note,omitempty"`

	kind Kind
}

// Kind is how the values are kept and shown.
func (a Attribute) Kind() Kind { return a.kind }

// Column is the column that keeps the attribute: its id without the register.
func (a Attribute) Column() string {
	_, name, _ := strings.Cut(a.ID, ".")
	return name
}

// table is the register's table.
func (r Register) table() string { return "reg_" + r.ID }

func (r Register) attribute(id string) (Attribute, bool) {
	i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.ID == id })
	if i < 0 {
		return Attribute{}, false
	}
	return r.Attributes[i], true
}

var registers, byID = func() ([]Register, map[string]Register) {
	list := mustLoad[struct {
		Registries []Register `json:"registries"`
	}](catalogueJSON).Registries
	m := make(map[string]Register, len(list))
	for _, r := range list {
		for i := range r.Attributes {
			kind, ok := kindOf(r.Attributes[i].Type)
			if !ok {
				panic(fmt.Sprintf("registry: attribute %s has an unknown type", r.Attributes[i].ID))
			}
			r.Attributes[i].kind = kind
		}
		m[r.ID] = r
	}
	return list, m
}()

func mustLoad[T any](raw []byte) T {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Sprintf("registry: a built-in list is damaged: %v", err))
	}
	return v
}

// Registers lists the national registers. The list is shared: read it only.
func Registers() []Register { return registers }

// AttributeByID finds an attribute by its whole id, such as land.area.
func AttributeByID(id string) (Attribute, bool) {
	register, _, _ := strings.Cut(id, ".")
	return byID[register].attribute(id)
}
