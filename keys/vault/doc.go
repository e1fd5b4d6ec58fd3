// Package vault keeps keys in HashiCorp Vault Transit (or OpenBao, which speaks
// the same API): they are not exportable and never in this process. A signature
// always names the version whose key id stands in its header, and when Vault
// cannot sign, nothing is signed by another key.
//
// What Vault says is sorted into the causes of keys.Outage in one place
// (answer.go), how this process is let in is in another (login.go), and every
// call goes through one function that tries the addresses in turn and signs in
// again when it must (client.go).
//
// Vault's client lives in this package and nowhere else.
package vault
