package oidcc

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

const logoutSpec = "RP-Initiated Logout §2"

func encoded(r *suite.Run, value any) string {
	raw, err := json.Marshal(value)
	r.Works(err, "writing JSON")
	return string(raw)
}

// leaving is a client that can be logged out of, and a login of it.
func leaving(r *suite.Run, change ...func(suite.Claims)) suite.Login {
	if r.Variant[suite.Registration] == suite.Static {
		return r.Login()
	}
	c := r.Register(append([]func(suite.Claims){func(m suite.Claims) {
		m["post_logout_redirect_uris"] = []any{r.Redirect("post_logout_redirect")}
	}}, change...)...)
	return r.Login(suite.As(c))
}

// back is where the client wants the browser after logout.
func back(r *suite.Run, c *suite.Client) string {
	uris, _ := c.Metadata.List("post_logout_redirect_uris")
	r.Must(len(uris) > 0, "RP-Initiated Logout §3.1", "the client has registered post_logout_redirect_uris", c.Metadata["post_logout_redirect_uris"])
	return uris[0]
}

// leave sends the browser to the end session endpoint.
func leave(r *suite.Run, b *suite.Browser, pairs ...string) suite.Landing {
	return b.Visit(query(r.Endpoint("end_session_endpoint"), pairs...))
}

// ended states whether the session is over: a silent request fails, or succeeds.
func ended(r *suite.Run, l suite.Login, over bool) {
	q := r.Request(suite.As(l.Request.Client), suite.In(l.Request.Browser), suite.With("prompt", "none"))
	landing := q.Send()
	if over {
		q.Refused(landing, logoutSpec, refusals...)
		return
	}
	q.Accepted(landing)
}

// returned states that the browser is at the client again, with state or without.
func returned(r *suite.Run, landing suite.Landing, to, state string) {
	r.Must(
		landing.Callback != nil && fragmentless(landing.Callback.URL) == to, "RP-Initiated Logout §3", "the browser is sent to "+to,
		landing,
	)
	if state == "" {
		r.Expect(!landing.Callback.Query.Has("state"), "RP-Initiated Logout §3", "no state comes back where none was sent", landing)
		return
	}
	r.Expect(slices.Equal(landing.Callback.Query["state"], []string{state}), "RP-Initiated Logout §3", "state comes back as sent: "+state, landing)
}

// stayed states that the browser was not sent to a client.
func stayed(r *suite.Run, landing suite.Landing) {
	r.Must(landing.Callback == nil, "RP-Initiated Logout §3", "the browser is not sent to the client", landing)
	r.Expect(landing.Page.Status < http.StatusInternalServerError, logoutSpec, "a page tells the person what happened", landing)
}

// rpInitiated are the modules of RP-initiated logout.
var rpInitiated = []suite.Module{
	{
		Name: "oidcc-rp-initiated-logout-discovery-endpoint-verification", Clause: logoutSpec + ".1", Rule: "the metadata names the end session endpoint",
		Test: func(r *suite.Run) {
			m, _ := r.FetchMetadata()
			u, err := url.Parse(m.Text("end_session_endpoint"))
			r.Must(err == nil && u.Scheme == "https" && u.Host != "", logoutSpec+".1", "end_session_endpoint is an https URL", m["end_session_endpoint"]) // RP-Initiated Logout §2.1
		},
	},
	{
		Name: "oidcc-rp-initiated-logout", Clause: logoutSpec, Rule: "logout ends the session and sends the browser back, with state",
		Test: func(r *suite.Run) {
			l := leaving(r)
			to, state := back(r, l.Request.Client), suite.Random()
			returned(r, leave(r, l.Request.Browser, "id_token_hint", l.IDToken(), "post_logout_redirect_uri", to, "state", state), to, state)
			ended(r, l, true)
		},
	},
	{
		Name: "oidcc-rp-initiated-logout-no-state", Clause: logoutSpec, Rule: "without state none comes back",
		Test: func(r *suite.Run) {
			l := leaving(r)
			to := back(r, l.Request.Client)
			returned(r, leave(r, l.Request.Browser, "id_token_hint", l.IDToken(), "post_logout_redirect_uri", to), to, "")
			ended(r, l, true)
		},
	},
	notReturned("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "the browser is not sent where nobody registered", func(r *suite.Run, l suite.Login) []string {
		return []string{"id_token_hint", l.IDToken(), "post_logout_redirect_uri", back(r, l.Request.Client) + Suffix(), "state", "s"}
	}),
	notReturned("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", "an added query makes another URI", func(r *suite.Run, l suite.Login) []string {
		return []string{"id_token_hint", l.IDToken(), "post_logout_redirect_uri", back(r, l.Request.Client) + "?foo=bar", "state", "s"}
	}),
	notReturned("oidcc-rp-initiated-logout-modified-id-token-hint", "an ID token whose signature was taken away is no hint", func(r *suite.Run, l suite.Login) []string {
		return []string{"id_token_hint", suite.Unsigned(l.Claims()), "post_logout_redirect_uri", back(r, l.Request.Client), "state", "s"}
	}),
	notReturned("oidcc-rp-initiated-logout-bad-id-token-hint", "an ID token that another has signed is no hint", func(r *suite.Run, l suite.Login) []string {
		token, err := r.Key("RS256", "somebody-else").Sign("JWT", l.Claims())
		r.Works(err, "signing an ID token")
		return []string{"id_token_hint", token, "post_logout_redirect_uri", back(r, l.Request.Client), "state", "s"}
	}),
	notReturned("oidcc-rp-initiated-logout-no-id-token-hint", "without a hint the provider does not know where it may send the browser", func(r *suite.Run, l suite.Login) []string {
		return []string{"post_logout_redirect_uri", back(r, l.Request.Client), "state", "s"}
	}),
	loggedOut("oidcc-rp-initiated-logout-no-params", "without any parameter the person can log out", func(*suite.Run, suite.Login) []string { return nil }),
	loggedOut("oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "without a place to go the person sees that they are logged out", func(_ *suite.Run, l suite.Login) []string {
		return []string{"id_token_hint", l.IDToken(), "state", "s"}
	}),
	loggedOut("oidcc-rp-initiated-logout-only-state", "with nothing but state the person can log out", func(*suite.Run, suite.Login) []string { return []string{"state", "s"} }),
}

