package nation

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNumber means that a text has not the form of a number.
var ErrNumber = errors.New("not a well-formed number")

// PersonalNumber is a personal identification number taken apart: 3 digits
// place, 1 century and sex, 2 year, 6 random. It has no check digit. It prints
// as a mask.
type PersonalNumber struct {
	Place   string
	Century int // 19, 20, …
	Female  bool
	Year    int // of birth, four digits
	Serial  string
}

// String masks all but the last three digits.
func (n PersonalNumber) String() string { return "***" + n.Serial[max(0, len(n.Serial)-3):] }

// Format makes every verb of fmt print the mask.
func (n PersonalNumber) Format(f fmt.State, _ rune) { fmt.Fprint(f, n.String()) }

// MarshalText masks like String, so that JSON logs are safe too.
func (n PersonalNumber) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// ParsePersonalNumber reads the form only: twelve ASCII digits. Whether it fits a
// person is advisory, since a correction re-issues a number (Decree
// 70/2024/NĐ-CP Art. 11); whether it is in force, the register knows.
func ParsePersonalNumber(text string) (PersonalNumber, error) {
	if len(text) != 12 || strings.Trim(text, digits) != "" {
		return PersonalNumber{}, fmt.Errorf("a personal number has 12 digits: %w", ErrNumber)
	}
	digit := int(text[3] - '0')
	century := 19 + digit/2
	yy, _ := strconv.Atoi(text[4:6])
	return PersonalNumber{Place: text[:3], Century: century, Female: digit%2 == 1, Year: century*100 + yy, Serial: text[6:]}, nil
}

const digits = "0123456789"

// Doubt is why a well-formed number may not be the person's.
type Doubt string

// The doubts. None makes a number invalid.
const (
	DoubtSex   Doubt = "the century digit says the other sex"
	DoubtYear  Doubt = "the year digits are not those of the birth year"
	DoubtPlace Doubt = "the place code is of no province and no country"
)

// Doubts says where a number does not fit what is known of a person; empty means
// that it fits. The birth may be a date, a year alone, or unknown.
func (n PersonalNumber) Doubts(female bool, birth string) []Doubt {
	var doubts []Doubt
	if n.Female != female {
		doubts = append(doubts, DoubtSex)
	}
	if year, err := strconv.Atoi(birth[:min(4, len(birth))]); birth != "" && (err != nil || year != n.Year) {
		doubts = append(doubts, DoubtYear)
	}
	if !knownPlace(n.Place) {
		doubts = append(doubts, DoubtPlace)
	}
	return doubts
}

// syntheticPlace was never given out; every number made here starts with it.
const syntheticPlace = "099"

// knownPlace accepts the provinces until 2025-06-30, whose codes stay valid for
// ever, those since, and what is left to countries.
func knownPlace(place string) bool {
	if len(place) != 3 {
		return false
	}
	if place == syntheticPlace || place > "100" {
		return true
	}
	_, legacy := legacyByCode[place[1:]]
	_, current := currentByCode[place[1:]]
	return place[0] == '0' && (legacy || current)
}

// personalNumber builds a synthetic one.
func personalNumber(female bool, year, serial int) string {
	digit := (year/100 - 19) * 2
	if female {
		digit++
	}
	return fmt.Sprintf(syntheticPlace+"%d%02d%06d", digit, year%100, serial)
}

// EnterpriseCode is an enterprise code, which is the tax code: ten digits, the
// last of which checks the others, and three for a dependent unit. It is public.
type EnterpriseCode struct {
	Number string // ten digits
	Unit   string // three digits, or empty
	// Unsure is set where the published formula gives 10, which implementations
	// treat differently.
	Unsure bool
}

var weights = [9]int{31, 29, 23, 19, 17, 13, 7, 5, 3}

// ParseEnterpriseCode reads 0123456789 or 0123456789-001.
func ParseEnterpriseCode(text string) (EnterpriseCode, error) {
	number, unit, dependent := strings.Cut(text, "-")
	if len(number) != 10 || strings.Trim(number, digits) != "" {
		return EnterpriseCode{}, fmt.Errorf("an enterprise code has 10 digits: %w", ErrNumber)
	}
	if dependent && (len(unit) != 3 || strings.Trim(unit, digits) != "" || unit == "000") {
		return EnterpriseCode{}, fmt.Errorf("a dependent unit has 3 digits from 001: %w", ErrNumber)
	}
	check, unsure := checkDigit(number[:9])
	if unsure && number[9] != '0' {
		// Where the formula gives 10, some write 0 and some give no such code:
		// any other digit is wrong for both.
		return EnterpriseCode{}, fmt.Errorf("the check digit of the enterprise code is wrong: %w", ErrNumber)
	}
	if !unsure && int(number[9]-'0') != check {
		return EnterpriseCode{}, fmt.Errorf("the check digit of the enterprise code is wrong: %w", ErrNumber)
	}
	return EnterpriseCode{number, unit, unsure}, nil
}

func checkDigit(nine string) (digit int, unsure bool) {
	sum := 0
	for i, w := range weights {
		sum += w * int(nine[i]-'0')
	}
	digit = 10 - sum%11
	return digit, digit == 10
}

// foreignerNumber builds a synthetic one: fifteen digits; the law states no length.
func foreignerNumber(serial int) string { return fmt.Sprintf("99%013d", serial) }

// enterpriseCode builds a synthetic one with prefix 99. A serial whose check digit
// is unsure is replaced by one far above, which never is: adding five millions
// adds 5 to the sum, modulo 11.
func enterpriseCode(serial int) string {
	for ; ; serial += 5_000_000 {
		nine := fmt.Sprintf("99%07d", serial%10_000_000)
		if digit, unsure := checkDigit(nine); !unsure {
			return nine + strconv.Itoa(digit)
		}
	}
}
