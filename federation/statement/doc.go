// Package statement reads what entities sign about themselves and about each other: entity
// statements (OpenID Federation 1.0 §3). It judges by §3.2 what can be told from one
// statement alone. Nothing here asks the network.
package statement
