package broker

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/recent"
)

// Census knows age and death from the population register. It reads these two
// columns for the broker's own duty to verify age before a consent counts (Law
// 91/2025/QH15 Art. 24; Decree 330/2026/NĐ-CP Art. 60); they are neither sent
// nor recorded. What it read is good for a short time.
type Census struct {
	register Register
	known    *recent.Map[authz.PersonID, facts]
}

type facts struct {
	birth time.Time
	dead  bool
}

const (
	population    authz.RegistryID  = "population"
	birthDate     authz.AttributeID = "population.birth_date"
	lifeStatus    authz.AttributeID = "population.life_status"
	deadInWords                     = "đã chết"
	factsLife                       = time.Minute
	maxFactsKnown                   = 50_000
)

// NewCensus reads from a register.
func NewCensus(register Register, now func() time.Time) *Census {
	return &Census{register: register, known: recent.New[authz.PersonID, facts](maxFactsKnown, factsLife, now)}
}

// Facts are the birth date of a person, and whether she is dead. The birth date of
// a person who is not in the population register is not known.
func (c *Census) Facts(ctx context.Context, person authz.PersonID) (birth time.Time, dead bool, err error) {
	f, began, ok := c.known.Get(person)
	if ok {
		return f.birth, f.dead, nil
	}
	rows, err := c.register.Read(ctx, population, person, []authz.AttributeID{birthDate, lifeStatus})
	if err != nil {
		return time.Time{}, false, fmt.Errorf("verifying age and life: %w", err)
	}
	f = facts{}
	if len(rows) > 0 {
		text, _ := rows[0][string(birthDate)].(string)
		f.birth = latestBirth(text)
		life, _ := rows[0][string(lifeStatus)].(string)
		f.dead = norm.NFC.String(life) == deadInWords
	}
	c.known.Put(person, f, began)
	return f.birth, f.dead, nil
}

// latestBirth reads a date, or a month or year alone, as older records have it:
// then the last day of it, so that nobody is taken for older than she is.
func latestBirth(text string) time.Time {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t
	}
	if t, err := time.Parse("2006-01", text); err == nil {
		return t.AddDate(0, 1, -1)
	}
	if t, err := time.Parse("2006", text); err == nil {
		return t.AddDate(1, 0, -1)
	}
	return time.Time{}
}
