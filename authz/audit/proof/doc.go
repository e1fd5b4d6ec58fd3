// Package proof is the form of what a person or an auditor takes away, and its
// verification without any network: one event and its place in the release log
// ([File]), or the result of an auditor's query with every entry of the log
// around it ([Export]).
//
// A file has one form only. It is read strictly and must be, byte for byte, what
// would be written again; the lines for people are made from the record below
// them; every other byte is covered by a hash that leads to the log's signature.
// So no byte of a file can change unseen, but in one place: signature lines under a
// checkpoint that are of keys nobody gave, as those of witnesses, say nothing, and are
// passed over as C2SP signed-note has it.
//
// The package is pure: it needs neither database nor log, and links no network
// code, so that the offline verifier can be built on it.
package proof
