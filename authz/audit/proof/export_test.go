package proof

import "testing"

// Samples are files for tests of the verifier, which is outside of this package, with the key
// of their log and one of nobody.
type Samples struct {
	File, Export, ByLaw, OnConsent, OnConsentUnproved, OnConsentOfAnotherKey []byte
	Key, OtherKey, ConsentOrigin                                             string
}

// NewSamples makes them.
func NewSamples(t testing.TB) Samples {
	l := newLog(7)
	missing := restsOn(GroundProved)
	other := consents(5, newSigner(consentOrigin, 9)).file(2)
	missing.Given = &other
	return Samples{
		File: l.file(3).Marshal(), Export: l.export(t, 100, 1, 4),
		ByLaw: restsOn(GroundNone).Marshal(), OnConsent: restsOn(GroundProved).Marshal(),
		OnConsentUnproved: restsOn(GroundUnproved).Marshal(), OnConsentOfAnotherKey: missing.Marshal(),
		Key: l.signers[0].vkey, OtherKey: newSigner(origin, 5).vkey, ConsentOrigin: consentOrigin,
	}
}
