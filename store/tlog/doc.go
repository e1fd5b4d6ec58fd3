// Package tlog is the release log: a C2SP tlog-tiles Merkle log on local disk
// (https://c2sp.org/tlog-tiles), kept with Tessera's POSIX driver and signed by
// a key of the keyring. One process of one site writes it; a second is refused.
//
// A log is a shard: one site, one quarter ([Shard]). The shard is chosen when the
// process opens the log and kept until it closes, so entries of the first hours
// of a quarter may stand in the shard before; the shard's checkpoints, not its
// name, say what it holds. To roll over: open the new shard, let new events go
// there, close the old one, which publishes its last checkpoint, and from then on
// serve its proofs with [OpenReader]. Shards are never merged or renamed.
//
// Entries are appended in groups: while one group is being written to disk the
// next gathers, so that a lone caller waits for one write and a thousand callers
// share one.
//
// The folder must be on a local file system with POSIX locks, not on a network.
// Tessera lives in this package and nowhere else.
package tlog
