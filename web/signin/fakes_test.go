package signin

import (
	"context"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/page/pagetest"
)

// room is the room with everything behind it played: one app's request waits under
// "handle", and each part fails as it is told to.
type room struct {
	*Pages
	b   *pagetest.Browser
	now time.Time

	// The authorization endpoint.
	waiting    map[grant.Handle]authorize.Waiting
	finished   map[grant.Handle]bool
	disabled   bool // the app
	read       int  // how often the request was
	satisfied  bool
	next       response.Next
	declined   []grant.Handle
	approved   []string // what was said
	answerErr  error
	approvals  map[grant.Handle]authorize.Approval
	disowned   []decoupled.Reason
	confirmed  []string // symbols
	confirmErr error
	wait       time.Duration // before another user code

	// The authenticator.
	step     authn.Step
	stepErr  error
	tried    []authn.Attempt
	begun    time.Time
	late     error
	result   authn.Result
	existing map[string]session.Session // by secret

	// Consents.
	notice    consent.Notice
	noticeErr error
	recorded  []consent.Answer
	refused   []consent.Answer
	recordErr error

	queued, answered int
}

var (
	app = &authz.Client{ID: "so-dat", Name: authz.LocalizedText{VI: "Sổ đất", EN: "Land book"}, Requests: authz.Requests{RedirectURIs: []string{"https://so-dat.example/back"}}}
	an  = &session.Session{ID: "s-an", Principal: authz.Herself("an"), Name: "Nguyễn Văn An", Level: 2}
	chi = &session.Session{ID: "s-chi", Principal: authz.Herself("chi"), Name: "Trần Thị Chi", Level: 2}
)

func newRoom(t testing.TB) *room {
	t.Helper()
	w := authorize.Waiting{ID: "handle", Client: app, Expires: time.Unix(2000, 0)}
	r := &room{
		b: pagetest.New(), now: time.Unix(1_800_000_000, 0),
		waiting: map[grant.Handle]authorize.Waiting{"handle": w}, finished: map[grant.Handle]bool{},
		approvals: map[grant.Handle]authorize.Approval{}, existing: map[string]session.Session{},
		next:   response.Next{Location: "https://so-dat.example/back?code=c"},
		notice: consent.Notice{Client: app, Level: 2},
		step:   authn.Step{Ticket: "ticket", Next: authn.TOTPFactor}, result: authn.Result{Subject: "an"},
	}
	r.begun = r.now
	r.Pages = New(Options{
		Issuer: pagetest.Issuer, Requests: requests{r}, Answers: answers{r}, Approvals: approvals{r}, Authn: authenticator{r},
		Sessions: sessions{r},
		Consents: consents{r}, Catalogue: consent.Load(), Forms: r.b.Forms(), Clients: clients{}, UserCodes: codes{r},
		LogoutQueued: func() { r.queued++ }, Answered: func() { r.answered++ }, Now: func() time.Time { return r.now },
	})
	return r
}

type clients struct{}

func (clients) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if id == app.ID {
		return app, nil
	}
	return nil, authz.ErrNotFound
}

type requests struct{ *room }

func (r requests) Authorize(*http.Request) (response.Next, error) { return r.next, nil }

func (r requests) Resume(_ *http.Request, id grant.Handle) (response.Next, error) {
	_, err := r.Waiting(context.Background(), id)
	return r.next, err
}

func (r requests) Waiting(_ context.Context, id grant.Handle) (authorize.Waiting, error) {
	r.read++
	if r.finished[id] {
		return authorize.Waiting{}, authz.NewError(authz.InvalidRequest, "answered").Because(authorize.Finished{Client: app})
	}
	if w, ok := r.waiting[id]; ok {
		return w, nil
	}
	return authorize.Waiting{}, authz.NewError(authz.InvalidRequest, "no such request").Because(authorize.ErrGone)
}

func (r requests) App(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if r.disabled {
		return nil, authz.ErrNotFound
	}
	return clients{}.Client(context.Background(), id)
}

func (r requests) SignedInFor(_ *http.Request, id grant.Handle) (bool, error) {
	_, err := r.Waiting(context.Background(), id)
	return r.satisfied, err
}

type answers struct{ *room }

func (r answers) Approve(q *http.Request, id grant.Handle, answer string, record func(
	context.Context, authorize.Waiting, authorize.SignedIn,
) ([]authz.Release, error),
) (response.Next, error) {
	if r.answerErr != nil {
		return response.Next{}, r.answerErr
	}
	if !r.finished[id] {
		if _, err := record(
			q.Context(), r.waiting[id], authorize.SignedIn{ID: "s-now", Principal: authz.Herself(r.b.Session.Actor), Level: 2},
		); err != nil {
			return response.Next{}, err
		}
	}
	r.approved = append(r.approved, answer)
	r.finished[id] = true
	return r.next, nil
}

