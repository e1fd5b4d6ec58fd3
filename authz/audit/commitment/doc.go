// Package commitment is how a piece of evidence is bound to its entry in the
// release log: its canonical bytes (RFC 8785), the small tree over its salted
// groups of fields, the disclosure of some groups, and the leaf.
//
// It knows nothing of what the fields mean and links no network code, so the
// auditors' offline verifier can be built on it. Package audit gives the fields
// their meaning.
//
// The tree: each group has a salt derived from the event's salt and the group's
// name; the group's digest is an HMAC-SHA-256 under that salt of its canonical
// bytes; the commitment is a SHA-256 over the event's id, its type and the
// digests in a fixed order. Every step has a label of its own. Without the salt
// the commitment tells nothing, so that erasing salt and event leaves noise in
// the log and the log whole.
package commitment
