// Package endsession is how an app signs a person out through the browser: the end session
// endpoint (OpenID Connect RP-Initiated Logout), the frames of Front-Channel Logout and the
// browser state of Session Management. It ends no session: it checks what an app asks, and
// the page does the rest.
package endsession
