package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// operation is what is measured: one request, or one whole login. It checks what
// it got. errRanOut ends the measurement early.
type operation func(ctx context.Context) error

// floor is what one operation may cost by the design: commits, signatures,
// statements.
type floor struct{ commits, signatures, queries int }

// route is one line of the table.
type route struct {
	name  string
	floor floor
	// prepare makes one operation a caller, and all they use up.
	prepare func(ctx context.Context, s *subject, callers int) ([]operation, error)
}

// Details of a release: by consent, and by duty.
const (
	civilDetail = `{"type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"land.mortgage"}`
	taxDetail   = `{"type":"vn_data_release","registry":"tax","attributes":["tax.tax_code","tax.arrears"],"purpose":"tax.declare"}`
	taxRelease  = `{"registry":"tax","purpose":"tax.declare","attributes":["tax.arrears"]}`
)

// The routes in the order of the report. The floor of a whole login is the sum of
// its parts': PAR, or the request kept while pages are shown; sign-in; the code;
// tokens; UserInfo.
func routes() []route {
	return []route{
		{"discovery", floor{}, document("/.well-known/openid-configuration", `"issuer":`)},
		{"jwks", floor{}, document("/jwks", `"keys":`)},
		{"par", floor{1, 0, 1}, each(fapi, func(_ context.Context, _ *subject, c *caller) (operation, error) {
			return func(ctx context.Context) error { _, err := c.push(ctx, newRequest(), taxDetail); return err }, nil
		})},
		{"authorize", floor{1, 0, 2}, each(oidcES, func(ctx context.Context, s *subject, c *caller) (operation, error) {
			if _, err := s.signedIn(ctx, c); err != nil {
				return nil, err
			}
			return func(ctx context.Context) error { _, err := c.code(ctx, &c.browser, newRequest(), "", nil); return err }, nil
		})},
		{"login", floor{2, 0, 3}, each(oidcES, signIn)},
		{"tokens", floor{1, 2, 2}, redeem(fapi)},
		{"tokens_oidc", floor{1, 2, 2}, redeem(oidcES)},
		{"tokens_oidc_rs256", floor{1, 2, 2}, redeem(oidcRS)},
		{"refresh", floor{1, 2, 1}, each(fapi, refresh(false))},
		{"refresh_oidc", floor{1, 2, 1}, each(oidcES, refresh(true))},
		{"refresh_oidc_rs256", floor{1, 2, 1}, each(oidcRS, refresh(true))},
		{"userinfo", floor{0, 0, 1}, each(fapi, userInfo)},
		{"userinfo_oidc", floor{0, 0, 1}, each(oidcES, userInfo)},
		// Claims about the person are a release: the live grant is read for the token
		// and again for the decision, and the event is written.
		{"userinfo_claims", floor{1, 0, 3}, each(oidcES, userInfoClaims)},
		{"introspection", floor{0, 0, 1}, each(oidcES, introspect)},
		{"client_credentials", floor{0, 1, 0}, each(fapi, clientCredentials)},
		{"client_credentials_oidc", floor{0, 1, 0}, each(oidcES, clientCredentials)},
		{"release", floor{1, 0, 2}, each(fapi, release)},
		{"complete_login_oidc", floor{5, 2, 9}, each(oidcES, completeLogin(""))},
		{"complete_login_oidc_rs256", floor{5, 2, 9}, each(oidcRS, completeLogin(""))},
		{"complete_login_fapi2", floor{5, 2, 9}, each(fapi, completeLogin(civilDetail))},
	}
}

// kind chooses an app.
type kind func(s *subject) *app

func fapi(s *subject) *app   { return s.fapi }
func oidcES(s *subject) *app { return s.oidcES }
func oidcRS(s *subject) *app { return s.oidcRS }

