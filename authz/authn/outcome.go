package authn

// results are the values of [Outcome.Result].
var results = []string{"right", "wrong", "throttled", "busy", "locked", "expired", "failed"}

// Attempts counts the attempts at a sign-in so far by what became of them. An outcome
// that there was none of yet is there with zero: a counter that appears with its first
// event has no increase then.
func (a *Authenticator) Attempts() map[Outcome]uint64 {
	counts := a.Outcomes.All()
	for _, result := range results {
		if result != "busy" { // a passkey waits for no hash, and needs no device to be known
			counts[Outcome{Step: PasskeyStep, Result: result}] += 0
		}
	}
	for _, o := range a.offers {
		for _, result := range results {
			for _, known := range []bool{false, true} {
				outcome := Outcome{Step: o.step, Result: result, Known: known}
				counts[outcome] += 0
			}
		}
	}
	return counts
}
