// Package remote is the release log between the nodes of one site: one of them writes it
// ([NewHandler]), the others append to it and read it there ([Client]).
//
// Both ends know each other by certificates of an authority that is derived from the keys
// of the nation and the name of the site ([Identity]): nothing is issued or renewed by
// hand, and a node of another site is not let in.
//
// The writer answers three things over HTTPS:
//
//   - POST /append takes entries, each after its length in two bytes, big-endian: the form
//     of an entry bundle of C2SP tlog-tiles. The answer is a JSON array of their places in
//     the same order, given when all are durable. An entry that is among the newest
//     already keeps its place, so a request whose answer was lost is made again.
//   - GET /status says which shard takes entries, the keys of all shards, and whether the
//     log works.
//   - GET /shards/{shard}/{path} are the files of a shard as C2SP tlog-tiles names them.
//
// What is read is verified against the keys of the shards as it is when it comes from a
// disk. Errors are [authz.ErrUnavailable]: nothing is released while the writer is away.
package remote
