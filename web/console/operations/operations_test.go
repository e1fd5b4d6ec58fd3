package operations

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/outbox"
	"hopnhat/authz/session"
	"hopnhat/web/evidence/evidencetest"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
	"hopnhat/web/view"
)

// room is the room with everything behind it played, for an operator who is let in.
type room struct {
	*Pages
	*evidencetest.Book
	b          *pagetest.Browser
	now        time.Time
	apps       []*authz.Client
	deliveries []session.Delivery
	retried    []string
	queued     int
}

func newRoom() *room {
	r := &room{Book: &evidencetest.Book{}, b: pagetest.New(), now: time.Unix(1_800_000_000, 0), apps: []*authz.Client{{ID: "so-dat", Name: view.Words{VI: "Sổ đất"}}}}
	r.b.Session = &session.Session{ID: "s-chi", Principal: authz.Herself("chi"), Name: "Trần Thị Chi", Level: 2}
	r.Pages = New(Options{
		Scribe: r.Scribe(func() time.Time { return r.now }), Clients: r, Keys: r, Deliveries: r,
		LogoutQueued: func() { r.queued++ }, Now: func() time.Time { return r.now },
	})
	return r
}

func (r *room) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	for _, c := range r.apps {
		if c.ID == id {
			return c, nil
		}
	}
	return nil, authz.ErrNotFound
}

func (r *room) Clients(_ context.Context, after authz.ClientID, limit int) (out []*authz.Client, err error) {
	for _, c := range r.apps {
		if c.ID > after && len(out) < limit {
			out = append(out, c)
		}
	}
	return out, r.Err
}

func (r *room) KeyState(authz.ClientID) (int, time.Time, bool) { return 3, r.now, false }

func (r *room) Logouts(_ context.Context, client authz.ClientID, before string, limit int) (out []session.Delivery, err error) {
	for _, d := range r.deliveries {
		if (client == "" || d.Client == client) && (before == "" || d.ID < before) && len(out) < limit {
			out = append(out, d)
		}
	}
	return out, r.Err
}

func (r *room) RetryLogout(_ context.Context, id string, _ time.Time) error {
	for _, d := range r.deliveries {
		if d.ID == id {
			r.retried = append(r.retried, id)
			return r.Err
		}
	}
	return authz.ErrNotFound
}

// Tx undoes what a function did that failed.
func (r *room) Tx(ctx context.Context, fn func(context.Context) error) error {
	before := r.retried
	err := fn(ctx)
	if err != nil {
		r.retried = before
	}
	return err
}

func (r *room) get(t *testing.T, pattern, target string, h func(*page.Visit) error) pagetest.Answer {
	t.Helper()
	return r.b.Get(t, pattern, target, signedIn(h))
}

func (r *room) post(t *testing.T, path string, form url.Values, h func(*page.Visit) error) pagetest.Answer {
	t.Helper()
	return r.b.Post(t, path, path, form, signedIn(h))
}

func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}

// TestApps lists all apps over its pages, each as it stands.
func TestApps(t *testing.T) {
	r := newRoom()
	r.apps = nil
	for i := range pageSize + 2 {
		r.apps = append(
			r.apps, &authz.Client{ID: authz.ClientID(fmt.Sprintf("app-%03d", i)), Name: view.Words{VI: fmt.Sprintf("Tên %03d", i)}},
		)
	}
	first := r.get(t, AppsPath, AppsPath, r.Apps)
	last := r.get(t, AppsPath, AppsPath+"?after=app-049", r.Apps)
	if !strings.Contains(first.Body, "?after=app-049") || strings.Contains(first.Body, "Tên 050") ||
		!strings.Contains(last.Body, "Tên 051") || strings.Contains(last.Body, "after=app-05") {
		t.Error("the pages do not cover all apps")
	}
	if got := r.get(t, AppsPath, AppsPath+"?after="+strings.Repeat("x", maxAfter+1), r.Apps); !strings.Contains(got.Body, "Tên 000") {
		t.Error("what is no app to go on after is not the beginning")
	}
	for _, row := range []struct {
		name   string
		client authz.Client
		want   view.AppState
		keys   int
	}{
		{"enabled", authz.Client{}, view.AppEnabled, 0},
		{"disabled", authz.Client{Disabled: true}, view.AppDisabled, 0},
		{"deleted", authz.Client{Disabled: true, Ended: r.now}, view.AppDeleted, 0},
		{"keys elsewhere", authz.Client{Keys: authz.Keys{JWKSURI: "https://app.example/keys"}}, view.AppEnabled, 3},
	} {
		if got := r.appRow(&row.client); got.State != row.want || got.Keys != row.keys || got.Remote != (row.client.JWKSURI != "") {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

// TestDeliveries lists what failed, page by page, and lets it begin again.
func TestDeliveries(t *testing.T) {
	r := newRoom()
	for i := range pageSize + 1 {
		r.deliveries = append(
			r.deliveries, session.Delivery{ID: fmt.Sprintf("d%03d", 999-i), Client: "so-dat", Failed: outbox.Cause("http_500")},
		)
	}
	r.deliveries = append(r.deliveries, session.Delivery{ID: "a-done", Client: "gone", Done: r.now})
	first := r.get(t, DeliveriesPath, DeliveriesPath+"?app=so-dat", r.Pages.Deliveries)
	if !strings.Contains(first.Body, `value="d999"`) || strings.Contains(first.Body, `value="d949"`) ||
		!strings.Contains(first.Body, "before=d950") {
		t.Errorf("the first page: %v", first.Err)
	}
	second := r.get(t, DeliveriesPath, DeliveriesPath+"?app=so-dat&before=d950", r.Pages.Deliveries)
	if !strings.Contains(second.Body, `value="d949"`) || strings.Contains(second.Body, "before=d94") {
		t.Errorf("the second page: %v", second.Err)
	}
	if done := r.get(t, DeliveriesPath, DeliveriesPath+"?app=gone", r.Pages.Deliveries); strings.Contains(done.Body, `value="a-done"`) ||
		!strings.Contains(done.Body, "gone") {
		t.Error("what was delivered may begin again, or an app that is gone has no name")
	}
	for _, query := range []string{"?app=" + strings.Repeat("x", maxClient+1), "?before=" + strings.Repeat("x", maxDelivery+1)} {
		if got := r.get(t, DeliveriesPath, DeliveriesPath+query, r.Pages.Deliveries); got.Fault() != string(view.ErrorBadRequest) {
			t.Errorf("%.12s: %v", query, got.Err)
		}
	}
	if got := r.post(t, RetryPath, url.Values{"delivery": {"d999"}, "app": {"so-dat"}}, r.Retry); got.Err != nil || len(r.retried) != 1 ||
		r.queued != 1 {
		t.Errorf("again: %v, retried %q, queued %d", got.Err, r.retried, r.queued)
	}
	if got := r.post(t, RetryPath, url.Values{"delivery": {"none"}}, r.Retry); !errors.Is(got.Err, authz.ErrNotFound) || r.queued != 1 {
		t.Errorf("one that is not there: %v, queued %d", got.Err, r.queued)
	}
	if len(r.Written) != 1 {
		t.Fatalf("%d events of one that began again and one that is not there", len(r.Written))
	}
	if e := r.Written[0]; e.Type != audit.Administered || e.Detail.Action != string(audit.DeliveryRetried) || e.Detail.Object != "d999" ||
		e.Person.Actor != evidencetest.Pseudonym("chi") || e.Person.Role != authz.Operator || e.Person.Pseudonym != "" {
		t.Errorf("recorded as %+v of %+v", e.Detail, e.Person)
	}
	r.RecordErr = authz.ErrUnavailable
	if got := r.post(t, RetryPath, url.Values{"delivery": {"d998"}}, r.Retry); !errors.Is(got.Err, authz.ErrUnavailable) ||
		len(r.retried) != 1 || r.queued != 1 {
		t.Errorf("one that has no evidence: %v, retried %q, queued %d", got.Err, r.retried, r.queued)
	}
}
