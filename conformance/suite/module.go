package suite

import (
	"maps"
	"slices"
	"strings"
)

// Module is one test of a provider.
type Module struct {
	// Name is that of the public certification module.
	Name string
	// Rule says what a provider must do, Clause where that stands.
	Rule   string
	Clause string
	// For tells which variants the module makes sense for; nil is all.
	For func(Variant) bool
	// Set is put over the plan's variant: a module that is about one of its values.
	Set Variant
	// Slow modules wait for real time by their nature; they begin first.
	Slow bool
	// Test does it.
	Test func(r *Run)
}

// Variant says how a plan's modules are run, as the certification suite does:
// parameter → value.
type Variant map[string]string

// The parameters of variants that the framework reads. A family may add its own.
const (
	// Registration is [Dynamic] or [Static].
	Registration = "client_registration"
	// Authentication is a token endpoint authentication method.
	Authentication = "client_auth_type"
	// ResponseType is that of RFC 6749 and OAuth 2.0 Multiple Response Types.
	ResponseType = "response_type"
	// ResponseMode is "default" or "form_post".
	ResponseMode = "response_mode"

	Dynamic = "dynamic_client"
	Static  = "static_client"
)

// With is the variant with one value more or another.
func (v Variant) With(parameter, value string) Variant {
	w := maps.Clone(v)
	if w == nil {
		w = Variant{}
	}
	w[parameter] = value
	return w
}

// fits reports whether nothing in a wish contradicts the variant.
func (v Variant) fits(wish Variant) bool {
	for name, value := range wish {
		if got, there := v[name]; there && got != value {
			return false
		}
	}
	return true
}

// String lists the values in a fixed order.
func (v Variant) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(v)) {
		parts = append(parts, name+"="+v[name])
	}
	return strings.Join(parts, ", ")
}

// Responds reports whether the authorization response carries a kind of thing:
// "code", "id_token" or "token".
func (v Variant) Responds(kind string) bool {
	return slices.Contains(strings.Fields(v[ResponseType]), kind)
}

// ForDynamic is for modules that need a client registered as they want it.
func ForDynamic(v Variant) bool { return v[Registration] == Dynamic }

// Plan is what a certificate asks for.
type Plan struct {
	// Name is short: "oidcc-basic". Certificate is what passing it stands for.
	Name        string
	Certificate string
	Parts       []Part
}

// Part is modules that are run with one variant.
type Part struct {
	Variant Variant
	Modules []Module
}

// Registered is the plan for dynamic or static clients: the same parts, without the
// modules that make no sense there.
func (p Plan) Registered(how string) Plan {
	q := Plan{Name: p.Name, Certificate: p.Certificate}
	for _, part := range p.Parts {
		if part.Variant[Registration] == "" {
			part.Variant = part.Variant.With(Registration, how)
		}
		part.Modules = slices.DeleteFunc(slices.Clone(part.Modules), func(m Module) bool {
			return m.For != nil && !m.For(part.Variant)
		})
		q.Parts = append(q.Parts, part)
	}
	return q
}
