package view

import "hopnhat/web/view/ways"

import "time"

// Sample is one page of the page book.
type Sample struct {
	Name string // unique within a language, for example "SignIn, wrong"
	Lang Lang
	Page Page
}

// Shell surrounds a sample as the handlers would.
func (s Sample) Shell() Shell {
	shell := Shell{Lang: s.Lang, CSRF: "sample-csrf-token", Path: "/book", Demo: true}
	citizen := func(section Section) {
		shell.SignedInAs, shell.SignOut, shell.Nav = sampleLongName, "/logout", PortalNav("/portal", section)
	}
	auditor := func(section Section) {
		shell.SignedInAs, shell.SignOut, shell.Nav = "Lê Văn Mẫu Bình", "/logout", ConsoleNav("/console", section)
	}
	switch s.Page.(type) {
	case Timeline, ReleaseDetail:
		citizen(SectionTimeline)
	case Consents, ConsentDetail, WithdrawConfirm:
		citizen(SectionConsents)
	case Requests:
		citizen(SectionRequests)
	case Sessions, Upstreams, UpstreamConfirm:
		citizen(SectionSessions)
	case Search, EventDetail:
		auditor(SectionSearch)
	case Apps:
		shell.SignedInAs, shell.SignOut, shell.Nav = "Lê Văn Mẫu Bình", "/logout", OperatorNav("/console", SectionApps)
	case Export:
		auditor(SectionExports)
	case Incidents, IncidentDetail:
		auditor(SectionIncidents)
		shell.Banner = &Banner{Open: 2, URL: "/console/incidents"}
	case Subordinates, SubordinateDetail, Propose, TrustExplained, Weather:
		auditor(SectionFederation)
		shell.Nav = OperatorNav("/console", SectionFederation)
	case Logouts:
		auditor(SectionLogouts)
		shell.Nav = OperatorNav("/console", SectionLogouts)
	}
	return shell
}

// Book shows every page, with the long name and the error, in every language.
func Book() []Sample {
	var book []Sample
	for _, lang := range Langs() {
		for _, entry := range bookEntries() {
			book = append(book, Sample{entry.name, lang, entry.page})
		}
	}
	return book
}

type bookEntry struct {
	name string
	page Page
}

