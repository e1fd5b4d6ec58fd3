package signin

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/session"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// formOf is the form on a page, as a browser would send it.
func formOf(t *testing.T, shown pagetest.Answer) url.Values {
	t.Helper()
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(shown.Body, -1) {
		form.Set(field[1], field[2])
	}
	if form.Get("shown") == "" || form.Get("notice") == "" {
		t.Fatalf("%d, %v: no form that says what it shows: %v", shown.Status, shown.Err, form)
	}
	return form
}

// TestAConsentIsOfThePersonAndOfWhatSheRead: an answer is recorded where the form is of
// this person, this request and this notice; else she is asked again, and nothing is
// recorded.
func TestAConsentIsOfThePersonAndOfWhatSheRead(t *testing.T) {
	for _, row := range []struct {
		name     string
		change   func(r *room, form url.Values)
		decision string
		leads    string // without its query
		recorded int
		refused  int
	}{
		{"she agrees", nil, "agree", "https://so-dat.example/back", 1, 0},
		{"she declines", nil, "decline", "https://so-dat.example/back", 0, 1},
		{"no decision is a refusal", nil, "", "https://so-dat.example/back", 0, 1},
		{"another person signed in meanwhile", func(r *room, _ url.Values) { r.b.Session = chi }, "agree", ResumePath, 0, 0},
		{"she declines for another person", func(r *room, _ url.Values) { r.b.Session = chi }, "decline", ResumePath, 0, 0},
		{"she signed out meanwhile", func(r *room, _ url.Values) { r.b.Session = nil }, "agree", ResumePath, 0, 0},
		{"the digest of another notice", func(_ *room, f url.Values) { f.Set("notice", strings.Repeat("0", 43)) }, "agree", ResumePath, 0, 0},
		{"another language than she read", func(_ *room, f url.Values) { f.Set("read", "en") }, "agree", ResumePath, 0, 0},
		{"a language that is none", func(_ *room, f url.Values) { f.Set("read", "fr") }, "agree", ResumePath, 0, 0},
		{"no word of what she read", func(_ *room, f url.Values) { f.Del("shown") }, "agree", ResumePath, 0, 0},
		{"the form of another request", func(r *room, f url.Values) {
			r.waiting["other"] = authorize.Waiting{ID: "other", Client: app}
			f.Set("a", "other")
		}, "agree", ResumePath, 0, 0},
		{"what she was asked has changed", func(r *room, _ url.Values) { r.recordErr = consent.ErrChanged }, "agree", ConsentPath, 0, 0},
		{"the app is gone", func(r *room, _ url.Values) { r.recordErr = consent.ErrAppGone }, "agree", ConsentPath, 0, 0},
		{"she chose nothing", func(r *room, _ url.Values) { r.recordErr = consent.ErrNothingChosen }, "agree", ConsentPath, 0, 0},
		{"what is needed is missing", func(r *room, _ url.Values) { r.recordErr = consent.ErrRequiredMissing }, "agree", ConsentPath, 0, 0},
		{"the same answer, sent twice", func(r *room, _ url.Values) { r.finished["handle"] = true }, "agree", "https://so-dat.example/back", 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.b.Session = an
			form := formOf(t, r.b.Get(t, ConsentPath, ConsentPath+"?a=handle", r.ConsentForm))
			form["item"] = []string{"b", "a", "b"}
			form.Set("decision", row.decision)
			if row.change != nil {
				row.change(r, form)
			}
			got := r.b.Post(t, ConsentPath, ConsentPath, form, r.Consent)
			if path, _, _ := strings.Cut(got.Location, "?"); path != row.leads {
				t.Errorf("leads to %q, want %q; %v", got.Location, row.leads, got.Err)
			}
			if len(r.recorded) != row.recorded || row.refused != len(r.refused) {
				t.Errorf("recorded %d, refused %d", len(r.recorded), len(r.refused))
			}
			for _, answer := range r.recorded {
				if !answer.Ticked["a"] || !answer.Ticked["b"] || len(answer.Ticked) != 2 || answer.Shown != form.Get("notice") ||
					answer.Actor != "an" ||
					answer.Session != "s-now" || answer.Locale != "vi" || answer.ACR != an.Level.ACR() {
					t.Errorf("recorded %+v", answer)
				}
			}
		})
	}
}

