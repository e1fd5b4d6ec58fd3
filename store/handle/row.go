package handle

import (
	"database/sql/driver"
	"fmt"
	"time"

	"gorm.io/gorm"

	"hopnhat/authz"
)

// OneRow turns "the condition did not hold" into authz.ErrConflict.
func OneRow(doing string, res *gorm.DB) error {
	if res.Error != nil {
		return Wrap(doing, res.Error)
	}
	if res.RowsAffected == 0 {
		return fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	}
	return nil
}

// Time is a nullable time as the domain has it: zero for null.
func Time(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// NullTime is a zero time as null.
func NullTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Blob is bytes as one value. GORM takes a bare []byte after an opening
// parenthesis for a list of numbers.
type Blob []byte

// Value is the bytes; of nil it is null, on both databases.
func (b Blob) Value() (driver.Value, error) {
	if b == nil {
		return nil, nil
	}
	return []byte(b), nil
}

// Represented are the columns of whom a principal acts for, all null for herself.
func Represented(p authz.Principal) (represented, kind, mandate *string) {
	if p.For == nil {
		return nil, nil, nil
	}
	subject, of, under := string(p.For.Subject), string(p.For.Kind), string(p.Mandate)
	return &subject, &of, &under
}
