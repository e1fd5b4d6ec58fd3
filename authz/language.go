package authz

import "strings"

// Language finds the first of language ranges that pages and texts of ours are in,
// "vi" or "en"; empty if none is. It is the lookup of RFC 4647 §3.4: subtags are
// taken off the end of a range until it fits, and case says nothing (RFC 5646
// §2.1.1). A range of three letters fits no language of two: the shortest code is
// the only one (RFC 5646 §2.2.1).
func Language(ranges ...string) string {
	for _, r := range ranges {
		primary, rest, more := strings.Cut(r, "-")
		if more && !subtags(rest) {
			continue
		}
		for _, ours := range []string{"vi", "en"} {
			if strings.EqualFold(primary, ours) {
				return ours
			}
		}
	}
	return ""
}

// subtags reports whether a text is subtags of one to eight letters and digits.
func subtags(text string) bool {
	for part := range strings.SplitSeq(text, "-") {
		if len(part) < 1 || len(part) > 8 || strings.IndexFunc(part, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
		}) >= 0 {
			return false
		}
	}
	return true
}