func (r answers) Decline(q *http.Request, id grant.Handle, record func(context.Context) error) (response.Next, error) {
	if r.answerErr != nil {
		return response.Next{}, r.answerErr
	}
	if record != nil {
		if err := record(q.Context()); err != nil {
			return response.Next{}, err
		}
	}
	r.declined = append(r.declined, id)
	return response.Next{Location: "https://so-dat.example/back?error=access_denied"}, nil
}

func (answers) Kept(context.Context, authorize.Waiting, authz.Principal) ([]authz.Release, error) {
	return nil, nil
}

type approvals struct{ *room }

func (r approvals) UserCode(_ context.Context, typed string) (response.Next, error) {
	if typed == "BCDF-GHJK" {
		return response.Next{Location: "/approve?a=handle"}, nil
	}
	return response.Next{}, authorize.ErrUserCode
}

func (r approvals) Approval(_ context.Context, handle grant.Handle, who authz.Subject) (authorize.Approval, error) {
	if a, ok := r.room.approvals[handle]; ok && (a.Device.Subject == "" || a.Device.Subject == who) {
		return a, nil
	}
	return authorize.Approval{}, authz.ErrNotFound
}

func (r approvals) Approvals(_ context.Context, who authz.Subject) (out []authorize.Approval, err error) {
	for _, a := range r.room.approvals {
		if a.Device.Subject == who {
			out = append(out, a)
		}
	}
	return out, nil
}

func (r approvals) Confirm(q *http.Request, _ grant.Handle, picked string, same func(context.Context) error) (response.Next, error) {
	if r.confirmErr != nil {
		return response.Next{}, r.confirmErr
	}
	if err := same(q.Context()); err != nil {
		return response.Next{}, err
	}
	r.confirmed = append(r.confirmed, picked)
	return r.next, nil
}

func (r approvals) Disown(_ *http.Request, _ grant.Handle, because decoupled.Reason) (response.Next, error) {
	r.disowned = append(r.disowned, because)
	return r.next, nil
}

type authenticator struct{ *room }

func (r authenticator) Password(_ context.Context, try authn.Attempt) (authn.Step, error) {
	r.tried = append(r.tried, try)
	return r.step, r.stepErr
}

func (r authenticator) Begun(string, string) (time.Time, error) { return r.begun, r.late }

func (r authenticator) Answer(ctx context.Context, _, _ string, _ authn.Origin, start func(
	context.Context, authn.Result,
) error,
) (authn.Step, error) {
	if r.stepErr != nil {
		return authn.Step{}, r.stepErr
	}
	if r.step.Ticket != "" {
		return r.step, nil
	}
	return r.step, start(ctx, r.result)
}

type sessions struct{ *room }

func (r sessions) Begin(_ context.Context, _ session.Clients, in session.SignIn, before *session.Session) (session.Session, error) {
	began := session.Session{ID: "s-new", Principal: authz.Herself(in.Subject), AuthTime: r.now}
	if before != nil && before.Actor == in.Subject {
		began.ID = before.ID
	}
	r.existing[in.Secret] = began
	return began, nil
}

func (r sessions) Find(_ context.Context, secret string) (session.Session, error) {
	if s, ok := r.existing[secret]; ok {
		return s, nil
	}
	return session.Session{}, session.ErrNone
}

func (sessions) DeviceName() string { return "device" }

type consents struct{ *room }

func (r consents) Notice(_ context.Context, q consent.Question) (consent.Notice, error) {
	n := r.notice
	n.Locale = q.Locale
	return n, r.noticeErr
}

func (r consents) Record(_ context.Context, a consent.Answer) ([]authz.Release, error) {
	if r.recordErr != nil {
		return nil, r.recordErr
	}
	r.recorded = append(r.recorded, a)
	return nil, nil
}

func (r consents) Declined(_ context.Context, a consent.Answer) error {
	r.refused = append(r.refused, a)
	return r.recordErr
}

type codes struct{ *room }

func (r codes) Take(netip.Addr) time.Duration { return r.wait }

// signedIn is a page behind the route table, which lets nobody else in.
func signedIn(h func(*page.Visit) error) func(*page.Visit) error {
	return func(v *page.Visit) error {
		if _, err := v.SignedIn(); err != nil {
			return err
		}
		return h(v)
	}
}