func notReturned(name, rule string, pairs func(*suite.Run, suite.Login) []string) suite.Module {
	return suite.Module{Name: name, Clause: logoutSpec, Rule: rule, Test: func(r *suite.Run) {
		l := leaving(r)
		stayed(r, leave(r, l.Request.Browser, pairs(r, l)...))
	}}
}

func loggedOut(name, rule string, pairs func(*suite.Run, suite.Login) []string) suite.Module {
	return suite.Module{Name: name, Clause: logoutSpec, Rule: rule, Test: func(r *suite.Run) {
		l := leaving(r)
		landing := leave(r, l.Request.Browser, pairs(r, l)...)
		stayed(r, landing)
		r.Expect(landing.Page.Status == http.StatusOK, logoutSpec, "a page says that the person is logged out", landing)
		ended(r, l, true)
	}}
}

// flags is the discovery module of a way of logout.
func flags(name, clause string, members ...string) suite.Module {
	return suite.Module{Name: name, Clause: clause, Rule: "the metadata say that this logout is supported", Test: func(r *suite.Run) {
		m, _ := r.FetchMetadata()
		for i, member := range members {
			if i == 0 {
				r.Expect(m.True(member), clause, member+" is true", m[member])
			} else {
				r.Should(m.True(member), clause, member+" is true", m[member])
			}
		}
		r.Expect(m.Text("end_session_endpoint") != "", logoutSpec+".1", "end_session_endpoint is there", m["end_session_endpoint"])
	}}
}

const backSpec = "Back-Channel Logout §2"

var backChannel = []suite.Module{
	flags("oidcc-backchannel-logout-discovery-endpoint-verification", backSpec+".1", "backchannel_logout_supported", "backchannel_logout_session_supported"),
	{
		Name: "oidcc-backchannel-rp-initiated-logout", Clause: backSpec + ".5", Rule: "a logout is told to the client by a right logout token",
		Test: func(r *suite.Run) {
			told := make(chan *http.Request, 8)
			handler := func(w http.ResponseWriter, request *http.Request) {
				_ = request.ParseForm()
				told <- request
			}
			l := listening(r, "backchannel_logout_uri", "backchannel_logout_session_required", handler)
			to, state := back(r, l.Request.Client), suite.Random()
			returned(r, leave(r, l.Request.Browser, "id_token_hint", l.IDToken(), "post_logout_redirect_uri", to, "state", state), to, state)
			patience := time.NewTimer(20 * time.Second)
			defer patience.Stop()
			select {
			case request := <-told:
				logoutToken(r, l, request)
			case <-patience.C:
				r.Must(false, backSpec+".5", "a logout token comes within 20 s", nil)
			}
			ended(r, l, true)
		},
	},
}

// listening is a login of a client that is told of logouts: at the suite's listener,
// or, without a handler, through the browser. Front-channel addresses must be of the
// redirect URIs' origin (Front-Channel Logout §2).
func listening(r *suite.Run, member, session string, handler http.HandlerFunc) suite.Login {
	if r.Variant[suite.Registration] == suite.Static {
		at := r.Client().Metadata.Text(member)
		if at == "" {
			r.NotOffered(backSpec+".2", member+" in the configured client", nil)
		}
		if handler != nil {
			r.ServeAt(at, handler)
		}
		return r.Login()
	}
	at := r.Redirect(member)
	if handler != nil {
		at = r.Serve(member, handler)
	}
	return leaving(r, func(m suite.Claims) { m[member], m[session] = at, true })
}

