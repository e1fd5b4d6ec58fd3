package review

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/registration"
)

// WriteProfiles writes the table of profiles and the list of what ends as
// Markdown: docs/profiles.md is this, and its test says when it is not.
func WriteProfiles(w io.Writer) error {
	var b strings.Builder
	b.WriteString("# Profiles\n\nEvery app is pinned to one profile. This page is printed by `hopnhat profiles` from the table that requests, registrations and\ndiscovery are checked against (`authz/profile.go`). `hopnhat client check ID` explains one app.\n\n")
	var profiles []authz.Profile
	for _, name := range authz.ProfileNames {
		profiles = append(profiles, authz.Profiles[name])
	}
	row := func(name string, cell func(p authz.Profile) string) {
		fmt.Fprintf(&b, "| %s |", name)
		for _, p := range profiles {
			fmt.Fprintf(&b, " %s |", cell(p))
		}
		b.WriteString("\n")
	}
	row("", func(p authz.Profile) string { return "`" + string(p.Name) + "`" })
	row("---", func(authz.Profile) string { return "---" })
	row("follows", func(p authz.Profile) string { return p.Source })
	row("pushed requests (RFC 9126)", func(p authz.Profile) string { return demanded(p.RequirePAR) })
	row("signed requests (RFC 9101)", func(p authz.Profile) string { return demanded(p.RequireRequestObject) })
	row("bound tokens", func(p authz.Profile) string { return demanded(p.RequireConstraint) + ": " + quoted(p.Constraints) })
	row("client authentication", func(p authz.Profile) string { return quoted(p.AuthMethods) })
	row("response types", func(p authz.Profile) string { return quoted(p.ResponseTypes) })
	row("response modes", func(p authz.Profile) string { return quoted(p.ResponseModes) })
	row("grant types", func(p authz.Profile) string { return quoted(p.GrantTypes) })
	row("PKCE with S256 (RFC 7636)", func(p authz.Profile) string {
		switch {
		case len(p.ResponseTypes) == 0:
			return "there are no codes"
		case p.AllowWithoutPKCE:
			return "demanded, unless `code_without_pkce` is registered"
		}
		return "demanded"
	})
	row("a scope the app did not register", func(p authz.Profile) string {
		if p.RegisteredScopes {
			return "`invalid_scope`"
		}
		return "passed over"
	})
	row("redirect URIs", func(p authz.Profile) string {
		switch {
		case len(p.ResponseTypes) == 0:
			return "none"
		case p.AnyLoopbackPort:
			return "`https` that the device gives to this app alone (RFC 8252 §7.2); `http://127.0.0.1` and `http://[::1]` on any port (§7.3); no scheme of its own (§7.1)"
		}
		return "`https`"
	})
	row("the key that releases are for", func(p authz.Profile) string {
		if p.KeyBeforeReleases {
			return "named in the request, before the person is asked: `dpop_jkt`, or a proof where it is pushed"
		}
		return "named in the request or with the code"
	})
	row("refresh tokens", func(p authz.Profile) string {
		switch {
		case slices.Contains(p.AuthMethods, authz.PublicClient):
			return "stay, good with the DPoP key of the code alone (RFC 9449 §5)"
		case p.RotateRefresh:
			return "spent by use, a used one ends the grant (RFC 9700 §4.14.2)"
		}
		return "stay (FAPI 2.0 SP §5.3.2.1)"
	})
	row("algorithms of the app", func(p authz.Profile) string {
		if len(p.ClientAlgorithms) == 0 {
			return "it signs proofs only"
		}
		return quoted(p.ClientAlgorithms)
	})
	row("algorithms of our tokens", func(p authz.Profile) string { return quoted(p.TokenAlgorithms) })
	row("where none is registered for its ID tokens", func(p authz.Profile) string { return "`" + p.DefaultAlgorithm + "`" })
	row("`aud` of a client assertion", func(p authz.Profile) string {
		if !slices.Contains(p.AuthMethods, authz.PrivateKeyJWT) {
			return "none"
		}
		switch p.AssertionAudience {
		case authz.IssuerOrCIBA:
			return "the issuer, the token endpoint or the backchannel endpoint"
		case authz.IssuerOrEndpoint:
			return "the issuer, or the endpoint"
		}
		return "the issuer, one string"
	})
	row("life of a code", func(p authz.Profile) string { return p.CodeLife.String() })
	row("tokens in the browser's address", func(p authz.Profile) string {
		if p.FrontChannelUntil.IsZero() {
			return "never"
		}
		return "by registration, until " + p.FrontChannelUntil.Format(time.DateOnly)
	})
	row("logout through the browser's cookies", func(p authz.Profile) string {
		if !p.BrowserLogout {
			return "never"
		}
		return "by registration: `frontchannel_logout_uri`, `session_management`"
	})
	b.WriteString("\n`iss` in every response (RFC 9207), redirect URIs compared exactly save the port on loopback, and pairwise pseudonyms hold for every profile. A scope that\nnobody here knows is passed over in every profile, and `scope` in the answer says what was granted. A response\ntype other than `code` must be registered, and with an initial access token be allowed by it (`--allow`: " +
		quoted(registration.Allowances()) + ").\n\nAn app that runs in a browser alone, without a back end, is of no profile: any script that gets into its page could read and use\nwhat people gave it, and nothing can be bound to it. It is refused at registration, and [integrate.md](integrate.md#what-kind-of-app-it-is) says\nwhat to do.\n\n## What ends\n\n| code | what | until | next step |\n|---|---|---|---|\n")
	for _, o := range outgoings {
		until := "no date"
		if !o.until.IsZero() {
			until = o.until.Format(time.DateOnly)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", o.code, o.says, until, o.next)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func demanded(yes bool) string {
	if yes {
		return "demanded"
	}
	return "offered"
}

func quoted[T ~string](list []T) string {
	if len(list) == 0 {
		return "none"
	}
	out := make([]string, len(list))
	for i, one := range list {
		out[i] = "`" + string(one) + "`"
	}
	return strings.Join(out, ", ")
}
