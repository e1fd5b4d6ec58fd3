// Package response makes authorization responses: in the query, the fragment or a form that
// posts itself, plain or as the signed JWT of JARM, always with iss, and with session_state
// for an app that registered for session management.
package response
