package authz

import (
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// CheckText says whether a text that somebody sent may be kept, shown and written
// into evidence: UTF-8, no control characters (NUL among them, which PostgreSQL
// takes in no text), no line or paragraph separators, and none of the marks that
// turn the direction of writing, which make a line read differently from what it
// says. It is the one rule for every text, asked before anything is done; what it
// takes, evidence takes too, in Unicode form NFC.
func CheckText(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("a text is not UTF-8")
	}
	for _, r := range s {
		if r >= ' ' && r < 0x7f {
			continue
		}
		if r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return fmt.Errorf("a text holds the character %U", r)
		}
	}
	return nil
}

// maxFreeText is the longest text that CheckFreeText takes, in bytes.
const maxFreeText = 1000

// CheckFreeText says whether a text that a person wrote freely may be kept, shown and come
// into evidence: [CheckText], not longer than 1,000 bytes, and without what may be the
// number of a person ([CarriesNumber]). Its error tells nothing of the text.
func CheckFreeText(s string) error {
	switch {
	case len(s) > maxFreeText:
		return fmt.Errorf("a text is longer than %d bytes", maxFreeText)
	case CarriesNumber(s):
		return errors.New("a text holds twelve digits, which may be the number of a person; leave the number out")
	}
	return CheckText(s)
}

// numberDigits is how many digits a personal number has.
const numberDigits = 12

// CarriesNumber reports whether a free text may carry the number of a person:
// twelve digits or more in a row, of whatever script or width, with nothing but
// spaces, dots, commas, marks and signs that cannot be seen between them; or in the
// groups that people write it in, with anything between them that is not a letter. It goes by
// the form alone and so says yes too often rather than too seldom: such a text is
// refused before anything is recorded, since evidence cannot be unwritten.
func CarriesNumber(s string) bool {
	run := 0          // digits in a row, over what is passed over
	var groups [4]int // lengths of the last groups of digits since a letter, newest first
	glued := false    // the last rune was a digit
	for _, r := range norm.NFKC.String(s) {
		if unicode.IsDigit(r) {
			if run++; run >= numberDigits {
				return true
			}
			if !glued {
				copy(groups[1:], groups[:len(groups)-1])
				groups[0] = 0
			}
			groups[0]++
			glued = true
			if shaped(groups[:]) {
				return true
			}
			continue
		}
		glued = glued && unseen(r)
		switch {
		case unicode.IsLetter(r) && !unseen(r):
			run, groups = 0, [4]int{}
		case !unseen(r) && !unicode.IsSpace(r) && r != '.' && r != ',' && r != '_' && r != '·':
			run = 0
		}
	}
	return false
}

// unseen reports whether a rune stands between digits without parting them. Some
// letters are drawn by nobody.
func unseen(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Mn, unicode.Me, unicode.Cc, unicode.Other_Default_Ignorable_Code_Point) && !unicode.IsSpace(r)
}

// shapes are how people write the number in groups: of one length, or as it is made up
// of province (3), century and sex (1), year of birth (2) and a running number (6).
// Each begins with the last group.
var shapes = [][]int{{3, 3, 3, 3}, {4, 4, 4}, {6, 6}, {6, 3, 3}, {6, 2, 1, 3}, {9, 3}}

// shaped reports whether the newest groups are a number as people write it.
func shaped(groups []int) bool {
	return slices.ContainsFunc(shapes, func(shape []int) bool { return slices.Equal(groups[:len(shape)], shape) })
}
