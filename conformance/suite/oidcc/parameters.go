package oidcc

import (
	"net/http"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

const requestSpec = "OpenID Connect Core §3.1.2.1"

// scopes are the modules about the claims that scopes stand for.
var scopes = []suite.Module{
	scope("oidcc-scope-profile", "profile"), scope("oidcc-scope-email", "email"), scope("oidcc-scope-address", "address"), scope("oidcc-scope-phone", "phone"),
	scope("oidcc-scope-all", "profile", "email", "address", "phone"),
}

func scope(name string, wanted ...string) suite.Module {
	return suite.Module{
		Name: name, Clause: "OpenID Connect Core §5.4", Rule: "the scope " + strings.Join(wanted, ", ") + " gives the claims it stands for",
		Test: func(r *suite.Run) {
			for _, s := range wanted {
				if r.Discover()["scopes_supported"] != nil && !r.Supports("scopes_supported", s) {
					r.Review("OpenID Connect Core §5.4", "not offered, so nothing was tried: the scope "+s, r.Discover()["scopes_supported"])
				}
			}
			l := r.Login(suite.With("scope", strings.Join(append([]string{"openid"}, wanted...), " ")))
			given := l.UserInfo
			if given == nil { // OpenID Connect Core §5.4: without an access token, in the ID token
				given = l.Front
			}
			for _, s := range wanted {
				var missing []string
				for _, claim := range suite.Standard[s] {
					offered := r.Discover()["claims_supported"] == nil || r.Supports("claims_supported", claim)
					if given[claim] == nil && offered {
						missing = append(missing, claim)
					}
				}
				r.Should(len(missing) == 0, "OpenID Connect Core §5.4", "the claims of "+s+" that the provider says it has are there", missing)
			}
			for _, s := range []string{"profile", "email", "address", "phone"} {
				if slices.Contains(wanted, s) {
					continue
				}
				for _, claim := range suite.Standard[s] {
					if given[claim] != nil {
						r.Should(false, "OpenID Connect Core §5.4", "claims that were not asked for are not there", claim)
					}
				}
			}
		},
	}
}

// parameters are the modules about parameters that a provider must at least bear.
var parameters = []suite.Module{
	{
		Name: "oidcc-alternate-happy-flow", Clause: requestSpec, Rule: "another order of scopes and of parameters changes nothing",
		Test: func(r *suite.Run) {
			r.Login(suite.With("scope", "email openid"), suite.By(reversed))
		},
	},
	flow("oidcc-display-page", requestSpec, "display=page is accepted", suite.With("display", "page")),
	flow("oidcc-display-popup", requestSpec, "display=popup is accepted", suite.With("display", "popup")),
	flow("oidcc-ensure-request-with-unknown-parameter-succeeds", requestSpec, "a parameter that is not known is ignored", suite.With("extra", "foobar")),
	flow("oidcc-login-hint", requestSpec, "login_hint is accepted", suite.With("login_hint", "someone@example.com")),
	flow("oidcc-ui-locales", requestSpec, "ui_locales is accepted, whatever the languages", suite.With("ui_locales", "se vi-VN en")),
	flow("oidcc-claims-locales", requestSpec, "claims_locales is accepted, whatever the languages", suite.With("claims_locales", "se vi-VN en")),
	{
		Name: "oidcc-ensure-request-with-acr-values-succeeds", Clause: requestSpec, Rule: "acr_values is accepted, and acr says what was done",
		Test: func(r *suite.Run) {
			values, _ := r.Discover().List("acr_values_supported")
			if len(values) == 0 {
				values = []string{"1", "2"}
			}
			l := r.Login(suite.With("acr_values", strings.Join(values, " ")))
			r.Should(l.Claims().Text("acr") != "", requestSpec, "acr says how the person was authenticated", l.Claims()["acr"])
		},
	},
}

// reversed sends the parameters in the opposite of their usual order.
func reversed(r *suite.Run, q *suite.Request) *http.Request {
	var pairs []string
	for _, name := range []string{"nonce", "state", "scope", "redirect_uri", "response_type", "client_id"} {
		if q.Params.Has(name) {
			pairs = append(pairs, name, q.Params.Get(name))
		}
	}
	for name := range q.Params {
		if !slices.Contains(pairs, name) {
			pairs = append(pairs, name, q.Params.Get(name))
		}
	}
	request, err := http.NewRequest(http.MethodGet, query(r.Endpoint("authorization_endpoint"), pairs...), nil)
	r.Works(err, "making the authorization request")
	return request
}

var claimsEssential = suite.Module{
	Name: "oidcc-claims-essential", Clause: "OpenID Connect Core §5.5.1", Rule: "a claim asked for as essential is given",
	Test: func(r *suite.Run) {
		if !r.Discover().True("claims_parameter_supported") {
			r.Review("OpenID Connect Core §5.5", "not offered, so the parameter may be ignored: claims", nil)
		}
		member := "userinfo"
		if !r.Variant.Responds("code") && !r.Variant.Responds("token") {
			member = "id_token"
		}
		l := r.Login(suite.With("claims", `{"`+member+`":{"name":{"essential":true}}}`))
		given := l.UserInfo
		if given == nil {
			given = l.Front
		}
		r.Should(given["name"] != nil, "OpenID Connect Core §5.5.1", "name is given", given)
	},
}
