package fapi2

import (
	"net/http"

	"hopnhat/conformance/suite"
)

// row is a module about one request with something changed in it.
type row struct {
	name, clause, rule string
	only               func(suite.Variant) bool
	push               pushing
	options            []suite.Option
	// codes are the errors it may be refused with; none means that it must succeed.
	codes []string
	// either accepts a success as well as a clean refusal.
	either bool
}

func (w row) module() suite.Module {
	return suite.Module{Name: prefix + w.name, Clause: w.clause, Rule: w.rule, For: w.only, Test: func(r *suite.Run) {
		q := ask(r, w.push, w.options...)
		switch {
		case w.either:
			eitherWay(r, q, w.push, w.clause, w.codes...)
		case len(w.codes) > 0:
			refused(r, q, w.push, w.clause, w.codes...)
		default:
			login(r, q)
		}
	}}
}

// eitherWay lets a request succeed, with all that a success has to be, or be refused.
func eitherWay(r *suite.Run, q *suite.Request, p pushing, clause string, codes ...string) {
	a := push(r, q, p)
	if a.Status != http.StatusCreated {
		r.TokenRefused(a, clause, codes...)
		return
	}
	l := q.Open(begin(r, q, a))
	if l.Callback == nil || l.Callback.Values.Get("error") != "" {
		q.RefusedAnyhow(l, clause, codes...)
		return
	}
	finish(r, q, l)
}

// finish goes on from a successful response to the end.
func finish(r *suite.Run, q *suite.Request, l suite.Landing) {
	whole := suite.Login{Request: q, Landing: l, Callback: accepted(r, q, l)}
	redeem(r, &whole)
}

// modules are those of rows, and others.
func modules(rows []row, others ...suite.Module) []suite.Module {
	var out []suite.Module
	for _, w := range rows {
		out = append(out, w.module())
	}
	return append(out, others...)
}
