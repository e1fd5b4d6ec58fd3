package view

import "hopnhat/web/view/federated"

func federationEntries() []bookEntry {
	return []bookEntry{
		{"Subordinates", sampleSubordinates()},
		{"Subordinates, none", Subordinates{
			URL: "/console/federation", Query: "hue", States: sampleStates(""),
			TrustURL: "/console/federation/trust", WeatherURL: "/console/federation/weather", ProposeURL: "/console/federation/propose",
		}},
		{"Subordinates, no entity", Subordinates{URL: "/console/federation", TrustURL: "/console/federation/trust", WeatherURL: "/console/federation/weather"}},
		{"SubordinateDetail", sampleSubordinate()},
		{"SubordinateDetail, waits", sampleWaiting(sampleRehearsed(), false, false, "")},
		{"SubordinateDetail, nothing known", sampleWaiting(&federated.Rehearsed{}, false, false, "")},
		{"SubordinateDetail, nobody harmed, mine", sampleWaiting(&federated.Rehearsed{
			Known: true, KnownAt: sampleNow, Judged: 4,
			Before: 4, After: 4,
		}, true, false, "same")},
		{"SubordinateDetail, by a command", sampleWaiting(&federated.Rehearsed{}, false, true, "")},
		{"SubordinateDetail, a reason is wanted", sampleProblem("reason")},
		{"TrustExplained", TrustExplained{federated.Trust{URL: "/console/federation/trust", Known: true, KnownAt: sampleNow}}},
		{"TrustExplained, nothing known", TrustExplained{federated.Trust{
			URL:    "/console/federation/trust",
			Entity: "https://a.example.vn", Asked: true,
		}}},
		{"TrustExplained, not found", TrustExplained{federated.Trust{
			URL: "/console/federation/trust", Entity: "https://a.example.vn",
			Asked: true, Known: true, KnownAt: sampleNow,
		}}},
		{"TrustExplained, malformed", TrustExplained{federated.Trust{URL: "/console/federation/trust", Entity: "a", Malformed: true}}},
		{"TrustExplained, trusted", sampleTrust(true)},
		{"TrustExplained, not trusted", sampleTrust(false)},
		{"TrustExplained, then", sampleThen()},
		{"TrustExplained, then nobody", TrustExplained{federated.Trust{
			URL: "/console/federation/trust", Entity: "https://a.example.vn", Time: "2026-03-03T09:14",
			Then: &federated.Then{At: sampleNow},
		}}},
		{"TrustExplained, no time", TrustExplained{federated.Trust{URL: "/console/federation/trust", Entity: "https://a.example.vn", Time: "soon", BadTime: true}}},
		{"Weather", sampleWeather()},
		{"Weather, nothing known", Weather{federated.Forecast{BackURL: "/console/federation"}}},
		{"Propose", Propose{Form: Form{Action: "/console/federation/propose"}, BackURL: "/console/federation"}},
		{"Propose, wrong", Propose{
			Form: Form{Action: "/console/federation/propose"}, BackURL: "/console/federation",
			Entity: "https://danang.example", Organization: "Đà Nẵng",
			Agreement: "12/2026", Level: "9", Policy: `{"constraints": {}}`, Until: "2028-01-01", Reason: "Quyết định 12",
			Problem: "terms",
			Said:    "the terms are not good: the security level is 9, and goes from 1 to 5",
		}},
	}
}

func sampleStates(selected federated.SubordinateState) (list []federated.StateChoice) {
	for _, s := range federated.SubordinateStates() {
		list = append(list, federated.StateChoice{State: s, Selected: s == selected})
	}
	return list
}

func sampleSubordinates() Subordinates {
	page := Subordinates{
		URL: "/console/federation", Query: "example", TrustURL: "/console/federation/trust", WeatherURL: "/console/federation/weather",
		States: sampleStates(federated.SubordinateActive), Next: "/console/federation?after=x",
		ProposeURL: "/console/federation/propose",
	}
	for i, s := range federated.SubordinateStates() {
		row := federated.SubordinateRow{
			ID: "https://danang.example.vn", URL: "/console/federation/entity?id=x",
			Organization: "Ủy ban nhân dân thành phố Đà Nẵng", State: s,
			Level: i + 1, Until: sampleNow, Waits: i%2 == 0,
		}
		if s == federated.SubordinateProposed {
			row.Until, row.Organization = federated.SubordinateRow{}.Until, sampleLongApp().Owner.VI
		}
		page.Rows = append(page.Rows, row)
	}
	return page
}

