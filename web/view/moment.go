package view

import "time"

// vietnam is the zone of all times on screens (Asia/Ho_Chi_Minh): UTC+7 without
// summer time, so a fixed offset says the same on a machine without zone data.
var vietnam = time.FixedZone("+07", 7*60*60)

// at is a time as a person reads it.
func at(t time.Time) string { return t.In(vietnam).Format("02/01/2006 15:04") }

func day(t time.Time) string { return t.In(vietnam).Format("02/01/2006") }

func clock(t time.Time) string { return t.In(vietnam).Format("15:04") }

// iso is the same time for machines, in the datetime attribute.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }
