// Package config is the configuration as operators see it: [Table] is the one place where
// every key stands with its type, range, default, secrecy, meaning and readers. From it
// come the flags of the commands ([Flags]), the variables of the environment, the keys of
// the file, the checks of each value ([Flags.Load]), the page docs/configuration.md, which
// a test keeps, and what `hopnhat config` shows ([Loaded.Show]).
//
// What values must be together is checked by [node.Config.Complete], for whoever fills one.
package config
