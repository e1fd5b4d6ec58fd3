package authz

import (
	"strings"
	"unicode"
)

// Typed reads a number or a code as somebody typed or pasted it: what can only be one
// thing becomes that. A digit of any script and of any width is that digit, a letter
// of full width that letter; blanks, dashes, dots, commas and marks that nobody sees
// stand between them and are left out. Everything else stays, to be refused. Never
// for a password: there each sign is meant.
func Typed(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '\uff01' && r <= '\uff5e': // full width, in the order of ASCII
			r -= '\uff01' - '!'
		case r > unicode.MaxASCII && unicode.IsDigit(r):
			r = digit(r)
		}
		if strings.ContainsRune(".,_·‧・−", r) || unicode.IsSpace(r) ||
			unicode.In(r, unicode.Z, unicode.Cf, unicode.Pd, unicode.Variation_Selector) {
			return -1
		}
		return r
	}, text)
}

// digit is a decimal digit of a script as one of ASCII. The digits of each script
// follow each other, zero first.
func digit(r rune) rune {
	for _, block := range unicode.Nd.R16 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10
		}
	}
	for _, block := range unicode.Nd.R32 {
		if rune(block.Lo) <= r && r <= rune(block.Hi) {
			return '0' + (r-rune(block.Lo))%10
		}
	}
	return r
}
