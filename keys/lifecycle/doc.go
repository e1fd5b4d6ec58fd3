// Package lifecycle decides which version of a key signs, and makes a keys.Ring
// of a keys.Store: announced → published → active → retiring → retired, or
// revoked.
//
// The state of every version stands in a [Ledger] that all nodes share; where a version goes
// next is a pure function of it ([Next]). A [Ring] signs by a snapshot of the Ledger and the
// key store, a [Keeper] keeps that snapshot new and moves the versions, and [Commands] are
// what an operator does by hand. Two promises shape the rules. No
// node signs with a version that another node's JWK Set lacks: a version is
// published only when every live node serves it, and a node that has not read
// the Ledger for longer than the lease neither signs nor serves its set. And no
// relying party meets a signature by a version it had no time to fetch: a
// published version waits for the lifetime of cached sets and for the relying
// parties that are known.
package lifecycle
