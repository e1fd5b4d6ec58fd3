package view

import (
	"time"

	"hopnhat/web/view/ways"

	"hopnhat/web/static"
)

// The people, apps and records of the page book are invented.
const (
	sampleName     = "Trần Thị Mẫu An"
	sampleLongName = "Công Huyền Tôn Nữ Thị Mẫu Nguyễn Phương Khánh Quỳnh"
)

// sampleNow is late in the evening in UTC and the next day in Vietnam.
var sampleNow = time.Date(2026, 11, 23, 18, 4, 5, 0, time.UTC)

func sampleForm(action string) Form {
	return Form{Action: action, Hidden: []Field{{"request", "0199a7c2-4be1-7d30-9c44-51f0c0a3e210"}}}
}

func sampleLand() App {
	return App{
		Name:  Words{VI: "Dịch vụ đất đai Đà Nẵng", EN: "Da Nang Land Service"},
		Owner: Words{VI: "Ủy ban nhân dân thành phố Đà Nẵng", EN: "People's Committee of Da Nang"},
		Site:  "dat-dai.danang.example", Verified: true,
	}
}

func sampleTax() App {
	return App{
		Name:  Words{VI: "Thuế điện tử", EN: "eTax"},
		Owner: Words{VI: "Cục Thuế, Bộ Tài chính", EN: "Tax Department, Ministry of Finance"},
		Site:  "thue.example", Verified: true,
	}
}

// sampleLongApp has no English name and an owner nobody has checked.
func sampleLongApp() App {
	return App{
		Name:  Words{VI: "Hệ thống thông tin giải quyết thủ tục hành chính về đăng ký đất đai, tài sản gắn liền với đất và giao dịch bảo đảm"},
		Owner: Words{VI: "Trung tâm Phục vụ hành chính công xã Nghĩa Thuận thuộc Ủy ban nhân dân tỉnh mới sáp nhập"},
		Site:  "giaiquyetthutuchanhchinh.dangkydatdai.nghiathuan.example",
	}
}

// sampleProgram runs on the person's own device.
func sampleProgram() App {
	return App{
		Name: Words{VI: "Hồ sơ cá nhân", EN: "Personal records"}, Owner: sampleTax().Owner, Verified: true, OnDevice: true,
	}
}

func sampleAttributes() (needed, optional []Item) {
	needed = []Item{
		{ID: "population.full_name", Name: Words{VI: "Họ, chữ đệm và tên khai sinh", EN: "Full name at birth"}},
		{ID: "population.permanent_address", Name: Words{VI: "Nơi thường trú", EN: "Permanent residence"}},
	}
	optional = []Item{
		{ID: "population.birth_date", Name: Words{VI: "Ngày, tháng, năm sinh", EN: "Date of birth"}},
		{ID: "population.ethnicity", Name: Words{VI: "Dân tộc", EN: "Ethnicity"}, Sensitive: true},
	}
	return needed, optional
}

func sampleLandItems() []Item {
	return []Item{
		{ID: "land.certificate_no", Name: Words{VI: "Số giấy chứng nhận", EN: "Certificate number"}},
		{ID: "land.area", Name: Words{VI: "Diện tích", EN: "Area"}},
		{ID: "land.encumbrance", Name: Words{VI: "Tình trạng thế chấp, kê biên", EN: "Mortgage or seizure status"}},
	}
}

var (
	samplePopulation = Words{VI: "Cơ sở dữ liệu quốc gia về dân cư", EN: "National population database"}
	sampleLandBase   = Words{VI: "Cơ sở dữ liệu quốc gia về đất đai", EN: "National land database"}
	samplePolice     = Words{VI: "Bộ Công an", EN: "Ministry of Public Security"}
	sampleMinistry   = Words{VI: "Bộ Nông nghiệp và Môi trường", EN: "Ministry of Agriculture and Environment"}
	sampleAgreed     = Words{VI: "Sự đồng ý của chủ thể dữ liệu", EN: "Consent of the data subject"}
	sampleState      = Words{VI: "Phục vụ hoạt động của cơ quan nhà nước theo luật", EN: "Operation of a state agency under the law"}
	sampleMortgage   = Words{VI: "Thế chấp quyền sử dụng đất", EN: "Mortgage of land-use rights"}
	samplePrefill    = Words{VI: "Điền sẵn tờ khai dịch vụ công", EN: "Prefill of an online public service form"}
)