// TestWhatWasWrongWithAConsent is said on the page, with what was ticked where the page is
// the same, and not with so much that the address is too long.
func TestWhatWasWrongWithAConsent(t *testing.T) {
	for _, row := range []struct {
		name   string
		err    error
		items  []string
		status int
		ticked int
	}{
		{"nothing chosen", consent.ErrNothingChosen, nil, 422, 0},
		{"what is needed is missing", consent.ErrRequiredMissing, []string{"a", "b"}, 422, 2},
		{"more than an address takes", consent.ErrRequiredMissing, []string{strings.Repeat("x", maxTicked), "a"}, 422, 0},
		{"the page changed", consent.ErrChanged, []string{"a"}, 409, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.b.Session, r.recordErr = an, row.err
			form := formOf(t, r.b.Get(t, ConsentPath, ConsentPath+"?a=handle", r.ConsentForm))
			form["item"] = row.items
			form.Set("decision", "agree")
			got := r.b.Post(t, ConsentPath, ConsentPath, form, r.Consent)
			if len(got.Location) > 8192 {
				t.Errorf("an address of %d bytes", len(got.Location))
			}
			if shown := followed(t, r, got); shown.Status != row.status {
				t.Errorf("the page answers %d, want %d", shown.Status, row.status)
			}
			raw, ok := r.b.Forms().Open(r.b.Cookie("binding"), pageOf("handle", ConsentPath), got.Query("remark"))
			if n := strings.Count(string(raw), `"a"`) + strings.Count(string(raw), `"b"`); !ok || n != row.ticked {
				t.Errorf("carries along %s", raw)
			}
		})
	}
}

// TestConsentFaults: a fault is no answer.
func TestConsentFaults(t *testing.T) {
	down := errors.New("the database does not answer")
	r := newRoom(t)
	r.b.Session = an
	form := formOf(t, r.b.Get(t, ConsentPath, ConsentPath+"?a=handle", r.ConsentForm))
	r.recordErr = down
	for _, decision := range []string{"agree", "decline"} {
		form.Set("decision", decision)
		if got := r.b.Post(t, ConsentPath, ConsentPath, form, r.Consent); !errors.Is(got.Err, down) {
			t.Errorf("%s: %v", decision, got.Err)
		}
	}
	r.noticeErr = consent.ErrAppGone
	if got := r.b.Get(t, ConsentPath, ConsentPath+"?a=handle", r.ConsentForm); got.Fault() != string(view.ErrorAppDisabled) {
		t.Errorf("an app that is gone: %v", got.Err)
	}
	if got := r.b.Get(t, ConsentPath, ConsentPath+"?a=gone", r.ConsentForm); !errors.Is(got.Err, authorize.ErrGone) {
		t.Errorf("a request that is gone: %v", got.Err)
	}
	r.b.Session = nil
	if got := r.b.Get(t, ConsentPath, ConsentPath+"?a=handle", r.ConsentForm); got.Location != ResumePath+"?a=handle" {
		t.Errorf("nobody is signed in: leads to %q", got.Location)
	}
}

func waitingApproval(who authz.Subject) authorize.Approval {
	return authorize.Approval{
		Waiting: authorize.Waiting{ID: "handle", Client: app, Expires: time.Unix(1_800_000_300, 0)},
		Device: decoupled.Request{
			Channel: decoupled.CIBA, Subject: who, Symbol: "47", Message: "Mã 47", State: decoupled.Shown,
			Created: time.Unix(1_800_000_000, 0),
		},
		Choices: []string{"12", "47", "88"},
	}
}

