// Package broker stands in the path of the national registers: it decides,
// records, logs, and only then sends (docs/decisions.md D8). When the record is in doubt
// the data stay here.
package broker
