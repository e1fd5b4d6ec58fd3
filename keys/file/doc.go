// Package file keeps keys in a folder, each in a file of its own, encrypted
// under a passphrase or under a machine secret. It is the embedded default: it
// needs nothing but a disk.
//
// A key version is written once and never changed, save its state. Files are
// replaced by rename after fsync, so that a crash leaves the old or the new one.
package file
