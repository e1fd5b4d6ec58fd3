// Package authn checks what a person proves herself with, under limits that make
// guessing hopeless and tell nobody whether an account exists.
//
// What a person holds are factors: rows of a kind, with a secret and a counter. Each
// kind is a [Factor] in a file of its own and one row of the list of offers; which one
// comes next in a sign-in is decided by [Flow] from the level wanted, the factors held
// and those passed. Between two steps the browser carries a sealed ticket.
package authn
