// Package registry is the national database that the broker stands in front of:
// fourteen registers in a database of its own, with credentials of its own, and
// a generator of a synthetic nation for demonstrations and tests.
//
// A person is an internal id; numbers are dated identifiers of it, re-issuable,
// never a key. Every value of a register is kept as JSON in a column of its own,
// so that a release reads exactly the columns that were granted.
package registry

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed catalogue.json
var catalogueJSON []byte

//go:embed provinces.json
var provincesJSON []byte

// Register is one national register.
type Register struct {
	ID         string      `json:"id"`
	VI         string      `json:"vi"`
	EN         string      `json:"en"`
	Owner      string      `json:"owner"`
	Subject    string      `json:"subject"`
	Attributes []Attribute `json:"attributes"`
}

// Attribute is one column of a register.
type Attribute struct {
	ID   string `json:"id"`
	Type string `json:"type"`
}

// column is the attribute's column: its id without the register.
func (a Attribute) column() string {
	_, name, _ := strings.Cut(a.ID, ".")
	return name
}

// table is the register's table.
func (r Register) table() string { return "reg_" + r.ID }

// Province is a province of the current list (since 2025-07-01).
type Province struct {
	Code     string `json:"code"`
	Name     string `json:"name"`
	FullName string `json:"full_name"`
}

// LegacyProvince is a province of the list before, with its successor. A code
// means a place only together with its list.
type LegacyProvince struct {
	Code      string `json:"code"`
	Name      string `json:"name"`
	Type      string `json:"type"`
	Successor string `json:"successor"`
}

var (
	registers = mustLoad[struct {
		Registries []Register `json:"registries"`
	}](catalogueJSON).Registries
	provinces = mustLoad[struct {
		Current []Province       `json:"current"`
		Legacy  []LegacyProvince `json:"legacy"`
	}](provincesJSON)
	byID = func() map[string]Register {
		m := map[string]Register{}
		for _, r := range registers {
			m[r.ID] = r
		}
		return m
	}()
)

func mustLoad[T any](raw []byte) T {
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		panic(fmt.Sprintf("registry: a built-in list is damaged: %v", err))
	}
	return v
}

// Registers lists the national registers.
func Registers() []Register { return registers }

// Provinces lists the current and the legacy provinces.
func Provinces() ([]Province, []LegacyProvince) { return provinces.Current, provinces.Legacy }
