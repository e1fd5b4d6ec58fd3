// Package authn checks what a person proves herself with: a password and a
// one-time code, under limits that make guessing hopeless and tell nobody
// whether an account exists.
package authn
