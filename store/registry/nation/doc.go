// Package nation makes a synthetic nation for demonstrations and tests: persons with
// families and numbers, organisations, and what the fourteen registers hold of them. It
// draws from a seed, so the same seed is the same nation. No number is a real one:
// personal numbers begin with 099, enterprise codes with 99.
package nation
