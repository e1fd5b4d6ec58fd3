package oidcc

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"hopnhat/conformance/suite"
)

const sessionSpec = "Session Management §3"

var sessionManagement = []suite.Module{
	{
		Name: "oidcc-session-management-discovery-endpoint-verification", Clause: sessionSpec + ".3", Rule: "the metadata name the frame that tells of changes",
		Test: func(r *suite.Run) {
			m, _ := r.FetchMetadata()
			u, err := url.Parse(m.Text("check_session_iframe"))
			r.Expect(err == nil && u.Scheme == "https" && u.Host != "", sessionSpec+".3", "check_session_iframe is an https URL", m["check_session_iframe"]) // Session Management §3.3
			r.Expect(m.Text("end_session_endpoint") != "", logoutSpec+".1", "end_session_endpoint is there", m["end_session_endpoint"])
		},
	},
	{
		Name: "oidcc-session-management-rp-initiated-logout", Clause: sessionSpec, Rule: "session_state stands for the session, and after logout no longer does",
		Test: func(r *suite.Run) {
			l := leaving(r)
			state := l.Callback.Values.Get("session_state")
			r.Must(state != "", sessionSpec, "session_state comes with the response", l.Callback)
			r.Expect(!strings.Contains(state, " "), sessionSpec, "session_state has no space", state)
			frame := r.Endpoint("check_session_iframe")
			page := l.Request.Browser.Load(frame)
			r.Must(page.Status == 200 && page.MediaType() == "text/html", sessionSpec+".2", "the frame is a page", page)
			csp := page.Header.Get("Content-Security-Policy")
			r.Expect(page.Header.Get("X-Frame-Options") == "" && !strings.Contains(csp, "frame-ancestors 'none'") && !strings.Contains(csp, "frame-ancestors 'self'"), sessionSpec+".2", "the client may show it in a frame", csp)
			before := stands(l, frame, state)
			to := back(r, l.Request.Client)
			landing := leave(r, l.Request.Browser, "id_token_hint", l.IDToken(), "post_logout_redirect_uri", to, "state", "s")
			onward(r, landing, to)
			after := stands(l, frame, state)
			if !before {
				r.Review(sessionSpec+".2", "the frame computes session_state in a way of its own: does it say unchanged, and changed after logout?", page.Raw)
				return
			}
			r.Expect(true, sessionSpec+".2", "a cookie that the frame can read gives the session_state", nil)
			r.Expect(!after, sessionSpec+".2", "after logout it does not any more", nil)
		},
	},
}

// stands computes what the frame does (Session Management §3.2): a hash over client,
// origin, the browser's state and a salt, for each cookie that the frame could read.
func stands(l suite.Login, frame, state string) bool {
	_, salt, ok := strings.Cut(state, ".")
	back := l.Callback.URL
	if !ok || back == nil {
		return false
	}
	origin := back.Scheme + "://" + back.Host
	for _, c := range l.Request.Browser.Cookies(frame) {
		sum := sha256.Sum256([]byte(l.Request.Client.ID + " " + origin + " " + c.Value + " " + salt))
		for _, hash := range []string{hex.EncodeToString(sum[:]), base64.RawURLEncoding.EncodeToString(sum[:]), base64.StdEncoding.EncodeToString(sum[:])} {
			if state == hash+"."+salt {
				return true
			}
		}
	}
	return false
}
