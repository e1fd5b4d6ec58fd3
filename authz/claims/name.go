package claims

import (
	"strings"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
)

// fullNameParts are the parts of a Vietnamese name: family, middle, given.
type fullNameParts struct{ family, middle, given string }

// twoWordFamilies are family names of two words; every other is one word. The
// double names that children take from both parents (Trần Lê) are not listed: the
// register does not tell them from a family name with a middle name, and neither
// do we.
var twoWordFamilies = []string{
	"Tôn Nữ", "Tôn Thất", "Công Tôn", "Hoàng Phủ", "Âu Dương", "Tư Mã",
	"Rơ Châm", "Rơ Mah", "Rơ Lan", "Ra Lan", "Ê Ban", "Niê Kđăm", "Kpă Kôk", "Đàng Năng",
}

// splitName splits a citizen's full name: the family name comes first and the
// given name is the last word. A single word is a given name.
func splitName(full string) fullNameParts {
	words := strings.Fields(norm.NFC.String(full))
	if len(words) == 0 {
		return fullNameParts{}
	}
	last := len(words) - 1
	if last == 0 {
		return fullNameParts{given: words[0]}
	}
	first := 1
	if last >= 2 {
		pair := words[0] + " " + words[1]
		for _, family := range twoWordFamilies {
			if strings.EqualFold(pair, norm.NFC.String(family)) {
				first = 2
			}
		}
	}
	return fullNameParts{family: strings.Join(words[:first], " "), middle: strings.Join(words[first:last], " "), given: words[last]}
}

func fullNameOf(s Source) (any, bool) {
	text, ok := s.text(fullName)
	return strings.Join(strings.Fields(norm.NFC.String(text)), " "), ok
}

// part is one part of a citizen's name. A foreigner's name stands in the register
// as in the passport, in one field whose parts nobody can tell apart: it is told
// whole and not guessed at.
func part(of func(fullNameParts) string) func(Source) (any, bool) {
	return func(s Source) (any, bool) {
		text, ok := s.text(fullName)
		if !ok || s.Kind == authz.ForeignResident {
			return nil, false
		}
		value := of(splitName(text))
		return value, value != ""
	}
}