// TestAnswersToAnotherDevice: each decision is taken for what it is, what is not an
// approval approves nothing, and the device is told once something was answered.
func TestAnswersToAnotherDevice(t *testing.T) {
	for _, row := range []struct {
		name, decision string
		change         func(r *room, form url.Values)
		confirmed      []string
		disowned       []decoupled.Reason
		leads          string
		answered       int
	}{
		{"she approves", "approve", nil, []string{"47"}, nil, "https://so-dat.example/back", 1},
		{"it was not her", "not_me", nil, nil, []decoupled.Reason{decoupled.NotMe}, "https://so-dat.example/back", 1},
		{"she declines", "decline", nil, nil, []decoupled.Reason{decoupled.Declined}, "https://so-dat.example/back", 1},
		{"no decision is a refusal", "", nil, nil, []decoupled.Reason{decoupled.Declined}, "https://so-dat.example/back", 1},
		{"she picked another symbol", "approve", func(r *room, _ url.Values) { r.confirmErr = decoupled.ErrNotPicked }, nil, nil, ApprovePath, 0},
		{"what she would approve has changed", "approve", func(r *room, _ url.Values) { r.notice.Level = 3 }, nil, nil, ApprovePath, 0},
		{"another person signed in meanwhile", "approve", func(r *room, _ url.Values) { r.b.Session = chi }, nil, nil, ResumePath, 0},
		{"she signed out meanwhile", "approve", func(r *room, _ url.Values) { r.b.Session = nil }, nil, nil, ResumePath, 0},
		{"a form of a consent", "approve", func(_ *room, f url.Values) { f.Set("shown", strings.Repeat("0", 43)) }, nil, nil, ResumePath, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.b.Session = an
			r.approvals["handle"] = waitingApproval("an")
			shown := r.b.Get(t, ApprovePath, ApprovePath+"?a=handle", r.ApproveForm)
			if strings.Contains(shown.Body, "Mã 47") {
				t.Error("the page shows the symbol in the message")
			}
			form := formOf(t, shown)
			form.Set("decision", row.decision)
			form.Set("symbol", "47")
			if row.change != nil {
				row.change(r, form)
			}
			got := r.b.Post(t, ApprovePath, ApprovePath, form, r.Approve)
			if path, _, _ := strings.Cut(got.Location, "?"); path != row.leads {
				t.Errorf("leads to %q, want %q; %v", got.Location, row.leads, got.Err)
			}
			if !slices.Equal(r.confirmed, row.confirmed) || !slices.Equal(r.disowned, row.disowned) || r.answered != row.answered {
				t.Errorf("confirmed %v, disowned %v, answered %d", r.confirmed, r.disowned, r.answered)
			}
		})
	}
}

// TestApprovalPages: who is shown a request of another device, and where else she goes.
func TestApprovalPages(t *testing.T) {
	confirmed := waitingApproval("an")
	confirmed.Device.State = decoupled.Confirmed
	for _, row := range []struct {
		name  string
		who   *session.Session
		at    authorize.Approval
		leads string
		err   error
	}{
		{"hers", an, waitingApproval("an"), "", nil},
		{"a device's, whose person nobody knows yet", chi, waitingApproval(""), "", nil},
		{"somebody else's", chi, waitingApproval("an"), "", authz.ErrNotFound},
		{"nobody is signed in", nil, waitingApproval("an"), ResumePath + "?a=handle", nil},
		{"confirmed already", an, confirmed, ResumePath + "?a=handle", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.b.Session = row.who
			r.approvals["handle"] = row.at
			got := r.b.Get(t, ApprovePath, ApprovePath+"?a=handle", r.ApproveForm)
			if got.Location != row.leads || !errors.Is(got.Err, row.err) {
				t.Errorf("leads to %q, %v", got.Location, got.Err)
			}
		})
	}
	r := newRoom(t)
	for result, want := range map[string]string{string(view.ApproveResults()[0]): "", "unheard": string(view.ErrorNotFound), "": string(view.ErrorNotFound)} {
		if got := r.b.Get(t, ApprovedPath, ApprovedPath+"?result="+result, r.Approved); got.Fault() != want {
			t.Errorf("result %q: %v", result, got.Err)
		}
	}
}

