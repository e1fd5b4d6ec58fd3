// Package few tells a few of many errors, and how many there were: what anybody who can write
// to the database can make happen fills no line of log.
package few

import (
	"errors"
	"fmt"
)

// Told bounds the errors that are told one by one.
const Told = 8

// Errors are errors of one kind of work. The zero Errors has none.
type Errors struct {
	told []error
	more int
}

// Add adds an error, if it is one.
func (e *Errors) Add(err error) {
	switch {
	case err == nil:
	case len(e.told) < Told:
		e.told = append(e.told, err)
	default:
		e.more++
	}
}

// Err is all of them as one; nil if there is none.
func (e *Errors) Err() error {
	if e.more > 0 {
		return errors.Join(append(e.told, fmt.Errorf("and %d more", e.more))...)
	}
	return errors.Join(e.told...)
}
