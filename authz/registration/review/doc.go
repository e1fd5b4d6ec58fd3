// Package review explains to an operator what registered apps may do and what they use that
// ends: [Of] one app, [WriteProfiles] the table of profiles. Both come from one list of what
// ends, so the page and the check of an app agree.
package review
