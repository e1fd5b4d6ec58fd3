package audit

import (
	"errors"
	"fmt"

	"hopnhat/authz"
)

// CheckNew says whether an event that is about to be written carries nothing that
// must never come into evidence: no text that people or apps wrote freely holds the
// number of a person. Whoever takes such a text refuses it first, with a word on
// why; this is the last door. Its kind is one of [Types]. Events of the past, and of
// a later release, are read whatever they carry.
func (e Event) CheckNew() error {
	if !e.Type.Known() {
		return fmt.Errorf("%v cannot become evidence: its type is not known", e)
	}
	texts := []string{e.Reason.CaseReference, e.Emergency.Reason, e.Emergency.Text, e.Visibility.Authority}
	if e.Type == AuditorQuery || e.Type == AuditorExport || e.Type == AuditorLooked || e.Type == Erased {
		texts = append(texts, e.Detail.Text) // the reason she gave
	}
	for _, text := range texts {
		if authz.CarriesNumber(text) {
			return fmt.Errorf("%v cannot become evidence: %w", e, errNumber)
		}
	}
	return nil
}

var errNumber = errors.New("a text holds twelve digits, which may be the number of a person")