const sampleCitation = "Luật 91/2025/QH15, Điều 9 và Điều 11; Nghị định 356/2025/NĐ-CP, Điều 6"

func sampleConsent(problem ConsentProblem) Consent {
	needed, optional := sampleAttributes()
	if problem == ConsentRequiredMissing {
		optional[0].Chosen = true
	}
	return Consent{
		Form: sampleForm("/consent"), App: sampleLand(), Person: sampleName, Problem: problem,
		Level: 2,
		Asked: []Purpose{{
			ID: "land.mortgage", Name: sampleMortgage, Basis: sampleAgreed, Citation: sampleCitation,
			Explanation: Words{
				VI: "Để lập sẵn hồ sơ đăng ký thế chấp, bạn không phải nộp bản sao giấy chứng nhận và giấy tờ tùy thân.",
				EN: "To prepare your mortgage registration, so that you need not hand in copies of your certificate and identity papers.",
			},
			Sources: []Source{
				{ID: "land.mortgage/population", Registry: samplePopulation, Owner: samplePolice, Needed: needed, Optional: optional, Recipients: []Words{sampleTax().Name}},
				{ID: "land.mortgage/land", Registry: sampleLandBase, Owner: sampleMinistry, Optional: sampleLandItems()},
			},
			Frequency: "3/day", DataLife: "P30D", ValidUntil: sampleNow.AddDate(0, 0, 30),
			IfDeclined: Words{VI: "Bạn vẫn nộp hồ sơ được, kèm bản sao giấy tờ.", EN: "You can still apply, with copies of your papers."},
		}},
		Informed: []Purpose{{
			ID: "land.transfer", Name: Words{VI: "Đăng ký biến động đất đai", EN: "Registration of a land change"}, Basis: sampleState,
			Citation: "Luật 91/2025/QH15, Điều 19 khoản 1 điểm c; Nghị định 278/2025/NĐ-CP",
			Explanation: Words{
				VI: "Cơ quan đăng ký đất đai kiểm tra tình trạng hôn nhân của người đứng tên khi giải quyết hồ sơ.",
				EN: "The land registration office checks the marital status of the holder when it handles a case.",
			},
			Sources: []Source{{
				Registry:   Words{VI: "Cơ sở dữ liệu hộ tịch điện tử", EN: "Electronic civil status database"},
				Owner:      Words{VI: "Bộ Tư pháp", EN: "Ministry of Justice"},
				Needed:     []Item{{ID: "civil.marital_status", Name: Words{VI: "Tình trạng hôn nhân", EN: "Marital status"}}},
				Recipients: []Words{sampleLongApp().Name},
			}},
			Frequency: "once",
		}},
	}
}

func sampleLongConsent() Consent {
	c := sampleConsent("")
	c.App, c.Person = sampleLongApp(), sampleLongName
	c.Asked[0].Explanation = Words{VI: "Giải quyết thủ tục đăng ký biện pháp bảo đảm bằng quyền sử dụng đất, tài sản gắn liền với đất hình thành trong tương lai theo mẫu số 01a."}
	c.Asked[0].Frequency, c.Asked[0].IfDeclined = "unlimited", Words{}
	c.Informed = nil
	return c
}

func sampleToldConsent() Consent {
	c := sampleConsent("")
	c.Asked = nil
	return c
}

func sampleChangedConsent() Consent {
	c := sampleConsent("")
	c.Changed, c.Informed, c.Kept = true, nil, []Want{{Purpose: samplePrefill, Attributes: sampleLandItems()}}
	return c
}

func sampleRelease() Release {
	needed, optional := sampleAttributes()
	return Release{
		ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", URL: "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e210", At: sampleNow,
		App: sampleLand(), Purpose: sampleMortgage, Registry: samplePopulation, Attributes: append(needed, optional[1]),
		Basis: sampleAgreed, Permitted: true, ConsentURL: "/portal/consents/0199a7c2-0000-7000-8000-000000000001",
	}
}

// sampleOnBehalf is of an app that acts for the one the person dealt with.
func sampleOnBehalf() Release {
	r := sampleRelease()
	r.ID, r.URL = "0199a7c2-4be1-7d30-9c44-51f0c0a3e213", "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e213"
	r.At, r.App, r.ActsFor = sampleNow.Add(-95*time.Minute), sampleTax(), sampleLand().Name
	return r
}

// sampleExchanged is how it came to act: no data left.
func sampleExchanged() Release {
	return Release{
		ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e214", URL: "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e214", At: sampleNow.Add(-96 * time.Minute),
		App: sampleTax(), ActsFor: sampleLand().Name, Permitted: true, Exchanged: true,
	}
}

func sampleRefused() Release {
	r := sampleRelease()
	r.ID, r.URL = "0199a7c2-4be1-7d30-9c44-51f0c0a3e211", "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e211"
	r.At, r.Permitted = sampleNow.Add(-90*time.Minute), false
	r.Refusal = Words{VI: "Bạn đã rút lại sự đồng ý trước đó.", EN: "You had withdrawn your consent before."}
	return r
}

func sampleByLaw() Release {
	r := sampleRelease()
	r.ID, r.URL = "0199a7c2-4be1-7d30-9c44-51f0c0a3e212", "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e212"
	r.At, r.App, r.Purpose, r.Basis, r.ConsentURL = sampleNow.AddDate(0, 0, -3), sampleLongApp(), samplePrefill, sampleState, ""
	return r
}

