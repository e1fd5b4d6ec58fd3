package rp

import (
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

// Module is one test of an app.
type Module struct {
	// Name is that of the public certification module, of the OpenID Connect plans; a
	// name that begins with client-test is ours, where there is none.
	Name string
	// FAPI is its name in the plans of FAPI 2.0, empty if it has none.
	FAPI string
	// Rule says what a right app does, Clause where that stands; it is empty where no
	// specification says what prudence does.
	Rule   string
	Clause string
	// Needs reports whether the app makes use of what the module is about; nil is any app.
	Needs func(traits) bool
	// Needed says what that is, for an app that does not.
	Needed string
	// Test does it.
	Test func(t *Trial)

	first bool // before the app has the metadata
}

// named is the name for an app: that of the FAPI plans for one that pushes its
// requests and binds its tokens.
func (m Module) named(k traits) string {
	if m.FAPI != "" && (m.Name == "" || k.pushes && k.binds) {
		return m.FAPI
	}
	return m.Name
}

// is reports whether a name is the module's.
func (m Module) is(name string) bool { return name != "" && (name == m.Name || name == m.FAPI) }

// plan is the plan that a name belongs to.
func plan(name string) string {
	for _, p := range []struct{ begins, plan string }{
		{"oidcc-client-test-rp-backchannel", "oidcc-client-back-channel-logout"},
		{"client-test-logout", "oidcc-client-back-channel-logout"},
		{"fapi2-security-profile-final-client-test-ensure-jarm", "fapi2-message-signing-final-client"},
		{"client-test-jarm", "fapi2-message-signing-final-client"},
		{"fapi2-security-profile-final-client-test", "fapi2-security-profile-final-client"},
		{"oidcc-client-test", "oidcc-client"},
	} {
		if strings.HasPrefix(name, p.begins) {
			return p.plan
		}
	}
	return "beyond the public plans"
}

// Modules are all of them, in the order in which they are run, for an app that has ID
// tokens signed with an algorithm.
func Modules(algorithm string) []Module {
	return slices.Concat(discovery(), []Module{firstSignIn}, idTokens(algorithm), responses(), signedResponses(), tokens(), userInfo(), refreshes(), logouts(), keySets(), []Module{lastSignIn})
}

// refusal is a module with one fault in one sign-in, which the app must refuse.
func refusal(at stage, f Fault) func(*Trial) {
	return func(t *Trial) { t.refuses(t.SignIn(f), at) }
}

// advice is one that the app is advised to refuse.
func advice(at stage, f Fault) func(*Trial) {
	return func(t *Trial) { t.ought(t.SignIn(f), at) }
}

// welcome is one that is right, however unusual, and must be accepted.
func welcome(f Fault) func(*Trial) {
	return func(t *Trial) { t.accepts(t.SignIn(f)) }
}

// outcome begins what comes of a module.
func (m Module) outcome(k traits) suite.Outcome {
	name := m.named(k)
	return suite.Outcome{Plan: plan(name), Module: suite.Module{Name: name, Rule: m.Rule, Clause: m.Clause}}
}