// each prepares every caller alike.
func each(which kind, prepare func(ctx context.Context, s *subject, c *caller) (operation, error)) func(
	context.Context, *subject, int,
) ([]operation, error) {
	return func(ctx context.Context, s *subject, callers int) ([]operation, error) {
		var all []operation
		for range callers {
			c, err := s.caller(which(s))
			if err != nil {
				return nil, err
			}
			op, err := prepare(ctx, s, c)
			if err != nil {
				return nil, err
			}
			all = append(all, op)
		}
		return all, nil
	}
}

func document(path, holds string) func(context.Context, *subject, int) ([]operation, error) {
	return each(oidcES, func(_ context.Context, _ *subject, c *caller) (operation, error) {
		return func(ctx context.Context) error {
			a, err := c.expect(ctx, http.StatusOK, http.MethodGet, path, "", nil)
			if err == nil && !bytes.Contains(a.body, []byte(holds)) {
				err = a.unexpected(http.MethodGet, path)
			}
			return err
		}, nil
	})
}

// signIn is number, password and code at a page of the server's own.
func signIn(_ context.Context, s *subject, _ *caller) (operation, error) {
	return func(ctx context.Context) error {
		who, ok := s.people.next()
		if !ok {
			return errRanOut
		}
		b := s.browser()
		a, err := b.expect(ctx, http.StatusOK, http.MethodGet, "/signin?next=/portal", "", nil)
		if err != nil {
			return err
		}
		for _, step := range []struct{ field, value string }{{"number", who.person.number}, {"code", who.code}} {
			action, fields, ok := readForm(a.body)
			if !ok {
				return a.unexpected(http.MethodGet, "/signin")
			}
			fields.Set(step.field, step.value)
			if step.field == "number" {
				fields.Set("password", who.person.password)
			}
			if a, err = b.send(ctx, http.MethodPost, action, fields.Encode(), nil); err != nil {
				return err
			}
			// The page of the code follows a redirect; a program of before answers with it.
			if a.status != http.StatusSeeOther && (step.field != "number" || a.status != http.StatusOK) {
				return a.unexpected(http.MethodPost, action)
			}
			if step.field == "number" && a.status == http.StatusSeeOther {
				if a, err = b.expect(ctx, http.StatusOK, http.MethodGet, a.header.Get("Location"), "", nil); err != nil {
					return err
				}
			}
		}
		if a.header.Get("Location") != "/portal" || len(a.header["Set-Cookie"]) == 0 {
			return errors.New("the sign-in began no session")
		}
		return nil
	}, nil
}

// codesPerSecond is more than any server measured here redeems.
const codesPerSecond = 500

// redeem prepares codes, which live 60 s, and measures what they are redeemed for.
func redeem(which kind) func(context.Context, *subject, int) ([]operation, error) {
	type ready struct {
		code string
		r    request
		// proofs made the pushed request's proof: the code is bound to its key
		// (RFC 9449 §10).
		proofs jose.Signer
	}
	return func(ctx context.Context, s *subject, callers int) ([]operation, error) {
		codes := make(chan ready, int(codesPerSecond*s.duration.Seconds())+callers)
		threads := make([]*caller, 8)
		for i := range threads {
			c, err := s.caller(which(s))
			if err != nil {
				return nil, err
			}
			if _, err := s.signedIn(ctx, c); err != nil {
				return nil, err
			}
			threads[i] = c
		}
		failed := make(chan error, len(threads))
		until := time.Now().Add(30 * time.Second)
		var all sync.WaitGroup
		for _, c := range threads {
			all.Go(func() {
				for len(codes)+len(threads) < cap(codes) && time.Now().Before(until) {
					r := newRequest()
					code, err := c.code(ctx, &c.browser, r, "", nil)
					if err != nil {
						failed <- err
						return
					}
					codes <- ready{code, r, c.proofs}
				}
			})
		}
		all.Wait()
		if len(failed) > 0 {
			return nil, <-failed
		}
		return each(which, func(_ context.Context, _ *subject, c *caller) (operation, error) {
			return func(ctx context.Context) error {
				select {
				case next := <-codes:
					c.proofs = next.proofs
					_, err := c.exchange(ctx, next.code, next.r)
					return err
				default:
					return errRanOut
				}
			}, nil
		})(ctx, s, callers)
	}
}