func sampleTimeline() Timeline {
	return Timeline{
		Releases: []Release{sampleRelease(), sampleRefused(), sampleOnBehalf(), sampleExchanged(), sampleLook(LookSearched), sampleByLaw(), {ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e215", At: sampleNow.AddDate(0, 0, -3), Fault: "altered"}}, Total: 1284, FilterURL: "/portal",
		Apps:  []Choice{{"land-danang", sampleLand().Name, false}, {"long", sampleLongApp().Name, false}},
		Newer: "/portal?after=2", Older: "/portal?before=1",
	}
}

func questionedTimeline() Timeline {
	page := sampleTimeline()
	page.Questioned, page.Releases[1].Questioned = true, true
	return page
}

func questionedRelease() ReleaseDetail {
	page := sampleReleaseDetail()
	page.Release.Questioned = true
	return page
}

func sampleProof() Proof {
	return Proof{
		Logged: true, Index: 48213, Origin: "hopnhat.example/log/2026q4",
		URL: "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e210/proof", File: "hopnhat-0199a7c2.proof",
		Key: "hopnhat.example/log/2026q4+5f2c9a1e+AXm3Yy0c5H8Qe3pQd4nTzv1r0kL6mB2sWqJ7uXoZ9tGf",
	}
}

func sampleReleaseDetail() ReleaseDetail {
	return ReleaseDetail{
		Release: sampleRelease(), Citation: sampleCitation, CaseReference: "H48.26-20261123-0017",
		Consent: "0199a7c2-0000-7000-8000-000000000001", ConsentVersion: 2, Level: 2, Code: "permitted",
		Determining: []string{"statute.consent-covers", "statute.class-limit", "population.land-services"},
		RequestID:   "0199a7c2-7777-7000-8000-000000000009", Proof: sampleProof(), BackURL: "/portal",
	}
}

func sampleLook(look Look) Release {
	return Release{
		ID: "0199a7c2-3333-7000-8000-000000000001", URL: "/portal/releases/0199a7c2-3333-7000-8000-000000000001", At: sampleNow, Look: look,
		App:     App{Name: Words{VI: "Kiểm toán viên", EN: "An auditor"}},
		Purpose: Words{VI: "Thanh tra, kiểm tra, kiểm toán", EN: "Inspection and state audit"},
		Basis:   Words{VI: "Kiểm tra, thanh tra, kiểm toán nhà nước", EN: "State inspection and audit"}, Permitted: true,
	}
}

func sampleLookDetail() ReleaseDetail {
	return ReleaseDetail{
		Release: sampleLook(LookOpened), Citation: "Luật 91/2025/QH15 Điều 19", Proof: sampleProof(), BackURL: "/portal",
		Looked: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", LookedURL: "/portal/releases/0199a7c2-4be1-7d30-9c44-51f0c0a3e210",
	}
}

func sampleExchangedDetail() ReleaseDetail {
	return ReleaseDetail{Release: sampleExchanged(), Level: 2, Code: "grant.exchanged", Determining: []string{"actor:tax-app"}, Proof: sampleProof(), BackURL: "/portal"}
}

func sampleRefusedDetail() ReleaseDetail {
	return ReleaseDetail{
		Release: sampleRefused(), Citation: sampleCitation, Consent: "0199a7c2-0000-7000-8000-000000000001", ConsentVersion: 3,
		Code: "consent_withdrawn", BackURL: "/portal",
	}
}

func sampleCard(state ConsentState) ConsentCard {
	needed, optional := sampleAttributes()
	c := ConsentCard{
		ID: "0199a7c2-0000-7000-8000-000000000001", URL: "/portal/consents/0199a7c2-0000-7000-8000-000000000001",
		App: sampleLand(), Purpose: sampleMortgage, Attributes: append(needed, optional[1]), State: state,
		Approved: sampleNow.AddDate(0, 0, -9), Until: sampleNow.AddDate(0, 0, 21), Counted: true, Uses: 4, LastUsed: sampleNow,
	}
	if state.Live() {
		c.WithdrawURL = c.URL + "/withdraw"
		c.App.OpenURL = "https://dat-dai.danang.example/go?iss=https%3A%2F%2Fid.example.vn"
	} else {
		c.Ended = sampleNow
	}
	return c
}

func sampleLongCard() ConsentCard {
	c := sampleCard(StateApproved)
	c.App, c.Purpose, c.Until, c.Uses, c.LastUsed = sampleLongApp(), samplePrefill, time.Time{}, 0, time.Time{}
	return c
}

func sampleConsentDetail() ConsentDetail {
	return ConsentDetail{
		Consent: sampleCard(StateApproved), Registry: samplePopulation, Owner: samplePolice, Basis: sampleAgreed,
		Citation: sampleCitation, Frequency: "3/day", DataLife: "P30D", BackURL: "/portal/consents",
		Versions: []ConsentVersion{
			{3, true, StateApproved, sampleNow.AddDate(0, 0, -9), sampleLongName, 2, Vietnamese, "sha256:9f2c1e77d0a4b35586c1f0e2d3a4958871c6b5a4f3e2d1c0b9a8978685746352"},
			{2, false, StateExpired, sampleNow.AddDate(0, 0, -30), "", 0, "", "sha256:1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a"},
			{1, false, StateApproved, sampleNow.AddDate(0, 0, -60), sampleLongName, 2, English, "sha256:1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f90a"},
		},
	}
}

func sampleWithdrawnDetail() ConsentDetail {
	d := sampleConsentDetail()
	d.Consent, d.Notice = sampleCard(StateWithdrawn), "delivered"
	d.Versions = append([]ConsentVersion{{4, true, StateWithdrawn, sampleNow, sampleLongName, 2, Vietnamese, ""}}, d.Versions...)
	d.Versions[1].Current = false
	return d
}

func samplePasskeyWay(offered bool) *PasskeyWay {
	return &PasskeyWay{Form: sampleForm("/signin/passkey"), Options: `{"challenge":"AA","rpId":"id.example"}`, Offered: offered}
}

func samplePasskeys(change func(*ways.PasskeyList)) Passkeys {
	p := ways.PasskeyList{
		AddURL: "/portal/passkeys", RemoveURL: "/portal/passkeys/remove", Options: `{"challenge":"AA"}`, Name: "Chrome · Android", Most: 10,
		Passkeys: []ways.Passkey{
			{ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e301", Name: "Điện thoại của tôi", Synced: true, Added: sampleNow.Add(-90 * 24 * time.Hour), Used: sampleNow.Add(-time.Hour)},
			{ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e302", Name: "Khóa bảo mật dự phòng để trong ngăn kéo ở nhà bà ngoại", Added: sampleNow},
		},
	}
	change(&p)
	return Passkeys{p}
}

func sampleSessions() Sessions {
	return Sessions{
		EndURL: "/portal/sessions/end", RegionsURL: "/portal/provinces", EndAllURL: "/portal/sessions/end-all", Ended: 1,
		Sessions: []Session{
			{"0199a7c2-1111-7000-8000-000000000001", "Chrome, Android", 2, sampleNow.Add(-time.Hour), sampleNow, true},
			{"0199a7c2-1111-7000-8000-000000000002", "Safari, iPhone", 2, sampleNow.AddDate(0, 0, -1), sampleNow.Add(-5 * time.Hour), false},
			{"0199a7c2-1111-7000-8000-000000000003", "", 0, sampleNow.AddDate(0, 0, -2), sampleNow.AddDate(0, 0, -2), false},
		},
		ProvidersURL: "/portal/providers",
		PasskeysURL:  "/portal/passkeys",
		Acts: []Act{
			{Kind: "account.factor-changed", Own: true, Passkey: "passkey.added", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000021/proof"},
			{Kind: "session.refused", Passkey: "passkey.refused", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000022/proof"},
			{Kind: "session.signed-in", Own: true, Provider: "vneid", Device: "Chrome · Android", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000012/proof"},
			{Kind: "account.factor-changed", Own: true, Linked: true, Provider: "vneid", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000011/proof"},
			{Kind: "account.factor-changed", Own: true, Unlinked: true, Provider: "vneid", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000010/proof"},
			{Kind: "session.signed-in", Own: true, Device: "Chrome · Android", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000009/proof"},
			{Kind: "session.refused", Failed: 7, At: sampleNow.Add(-time.Minute), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000008/proof"},
			{Kind: "session.signed-out", Replaced: true, At: sampleNow.Add(-time.Minute), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000007/proof"},
			{Kind: "account.factor-changed", Opened: true, At: sampleNow.Add(-time.Minute), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000006/proof"},
			{Kind: "account.factor-changed", Regional: "regional.chosen", Own: true, Place: "https://id.danang.example.vn", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000005/proof"},
			{Kind: "admin.action", Regional: "regional.joined", There: "session.signed-in", Place: "https://id.danang.example.vn", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-00000000000b/proof"},
			{Kind: "account.factor-changed", Regional: "regional.handed", Place: "https://id.danang.example.vn", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-00000000000a/proof"},
			{At: sampleNow, Fault: "unsealed"},
			{Kind: "account.unlocked", At: sampleNow, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000003/proof"},
			{Kind: "account.locked", At: sampleNow.Add(-time.Hour), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000002/proof"},
			{Kind: "grant.ended", At: sampleNow.AddDate(0, 0, -1), By: sampleLongApp().Name, ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000001/proof"},
			{Kind: "admin.action", Role: "operator", Revoked: true, At: sampleNow.AddDate(0, 0, -2), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000004/proof"},
			{Kind: "admin.action", Role: "operator", At: sampleNow.AddDate(0, 0, -3), ProofURL: "/portal/sessions/acts/0199a7c2-2222-7000-8000-000000000000/proof"},
		},
		Older: "/portal/sessions?before=0199a7c2-2222-7000-8000-000000000000",
	}
}

func sampleChoices() []Choice {
	return []Choice{{"land-danang", sampleLand().Name, false}, {"etax", sampleTax().Name, true}, {"long", sampleLongApp().Name, false}}
}

func samplePurposes() []Choice {
	return []Choice{{"land.mortgage", sampleMortgage, false}, {"dvc.prefill", samplePrefill, false}}
}

func sampleTypes(selected EventType) []TypeChoice {
	var list []TypeChoice
	for _, t := range EventTypes() {
		list = append(list, TypeChoice{t, t == selected})
	}
	return list
}

func sampleRow() EventRow {
	return EventRow{
		ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", URL: "/console/events/0199a7c2-4be1-7d30-9c44-51f0c0a3e210", At: sampleNow,
		Type: "release.permitted", App: sampleLand().Name, Client: "land-danang", Pseudonym: "aud_7Qm2xR9kLw4Tz8Yc",
		Purpose: sampleMortgage, Registry: samplePopulation, Attributes: 3, Basis: "LB-CONSENT", Permit: true, Decided: true,
		Code: "permitted", Index: 48213, Logged: true,
	}
}

func sampleSearch() Search {
	refused, query, long := sampleRow(), sampleRow(), sampleRow()
	long.Fault, long.Late = "columns", true
	refused.Type, refused.Permit, refused.Code, refused.Logged = "release.refused", false, "consent_withdrawn", false
	query.Type, query.Decided, query.Code, query.App, query.Registry, query.Attributes, query.Basis = "auditor.query", false, "", Words{
		VI: "Trang kiểm toán", EN: "Auditor console",
	}, Words{}, 0, "LB-SUPERVISION"
	query.Client, query.Purpose = "console", Words{VI: "Thanh tra, kiểm tra, kiểm toán", EN: "Inspection and state audit"}
	other := sampleRow()
	other.Type, other.Decided, other.Code = "statistics.counted", false, ""
	long.App, long.Client = sampleLongApp().Name, "nghiathuan-dangkydatdai-giaodichbaodam"
	return Search{
		URL: "/console", Pseudonym: "aud_7Qm2xR9kLw4Tz8Yc", Clients: sampleChoices(), Purposes: samplePurposes(),
		Types: sampleTypes("release.permitted"), Permitted: true, From: "2026-11-01T00:00", To: "2026-11-24T00:00",
		Results: &Results{
			Rows: []EventRow{sampleRow(), refused, long, query, other}, Total: 12345, More: true, Permitted: 12001, Refused: 344, People: 1,
			Older: "/console?before=0199a7c2-0000-7000-8000-000000000001&search=0199a7c2-4be1-7d30-9c44-51f0c0a3e219", QueryURL: "/console/events/0199a7c2-4be1-7d30-9c44-51f0c0a3e219",
		},
		ExportURL: "/console/exports?search=0199a7c2-4be1-7d30-9c44-51f0c0a3e219",
	}
}

func sampleSearchNone() Search {
	s := sampleSearch()
	s.Permitted, s.Refused, s.Results = false, true, &Results{}
	return s
}

func sampleSearchProblem(p SearchProblem) Search {
	s := sampleSearch()
	s.From, s.To, s.Problem, s.Results = s.To, s.From, p, nil
	return s
}

func sampleEvent() EventDetail {
	return EventDetail{
		Event: sampleRow(), Proof: sampleProof(), BackURL: "/console",
		Groups: []Group{
			{"asked", []Fact{{"client", "land-danang", sampleLand().Name}, {"owner", "danang", sampleLand().Owner}, {"request_id", "0199a7c2-7777-7000-8000-000000000009", Words{}}}},
			{"person", []Fact{{"pseudonym", "aud_7Qm2xR9kLw4Tz8Yc", Words{}}, {"relation", "self", Words{}}}},
			{"reason", []Fact{{"purpose", "land.mortgage", sampleMortgage}, {"basis", "LB-CONSENT", sampleAgreed}, {"citation", sampleCitation, Words{}}, {"consent", "0199a7c2-0000-7000-8000-000000000001", Words{}}, {"consent_version", "2", Words{}}}},
			{"data", []Fact{{"registry", "population", samplePopulation}, {"attribute", "population.full_name", Words{VI: "Họ, chữ đệm và tên khai sinh", EN: "Full name at birth"}}, {"attribute", "population.ethnicity", Words{VI: "Dân tộc", EN: "Ethnicity"}}}},
			{"decision", []Fact{{"permit", "true", Words{}}, {"code", "permitted", Words{}}, {"determining", "statute.consent-covers", Words{}}, {"acr", "urn:vn:gov:eid:auth-level:2", Words{}}}},
			{"when", []Fact{{"decided", "2026-11-23T18:04:05.123456Z", Words{}}, {"site", "hn-1", Words{}}}},
		},
	}
}

func sampleError(kind ErrorKind) Error {
	return Error{Kind: kind, Code: "HN-" + string(kind), Reference: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", HomeURL: "/"}
}

func sampleApprove(app App, device bool) Approve {
	needed, optional := sampleAttributes()
	a := Approve{
		Form: sampleForm("/approve"), App: app, Person: sampleLongName, FromDevice: device, Symbols: []string{"MJHT", "KWZC", "PDRL"},
		Minutes: 9, Expires: sampleNow.Add(9 * time.Minute),
	}
	if !device {
		a.Message, a.Symbols = "Quầy 7, mã ••", []string{"42", "17", "88"}
		a.Wants = []Want{{Words{VI: "Kê khai thuế", EN: "Tax declaration"}, append(needed, optional...)}}
	}
	return a
}

func sampleApproveMissing() Approve {
	a := sampleApprove(sampleLongApp(), false)
	a.Missing = true
	return a
}

// samplePublished is an app with pages of its own and a door to it.
func samplePublished() App {
	a := sampleTax()
	a.LogoURL = static.Path("favicon.svg")
	a.PolicyURL, a.TermsURL = "https://thue.example/chinh-sach", "https://thue.example/dieu-khoan"
	return a
}

func sampleApps() Apps {
	land, tax, long := sampleLand(), sampleTax(), sampleLongApp()
	return Apps{
		Rows: []AppRow{
			{ID: "dat-dai-da-nang", Name: land.Name, Owner: land.Owner, Profile: "fapi2", Method: "private_key_jwt", State: AppEnabled, Keys: 2, Remote: true, Fetched: sampleNow, Verified: true, VerifiedBy: "operator:os-user:mau-binh@dc1", VerifiedAt: sampleNow},
			{ID: "thue-dien-tu", Name: tax.Name, Owner: tax.Owner, Profile: "fapi2-message-signing", Method: "tls_client_auth", State: AppEnabled, Keys: 1, Ends: 1, Verified: true, VerifiedBy: "initial-access-token:0199a7c2-4be1-7d30-9c44-51f0c0a3e2aa", VerifiedAt: sampleNow},
			{ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", Name: long.Name, Owner: long.Owner, Profile: "oidc", Method: "client_secret_basic", State: AppDisabled, Ends: 4},
			{ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e211", Name: tax.Name, Owner: tax.Owner, Profile: "fapi2", Method: "private_key_jwt", State: AppEnabled, Remote: true, Failed: true},
			{ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e212", Name: land.Name, Owner: land.Owner, Profile: "fapi2", Method: "private_key_jwt", State: AppDeleted},
			{ID: "https://cong.tinh.example.vn", Name: land.Name, Owner: land.Owner, Profile: "fapi2", Method: "private_key_jwt", Keys: 1, State: AppLapsed, Verified: true, VerifiedBy: "federation:https://tinh.example.vn", VerifiedAt: sampleNow},
		},
		Next: "/console/apps?after=0199a7c2-4be1-7d30-9c44-51f0c0a3e212",
	}
}

// sampleIncidents shows one of each kind.
func sampleIncidents() Incidents {
	page := Incidents{OtherURL: "/console/incidents?all=1", Older: "/console/incidents?before=x"}
	abouts := []string{
		"log.vneid.example/dc1/2026Q4#1904412", "https://dat-dai.danang.example/mot-ung-dung-co-ten-rat-dai-va-khong-co-khoang-trang", "auditor",
	}
	states := []IncidentState{IncidentOpen, IncidentProposed, IncidentClosed}
	for i, kind := range append(IncidentKinds(), "of-a-later-release") {
		page.Rows = append(page.Rows, IncidentRow{
			ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", URL: "/console/incidents/0199a7c2-4be1-7d30-9c44-51f0c0a3e210", Kind: kind,
			State: states[i%3], Found: sampleNow, Seen: sampleNow.Add(time.Hour), Node: "dc1", About: abouts[i%3],
		})
	}
	return page
}

func sampleIncident(proposed, mine bool, problem IncidentProblem) IncidentDetail {
	page := IncidentDetail{
		Incident: IncidentRow{
			ID: "0199a7c2-4be1-7d30-9c44-51f0c0a3e210", Kind: "not-genuine", State: IncidentOpen, Found: sampleNow,
			Seen: sampleNow.Add(time.Hour), Node: "dc1", About: "log.vneid.example/dc1/2026Q4#1904412",
		},
		Event: "0199a7c2-4be1-7d30-9c44-51f0c0a3e211", EventURL: "/console/events/0199a7c2-4be1-7d30-9c44-51f0c0a3e211",
		Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", More: &IncidentMore{Word: "counted", Numbers: []int{1204, 1203}},
		Form: sampleForm("/console/incidents/0199a7c2-4be1-7d30-9c44-51f0c0a3e210"), Mine: mine, Problem: problem, BackURL: "/console/incidents",
	}
	if proposed {
		page.Incident.State = IncidentProposed
		page.Proposal = &IncidentWord{
			By: "z9Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g", At: sampleNow.Add(2 * time.Hour),
			Reason: "Bản sao lưu ngày 22/11 được khôi phục nhầm lên máy chủ chính; đã khôi phục lại từ nhật ký và đối chiếu từng bản ghi",
		}
	}
	return page
}

func sampleClosedIncident() IncidentDetail {
	page := sampleIncident(true, false, "")
	page.Incident.State = IncidentClosed
	page.Confirmation = &IncidentWord{
		By: "os-user:root@db1", At: sampleNow.Add(3 * time.Hour), Reason: "Đã tự đối chiếu với bản sao ở trung tâm dữ liệu thứ hai",
	}
	return page
}

func sampleLogouts() Logouts {
	land, long := sampleLand(), sampleLongApp()
	page := Logouts{
		URL: "/console/logouts", RetryURL: "/console/logouts/retry", Retried: true, Older: "/console/logouts?before=x",
		Apps: []Choice{{"land-danang", land.Name, false}, {"long", long.Name, false}},
		Rows: []LogoutDelivery{
			{Consent: true, ID: "1", App: land.Name, Client: "land-danang", Queued: sampleNow, State: "delivered", Attempts: 2, Done: sampleNow.Add(time.Minute)},
		},
	}
	for i, cause := range append(DeliveryCauses(), "a sentence of the release before") {
		row := LogoutDelivery{
			ID: "c" + string(cause), App: long.Name, Client: "long", Queued: sampleNow, State: "waiting", Attempts: i + 1, Cause: cause,
			Next: sampleNow.Add(time.Hour), Retry: true,
		}
		if cause == "answer" {
			row.Answer = "400 invalid_request"
		}
		if i%2 == 1 {
			row.State, row.Done = "failed", sampleNow.Add(2*time.Hour)
		}
		page.Rows = append(page.Rows, row)
	}
	return page
}

func sampleApproveChanged() Approve {
	a := sampleApprove(sampleLand(), true)
	a.Changed = true
	return a
}

func sampleUpstreams() Upstreams {
	return Upstreams{
		LinkURL: "/portal/providers/link", UnlinkURL: "/portal/providers/unlink", Linked: true,
		Providers: []ways.Upstream{
			{Alias: "vneid", Name: Words{VI: "VNeID", EN: "VNeID"}, Link: "0199a7c2-3333-7000-8000-000000000001", Level: 2, Made: sampleNow, ByNumber: true},
			{Alias: "danang", Name: Words{VI: "Tài khoản cán bộ Thành phố Đà Nẵng", EN: "Da Nang staff"}, Link: "0199a7c2-3333-7000-8000-000000000002", Level: 2, Made: sampleNow},
			{Alias: "abroad", Name: Words{VI: "Nút định danh nước ngoài", EN: "A node abroad"}, LinkOnly: true},
		},
	}
}

func sampleUpstreamProblem(fault ways.UpstreamFault) UpstreamProblem {
	return UpstreamProblem{Fault: fault, Provider: Words{VI: "VNeID", EN: "VNeID"}, BackURL: "/authorize/resume?a=1"}
}
