package commitment

import (
	"strings"
	"testing"
)

const someID = "0197b2c0-0000-7000-8000-000000000001"

// TestAReferenceHasOneForm: base64url of RFC 4648 §5 without padding and without bits that say
// nothing, so that one event has one reference.
func TestAReferenceHasOneForm(t *testing.T) {
	one := Reference{someID, Commitment{1, 2, 255}}
	if got, ok := ParseReference(one.String()); !ok || got != one {
		t.Errorf("%s is read as %v (%v)", one, got, ok)
	}
	for name, text := range map[string]string{
		"a policy":              "statute-2026",
		"no commitment":         "consent-event:" + someID,
		"a short commitment":    "consent-event:" + someID + ":AAAA",
		"another id":            strings.Replace(one.String(), "-7000-", "-4000-", 1),
		"padding":               one.String() + "=",
		"bits that say nothing": strings.TrimSuffix(one.String(), one.String()[len(one.String())-1:]) + "B",
	} {
		if got, ok := ParseReference(text); ok {
			t.Errorf("%s: %q is read as %v", name, text, got)
		}
	}
}

// FuzzParseReference: what is read is written again as it was.
func FuzzParseReference(f *testing.F) {
	f.Add(Reference{someID, Commitment{7}}.String())
	f.Add("consent-event::")
	f.Fuzz(func(t *testing.T, text string) {
		if r, ok := ParseReference(text); ok && r.String() != text {
			t.Errorf("%q is read as %q", text, r)
		}
	})
}
