package page

import (
	"time"

	"github.com/gofiber/fiber/v2"
)

// BrowserStateCookie is the cookie that the frame of session management reads (Session
// Management §3.2).
func (f *Frame) BrowserStateCookie() string {
	if f.Sessions.Secure() {
		return "__Host-hn_state"
	}
	return "hn_state"
}

// KeepBrowserState sets that cookie, for an app that registered for session management:
// readable by our script, sent along in frames of other sites, and good for nothing
// else. An empty state changes nothing.
func (v *Visit) KeepBrowserState(state string) {
	if state != "" {
		v.setBrowserState(state, 12*time.Hour)
	}
}

// ForgetBrowserState makes the frame say "changed": the session ended, or another began.
func (v *Visit) ForgetBrowserState() {
	if v.C.Cookies(v.frame.BrowserStateCookie()) != "" {
		v.setBrowserState("", -time.Second)
	}
}

func (v *Visit) setBrowserState(value string, life time.Duration) {
	c := &fiber.Cookie{
		Name: v.frame.BrowserStateCookie(), Value: value, Path: "/", SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(life.Seconds()),
	}
	if v.frame.Sessions.Secure() {
		c.Secure, c.SameSite = true, fiber.CookieSameSiteNoneMode
	}
	v.C.Cookie(c)
}
