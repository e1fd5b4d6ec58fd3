// Package calendar holds the time zone of Viet Nam, in which days begin and people
// read times. It links nothing but time, so that the offline verifier can use it.
package calendar

import "time"

// Hanoi is the time zone of Viet Nam (Asia/Ho_Chi_Minh): UTC+7 without summer time,
// so a fixed offset says the same on a machine without zone data.
var Hanoi = time.FixedZone("+07", 7*60*60)