func sampleTerms() *federated.Terms {
	return &federated.Terms{
		Organization: "Ủy ban nhân dân thành phố Đà Nẵng", Agreement: "12/2026/TT-LD", Level: 3,
		Types:        []string{"federation_entity", "openid_relying_party"},
		Intermediate: true, Until: sampleNow.AddDate(2, 0, 0), Keys: []string{"Z0zq6L8y1f3mJ0l1s2d4f5g6h7j8k9l0q1w2e3r4t5y"},
		Metadata: `{"openid_relying_party":{"contacts":["hotro@danang.example"]}}`,
		Policy:   `{"openid_relying_party":{"grant_types":{"subset_of":["authorization_code"]}}}`, Constraints: `{"max_path_length":1}`,
		Digest: "5c0f8d0e2b6a4a0f9b1e6a7d2c3b4a59", By: "account:q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g",
		Approved: "account:7fYw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g",
	}
}

func sampleSubordinate() SubordinateDetail {
	form := func(step string) Form {
		return Form{Action: "/console/federation/entity", Hidden: []Field{{"id", "https://danang.example.vn"}, {"step", step}}}
	}
	return SubordinateDetail{
		ID: "https://danang.example.vn", State: federated.SubordinateActive, By: "account:7fYw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g",
		Why: "Quyết định 12", Since: sampleNow,
		InForce: sampleTerms(), CanSuspend: true, CanRenew: true, CanRevoke: true, Approve: form("approve"), Suspend: form("suspend"),
		Renew: form("renew"), Revoke: form("revoke"), BackURL: "/console/federation", TrustURL: "/console/federation/trust?id=x",
	}
}

func sampleProblem(p federated.FederationProblem) SubordinateDetail {
	page := sampleSubordinate()
	page.Problem, page.Reason, page.Said = p, "0993", "the step does not follow from where the enrolment stands"
	return page
}

func sampleWaiting(r *federated.Rehearsed, mine, otherWay bool, problem federated.FederationProblem) SubordinateDetail {
	page := sampleSubordinate()
	page.Proposal = sampleTerms()
	page.Proposal.Approved, page.Proposal.At, page.Proposal.Why = "", sampleNow, "gia hạn"
	page.Rehearsed, page.Mine, page.OtherWay, page.Problem = r, mine, otherWay, problem
	return page
}

func sampleRehearsed() *federated.Rehearsed {
	r := &federated.Rehearsed{
		Known: true, KnownAt: sampleNow, Judged: 1204, Before: 1204, After: 1100, Harmed: 104,
		Digest: "1f3a8d0e2b6a4a0f9b1e6a7d2c3b4a60", More: 4,
	}
	for _, kind := range federated.EffectKinds() {
		e := federated.Effect{Subject: "https://dat-dai.danang.example.vn", Kind: kind}
		switch kind {
		case "lost":
			e.Section, e.From = "6.1.3.1.4", []string{"https://danang.example.vn"}
			e.Advice = Words{
				VI: "https://dat-dai.danang.example.vn phải sửa siêu dữ liệu theo chính sách của cấp trên.",
				EN: "https://dat-dai.danang.example.vn has to change its metadata as the policy of its superiors says.",
			}
		case "altered":
			e.Changes = []federated.Change{sampleChange()}
		case "mark-lost":
			e.Marks = []string{"https://neo.example.vn/marks/dich-vu-cong"}
		}
		r.Effects = append(r.Effects, e)
	}
	return r
}

