package view

import (
	"time"

	"hopnhat/authz/calendar"
)

// at is a time as a person reads it.
func at(t time.Time) string { return t.In(calendar.Hanoi).Format("02/01/2006 15:04") }

func day(t time.Time) string { return t.In(calendar.Hanoi).Format("02/01/2006") }

func clock(t time.Time) string { return t.In(calendar.Hanoi).Format("15:04") }

// iso is the same time for machines, in the datetime attribute.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }
