// Package enrol says how an entity becomes a subordinate of ours, and how it ceases to be
// one: an operator proposes what was agreed with it, a second person approves, one person
// can suspend or revoke at once. What is stated about a subordinate follows from its terms
// (OpenID Federation 1.0 §3.1.3). Trust marks that we grant are kept the same way. All of it
// is pure: a record and the time go in, another record comes out.
package enrol