func sampleTrust(trusted bool) TrustExplained {
	const neo, province, app = "https://neo.example.vn", "https://danang.example.vn", "https://dat-dai.danang.example.vn"
	key := []string{"Z0zq6L8y1f3mJ0l1s2d4f5g6h7j8k9l0q1w2e3r4t5y"}
	page := TrustExplained{federated.Trust{
		URL: "/console/federation/trust", Entity: app, Asked: true, Known: true, KnownAt: sampleNow, Found: true, Trusted: trusted,
		Anchor: neo, Until: sampleNow.AddDate(0, 0, 1),
	}}
	for i, names := range [][2]string{{neo, neo}, {neo, province}, {province, app}, {app, app}} {
		page.Chain = append(page.Chain, federated.TrustLink{
			Issuer: names[0], Subject: names[1], Own: names[0] == names[1], Until: sampleNow, Keys: key, Failed: i == 2 && !trusted,
		})
	}
	for _, r := range federated.TrustRules() {
		page.Checks = append(page.Checks, federated.TrustCheck{
			Rule: r, Section: "10.2", About: "[1] " + province + " → " + app, Saw: "2026-11-24T00:00:00Z", Passed: trusted ||
				r != "complies",
		})
	}
	page.Checks[0].About = ""
	page.Steps = []federated.Change{sampleChange(), {
		Name: "openid_relying_party.contacts", Operator: "add", Value: `["hotro@neo.example.vn"]`, Before: "–",
		After: `["hotro@neo.example.vn"]`, From: []string{neo, province},
	}}
	if !trusted {
		page.Advice = Words{
			VI: app + " phải sửa siêu dữ liệu theo chính sách của cấp trên.",
			EN: app + " has to change its metadata as the policy of its superiors says.",
		}
		page.Error = "invalid_metadata: OpenID Federation 1.0 §6.1.3.1.4: the chain: the metadata comply with the policy"
		return page
	}
	page.Marks = []federated.TrustMark{
		{Type: neo + "/marks/dich-vu-cong", Issuer: neo, Counts: true},
		{
			Type: neo + "/marks/da-kiem-toan", Issuer: neo,
			Error: "the trust mark does not count: OpenID Federation 1.0 §7.3: it has not expired",
		},
	}
	return page
}

func sampleChange() federated.Change {
	return federated.Change{
		Name: "openid_relying_party.grant_types", Operator: "subset_of", Value: `["authorization_code"]`,
		Before: `["authorization_code","implicit"]`, After: `["authorization_code"]`, From: []string{"https://danang.example.vn"},
	}
}

// sampleThen has a node in each state.
func sampleThen() TrustExplained {
	const neo, app = "https://neo.example.vn", "https://dat-dai.danang.example.vn"
	key := []string{"Z0zq6L8y1f3mJ0l1s2d4f5g6h7j8k9l0q1w2e3r4t5y"}
	trusted := federated.ThenNode{
		Node: "dc1/may-chu-1", Looked: true, Known: true, Trusted: true, Since: sampleNow.AddDate(0, 0, -9), Before: sampleNow,
		After:  sampleNow,
		Anchor: neo, Marks: neo + "/marks/dich-vu-cong", Chain: []federated.TrustLink{
			{Issuer: neo, Subject: neo, Own: true, Keys: key}, {Issuer: neo, Subject: app, Keys: key}, {Issuer: app, Subject: app, Own: true, Keys: key},
		},
	}
	refused := federated.ThenNode{
		Node: "dc1/may-chu-2", Looked: true, Known: true, Since: sampleNow, Before: sampleNow, Section: "6.1.3.1.4",
		Error:  "the metadata do not comply: grant_types",
		Advice: Words{VI: app + " phải sửa siêu dữ liệu.", EN: app + " has to change its metadata."},
	}
	blind := trusted
	blind.Node, blind.Looked, blind.Chain = "dc2/may-chu-1", false, nil
	return TrustExplained{federated.Trust{
		URL: "/console/federation/trust", Entity: app, Time: "2026-11-24T01:04",
		Then: &federated.Then{At: sampleNow, Nodes: []federated.ThenNode{
			trusted, refused, blind,
			{Node: "dc2/may-chu-2", Looked: true, Before: sampleNow},
			{Node: "dc2/may-chu-3", Looked: true, Known: true, Gone: true, Before: sampleNow, Since: sampleNow},
		}},
	}}
}

func sampleWeather() Weather {
	const danang = "https://danang.example.vn"
	return Weather{federated.Forecast{
		Known: true, KnownAt: sampleNow, Trusted: 1204, Refused: 3, Unreachable: 1, OneKey: 1100, Weakly: 1, FirstEnd: sampleNow, More: 12,
		BackURL: "/console/federation", Rows: []federated.BranchRow{
			{Entity: "https://hue.example.vn", URL: "/console/federation/trust?id=x", Refused: 3},
			{
				Entity: danang, URL: "/console/federation/trust?id=x", Trusted: 1204, FirstEnd: sampleNow, Issuer: danang,
				Subject: "https://dat-dai.danang.example.vn", OneKey: 1100, Unreachable: []string{"https://y-te.danang.example.vn"},
				Weak: []string{"https://ho-tich.danang.example.vn"},
			},
		},
	}}
}
