package passkey

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/protocol/webauthncbor"
	"github.com/go-webauthn/webauthn/protocol/webauthncose"
	"github.com/google/uuid"
)

// Bounds of what a browser sends: CTAP bounds a credential id to 1,023 bytes (WebAuthn Level 3
// §4), and a message of an authenticator to some kilobytes.
const (
	maxAnswer     = 16 << 10
	maxCredential = 1023
	maxKey        = 2 << 10
)

// algorithms are the COSE algorithms of keys that are taken, the better first: EdDSA, ES256,
// and RS256, which is all that authenticators of some Windows machines have.
var algorithms = []int{int(webauthncose.AlgEdDSA), int(webauthncose.AlgES256), int(webauthncose.AlgRS256)}

// made is a new passkey as its authenticator made it.
type made struct {
	id, key []byte
	counter int64
	aaguid  string
	synced  bool
}

// created is what a browser sends for a new passkey, read and not yet checked.
type created struct {
	*protocol.ParsedCredentialCreationData
}

func (c created) challenge() string { return c.Response.CollectedClientData.Challenge }

// readCreated reads it; the error is a [Refusal].
func readCreated(answer string) (created, error) {
	if len(answer) > maxAnswer {
		return created{}, refuse(Malformed)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes([]byte(answer))
	if err != nil {
		return created{}, refuse(Malformed)
	}
	return created{parsed}, nil
}

// asserted is what a browser sends to sign in, read and not yet checked.
type asserted struct {
	*protocol.ParsedCredentialAssertionData
}

func (a asserted) challenge() string { return a.Response.CollectedClientData.Challenge }

// readAsserted reads it; the error is a [Refusal].
func readAsserted(answer string) (asserted, error) {
	if len(answer) > maxAnswer {
		return asserted{}, refuse(Malformed)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes([]byte(answer))
	if err != nil || len(parsed.RawID) > maxCredential {
		return asserted{}, refuse(Malformed)
	}
	return asserted{parsed}, nil
}

// verifyCreated checks a new passkey, whose challenge was checked before (WebAuthn Level 3
// §7.1). The error is a [Refusal].
func (p Party) verifyCreated(c created) (made, error) {
	data := c.Response.AttestationObject.AuthData
	if err := p.checkClient(c.Response.CollectedClientData, protocol.CreateCeremony); err != nil {
		return made{}, err
	}
	if err := p.checkAuthenticator(data); err != nil {
		return made{}, err
	}
	attested := data.AttData
	if len(attested.CredentialID) > maxCredential || len(attested.CredentialPublicKey) > maxKey {
		return made{}, refuse(Malformed)
	}
	// §7.1 step 20: of an algorithm that was offered.
	var key webauthncose.PublicKeyData
	if err := webauthncbor.Unmarshal(attested.CredentialPublicKey, &key); err != nil {
		return made{}, refuse(Malformed)
	}
	if !slices.Contains(algorithms, int(key.Algorithm)) {
		return made{}, refuse(Algorithm)
	}
	if _, err := webauthncose.ParsePublicKey(attested.CredentialPublicKey); err != nil {
		return made{}, refuse(Algorithm)
	}
	// §7.1 steps 21 to 24: the statement is true, whatever it says. None was asked for.
	var params []protocol.CredentialParameter
	for _, a := range algorithms {
		params = append(params, protocol.CredentialParameter{
			Type: protocol.PublicKeyCredentialType, Algorithm: webauthncose.COSEAlgorithmIdentifier(a),
		})
	}
	if _, err := c.Verify(
		c.challenge(), p.ID, []string{p.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		nil, params, protocol.AttestationPolicy{}, protocol.SignaturePolicy{},
	); err != nil {
		return made{}, refuse(Attestation)
	}
	aaguid, err := uuid.FromBytes(attested.AAGUID)
	if err != nil {
		return made{}, refuse(Malformed)
	}
	return made{
		id: attested.CredentialID, key: attested.CredentialPublicKey, counter: int64(data.Counter), aaguid: aaguid.String(),
		synced: data.Flags.HasBackupEligible(),
	}, nil
}

// verifyAsserted checks a sign-in with a passkey that is held, whose challenge was checked
// before (WebAuthn Level 3 §7.2), and returns the counter that it used. handle is the user handle
// of its owner. The error is a [Refusal].
func (p Party) verifyAsserted(a asserted, held Held, handle []byte) (counter int64, err error) {
	// §7.2 step 6: the user handle is there, since no user was named before, and is the owner's.
	if subtle.ConstantTimeCompare(a.Response.UserHandle, handle) != 1 {
		return 0, refuse(Owner)
	}
	data := a.Response.AuthenticatorData
	if err := p.checkClient(a.Response.CollectedClientData, protocol.AssertCeremony); err != nil {
		return 0, err
	}
	if err := p.checkAuthenticator(data); err != nil {
		return 0, err
	}
	// §7.2 step 21: the signature, by the key that is stored.
	if err := a.Verify(
		a.challenge(), p.ID, "", []string{p.Origin}, nil, nil, protocol.TopOriginExplicitVerificationMode, false, true, true,
		held.Key, protocol.SignaturePolicy{},
	); err != nil {
		return 0, refuse(Signature)
	}
	// §7.2 step 18: whether a passkey may be copied never changes.
	if data.Flags.HasBackupEligible() != held.Synced {
		return 0, refuse(Backup)
	}
	if counter = int64(data.Counter); !advanced(held.Counter, counter) {
		return 0, refuse(Counter)
	}
	return counter, nil
}

// advanced reports whether a signature counter follows the one that is stored. An
// authenticator without a counter says 0 always (WebAuthn Level 3 §6.1.1, §7.2 step 22).
func advanced(stored, counter int64) bool { return counter > stored || stored == 0 && counter == 0 }

// checkClient checks what the browser says of itself.
func (p Party) checkClient(c protocol.CollectedClientData, ceremony protocol.CeremonyType) error {
	switch {
	case c.Type != ceremony: // §7.1 step 7, §7.2 step 10
		return refuse(Type)
	case c.Origin != p.Origin, c.CrossOrigin, c.TopOrigin != "": // §7.1 steps 9 to 11, §7.2 steps 12 to 14
		return refuse(Origin)
	}
	return nil
}

// checkAuthenticator checks what the authenticator says, the signature apart.
func (p Party) checkAuthenticator(data protocol.AuthenticatorData) error {
	id := sha256.Sum256([]byte(p.ID))
	switch {
	case subtle.ConstantTimeCompare(data.RPIDHash, id[:]) != 1: // §7.1 step 14, §7.2 step 15
		return refuse(RelyingID)
	case !data.Flags.HasUserPresent(), !data.Flags.HasUserVerified(): // §7.1 steps 15 and 16, §7.2 steps 16 and 17
		return refuse(Unverified)
	case data.Flags.HasBackupState() && !data.Flags.HasBackupEligible(): // §6.1.3
		return refuse(Backup)
	}
	return nil
}
