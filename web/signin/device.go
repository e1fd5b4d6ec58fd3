package signin

import (
	"errors"
	"net/url"
	"time"

	"hopnhat/authz/authorize"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// DevicePath is the page where the code of another device is typed.
const DevicePath = "/device"

// maxUserCode bounds a code in an address.
const maxUserCode = 40

// devicePage asks for a code, or carries along the one of verification_uri_complete
// (RFC 8628 §3.3.1), which it does not show.
func devicePage(code string) view.Device {
	body := view.Device{Form: view.Form{Action: DevicePath}}
	if code != "" && len(code) <= maxUserCode {
		body.Prefilled, body.OtherURL = true, DevicePath
		body.Form.Hidden = []view.Field{{Name: "user_code", Value: code}, {Name: "prefilled", Value: "1"}}
	}
	return body
}

// DeviceForm is the page that asks for the code of a device.
func (p *Pages) DeviceForm(v *page.Visit) error {
	if _, err := v.Current(); err != nil {
		return err
	}
	body, r := devicePage(v.C.Query("user_code")), p.remarks.open(v, DevicePath)
	if body.Problem = view.UserCodeProblem(r.Problem); r.Wait > 0 {
		body.RetryMinutes = minutes(r.Wait)
	}
	v.C.Status(r.status())
	return v.Show(body)
}

// Device finds the device of a code, throttled by address (RFC 8628 §5.1), and goes
// on with its request as with any authorization.
func (p *Pages) Device(v *page.Visit) error {
	if err := v.CheckSignInForm(); err != nil {
		return err
	}
	code := v.Field("user_code")
	again := func(problem view.UserCodeProblem, wait time.Duration, keep bool) error {
		sealed, err := p.remarks.seal(v, DevicePath, remark{Problem: string(problem), Wait: wait})
		if err != nil {
			return err
		}
		query := url.Values{"remark": {sealed}}
		if keep {
			query.Set("user_code", code)
		}
		return page.Redirect(DevicePath + "?" + query.Encode())
	}
	if wait := p.o.UserCodes.Take(v.Address()); wait > 0 {
		return again(view.UserCodeThrottled, wait, v.Field("prefilled") != "" && len(code) <= maxUserCode)
	}
	next, err := p.o.Approvals.UserCode(v.Context, code)
	if errors.Is(err, authorize.ErrUserCode) {
		return again(view.UserCodeUnknown, 0, false)
	}
	if err != nil {
		return err
	}
	return follow(v, next)
}
