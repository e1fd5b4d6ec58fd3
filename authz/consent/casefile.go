package consent

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/recent"
)

// DefaultCaseReference is the form of a case reference where the app's declaration
// names none: that of the one-door system (000.00.16.H20-230510-0012) and of letters
// (12/HS-STNMT) fit.
const DefaultCaseReference = `[\p{L}0-9][\p{L}0-9 ./_:#-]{0,63}`

// maxPattern bounds what a declaration says a case reference is like, in bytes.
const maxPattern = 200

// CheckCaseReference says whether a text may stand as a case reference in a record of
// what was released: of the form that the declaration names, or of
// [DefaultCaseReference]; and without twelve digits, which may be the number of a
// person, whatever the form. An empty one is none. Its error tells nothing of the text.
func CheckCaseReference(text string, d authz.Declaration) error {
	switch {
	case text == "":
		return nil
	case len(text) > maxText || authz.CheckText(text) != nil:
		return fmt.Errorf("case_reference is longer than %d bytes, or holds a control character or a mark that turns the direction of writing", maxText)
	case authz.CarriesNumber(text):
		return errors.New("case_reference holds twelve digits, which may be the number of a person; send the number of the case file alone")
	}
	form, err := casePattern(d.CaseReference)
	if err != nil {
		return err
	}
	if !form.MatchString(text) {
		return fmt.Errorf("case_reference is not of the form %s", orDefault(d.CaseReference))
	}
	return nil
}

// orDefault is a pattern, the one for every case file if there is none.
func orDefault(pattern string) string {
	if pattern == "" {
		return DefaultCaseReference
	}
	return pattern
}

// patterns are forms of case references that were read. To read one costs more than all
// else of a check, and each request of an app is held against its declarations.
var patterns = recent.New[string, *regexp.Regexp](1024, recent.Forever, time.Now)

// casePattern reads the form of case references; the whole text must be of it.
func casePattern(pattern string) (*regexp.Regexp, error) {
	form, now, ok := patterns.Get(pattern)
	if ok {
		return form, nil
	}
	if len(pattern) > maxPattern || authz.CheckText(pattern) != nil {
		return nil, fmt.Errorf("case_reference of a declaration is a regular expression of at most %d bytes", maxPattern)
	}
	form, err := regexp.Compile(`^(?:` + orDefault(pattern) + `)$`)
	if err != nil {
		return nil, fmt.Errorf("case_reference of a declaration is no regular expression (RE2): %w", err)
	}
	patterns.Put(pattern, form, now)
	return form, nil
}
