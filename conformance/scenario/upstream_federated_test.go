package scenario_test

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// pair is two servers of one federation: people of there sign in here, where nobody agreed on a
// client_id, and there no operator registered a client.
type pair struct {
	anchor, here, there *site
	at                  string // the redirect URI
}

func newPair(t *testing.T) *pair {
	t.Helper()
	authority, host := harness.NewAuthority(t, "Hopnhat Test CA"), place{host: "localhost"}
	const all = "provider,broker,portal,log,federation"
	p := &pair{newSite(t, authority, host, "log,federation"), newSite(t, authority, host, all), newSite(t, authority, host, all), ""}
	networks := []string{"127.0.0.0/8", "::1/128"}
	p.anchor.write(t, "entity", map[string]any{"organization": "Neo", "subordinates": true, "networks": networks, "ca": authority.File})
	p.anchor.begins(t)
	for _, s := range []*site{p.here, p.there} {
		s.write(t, "entity", map[string]any{
			"organization": "Tỉnh Mẫu", "superiors": []string{p.anchor.base}, "networks": networks, "ca": authority.File,
			"anchors": []any{map[string]any{"entity": p.anchor.base, "jwks": p.anchor.states(t)}},
		})
		harness.Run(t, nil, "registry", "generate", "--persons", "300", "--seed", "2026", "--registry", s.file("registry"))
	}
	p.there.write(t, "apps", map[string]any{
		"trust_anchors": []any{map[string]any{"entity_id": p.anchor.base, "jwks": p.anchor.states(t)}}, "profile": "oidc", "minimum_level": 2,
	})
	p.there.serves = append(p.there.serves, "--federation-apps", p.there.file("apps"))
	p.here.write(t, "upstreams", map[string]any{"providers": []any{map[string]any{
		"alias": "there", "name": map[string]string{"vi": "Tỉnh Mẫu", "en": "Sample Province"}, "issuer": p.there.base, "registration": "automatic",
		"levels": map[string]int{"urn:vn:gov:eid:auth-level:2": 2}, "networks": networks, "ca": authority.File,
	}}})
	p.here.serves = append(p.here.serves, "--upstreams", p.here.file("upstreams"))
	p.at = p.here.base + "/signin/upstream/there/callback"
	for _, s := range []*site{p.there, p.here} {
		s.begins(t)
		p.anchor.enrols(t, s.base)
		s.tool = s.flags
		s.people = enrolled(t, s.command(t, "account", "enrol", "--count", "2"))
		s.process.Stop()
		s.begins(t) // which has it know who is trusted
	}
	return p
}

// goes signs somebody in there, where a browser was sent from here, and comes back.
func (p *pair) goes(t *testing.T, b, there *http.Client, sent answer, who *person) answer {
	t.Helper()
	to := sent.header.Get("Location")
	if sent.status != http.StatusSeeOther || !strings.HasPrefix(to, p.there.base+"/authorize?") {
		t.Fatalf("led to %d %q: %s", sent.status, to, sent.raw)
	}
	u, err := url.Parse(to)
	if err != nil || u.Query().Get("client_id") != p.here.base || u.Query().Get("request_uri") == "" || len(u.Query()) != 2 {
		t.Errorf("OpenID Federation 1.0 §12.1.1.1: asked by %q", to)
	}
	callback, err := clients.SignIn(ctx(t), there, to, p.at, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	return page(t, b, callback.String())
}

// TestUpstreamByFederation: a person links her account with one at another server of the
// federation, and signs in by it. That server knows this one by the trust anchor alone, and lets it
// in no more once the anchor does not vouch for it.
func TestUpstreamByFederation(t *testing.T) {
	p := newPair(t)
	me, she := p.here.someone(t), p.there.someone(t)
	b, there := p.here.browser(t), p.there.browser(t)

	signIn(t, p.here.nation, b, me, "/portal/providers")
	form := answerTo(t, page(t, b, p.here.base+"/portal/providers").raw, "")
	back := p.goes(t, b, there, sent(t, b, p.here.base+"/portal/providers/link", form), she)
	linked := sent(t, b, p.here.base+"/portal/providers/confirm", answerTo(t, back.raw, "link"))
	if linked.status != http.StatusOK || !strings.Contains(linked.raw, `name="link"`) {
		t.Fatalf("not linked: %d %s", linked.status, linked.raw)
	}

	again := p.here.browser(t)
	begin := func(b *http.Client) answer {
		t.Helper()
		shown := page(t, b, p.here.base+"/signin?next=/portal/sessions").raw
		return page(t, b, p.here.base+html.UnescapeString(first(t, `href="(/signin/upstream\?to=[^"]+)"`, shown)))
	}
	in := p.goes(t, again, there, begin(again), she)
	if a := page(t, again, p.here.base+"/portal/sessions"); a.status != http.StatusOK {
		t.Fatalf("she is not signed in: %d to %q, then %d", in.status, in.header.Get("Location"), a.status)
	}
	if shown := p.there.command(t, "client", "show", p.here.base); !strings.Contains(shown, p.anchor.base) {
		t.Errorf("the client there did not come by the anchor:\n%s", shown)
	}

	p.anchor.another(t, "federation", "subordinate", "suspend", p.here.base, "--why", "drill")
	soon(t, "the provider takes this server as its client no more", func() bool {
		return begin(p.here.browser(t)).header.Get("Location") == ""
	})
}
