package registration

import (
	"context"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
)

// Known is an app that is registered, as far as another must not look like it.
type Known struct {
	ID          authz.ClientID
	Name, Owner authz.LocalizedText
}

// KnownApps are all apps that are not ended, from a list that is read by pages in the order
// of their ids.
func KnownApps(
	ctx context.Context, list func(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error),
) ([]Known, error) {
	const page = 500
	var all []Known
	after := authz.ClientID("")
	for {
		found, err := list(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			after = c.ID
			if c.Ended.IsZero() {
				all = append(all, Known{ID: c.ID, Name: c.Name, Owner: c.Owner})
			}
		}
		if len(found) < page {
			return all, nil
		}
	}
}

// reserved are names of the provider itself, which no app may carry.
var reserved = []string{"Định danh quốc gia", "VNeID", "Hợp nhất", "Hopnhat"}

// checkLookalike refuses names that a person could take for another agency's app
// (consent phishing): letters that Vietnamese and English do not write, signs that
// cannot be seen, a name that is another's when case, accents and look-alike letters
// are folded. Apps of one owner may share a name.
func checkLookalike(_ Metadata, c *authz.Client, _ authz.Profile, rules Rules) error {
	for _, one := range []struct{ member, name string }{{"client_name", c.Name.VI}, {"client_name#en", c.Name.EN}} {
		if one.name == "" {
			continue
		}
		if rule := unreadable(one.name); rule != "" {
			return refuse(one.member, "%s", rule)
		}
		folded := fold(one.name)
		if folded == "" {
			return refuse(one.member, "rule readable-name: a name has letters")
		}
		for _, name := range reserved {
			if strings.Contains(folded, fold(name)) {
				return refuse(one.member, "rule reserved-name: it could be taken for the provider itself (%q)", name)
			}
		}
		for _, k := range rules.Known {
			if k.ID == c.ID || sameOwner(k.Owner, c.Owner) {
				continue
			}
			for _, other := range []string{k.Name.VI, k.Name.EN} {
				if other != "" && fold(other) == folded {
					return refuse(one.member, "rule look-alike-name: it could be taken for an app of another agency")
				}
			}
			for _, other := range []string{k.Owner.VI, k.Owner.EN} {
				if other != "" && fold(other) == folded {
					return refuse(one.member, "rule agency-name: it could be taken for another agency")
				}
			}
		}
	}
	return nil
}

func sameOwner(a, b authz.LocalizedText) bool { return fold(a.VI) == fold(b.VI) }

// unreadable names the rule a name breaks by its signs alone.
func unreadable(name string) string {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName {
		return "rule readable-name: longer than 120 letters, or not UTF-8"
	}
	if authz.CarriesNumber(name) {
		return "rule plain-name: it holds twelve digits, which may be the number of a person"
	}
	for _, r := range norm.NFC.String(name) { // some keyboards compose nothing
		switch {
		case r == ' ':
		case !unicode.IsGraphic(r), unicode.IsSpace(r), unicode.In(
			r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
		):
			return "rule visible-name: it holds a sign that cannot be seen"
		case unicode.IsLetter(r):
			// The scripts of the world have a twin for every letter, Latin's own small
			// capitals and phonetic signs among them: no list of twins is complete.
			if !latin(r) {
				return "rule latin-name: it holds a letter other than A to Z and Đ, with or without accents"
			}
		case (r < '0' || r > '9') && !strings.ContainsRune(plainSigns, r):
			return "rule plain-name: it holds a sign other than letters, digits and " + plainSigns
		}
	}
	return ""
}

// latin reports whether a letter is one of A to Z or Đ, accents aside.
func latin(r rune) bool {
	base, _ := utf8.DecodeRuneInString(norm.NFD.String(string(r)))
	return base >= 'a' && base <= 'z' || base >= 'A' && base <= 'Z' || r == 'đ' || r == 'Đ'
}

// plainSigns are the signs a name may have: none that looks like a letter.
const plainSigns = ".,:;-–/&'’()+"

// fold takes off what a hurried reader does not see: case, accents, spaces and
// punctuation, and the difference between signs that look alike (after Unicode TS
// #39 §4, for the letters that a name may have).
func fold(name string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(name) {
		r = unicode.ToLower(r)
		if twin, ok := twins[r]; ok {
			r = twin
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	return strings.NewReplacer("rn", "m", "vv", "w", "cl", "d").Replace(b.String())
}

// twins are letters and digits by the letter they look like.
var twins = map[rune]rune{'đ': 'd', 'i': 'l', 'j': 'l', '1': 'l', '0': 'o', '5': 's', '3': 'e', '8': 'b'}