// logoutToken checks one as Back-Channel Logout §2.6 says.
func logoutToken(r *suite.Run, l suite.Login, request *http.Request) {
	r.Expect(
		request.Method == http.MethodPost && strings.HasPrefix(request.Header.Get("Content-Type"), "application/x-www-form-urlencoded"),
		backSpec+".5", "it comes as a form by POST", request.Method,
	)
	token := request.PostForm.Get("logout_token")
	r.Must(token != "", backSpec+".5", "logout_token is there", request.PostForm)
	header, claims := r.VerifySigned(token, backSpec+".6")
	r.Expect(header.Text("alg") == l.Request.Client.Signed(), backSpec+".6", "alg is that of the client's ID tokens", header["alg"])
	r.Should(header.Text("typ") == "logout+jwt", backSpec+".4", "typ is logout+jwt", header["typ"])
	r.Expect(claims.Text("iss") == r.Config().Issuer, backSpec+".4", "iss is the issuer", claims["iss"])
	r.Expect(
		claims.Text("aud") == l.Request.Client.ID || claims.Lists("aud", l.Request.Client.ID), backSpec+".4", "aud is the client",
		claims["aud"],
	)
	iat, ok := claims.Number("iat")
	r.Expect(ok && time.Since(time.Unix(int64(iat), 0)).Abs() < 2*time.Minute, backSpec+".4", "iat is a number and of now", claims["iat"])
	exp, ok := claims.Number("exp")
	r.Expect(ok && time.Unix(int64(exp), 0).After(time.Now()), backSpec+".4", "exp is a number and in the future", claims["exp"])
	r.Expect(claims.Text("jti") != "", backSpec+".4", "jti is there", claims["jti"])
	events, _ := claims["events"].(map[string]any)
	event, _ := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	r.Expect(event != nil, backSpec+".4", "events holds the back-channel logout event, an object", claims["events"])
	r.Expect(claims["nonce"] == nil, backSpec+".4", "there is no nonce", claims["nonce"])
	r.Expect(claims["sub"] != nil || claims["sid"] != nil, backSpec+".4", "sub or sid is there", claims)
	r.Expect(
		claims["sub"] == nil || claims.Text("sub") == l.Claims().Text("sub"), backSpec+".4", "sub is that of the ID token", claims["sub"],
	)
	r.Expect(
		claims.Text("sid") != "" && claims.Text("sid") == l.Claims().Text("sid"), backSpec+".4",
		"sid is that of the ID token, since the client wants it", claims["sid"],
	)
}

const frontSpec = "Front-Channel Logout §2"

var frontChannel = []suite.Module{
	flags("oidcc-frontchannel-logout-discovery-endpoint-verification", "Front-Channel Logout §3", "frontchannel_logout_supported", "frontchannel_logout_session_supported"),
	{
		Name: "oidcc-frontchannel-rp-initiated-logout", Clause: frontSpec, Rule: "a logout is told to the client through a frame, with iss and sid",
		Test: func(r *suite.Run) {
			l := listening(r, "frontchannel_logout_uri", "frontchannel_logout_session_required", nil)
			at := l.Request.Client.Metadata.Text("frontchannel_logout_uri")
			to := back(r, l.Request.Client)
			landing := leave(r, l.Request.Browser, "id_token_hint", l.IDToken(), "post_logout_redirect_uri", to, "state", "s")
			var called *url.URL
			for _, page := range landing.Seen {
				for _, frame := range page.Frames {
					if u, err := url.Parse(frame); err == nil && strings.HasPrefix(frame, at) {
						called = u
					}
				}
			}
			r.Must(called != nil, frontSpec, "a page on the way shows "+at+" in a frame", landing)
			r.Expect(called.Query().Get("iss") == r.Config().Issuer, frontSpec, "iss is the issuer", called.Query().Get("iss"))
			sid := l.Claims().Text("sid")
			r.Expect(sid != "" && called.Query().Get("sid") == sid, frontSpec, "sid is that of the ID token: "+sid, called.Query().Get("sid"))
			onward(r, landing, to)
			ended(r, l, true)
		},
	},
}

// onward: after the frames a page goes on to the client, by itself or by a link.
func onward(r *suite.Run, landing suite.Landing, to string) {
	if landing.Callback != nil {
		returned(r, landing, to, "s")
		return
	}
	for _, link := range landing.Page.Links {
		if u, err := url.Parse(link); err == nil && fragmentless(u) == to {
			r.Expect(u.Query().Get("state") == "s", "RP-Initiated Logout §3", "the page leads on to the client, with state", link)
			return
		}
	}
	r.Review("RP-Initiated Logout §3", "does a script of this page send the browser on to "+to+"?", landing)
}
