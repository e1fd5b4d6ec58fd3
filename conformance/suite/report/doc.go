// Package report writes what came of a run of the suite: one HTML file with every exchange
// ([HTML]), one JSON object a line ([JSON]), tables for documents ([Markdown]).
package report
