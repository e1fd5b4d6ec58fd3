package interaction_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/interaction"
)

var now = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

func age(seconds int) *int { return &seconds }

func TestNext(t *testing.T) {
	nobody := interaction.Session{Reachable: 2}
	signedIn := interaction.Session{SignedIn: true, AuthTime: now.Add(-time.Hour), Level: 2, Reachable: 2}
	fresh := signedIn
	fresh.AuthTime = now.Add(-time.Second)
	weak := signedIn
	weak.Level = 1
	req := func(change func(*interaction.Request)) interaction.Request {
		r := interaction.Request{Created: now.Add(-10 * time.Second), Level: 1}
		change(&r)
		return r
	}
	plain := req(func(*interaction.Request) {})
	prompt := func(p ...string) interaction.Request { return req(func(r *interaction.Request) { r.Prompt = p }) }
	essential := func(levels ...authz.AuthenticationLevel) interaction.Request {
		return req(func(r *interaction.Request) { r.Essential = append([]authz.AuthenticationLevel{}, levels...) })
	}
	none := func(r interaction.Request) interaction.Request { r.Prompt = []string{"none"}; return r }
	for _, row := range []struct {
		name, clause string
		r            interaction.Request
		s            interaction.Session
		question     interaction.Question
		answered     bool
		kind         interaction.Kind
		code         authz.Code
	}{
		{"nobody", "OpenID Connect Core §3.1.2.3", plain, nobody, interaction.Nothing, false, interaction.Login, ""},
		{"none, nobody", "OpenID Connect Core §3.1.2.6", prompt("none"), nobody, interaction.Nothing, false, interaction.Reject, authz.LoginRequired},
		{"signed in, nothing to ask", "OpenID Connect Core §3.1.2.3", plain, signedIn, interaction.Nothing, false, interaction.Answer, ""},
		{"none, signed in", "OpenID Connect Core §3.1.2.1", prompt("none"), signedIn, interaction.Nothing, false, interaction.Answer, ""},
		{"consent needed", "OpenID Connect Core §3.1.2.4", plain, signedIn, interaction.Ask, false, interaction.Consent, ""},
		{"consent just given", "OpenID Connect Core §3.1.2.4", plain, signedIn, interaction.Ask, true, interaction.Answer, ""},
		{"none, consent needed", "OpenID Connect Core §3.1.2.6", prompt("none"), signedIn, interaction.Ask, false, interaction.Reject, authz.ConsentRequired},
		{"a read by law that she was not told of", "Law 91/2025/QH15 Art. 4(1)", plain, signedIn, interaction.Tell, false, interaction.Consent, ""},
		{"a read by law that she was just told of", "Law 91/2025/QH15 Art. 4(1)", plain, signedIn, interaction.Tell, true, interaction.Answer, ""},
		{"none, a read by law that she was not told of", "OpenID Connect Core §3.1.2.6", prompt("none"), signedIn, interaction.Tell, false, interaction.Reject, authz.InteractionRequired},
		{"prompt=consent", "OpenID Connect Core §3.1.2.1", prompt("consent"), signedIn, interaction.Nothing, false, interaction.Consent, ""},
		{"prompt=login, an old sign-in", "OpenID Connect Core §3.1.2.1", prompt("login"), signedIn, interaction.Nothing, false, interaction.Login, ""},
		{"prompt=login, signed in for it", "OpenID Connect Core §3.1.2.1", prompt("login"), fresh, interaction.Nothing, false, interaction.Answer, ""},
		{"prompt=select_account", "OpenID Connect Core §3.1.2.1", prompt("select_account"), signedIn, interaction.Nothing, false, interaction.Login, ""},
		{"an app that anybody could be, an old sign-in", "RFC 8252 §8.6", req(func(r *interaction.Request) { r.Present = true }), signedIn, interaction.Nothing, false, interaction.Login, ""},
		{"an app that anybody could be, signed in for it", "RFC 8252 §8.6", req(func(r *interaction.Request) { r.Present = true }), fresh, interaction.Nothing, false, interaction.Answer, ""},
		{"an app that anybody could be, silently, just signed in", "RFC 8252 §8.6", req(func(r *interaction.Request) { r.Present, r.Prompt = true, []string{"none"} }), fresh, interaction.Nothing, false, interaction.Reject, authz.LoginRequired},
		{"max_age passed", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.MaxAge = age(60) }), signedIn, interaction.Nothing, false, interaction.Login, ""},
		{"max_age not passed", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.MaxAge = age(7200) }), signedIn, interaction.Nothing, false, interaction.Answer, ""},
		{"max_age=0, signed in for it", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.MaxAge = age(0) }), fresh, interaction.Nothing, false, interaction.Answer, ""},
		{"a higher level", "RFC 9470 §5", req(func(r *interaction.Request) { r.Level = 2 }), weak, interaction.Nothing, false, interaction.StepUp, ""},
		{"none, a higher level", "OpenID Connect Core §3.1.2.6", req(func(r *interaction.Request) { r.Level, r.Prompt = 2, []string{"none"} }), weak, interaction.Nothing, false, interaction.Reject, authz.InteractionRequired},
		{"a level out of reach", "RFC 9470 §5", req(func(r *interaction.Request) { r.Level = 3 }), signedIn, interaction.Nothing, false, interaction.Reject, authz.UnmetAuthentication},
		{"an essential level that is there", "OpenID Connect Core §5.5.1.1", essential(2, 3), signedIn, interaction.Nothing, false, interaction.Answer, ""},
		{"an essential level below", "OpenID Connect Core §5.5.1.1", essential(1), signedIn, interaction.Nothing, false, interaction.Answer, ""},
		{"an essential level to step up to", "OpenID Connect Core §5.5.1.1", essential(2), weak, interaction.Nothing, false, interaction.StepUp, ""},
		{"an essential level out of reach", "OpenID Connect Core §5.5.1.1", essential(3, 4), signedIn, interaction.Nothing, false, interaction.Reject, authz.UnmetAuthentication},
		{"none, an essential level out of reach", "OpenID Connect Core §5.5.1.1", none(essential(3)), signedIn, interaction.Nothing, false, interaction.Reject, authz.UnmetAuthentication},
		{"none, an essential level to step up to", "OpenID Connect Core §5.5.1.1", none(essential(2)), weak, interaction.Nothing, false, interaction.Reject, authz.InteractionRequired},
		{"an essential acr that is none of ours", "OpenID Connect Core §5.5.1.1", essential(), signedIn, interaction.Nothing, false, interaction.Reject, authz.UnmetAuthentication},
		{"an essential level that the app does not accept", "OpenID Connect Core §5.5.1.1", func() interaction.Request { r := essential(1); r.Level = 2; return r }(), signedIn, interaction.Nothing, false, interaction.Reject, authz.UnmetAuthentication},
		{"an essential level, nobody", "OpenID Connect Core §5.5.1.1", essential(2), nobody, interaction.Nothing, false, interaction.Login, ""},
		{"hinted at another", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.Hinted = interaction.HintOther }), signedIn, interaction.Nothing, false, interaction.Login, ""},
		{"hinted at another, who has just signed in", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.Hinted = interaction.HintOther }), fresh, interaction.Nothing, false, interaction.Reject, authz.LoginRequired},
		{"prompt=login consent", "OpenID Connect Core §3.1.2.1", prompt("login", "consent"), fresh, interaction.Nothing, false, interaction.Consent, ""},
		{"prompt=login consent, both done", "OpenID Connect Core §3.1.2.1", prompt("login", "consent"), fresh, interaction.Nothing, true, interaction.Answer, ""},
		{"prompt=consent, nobody", "OpenID Connect Core §3.1.2.1", prompt("consent"), nobody, interaction.Nothing, false, interaction.Login, ""},
		{"none, max_age passed", "OpenID Connect Core §3.1.2.6", req(func(r *interaction.Request) { r.MaxAge, r.Prompt = age(60), []string{"none"} }), signedIn, interaction.Nothing, false, interaction.Reject, authz.LoginRequired},
		{"none, hinted at another", "OpenID Connect Core §3.1.2.1", req(func(r *interaction.Request) { r.Hinted, r.Prompt = interaction.HintOther, []string{"none"} }), signedIn, interaction.Nothing, false, interaction.Reject, authz.LoginRequired},
	} {
		t.Run(row.name+", "+row.clause, func(t *testing.T) {
			got := interaction.Next(row.r, row.s, row.question, row.answered, now)
			if got.Kind != row.kind || got.Code != row.code {
				t.Fatalf("got %+v, want %s %s", got, row.kind, row.code)
			}
		})
	}
}