// refresh refreshes, with the rotation that the profile has or has not.
func refresh(rotates bool) func(ctx context.Context, s *subject, c *caller) (operation, error) {
	return func(ctx context.Context, s *subject, c *caller) (operation, error) {
		t, err := s.signedIn(ctx, c)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context) error {
			next, err := c.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {t.Refresh}})
			if err != nil {
				return err
			}
			if next.Refresh == "" || (next.Refresh != t.Refresh) != rotates {
				return fmt.Errorf("the refresh token was rotated: %v, want %v", next.Refresh != t.Refresh, rotates)
			}
			t = next
			return nil
		}, nil
	}
}

func userInfo(ctx context.Context, s *subject, c *caller) (operation, error) {
	t, err := s.signedIn(ctx, c)
	return func(ctx context.Context) error { return c.userInfo(ctx, t) }, err
}

// userInfoClaims asks for what scope profile tells, which leaves by duty and is
// recorded and logged each time.
func userInfoClaims(ctx context.Context, s *subject, c *caller) (operation, error) {
	c.scope = "openid profile"
	t, err := s.signedIn(ctx, c)
	return func(ctx context.Context) error {
		a, err := c.resource(ctx, http.MethodGet, "/userinfo", t.Access, "", http.Header{})
		if err == nil && (a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`"name":`)) ||
			!bytes.Contains(a.body, []byte(`"birthdate":`))) {
			err = a.unexpected(http.MethodGet, "/userinfo")
		}
		return err
	}, err
}

func introspect(ctx context.Context, s *subject, c *caller) (operation, error) {
	t, err := s.signedIn(ctx, c)
	return func(ctx context.Context) error {
		a, err := c.call(ctx, "/introspect", url.Values{"token": {t.Access}})
		if err != nil {
			return err
		}
		var about struct {
			Active  bool   `json:"active"`
			Subject string `json:"sub"`
		}
		if a.status != http.StatusOK || json.Unmarshal(a.body, &about) != nil || !about.Active || about.Subject != t.subject {
			return a.unexpected(http.MethodPost, "/introspect")
		}
		return nil
	}, err
}

func clientCredentials(_ context.Context, _ *subject, c *caller) (operation, error) {
	return func(ctx context.Context) error {
		_, err := c.token(ctx, url.Values{"grant_type": {"client_credentials"}})
		return err
	}, nil
}

// release reads tax records by duty, of a person who has any.
func release(ctx context.Context, s *subject, c *caller) (operation, error) {
	for range 50 {
		who, ok := s.people.next()
		if !ok {
			return nil, errRanOut
		}
		b := s.browser()
		t, err := c.login(ctx, &b, taxDetail, &who)
		if err != nil {
			return nil, err
		}
		read := func(ctx context.Context) (answer, error) {
			return c.resource(
				ctx, http.MethodPost, "/broker/v1/releases", t.Access, taxRelease, http.Header{"Content-Type": {"application/json"}},
			)
		}
		a, err := read(ctx)
		if err != nil {
			return nil, err
		}
		if a.status == http.StatusNotFound {
			continue // this person has no record
		}
		return func(ctx context.Context) error {
			a, err := read(ctx)
			if err != nil {
				return err
			}
			if a.status != http.StatusOK || !bytes.Contains(a.body, []byte(`"tax.arrears"`)) ||
				!bytes.Contains(a.body, []byte(`"LB-STATE"`)) {
				return a.unexpected(http.MethodPost, "/broker/v1/releases")
			}
			return nil
		}, nil
	}
	return nil, errors.New("of fifty persons none has a tax record")
}

func completeLogin(details string) func(context.Context, *subject, *caller) (operation, error) {
	return func(_ context.Context, s *subject, c *caller) (operation, error) {
		return func(ctx context.Context) error {
			who, ok := s.people.next()
			if !ok {
				return errRanOut
			}
			b := s.browser()
			_, err := c.login(ctx, &b, details, &who)
			return err
		}, nil
	}
}