// TestUserCodes: a code is looked at no more often than an address may (RFC 8628 §5.1),
// and is not shown where it was carried along.
func TestUserCodes(t *testing.T) {
	for _, row := range []struct {
		name  string
		form  url.Values
		wait  time.Duration
		leads string // that it begins with
		kept  string
		code  int
	}{
		{"a device's code", url.Values{"user_code": {"BCDF-GHJK"}}, 0, "/approve?a=handle", "", 0},
		{"a code of nothing", url.Values{"user_code": {"BCDF-XXXX"}}, 0, DevicePath, "", 422},
		{"too often", url.Values{"user_code": {"BCDF-GHJK"}}, time.Minute, DevicePath, "", 429},
		{"too often, from a link", url.Values{"user_code": {"BCDF-GHJK"}, "prefilled": {"1"}}, time.Minute, DevicePath, "BCDF-GHJK", 429},
		{"too often, with a long text", url.Values{"user_code": {strings.Repeat("B", maxUserCode+1)}, "prefilled": {"1"}}, time.Minute, DevicePath, "", 429},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			r.wait = row.wait
			got := r.b.Post(t, DevicePath, DevicePath, row.form, r.Device)
			if !strings.HasPrefix(got.Location, row.leads) || got.Query("user_code") != row.kept {
				t.Errorf("leads to %q", got.Location)
			}
			if row.code != 0 {
				if shown := followed(t, r, got); shown.Status != row.code {
					t.Errorf("the page answers %d, want %d", shown.Status, row.code)
				}
			}
		})
	}
	for code, carried := range map[string]bool{"": false, "BCDF-GHJK": true, strings.Repeat("B", maxUserCode+1): false} {
		if body := devicePage(code); body.Prefilled != carried || len(body.Form.Hidden) > 0 != carried {
			t.Errorf("%.12q is carried along: %v", code, body.Prefilled)
		}
	}
}

// TestFollow: a browser goes where the authorization endpoint says; an answer that is a
// form is of this app alone, and lets the app send the browser on.
func TestFollow(t *testing.T) {
	r := newRoom(t)
	r.next = response.Next{Location: "https://so-dat.example/back?code=c", BrowserState: "state"}
	got := r.b.Get(t, "/", "/?a=handle", r.Resume)
	if got.Status != 303 || got.Location != r.next.Location || r.b.Cookie("__Host-hn_state") != "state" {
		t.Errorf("%d, leads to %q, state %q", got.Status, got.Location, r.b.Cookie("__Host-hn_state"))
	}
	r.next = response.Next{
		Form: &response.FormPost{Action: "https://so-dat.example/back", Fields: url.Values{"code": {`"><b>`}}, Client: app}, Lang: "en",
	}
	got = r.b.Get(t, "/", "/", r.Authorize)
	if !strings.Contains(got.Body, `action="https://so-dat.example/back"`) || strings.Contains(got.Body, `"><b>`) ||
		!strings.Contains(got.Body, `<html lang="en"`) {
		t.Error("the form that carries an answer to the app")
	}
	if csp := got.Header.Get("Content-Security-Policy"); strings.Contains(csp, "form-action") {
		t.Errorf("the form may not be sent: %s", csp)
	}
	if got = r.b.Get(t, "/", "/?a=handle", r.Cancel); len(r.declined) != 1 || r.declined[0] != "handle" ||
		!strings.Contains(got.Location, "access_denied") {
		t.Errorf("giving up: declined %v, leads to %q", r.declined, got.Location)
	}
	if got = r.b.Get(t, "/", "/?a=gone", r.Resume); !errors.Is(got.Err, authorize.ErrGone) || got.Location != "" {
		t.Errorf("a request that is gone: %v", got.Err)
	}
}

// TestRequests lists what waits for the person, and nobody else's.
func TestRequests(t *testing.T) {
	r := newRoom(t)
	r.approvals["handle"] = waitingApproval("an")
	for who, want := range map[*session.Session]bool{an: true, chi: false} {
		r.b.Session = who
		got := r.b.Get(t, RequestsPath, RequestsPath, signedIn(r.Requests))
		if has := strings.Contains(got.Body, "/authorize/resume?a=handle"); has != want || strings.Contains(got.Body, "Mã 47") {
			t.Errorf("%s: lists it %v", who.Name, has)
		}
	}
}