// TestNextNeverLoopsNorShowsASilentPage: prompt=none never leads to a page, and a
// sign-in made for the request with what it asks for leads on.
func TestNextNeverLoopsNorShowsASilentPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := interaction.Request{
			Prompt:  rapid.SliceOfDistinct(rapid.SampledFrom([]string{"none", "login", "consent", "select_account"}), rapid.ID).Draw(t, "prompt"),
			Created: now.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "created")) * time.Second),
			Level:   authz.AuthenticationLevel(rapid.IntRange(0, 2).Draw(t, "level")),
		}
		if rapid.Bool().Draw(t, "has an essential acr") {
			r.Essential = rapid.SliceOf(
				rapid.Map(rapid.IntRange(1, 4), func(l int) authz.AuthenticationLevel { return authz.AuthenticationLevel(l) }),
			).Draw(t, "essential")
			if r.Essential == nil {
				r.Essential = []authz.AuthenticationLevel{}
			}
		}
		if rapid.Bool().Draw(t, "has max_age") {
			r.MaxAge = age(rapid.IntRange(0, 1<<31-1).Draw(t, "max_age"))
		}
		s := interaction.Session{
			SignedIn: rapid.Bool().Draw(t, "signed in"),
			AuthTime: now.Add(-time.Duration(rapid.IntRange(0, 90_000).Draw(t, "age")) * time.Second),
			Level:    authz.AuthenticationLevel(rapid.IntRange(1, 2).Draw(t, "session level")), Reachable: 2,
		}
		needed := rapid.SampledFrom([]interaction.Question{interaction.Nothing, interaction.Tell, interaction.Ask}).Draw(t, "question")
		got := interaction.Next(r, s, needed, false, now)
		if silent := slices.Contains(r.Prompt, "none"); silent && got.Kind != interaction.Answer && got.Kind != interaction.Reject {
			t.Fatalf("prompt=none led to %s", got.Kind)
		}
		s.SignedIn, s.AuthTime, s.Level = true, now, 2
		switch got := interaction.Next(r, s, needed, true, now); {
		case r.Essential == nil && (got.Kind != interaction.Answer || got.Level != 2):
			t.Fatalf("after everything was done: %+v", got)
		case r.Essential != nil && got.Kind == interaction.Answer &&
			(!slices.Contains(r.Essential, got.Level) || got.Level > s.Level || got.Level < r.Level):
			t.Fatalf("OpenID Connect Core §5.5.1.1: the answer says level %d, of %v", got.Level, r.Essential)
		case r.Essential != nil && got.Kind != interaction.Answer && got.Code != authz.UnmetAuthentication:
			t.Fatalf("after everything was done: %+v", got)
		}
	})
}
