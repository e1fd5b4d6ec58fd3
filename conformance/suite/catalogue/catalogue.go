// Package catalogue lists every plan of the suite.
package catalogue

import (
	"slices"

	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/ciba"
	"hopnhat/conformance/suite/ekyc"
	"hopnhat/conformance/suite/fapi2"
	"hopnhat/conformance/suite/federation"
	"hopnhat/conformance/suite/oidcc"
)

// Plans are all of them.
func Plans() []suite.Plan {
	return slices.Concat(oidcc.Plans(), fapi2.Plans(), ciba.Plans(), ekyc.Plans(), federation.Plans())
}

// Named is the plan of a name.
func Named(name string) (suite.Plan, bool) {
	plans := Plans()
	i := slices.IndexFunc(plans, func(p suite.Plan) bool { return p.Name == name })
	if i < 0 {
		return suite.Plan{}, false
	}
	return plans[i], true
}
