package signin

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/web/page"
	"hopnhat/web/view"
)

// TestRemarks: a page says what was wrong to the browser and on the page that it is for,
// for ten minutes, and to nobody else.
func TestRemarks(t *testing.T) {
	said := remark{Problem: string(view.SignInWrong), Number: "099304000017"}
	for _, row := range []struct {
		name  string
		page  string
		later time.Duration
		other bool
		want  bool
	}{
		{"there and then", Path, 0, false, true},
		{"nine minutes later", Path, remarkLife - time.Second, false, true},
		{"ten minutes later", Path, remarkLife, false, false},
		{"on another page", CodePath, 0, false, false},
		{"in another browser", Path, 0, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRoom(t)
			sent := r.b.Get(t, "/", "/", func(v *page.Visit) error { return r.remarks.again(v, purposeOf(v), Path, said) })
			if strings.Contains(sent.Location, said.Number) {
				t.Fatalf("the number stands in the address: %s", sent.Location)
			}
			r.now = r.now.Add(row.later)
			if row.other {
				r.b.SetCookie("binding", strings.Repeat("c", 43))
			}
			r.b.Get(t, "/", "/?remark="+url.QueryEscape(sent.Query("remark")), func(v *page.Visit) error {
				if got := r.remarks.open(v, row.page); (got.Problem == said.Problem && got.Number == said.Number) != row.want ||
					!row.want && got.Problem != "" {
					t.Errorf("got %+v", got)
				}
				return nil
			})
		})
	}
}

// TestARemarkIsOfOneRequest: what was wrong with the answer to one request of an app is
// not said of another.
func TestARemarkIsOfOneRequest(t *testing.T) {
	r := newRoom(t)
	sent := r.b.Get(t, "/", "/", func(v *page.Visit) error {
		return r.remarks.againFor(v, "handle", ConsentPath, remark{Problem: changedMeanwhile})
	})
	if sent.Query("a") != "handle" {
		t.Errorf("leads to %q", sent.Location)
	}
	r.b.Get(t, "/", "/?remark="+url.QueryEscape(sent.Query("remark")), func(v *page.Visit) error {
		if got := r.remarks.openFor(v, "other", ConsentPath); got.Problem != "" {
			t.Errorf("said of another request: %+v", got)
		}
		if got := r.remarks.openFor(v, "handle", ConsentPath); got.Problem != changedMeanwhile {
			t.Errorf("not said of its own: %+v", got)
		}
		return nil
	})
}

// TestStatusOfARemark: programs learn what a person reads.
func TestStatusOfARemark(t *testing.T) {
	for _, row := range []struct {
		remark remark
		want   int
	}{
		{remark{}, http.StatusOK},
		{remark{Problem: changedMeanwhile}, http.StatusConflict},
		{remark{Problem: string(view.SignInBusy), Wait: time.Second}, http.StatusServiceUnavailable},
		{remark{Problem: string(view.SignInThrottled), Wait: time.Second}, http.StatusTooManyRequests},
		{remark{Problem: string(view.SignInWrong)}, http.StatusUnprocessableEntity},
	} {
		if got := row.remark.status(); got != row.want {
			t.Errorf("%+v: %d, want %d", row.remark, got, row.want)
		}
	}
	for wait, want := range map[time.Duration]int{0: 1, time.Second: 1, time.Minute: 1, time.Minute + time.Second: 2, time.Hour: 60} {
		if got := minutes(wait); got != want {
			t.Errorf("%s is %d minutes, want %d", wait, got, want)
		}
	}
}

// TestWhatASignInIsFor: an app's request goes before a page of ours, nothing leads
// elsewhere, and what is longer than any of ours is none.
func TestWhatASignInIsFor(t *testing.T) {
	for _, row := range []struct {
		name, target, done string
	}{
		{"nothing", "/", "/portal"},
		{"a page of ours", "/?next=/console%3Fsearch%3D1", "/console?search=1"},
		{"a page of somebody else", "/?next=https://evil.example", "/portal"},
		{"an app's request", "/?a=handle", "/authorize/resume?a=handle"},
		{"both", "/?a=handle&next=/portal/consents", "/authorize/resume?a=handle"},
		{"in the language of the app", "/?a=handle&ui_locales=en", "/authorize/resume?a=handle&ui_locales=en"},
		{"a handle with signs of its own", "/?a=x%26y%3Dz", "/authorize/resume?a=x%26y%3Dz"},
		{"a handle that is too long", "/?a=" + strings.Repeat("h", maxAuthorization+1), "/authorize/resume?a=-"},
		{"a page that is too long", "/?next=/portal/" + strings.Repeat("x", maxNext), "/portal"},
	} {
		r := newRoom(t)
		r.b.Get(t, "/", row.target, func(v *page.Visit) error {
			if got := purposeOf(v).done(); got != row.done {
				t.Errorf("%s: leads to %q, want %q", row.name, got, row.done)
			}
			return nil
		})
	}
}
