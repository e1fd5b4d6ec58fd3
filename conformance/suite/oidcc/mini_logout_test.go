package oidcc

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// hint is what an id_token_hint says, nil if it is not one of ours.
func (p *mini) hint(token string) suite.Claims {
	_, claims, err := suite.Peek(token)
	if err != nil {
		return nil
	}
	if p.is("hints not verified") {
		return claims
	}
	object, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil
	}
	if _, err := object.Verify(miniKeys()[0].Public()); err != nil {
		return nil
	}
	return claims
}

// logout ends the session at once, tells the clients, and sends the browser back if
// it may.
func (p *mini) logout(w http.ResponseWriter, r *http.Request) {
	s := p.session(r)
	to, state := r.Form.Get("post_logout_redirect_uri"), r.Form.Get("state")
	c, known := p.clients[p.hint(r.Form.Get("id_token_hint")).Text("aud")]
	uris, _ := c.List("post_logout_redirect_uris")
	may := known && slices.Contains(uris, to)
	switch p.fault {
	case "logout leads anywhere":
		may = to != ""
	case "logout leads to longer addresses":
		may = known && len(uris) > 0 && strings.HasPrefix(to, uris[0])
	case "logout leads nowhere":
		may = false
	}
	if state != "" && !p.is("state lost at logout") {
		to += "?state=" + state
	}
	if p.is("state invented at logout") {
		to += "?state=x"
	}
	if s != nil {
		s.over = !p.is("sessions do not end")
		for _, c := range s.clients {
			p.tell(c, s)
		}
		if p.is("the cookie stays as it was") {
			s.over = false
		} else {
			http.SetCookie(w, &http.Cookie{Name: "state", Value: suite.Random(), Path: "/", Secure: true})
		}
	}
	switch {
	case may && s != nil && s.clients[0].Text("frontchannel_logout_uri") != "":
		page(w, 200, p.frames(s)+`<meta http-equiv="refresh" content="0; url=`+html.EscapeString(to)+`">`)
	case may:
		http.Redirect(w, r, to, http.StatusSeeOther)
	case p.is("an error at the end"):
		page(w, 500, "oh")
	default:
		page(w, 200, "You are logged out.")
	}
}

func (p *mini) frames(s *miniSession) string {
	at := s.clients[0].Text("frontchannel_logout_uri")
	q := url.Values{"iss": {p.URL}, "sid": {s.id}}
	switch p.fault {
	case "frames without sid":
		q.Del("sid")
	case "frames of another issuer":
		q.Set("iss", "x")
	case "no frames":
		return ""
	}
	return fmt.Sprintf(`<iframe src="%s"></iframe>`, html.EscapeString(at+"?"+q.Encode()))
}

// tell sends a logout token; the lock is given up meanwhile.
func (p *mini) tell(c miniClient, s *miniSession) {
	at := c.Text("backchannel_logout_uri")
	if at == "" {
		return
	}
	now := p.now()
	claims := suite.Claims{
		"iss": p.URL, "aud": c.id, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "jti": suite.Random(), "sid": s.id,
		"sub":    "person-" + s.person,
		"events": suite.Claims{"http://schemas.openid.net/event/backchannel-logout": suite.Claims{}},
	}
	switch p.fault {
	case "logout token with nonce":
		claims["nonce"] = "n"
	case "logout token without event":
		delete(claims, "events")
	case "logout token of another session":
		claims["sid"] = "x"
	case "logout token for another":
		claims["aud"] = "x"
	case "logout token without jti":
		delete(claims, "jti")
	case "logout token of another person":
		claims["sub"] = "x"
	}
	form := url.Values{"logout_token": {p.sign("logout+jwt", claims)}}
	if p.is("logout token unsigned") {
		form.Set("logout_token", suite.Unsigned(claims))
	}
	p.mu.Unlock()
	defer p.mu.Lock()
	if response, err := p.fetch.PostForm(at, form); err == nil {
		response.Body.Close()
	}
}

// check is the frame of session management.
func (p *mini) check(w http.ResponseWriter, _ *http.Request) {
	if p.is("a frame that may not be framed") {
		w.Header().Set("X-Frame-Options", "DENY")
	}
	page(w, 200, "<script></script>")
}
