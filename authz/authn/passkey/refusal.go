package passkey

// Reason is why what an authenticator sent was refused.
type Reason string

// The reasons.
const (
	Malformed   Reason = "malformed"   // not what a browser sends
	Foreign     Reason = "foreign"     // the challenge is not of this browser, session or purpose
	Late        Reason = "late"        // the challenge is too old
	Spent       Reason = "spent"       // the challenge, or the counter, was used before
	Type        Reason = "type"        // of another ceremony
	Origin      Reason = "origin"      // of another page, or in a frame of one
	RelyingID   Reason = "rp-id"       // the authenticator signed for another host
	Unverified  Reason = "unverified"  // the person was not there, or not verified
	Signature   Reason = "signature"   // the key that is known did not sign it
	Algorithm   Reason = "algorithm"   // a key of an algorithm that was not offered
	Attestation Reason = "attestation" // the statement about the authenticator is not true
	Unknown     Reason = "unknown"     // no such passkey, or it was removed
	Forged      Reason = "forged"      // the passkey in the database is none that this server wrote
	Owner       Reason = "owner"       // the passkey is another person's
	Counter     Reason = "counter"     // the signature counter went back: there may be a copy
	Backup      Reason = "backup"      // the authenticator says another thing of copies than before
	Taken       Reason = "taken"       // it was added before
	Full        Reason = "full"        // she has as many as one may have
)

// Refusal is the error of an answer that proves nothing. Its text holds nothing of the answer.
type Refusal struct{ Reason Reason }

// Error says why.
func (r Refusal) Error() string { return "the passkey was refused: " + string(r.Reason) }

func refuse(why Reason) error { return Refusal{why} }
