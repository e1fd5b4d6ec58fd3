package registry

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ErrNumber means that a text has not the form of a number.
var ErrNumber = errors.New("not a well-formed number")

// PersonalNumber is a personal identification number taken apart: 3 digits
// place, 1 century and sex, 2 year, 6 random. It has no check digit.
type PersonalNumber struct {
	Place   string
	Century int // 19, 20, …
	Female  bool
	Year    int // of birth, four digits
	Serial  string
}

// ParsePersonalNumber reads the form only. Whether it fits a person is advisory,
// since a correction re-issues a number (Decree 70/2024/NĐ-CP Art. 11).
func ParsePersonalNumber(text string) (PersonalNumber, error) {
	if len(text) != 12 || strings.Trim(text, "0123456789") != "" {
		return PersonalNumber{}, fmt.Errorf("a personal number has 12 digits: %w", ErrNumber)
	}
	digit := int(text[3] - '0')
	century := 19 + digit/2
	yy, _ := strconv.Atoi(text[4:6])
	return PersonalNumber{Place: text[:3], Century: century, Female: digit%2 == 1, Year: century*100 + yy, Serial: text[6:]}, nil
}

// Doubts says where a number does not fit what is known of a person; empty means
// that it fits. It never makes a number invalid.
func (n PersonalNumber) Doubts(female bool, birth time.Time) []string {
	var doubts []string
	if n.Female != female {
		doubts = append(doubts, "the century digit says the other sex")
	}
	if !birth.IsZero() && n.Year != birth.Year() {
		doubts = append(doubts, "the year digits are not those of the birth year")
	}
	return doubts
}

// personalNumber builds a synthetic one; place 099 was never given out.
func personalNumber(female bool, year, serial int) string {
	digit := (year/100 - 19) * 2
	if female {
		digit++
	}
	return fmt.Sprintf("099%d%02d%06d", digit, year%100, serial)
}

// EnterpriseCode is an enterprise code, which is the tax code: ten digits, the
// last of which checks the others, and three for a dependent unit.
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
	if len(number) != 10 || strings.Trim(number, "0123456789") != "" {
		return EnterpriseCode{}, fmt.Errorf("an enterprise code has 10 digits: %w", ErrNumber)
	}
	if dependent && (len(unit) != 3 || strings.Trim(unit, "0123456789") != "" || unit == "000") {
		return EnterpriseCode{}, fmt.Errorf("a dependent unit has 3 digits from 001: %w", ErrNumber)
	}
	check, unsure := checkDigit(number[:9])
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
	return digit, digit == 10 || digit < 0
}

// foreignerNumber builds a synthetic one: fifteen digits; the law states no length.
func foreignerNumber(serial int) string { return fmt.Sprintf("99%013d", serial) }

// enterpriseCode builds a synthetic one with prefix 99; serials whose check digit
// is unsure are passed over.
func enterpriseCode(serial int) string {
	for ; ; serial += 5_000_000 {
		nine := fmt.Sprintf("99%07d", serial%10_000_000)
		if digit, unsure := checkDigit(nine); !unsure {
			return nine + strconv.Itoa(digit)
		}
	}
}
