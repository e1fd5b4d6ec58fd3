// Package audit is the vocabulary of evidence: the events that are recorded, the
// one form of their bytes, what an auditor may ask, the table of actions with the
// [Scribe] that writes their events, and the [Recorder] that puts leaves into the log.
//
// The life of an event: decided, recorded durably as a row, committed to by a
// leaf of the release log, and only then acted on (docs/decisions.md D8). The leaf is a
// salted commitment (package commitment): deleting salt and row erases the event
// and leaves the log whole. Where the leaf stands in the log is noted in the row
// later, many in one commit, since a proof can wait and a release cannot.
package audit
