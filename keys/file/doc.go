// Package file keeps keys on disk: a folder of files, each key version sealed
// under a passphrase or under a machine secret. It is the embedded default: it
// needs nothing but a disk.
//
// A version is written once and never changed, save that its private part can be
// destroyed. Files are put in place by rename after fsync, so that a crash leaves
// all or nothing of one. Several processes may share a folder: who changes it
// locks it, and each reads it again when it has changed. What it cannot do is
// keep keys from somebody who is root on the machine; keys/vault can.
package file
