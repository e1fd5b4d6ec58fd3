package signin

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/grant"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// remark is what a page says of the form that was sent before. A form of a sign-in
// answers with a redirect always, so that going back and reloading send nothing
// again; the remark travels in the address, sealed for this browser, since the
// number that was typed is in it.
type remark struct {
	Problem string        `json:"p"`
	Wait    time.Duration `json:"w,omitempty"` // before another try
	Number  string        `json:"n,omitempty"`
	// Ticked is what she had ticked on a page of consent, Notice the digest of what she
	// read there: what she ticked holds for nothing else.
	Ticked  []string `json:"t,omitempty"`
	Notice  string   `json:"d,omitempty"`
	Expires int64    `json:"e"`
}

// Remarks that have no text of their own in view: the page is another than the one that
// was answered, or no symbol was picked.
const (
	changedMeanwhile = "changed"
	notPicked        = "symbol"
)

// remarkLife is how long a remark is shown.
const remarkLife = 10 * time.Minute

// remarks carries remarks from one page to the next.
type remarks struct{ now func() time.Time }

// again shows a page of a sign-in once more, with a remark.
func (s remarks) again(v *page.Visit, to signInPurpose, path string, r remark, pairs ...string) error {
	sealed, err := s.seal(v, path, r)
	if err != nil {
		return err
	}
	return to.step(path, append(pairs, "remark", sealed)...)
}

// againFor shows a page of an app's request once more, with a remark that holds for
// that request alone.
func (s remarks) againFor(v *page.Visit, id grant.Handle, path string, r remark) error {
	sealed, err := s.seal(v, pageOf(id, path), r)
	if err != nil {
		return err
	}
	return signInPurpose{authorization: string(id), locale: v.UILocale}.step(path, "remark", sealed)
}

// seal is a remark for the address of a page.
func (s remarks) seal(v *page.Visit, path string, r remark) (string, error) {
	r.Expires = s.now().Add(remarkLife).Unix()
	raw, err := json.Marshal(r)
	return v.Seal(path, raw), err
}

// open opens the remark in the address. One of another browser or page, or an old
// one, counts as none.
func (s remarks) open(v *page.Visit, path string) remark {
	var r remark
	raw, ok := v.Open(path, v.C.Query("remark"))
	if !ok || json.Unmarshal(raw, &r) != nil || s.now().Unix() >= r.Expires {
		return remark{}
	}
	return r
}

// openFor opens the remark of [remarks.againFor].
func (s remarks) openFor(v *page.Visit, id grant.Handle, path string) remark {
	return s.open(v, pageOf(id, path))
}

func pageOf(id grant.Handle, path string) string { return path + " " + string(id) }

// status is the HTTP status of a page that shows an error: the page came by a redirect,
// but programs still learn the outcome.
func (r remark) status() int {
	switch {
	case r.Problem == "":
		return http.StatusOK
	case r.Problem == changedMeanwhile:
		return http.StatusConflict
	case r.Problem == string(view.SignInBusy):
		return http.StatusServiceUnavailable
	case r.Wait > 0:
		return http.StatusTooManyRequests
	default:
		return http.StatusUnprocessableEntity
	}
}

// answer sets the status of a page with a remark, and when to try again.
func (r remark) answer(v *page.Visit) {
	v.C.Status(r.status())
	if r.Wait > 0 {
		v.C.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(r.Wait.Seconds()))))
	}
}

// minutes is a time to wait in whole minutes, never none.
func minutes(wait time.Duration) int { return max(1, int(math.Ceil(wait.Minutes()))) }