func bookEntries() []bookEntry {
	land, tax, long, published := sampleLand(), sampleTax(), sampleLongApp(), samplePublished()
	return append([]bookEntry{
		{"Home", Home{
			Issuer: "http://localhost:8440", PortalURL: "/portal", ConsoleURL: "/console",
			DiscoveryURL: "http://localhost:8440/.well-known/openid-configuration",
			MetadataURL:  "http://localhost:8440/.well-known/oauth-authorization-server",
			KeysURL:      "http://localhost:8440/jwks",
			Apps:         []AppLink{{land, "http://localhost:8441/"}, {tax, "http://localhost:8442/"}},
		}},
		{"SignIn", SignIn{Form: sampleForm("/signin"), App: &land, CancelURL: "/signin/cancel?a=1"}},
		{"SignIn, other providers", SignIn{Form: sampleForm("/signin"), App: &land, CancelURL: "/signin/cancel?a=1", Providers: []ways.ProviderButton{
			{Name: Words{VI: "VNeID", EN: "VNeID"}, URL: "/signin/upstream?to=1"},
			{Name: Words{VI: "Tài khoản cán bộ Thành phố Đà Nẵng", EN: "Da Nang staff"}, URL: "/signin/upstream?to=2"},
		}}},
		{"SignIn, with a passkey", SignIn{Form: sampleForm("/signin"), App: &land, CancelURL: "/signin/cancel?a=1", Passkey: samplePasskeyWay(true)}},
		{"SignIn, passkey refused", SignIn{Form: sampleForm("/signin"), Problem: SignInPasskey, Passkey: samplePasskeyWay(true)}},
		{"SignIn, passkey late", SignIn{Form: sampleForm("/signin"), Problem: SignInPasskeyLate, Passkey: samplePasskeyWay(true)}},
		{"SignIn, wrong", SignIn{Form: sampleForm("/signin"), App: &long, Number: "099304000017", Problem: SignInWrong, CancelURL: "/signin/cancel?a=1"}},
		{"SignIn, throttled", SignIn{Form: sampleForm("/signin"), Number: "099304000017", Problem: SignInThrottled, RetryMinutes: 15}},
		{"SignIn, the app's own pages", SignIn{Form: sampleForm("/signin"), App: &published, CancelURL: "/signin/cancel?a=1"}},
		{"SignIn, late", SignIn{Form: sampleForm("/signin"), App: &land, Problem: SignInLate, CancelURL: "/signin/cancel?a=1"}},
		{"SignIn, too many at once", SignIn{Form: sampleForm("/signin"), App: &land, Number: "099304000017", Problem: SignInBusy}},
		{"SignIn, missing", SignIn{Form: sampleForm("/signin"), Problem: SignInMissing}},
		{"SignIn, of a province", SignIn{Form: sampleForm("/signin"), App: &land, Region: "Thành phố Đà Nẵng"}},
		{"SignIn, malformed", SignIn{Form: sampleForm("/signin"), Number: "0993", Problem: SignInMalformed}},
		{"OneTimeCode", OneTimeCode{Form: sampleForm("/signin/code"), App: &land, CancelURL: "/signin/cancel?a=1"}},
		{"OneTimeCode, or a passkey", OneTimeCode{Form: sampleForm("/signin/code"), App: &land, CancelURL: "/signin/cancel?a=1", Passkey: samplePasskeyWay(false)}},
		{"OneTimeCode, passkey refused", OneTimeCode{Form: sampleForm("/signin/code"), Problem: CodePasskey, Passkey: samplePasskeyWay(false)}},
		{"OneTimeCode, passkey late", OneTimeCode{Form: sampleForm("/signin/code"), Problem: CodePasskeyLate, Passkey: samplePasskeyWay(false)}},
		{"OneTimeCode, wrong", OneTimeCode{Form: sampleForm("/signin/code"), App: &long, Problem: CodeWrong, CancelURL: "/signin/cancel?a=1"}},
		{"OneTimeCode, malformed", OneTimeCode{Form: sampleForm("/signin/code"), Problem: CodeMalformed}},
		{"OneTimeCode, throttled", OneTimeCode{Form: sampleForm("/signin/code"), Problem: CodeThrottled, RetryMinutes: 1}},
		{"Consent", sampleConsent("")},
		{"Consent, nothing ticked", sampleConsent(ConsentNothingChosen)},
		{"Consent, needed items missing", sampleConsent(ConsentRequiredMissing)},
		{"Consent, long names", sampleLongConsent()},
		{"Consent, changed meanwhile, beside what was allowed before", sampleChangedConsent()},
		{"Consent, only told", sampleToldConsent()},
		{"Consent, only sign-in", Consent{Form: sampleForm("/consent"), App: tax, Person: sampleName}},
		{"Consent, a program on the device", Consent{Form: sampleForm("/consent"), App: sampleProgram(), Person: sampleName}},
		{"Consent, the app's own pages", Consent{Form: sampleForm("/consent"), App: samplePublished(), Person: sampleName}},
		{"FormPost", FormPost{
			Action: "http://localhost:8441/callback", App: land,
			Fields: []Field{{"code", "sample-code"}, {"state", "sample-state"}, {"iss", "http://localhost:8440"}},
		}},
		{"Timeline", sampleTimeline()},
		{"Timeline, empty", Timeline{}},
		{"Timeline, an entry is looked into", questionedTimeline()},
		{"ReleaseDetail, looked into", questionedRelease()},
		{"Timeline, filtered to nothing", Timeline{FilterURL: "/portal", Filtered: true, Apps: []Choice{{"land", land.Name, true}}}},
		{"ReleaseDetail", sampleReleaseDetail()},
		{"ReleaseDetail, refused", sampleRefusedDetail()},
		{"ReleaseDetail, acting for another", sampleExchangedDetail()},
		{"ReleaseDetail, an auditor looked", sampleLookDetail()},
		{"Consents", Consents{
			Active:    []ConsentCard{sampleCard(StateApproved), sampleLongCard()},
			Past:      []ConsentCard{sampleCard(StateWithdrawn)},
			Withdrawn: &Withdrawal{land, sampleNow, true},
		}},
		{"Consents, empty", Consents{}},
		{"ConsentDetail", sampleConsentDetail()},
		{"ConsentDetail, withdrawn", sampleWithdrawnDetail()},
		{"WithdrawConfirm", WithdrawConfirm{Form: Form{Action: "/portal/consents/0199/withdraw"}, Consent: sampleLongCard(), BackURL: "/portal/consents"}},
		{"WithdrawConfirm, agreed anew meanwhile", WithdrawConfirm{Form: Form{Action: "/portal/consents/0199/withdraw"}, Consent: sampleCard(StateApproved), BackURL: "/portal/consents", Changed: true}},
		{"Sessions", sampleSessions()},
		{"Passkeys", samplePasskeys(func(*ways.PasskeyList) {})},
		{"Passkeys, none", Passkeys{ways.PasskeyList{AddURL: "/portal/passkeys", Options: "{}", Name: "Chrome · Android", Most: 10}}},
		{"Passkeys, added", samplePasskeys(func(p *ways.PasskeyList) { p.Done = ways.PasskeyAdded })},
		{"Passkeys, removed", samplePasskeys(func(p *ways.PasskeyList) { p.Done = ways.PasskeyRemoved })},
		{"Passkeys, as many as one may have", samplePasskeys(func(p *ways.PasskeyList) { p.Options = "" })},
		{"Passkeys, no name", samplePasskeys(func(p *ways.PasskeyList) { p.Problem = ways.PasskeyName })},
		{"Passkeys, late", samplePasskeys(func(p *ways.PasskeyList) { p.Problem = ways.PasskeyLate })},
		{"Passkeys, there before", samplePasskeys(func(p *ways.PasskeyList) { p.Problem = ways.PasskeyTaken })},
		{"Passkeys, one too many", samplePasskeys(func(p *ways.PasskeyList) { p.Options, p.Problem = "", ways.PasskeyFull })},
		{"Passkeys, refused", samplePasskeys(func(p *ways.PasskeyList) { p.Problem = ways.PasskeyRefused })},
		{"Upstreams", sampleUpstreams()},
		{"UpstreamProblem, cancelled", sampleUpstreamProblem("cancelled")},
		{"UpstreamProblem, late", sampleUpstreamProblem("late")},
		{"UpstreamProblem, mixed", sampleUpstreamProblem("mixed")},
		{"UpstreamProblem, untrue", sampleUpstreamProblem("untrue")},
		{"UpstreamProblem, low", sampleUpstreamProblem("low")},
		{"UpstreamProblem, unlinked", sampleUpstreamProblem("unlinked")},
		{"UpstreamProblem, elsewhere", sampleUpstreamProblem("elsewhere")},
		{"UpstreamProblem, another", sampleUpstreamProblem("another")},
		{"UpstreamProblem, locked", sampleUpstreamProblem("locked")},
		{"UpstreamProblem, silent", sampleUpstreamProblem("silent")},
		{"UpstreamProblem, busy", sampleUpstreamProblem("busy")},
		{"Upstreams, unlinked", Upstreams{LinkURL: "/portal/providers/link", UnlinkURL: "/portal/providers/unlink", Unlinked: true}},
		{"UpstreamConfirm", UpstreamConfirm{Form: sampleForm("/portal/providers/confirm"), Provider: Words{VI: "Tài khoản cán bộ Thành phố Đà Nẵng", EN: "Da Nang staff"}}},
		{"UpstreamProblem, a link", UpstreamProblem{Fault: "another", Provider: Words{VI: "VNeID", EN: "VNeID"}, Links: true, BackURL: "/portal/providers"}},
		{"Search", Search{URL: "/console", Clients: sampleChoices(), Purposes: samplePurposes(), Types: sampleTypes("")}},
		{"Search, results", sampleSearch()},
		{"Search, nothing found", sampleSearchNone()},
		{"Search, range", sampleSearchProblem(SearchRange)},
		{"Search, time", sampleSearchProblem(SearchTime)},
		{"Search, no pseudonym", sampleSearchProblem(SearchPseudonym)},
		{"Search, no choice", sampleSearchProblem(SearchUnknown)},
		{"EventDetail", sampleEvent()},
		{"Export", Export{
			Form: Form{Action: "/console/exports", Hidden: []Field{{"search", "0199a7c2-4be1-7d30-9c44-51f0c0a3e219"}}}, BackURL: "/console",
			Query: []Fact{{"client", "land-danang", land.Name}, {"from", "2026-10-31T17:00:00Z", Words{}}}, Count: 1234, Limit: 10000,
		}},
		{"Export, reason missing", Export{
			Form: Form{Action: "/console/exports"}, Query: []Fact{{"type", "release.refused", Words{}}}, Count: 3, Limit: 10000, Missing: true,
		}},
		{"Export, a number in the reason", Export{
			Form: Form{Action: "/console/exports"}, Query: []Fact{{"type", "release.refused", Words{}}}, Count: 3, Limit: 10000, Number: true,
		}},
		{"Export, too many", Export{Form: Form{Action: "/console/exports"}, Count: 48210, Limit: 10000, TooMany: true}},
		{"Apps", sampleApps()},
		{"Apps, none", Apps{}},
		{"LogoutConfirm", LogoutConfirm{Form: Form{Action: "/logout"}, App: &long, Person: sampleLongName}},
		{"LogoutConfirm, own", LogoutConfirm{Form: Form{Action: "/logout"}, Person: sampleName}},
		{"LogoutConfirm, somebody else", LogoutConfirm{Form: Form{Action: "/logout"}, App: &land, Person: sampleName, Another: true}},
		{"LoggedOut", LoggedOut{
			Apps: []LogoutTold{
				{land, LogoutDone}, {tax, LogoutFailed}, {long, LogoutUntold}, {tax, LogoutWaiting}, {land, LogoutAsked}, {tax, LogoutUnreached},
			},
			Return: &land, ReturnURL: "http://localhost:8441/", HomeURL: "/", Waiting: true, AgainURL: "/logout/done?again=1",
		}},
		{"LoggedOut, through the browser", LoggedOut{
			Apps: []LogoutTold{{land, LogoutAsked}}, Frames: []Frame{{land.Name, "http://localhost:8441/frontchannel-logout?iss=i&sid=s"}},
			Return: &tax, ReturnURL: "http://localhost:8442/signed-out?state=s", Onward: true, HomeURL: "/",
		}},
		{"LoggedOut, another provider", LoggedOut{
			Provider: &ways.ProviderButton{Name: Words{VI: "VNeID", EN: "VNeID"}, URL: "https://vneid.example/logout?client_id=hopnhat"},
			Return:   &land, ReturnURL: "http://localhost:8441/", HomeURL: "/",
		}},
		{"LoggedOut, one app left", LoggedOut{Left: true, Apps: []LogoutTold{{land, LogoutWaiting}}, Waiting: true, AgainURL: "/logout/done", Again: true, HomeURL: "/"}},
		{"Incidents", sampleIncidents()},
		{"Incidents, none", Incidents{OtherURL: "/console/incidents?all=1"}},
		{"Incidents, none ever", Incidents{All: true, OtherURL: "/console/incidents"}},
		{"IncidentDetail", sampleIncident(false, false, "")},
		{"IncidentDetail, no reason", sampleIncident(false, false, IncidentReason)},
		{"IncidentDetail, proposed", sampleIncident(true, false, "")},
		{"IncidentDetail, proposed by herself", sampleIncident(true, true, "")},
		{"IncidentDetail, closed", sampleClosedIncident()},
		{"Logouts", sampleLogouts()},
		{"Logouts, none", Logouts{URL: "/console/logouts", RetryURL: "/console/logouts/retry", Apps: []Choice{{"land-danang", land.Name, false}}}},
		{"Logouts, none of an app", Logouts{URL: "/console/logouts", RetryURL: "/console/logouts/retry", App: "land-danang", Apps: []Choice{{"land-danang", land.Name, true}}}},
		{"LoggedOut, no apps", LoggedOut{HomeURL: "/"}},
		{"Device", Device{Form: Form{Action: "/device"}}},
		{"Device, unknown code", Device{Form: Form{Action: "/device"}, Problem: UserCodeUnknown}},
		{"Device, throttled", Device{Form: Form{Action: "/device"}, Problem: UserCodeThrottled, RetryMinutes: 1}},
		{"Device, code in the address", Device{
			Form: Form{Action: "/device", Hidden: []Field{{"user_code", "WDJB-MJHT"}, {"prefilled", "1"}}}, Prefilled: true, OtherURL: "/device",
		}},
		{"Approve, device", sampleApprove(land, true)},
		{"Approve, app", sampleApprove(tax, false)},
		{"Approve, nothing picked", sampleApproveMissing()},
		{"Approve, changed meanwhile", sampleApproveChanged()},
		{"Approved", Approved{ApproveApproved, "/portal", "/"}},
		{"Approved, declined", Approved{ApproveDeclined, "/portal", "/"}},
		{"Approved, not me", Approved{ApproveNotMe, "/portal", "/"}},
		{"Approved, wrong code", Approved{ApproveWrong, "/portal", "/"}},
		{"Approved, unreachable", Approved{ApproveUnreachable, "/portal", "/"}},
		{"Provinces", Provinces{Action: "/portal/provinces", Days: 7, Done: ProvinceChosen, Provinces: []Province{
			{"https://id.danang.example.vn", Words{VI: "Thành phố Đà Nẵng", EN: "Da Nang City"}, true, sampleNow},
			{"https://id.hue.example.vn", Words{VI: "Thành phố Huế"}, false, time.Time{}},
		}}},
		{"Provinces, withdrawn", Provinces{Action: "/portal/provinces", Days: 30, Done: ProvinceWithdrawn}},
		{"Requests", Requests{Requests: []SignInRequest{
			{"/approve?a=1", tax, "Quầy 7, mã ••", sampleNow, 9, sampleNow.Add(10 * time.Minute)},
			{"/approve?a=2", long, "", sampleNow, 1, sampleNow.Add(time.Minute)},
		}, DeviceURL: "/device"}},
		{"Requests, none", Requests{DeviceURL: "/device"}},
		{"Error, bad request", Error{
			Kind: ErrorBadRequest, Code: "invalid_request", Reference: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", App: &land, HomeURL: "/",
			Developer: &Developer{
				"invalid_request", "code_challenge is missing; send PKCE with S256", "RFC 7636 §4.3; RFC 9700 §2.1.1",
				[]Field{{"parameter", "code_challenge"}},
			},
		}},
		{"Error, too many", sampleError(ErrorTooMany)},
		{"Error, unavailable", Error{
			Kind: ErrorUnavailable, Code: "temporarily_unavailable", Reference: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210",
			RetrySeconds: 30, RetryURL: "/portal", HomeURL: "/",
		}},
		{"Error, unknown app", sampleError(ErrorUnknownApp)},
		{"Error, bad return", sampleError(ErrorBadReturn)},
		{"Error, request uri", sampleError(ErrorRequestURI)},
		{"Error, sign out", Error{
			Kind: ErrorSignOut, Code: "HN-400-sign_out", Reference: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", SignOutURL: "/logout", HomeURL: "/",
			Developer: &Developer{"invalid_request", "id_token_hint is not an ID token of this provider", "", []Field{{"parameter", "id_token_hint"}}},
		}},
		{"Error, app disabled", sampleError(ErrorAppDisabled)},
		{"Error, expired", sampleError(ErrorExpired)},
		{"Error, finished", Error{
			Kind: ErrorFinished, Code: "HN-410-finished", Reference: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", App: &land, AppURL: "http://localhost:8441/", HomeURL: "/",
		}},
		{"Error, form", sampleError(ErrorForm)},
		{"Error, locked", sampleError(ErrorLocked)},
		{"Error, forbidden", sampleError(ErrorForbidden)},
		{"Error, not found", sampleError(ErrorNotFound)},
		{"Error, method", sampleError(ErrorMethod)},
		{"Error, too large", sampleError(ErrorTooLarge)},
		{"Error, internal", sampleError(ErrorInternal)},
		{"Error, not available", sampleError(ErrorNotAvailable)},
		{"Error, misdirected", sampleError(ErrorMisdirected)},
	}, federationEntries()...)
}
