package view

import "time"

// ProvinceDone is what was just done at [Provinces], and the value of the field that does it.
type ProvinceDone string

// What is done; empty for nothing.
const (
	ProvinceChosen    ProvinceDone = "chosen"
	ProvinceWithdrawn ProvinceDone = "withdrawn"
)

// Key is the text in the catalogue.
func (d ProvinceDone) Key() string { return "provinces.done." + string(d) }

// Provinces lists those at whose providers the person may sign in. Fields posted to Action:
// provider, choice.
type Provinces struct {
	Provinces []Province
	Action    string
	// Days is how long what a province was handed is good.
	Days int
	Done ProvinceDone
}

func (Provinces) page() string { return "Provinces" }

// Province is one of them.
type Province struct {
	Entity string
	Name   Words
	Chosen bool
	Since  time.Time // of the choice
}
