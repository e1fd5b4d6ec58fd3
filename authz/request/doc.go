// Package request reads and checks an authorization request: one check, one
// function, one clause. It is pure; the request comes in as a form, and goes
// out as an [Authorization] whose every field was checked, or as a refusal that
// says which rule it broke.
package request
