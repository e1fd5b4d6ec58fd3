package store

import (
	"database/sql/driver"
	"fmt"
	"time"

	"gorm.io/gorm"

	"hopnhat/authz"
)

// oneRow turns "the condition did not hold" into authz.ErrConflict.
func oneRow(doing string, res *gorm.DB) error {
	if res.Error != nil {
		return wrap(doing, res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	}
	return nil
}

// value is a nullable time as the domain has it: zero for null.
func value(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// blob is bytes as one value. GORM takes a bare []byte after an opening
// parenthesis for a list of numbers.
type blob []byte

// Value is the bytes; of nil it is null, on both databases.
func (b blob) Value() (driver.Value, error) {
	if b == nil {
		return nil, nil
	}
	return []byte(b), nil
}
