// Package tlog is the release log: a C2SP tlog-tiles Merkle log on local disk
// (https://c2sp.org/tlog-tiles), kept with Tessera's POSIX driver and signed by
// a key of the keyring. One process of one site writes it; a second is refused.
//
// A log is a shard ([Log]): one site, one quarter ([Name]). [Shards] are those of a site:
// a new one begins while they run when the quarter does, and the old one ends with a
// checkpoint of all it holds. Entries of the first second of a quarter may stand in the
// shard before; the shard's checkpoints, not its name, say what it holds. Shards are never
// merged or renamed.
//
// Each checkpoint is recorded before it is published ([Heads]), under the epoch of its
// writer: one that was replaced can publish nothing more, so that there is one tree under
// one origin. A shard that another node wrote and that is not here as it was recorded ends
// there, and the next part of the quarter begins.
//
// Entries are appended in groups (package gather): while one group is being written to disk
// the next gathers, so that a lone caller waits for one write and a thousand callers
// share one.
//
// The folder must be on a local file system with POSIX locks, not on a network.
// Tessera lives in this package and nowhere else.
package tlog
