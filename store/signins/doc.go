// Package signins is what a sign-in reads and writes while it is under way: the guesses
// that were made, the credentials of an account, the use of its factors, and the session
// that begins. On PostgreSQL a step of a sign-in is one statement.
package signins

import "hopnhat/store/handle"

// SignIns are the sign-ins that are under way. They are safe for concurrent use.
type SignIns struct{ *handle.Handle }
