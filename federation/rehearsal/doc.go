// Package rehearsal says what a change of a federation would do before it is made: which
// entities would be trusted no more, or get other metadata, and by whose rule. The functions
// are pure: the statements that are known, the change and the time go in, a report comes out.
package rehearsal
