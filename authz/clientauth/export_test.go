package clientauth

// Remember makes the memory small, so that a test can fill it.
func (p *Proofs) Remember(most int) { p.most = most }
