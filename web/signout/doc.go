// Package signout ends sessions: it answers the end_session_endpoint, asks the person
// where she has to be asked, notifies the apps that rely on the session, and says which
// of them were told. OpenID Connect RP-Initiated Logout, Front-Channel Logout and Session
// Management.
package signout
