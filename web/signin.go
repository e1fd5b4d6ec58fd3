package web

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

func (s *Server) home(v *visit) error {
	if _, err := v.current(); err != nil {
		return err
	}
	page := view.Home{
		Issuer: s.o.Issuer, PortalURL: "/portal", ConsoleURL: "/console",
		DiscoveryURL: "/.well-known/openid-configuration", MetadataURL: "/.well-known/oauth-authorization-server", KeysURL: provider.JWKSPath,
	}
	for _, d := range s.o.DemoApps {
		if c, err := s.o.Clients.Client(v.ctx, d.Client); err == nil {
			page.Apps = append(page.Apps, view.AppLink{App: app(c), URL: d.URL})
		}
	}
	return v.show(page)
}

// follow sends the browser where the provider says.
func (v *visit) follow(next provider.Next) error {
	v.hear(next.Lang)
	v.keepState(next.BrowserState)
	if next.Form == nil {
		return v.c.Redirect(next.Location, http.StatusSeeOther)
	}
	page := view.FormPost{Action: next.Form.Action, App: app(next.Form.Client)}
	for name := range next.Form.Fields {
		page.Fields = append(page.Fields, view.Field{Name: name, Value: next.Form.Fields.Get(name)})
	}
	v.leadsAway()
	return v.show(page)
}

func (s *Server) authorize(v *visit) error {
	next, err := s.o.Provider.Authorize(v.http)
	if err != nil {
		return err
	}
	return v.follow(next)
}

func (s *Server) resume(v *visit) error {
	next, err := s.o.Provider.Resume(v.http, grant.Handle(v.c.Query("a")))
	if err != nil {
		return err
	}
	return v.follow(next)
}

func (s *Server) signInForm(v *visit) error {
	e, err := v.waitingErrand()
	if err != nil {
		return err
	}
	r := v.remark("/signin")
	if r.Problem == "" { // else somebody is just trying
		if settled, err := v.settled(e, time.Time{}); err != nil {
			return err
		} else if settled {
			return redirect(e.done())
		}
	}
	v.told(r)
	return v.show(view.SignIn{
		Form: view.Form{Action: "/signin", Hidden: e.hidden()}, App: e.app(), CancelURL: e.cancel(),
		Number: r.Number, Problem: view.SignInProblem(r.Problem), RetryMinutes: minutes(r.Wait),
	})
}

func (s *Server) signIn(v *visit) error {
	if err := v.checkSignIn(); err != nil {
		return err
	}
	e := v.errand()
	number, password := authz.Typed(v.field("number")), v.field("password")
	again := func(problem view.SignInProblem, wait time.Duration) error {
		r := remark{Problem: string(problem), Wait: wait}
		if len(number) <= maxNumber {
			r.Number = number
		}
		return v.again(e, "/signin", r)
	}
	switch {
	case number == "" || password == "":
		return again(view.SignInMissing, 0)
	case len(number) != 12 || strings.Trim(number, "0123456789") != "":
		return again(view.SignInMalformed, 0)
	}
	step, err := s.o.Authn.Password(v.ctx, authn.Attempt{
		Number: authz.PersonalNumber(number), Password: password, Origin: v.origin(e),
	})
	var throttled authn.Throttled
	var busy authn.Busy
	switch {
	case errors.As(err, &busy):
		return again(view.SignInBusy, busy.Wait)
	case errors.As(err, &throttled):
		return again(view.SignInThrottled, throttled.Wait)
	case errors.Is(err, authn.ErrWrong):
		return again(view.SignInWrong, 0)
	case errors.Is(err, authn.ErrLocked):
		return fault(view.ErrorLocked)
	case err != nil:
		return err
	}
	return e.ask(step)
}

// factorPages are the pages of the factors that follow the password.
var factorPages = map[authn.FactorKind]string{authn.TOTPFactor: "/signin/code"}

// ask leads to the page of the factor that comes next.
func (e errand) ask(step authn.Step) error {
	page, ok := factorPages[step.Next]
	if !ok {
		return fmt.Errorf("no page asks for a factor of kind %q", step.Next)
	}
	return e.step(page, "ticket", step.Ticket)
}

// maxNumber bounds what was typed for a number and is shown again.
const maxNumber = 40

// origin is where an attempt at a sign-in comes from. Whose app it is for is looked up
// only where that is counted.
func (v *visit) origin(e errand) authn.Origin {
	return authn.Origin{
		Address: v.address(), Binding: v.binding, Device: v.c.Cookies(v.s.o.Sessions.DeviceName()),
		App: func() authz.ClientID {
			if e.authorization == "" {
				return ""
			}
			w, err := v.s.o.Provider.Waiting(v.ctx, grant.Handle(e.authorization))
			if err != nil {
				return ""
			}
			return w.Client.ID
		},
	}
}

func minutes(wait time.Duration) int { return max(1, int(math.Ceil(wait.Minutes()))) }

// codeForm is the page of the second step. The ticket in its address is sealed, and
// good in this browser and with a code only.
func (s *Server) codeForm(v *visit) error {
	e, err := v.waitingErrand()
	if err != nil {
		return err
	}
	ticket := v.c.Query("ticket")
	begun, late := s.o.Authn.Begun(ticket, v.binding)
	if settled, err := v.settled(e, begun.Add(time.Second)); err != nil { // tickets know seconds
		return err
	} else if settled {
		return redirect(e.done())
	}
	if late != nil {
		return v.again(e, "/signin", remark{Problem: string(view.SignInLate)})
	}
	if e.waiting != nil {
		v.leadsAway()
	}
	r := v.remark("/signin/code")
	v.told(r)
	return v.show(view.OneTimeCode{
		Form: view.Form{Action: "/signin/code", Hidden: append(e.hidden(), view.Field{Name: "ticket", Value: ticket})},
		App:  e.app(), CancelURL: e.cancel(), Problem: view.CodeProblem(r.Problem), RetryMinutes: minutes(r.Wait),
	})
}

func (s *Server) signInCode(v *visit) error {
	if err := v.checkSignIn(); err != nil {
		return err
	}
	e := v.errand()
	ticket, code := v.field("ticket"), authz.Typed(v.field("code"))
	again := func(problem view.CodeProblem, wait time.Duration) error {
		return v.again(e, "/signin/code", remark{Problem: string(problem), Wait: wait}, "ticket", ticket)
	}
	switch {
	case len(ticket) > 2048: // none of ours
		return v.again(e, "/signin", remark{Problem: string(view.SignInLate)})
	case len(code) != 6 || strings.Trim(code, "0123456789") != "":
		return again(view.CodeMalformed, 0)
	}
	before, err := v.current()
	if err != nil {
		return err
	}
	// The secret follows from the form, under our key: whoever sends the very form
	// twice, as a double tap does, gets the very session that it began.
	secret := s.o.Forms.Token(v.binding, "session "+ticket+" "+code)
	var began session.Session
	step, err := s.o.Authn.Answer(v.ctx, ticket, code, v.origin(e), func(ctx context.Context, r authn.Result) (err error) {
		began, err = s.o.Sessions.Begin(ctx, s.o.Clients, session.SignIn{
			Subject: r.Subject, Methods: r.Methods, At: r.At, UserAgent: v.c.Get(fiber.HeaderUserAgent), Secret: secret,
		}, before)
		return err
	})
	if errors.Is(err, authn.ErrWrong) {
		if found, again := s.o.Sessions.Find(v.ctx, secret); again == nil && s.o.Now().Sub(found.AuthTime) < doubleTap {
			began, err = found, nil
		}
	}
	var throttled authn.Throttled
	switch {
	case errors.As(err, &throttled):
		return again(view.CodeThrottled, throttled.Wait)
	case errors.Is(err, authn.ErrWrong):
		return again(view.CodeWrong, 0)
	case errors.Is(err, authn.ErrTicket):
		return v.again(e, "/signin", remark{Problem: string(view.SignInLate)})
	case errors.Is(err, authn.ErrLocked):
		return fault(view.ErrorLocked)
	case err != nil:
		return err
	case step.Ticket != "":
		return e.ask(step)
	}
	v.cookie(s.o.Sessions.CookieName(), secret, 12*time.Hour)
	if step.Device != "" {
		v.cookie(s.o.Sessions.DeviceName(), step.Device, authn.DeviceLife)
	}
	if before == nil || before.ID != began.ID {
		v.forgetState()
	}
	if before != nil && before.Subject != began.Subject {
		v.rebind() // what the other person left open in this browser is void
		s.o.LogoutQueued()
	}
	return redirect(e.done())
}

// doubleTap is how long a form that was accepted is accepted again.
const doubleTap = time.Minute

// question is what a person is asked or told for a pending authorization, on a page
// in a language.
func (s *Server) question(ctx context.Context, w provider.Waiting, who authz.Subject, level authz.AuthenticationLevel, lang view.Lang) (consent.Question, error) {
	kept, err := s.o.Provider.Kept(ctx, w, who)
	return consent.Question{Client: w.Client.ID, Subject: who, Level: level, Wanted: w.Request.Details, Kept: kept, Locale: string(lang), Texts: view.TextsVersion(lang)}, err
}

// notice is what she is shown for it now.
func (s *Server) notice(ctx context.Context, w provider.Waiting, who *session.Session, lang view.Lang) (consent.Notice, error) {
	q, err := s.question(ctx, w, who.Subject, who.Level, lang)
	if err != nil {
		return consent.Notice{}, err
	}
	n, err := s.o.Consents.Notice(ctx, q)
	if errors.Is(err, consent.ErrAppGone) {
		err = fault(view.ErrorAppDisabled)
	}
	return n, err
}

// consentPath is the page that asks for consent.
const consentPath = "/consent"

// consentPage is what a person is asked for a pending authorization, with what was
// wrong with her answer before.
func (s *Server) consentPage(v *visit, w provider.Waiting, who *session.Session, r remark) (view.Consent, error) {
	v.leadsAway()
	n, err := s.notice(v.ctx, w, who, v.lang)
	if err != nil {
		return view.Consent{}, err
	}
	ticked := map[string]bool{}
	if r.Notice == n.Digest() {
		for _, id := range r.Ticked {
			ticked[id] = true
		}
	}
	page := view.Consent{
		Form: view.Form{Action: consentPath, Hidden: append([]view.Field{{Name: "a", Value: string(w.ID)}}, v.shownFields(who, "consent "+string(w.ID), n)...)},
		App:  app(n.Client), Person: who.Name, Level: int(n.Level),
	}
	if page.Changed = r.Problem == changedMeanwhile; !page.Changed {
		page.Problem = view.ConsentProblem(r.Problem)
	}
	for _, old := range n.Kept {
		page.Kept = append(page.Kept, s.want(old))
	}
	for _, item := range n.Items {
		p := view.Purpose{
			ID: item.ID, Name: item.Purpose.Text(), Explanation: item.Declaration.Explanation,
			Basis: item.Basis.Text(), Citation: v.citation(item.Basis.Citation), Frequency: view.Frequency(item.Release.Frequency),
			DataLife: view.DataLife(item.Release.DataLife), ValidUntil: item.Release.ValidUntil,
		}
		if w.Request.ClaimsOnly {
			p.IfDeclined = signsInAnyway
		}
		source := view.Source{ID: item.ID, Registry: item.Registry.Text(), Owner: owner(item.Registry), Chosen: ticked[item.ID]}
		for _, r := range item.Recipients {
			source.Recipients = append(source.Recipients, r.Name)
		}
		for _, a := range item.Attributes {
			line := view.Item{ID: a.ID, Name: a.Attribute.Text(), Sensitive: a.Attribute.Sensitive(), Chosen: ticked[a.ID]}
			if a.Required || !item.Asked {
				source.Needed = append(source.Needed, line)
			} else {
				source.Optional = append(source.Optional, line)
			}
		}
		if item.Asked {
			page.Asked = join(page.Asked, p, source)
		} else {
			page.Informed = join(page.Informed, p, source)
		}
	}
	return page, nil
}

// signsInAnyway: claims about the person are no condition of a sign-in.
var signsInAnyway = view.Words{
	VI: "Bạn có thể để trống các ô rồi bấm “Đồng ý với mục đã chọn”. Bạn vẫn đăng nhập được, chỉ là dịch vụ không nhận được những thông tin này.",
	EN: "You may leave the boxes empty and press “Agree to what I ticked”. You are signed in all the same; the service just does not get these details.",
}

// citation is a citation of the catalogue, which is in English, in the reader's
// language.
func (v *visit) citation(text string) string {
	if v.lang == view.English {
		return text
	}
	return inVietnamese.Replace(text)
}

var inVietnamese = strings.NewReplacer("Law ", "Luật ", "Decree ", "Nghị định ", "Decision ", "Quyết định ", "Circular ", "Thông tư ", "Art. ", "Điều ", " as amended", " (sửa đổi)")

// owner is who runs a register: the catalogue has "Vietnamese (English)".
func owner(r consent.Registry) view.Words {
	vi, en, ok := strings.Cut(r.Owner, " (")
	if !ok {
		return view.Words{VI: r.Owner}
	}
	return view.Words{VI: vi, EN: strings.TrimSuffix(en, ")")}
}

// join puts sources of one purpose together, where what stands once for all of them is
// true of each: basis, how often, how long kept, until when.
func join(list []view.Purpose, p view.Purpose, source view.Source) []view.Purpose {
	for i := range list {
		if sameTerms(list[i], p) {
			list[i].Sources = append(list[i].Sources, source)
			if why := p.Explanation; why != list[i].Explanation && why.VI != "" {
				list[i].Explanation.VI += " " + why.VI
				list[i].Explanation.EN += " " + why.EN
			}
			return list
		}
	}
	p.Sources = []view.Source{source}
	return append(list, p)
}

// sameTerms reports whether a page says the same of two sources but for the app's own
// words. Requests of one sign-in may be a second apart.
func sameTerms(a, b view.Purpose) bool {
	return a.Name == b.Name && a.Basis == b.Basis && a.Citation == b.Citation && a.Frequency == b.Frequency && a.DataLife == b.DataLife &&
		a.IfDeclined == b.IfDeclined && a.ValidUntil.Sub(b.ValidUntil).Abs() < time.Minute
}

func (s *Server) consentForm(v *visit) error {
	w, err := s.o.Provider.Waiting(v.ctx, grant.Handle(v.c.Query("a")))
	if err != nil {
		return err
	}
	v.hear(w.Request.UILocales...)
	who, err := v.current()
	if err != nil {
		return err
	}
	if who == nil {
		return redirect(errand{authorization: string(w.ID)}.done())
	}
	r := v.remarkOf(w.ID, consentPath)
	page, err := s.consentPage(v, w, who, r)
	if err != nil {
		return err
	}
	v.told(r)
	return v.show(page)
}

// shownFields tie a form to the person who was asked, to what she was asked for, and
// to everything that she was shown.
func (v *visit) shownFields(who *session.Session, about string, n consent.Notice) []view.Field {
	digest := n.Digest()
	return []view.Field{
		{Name: "notice", Value: digest},
		{Name: "read", Value: n.Locale},
		{Name: "shown", Value: v.shownTo(who, about, digest, n.Locale)},
	}
}

func (v *visit) shownTo(who *session.Session, about, digest, locale string) string {
	return v.s.o.Forms.Token(string(who.Subject), strings.Join([]string{about, digest, locale}, " "))
}

// shown is what a form says that the person was shown; ok is false for a form that
// was made for somebody else, or for something else.
func (v *visit) shown(who *session.Session, about string) (digest string, lang view.Lang, ok bool) {
	digest = v.field("notice")
	lang, ok = view.ParseLang(v.field("read"))
	mine := v.shownTo(who, about, digest, string(lang))
	return digest, lang, ok && subtle.ConstantTimeCompare([]byte(mine), []byte(v.field("shown"))) == 1
}

func (s *Server) consent(v *visit) error {
	if err := v.checkFormOr(v.errand().done()); err != nil {
		return err
	}
	w, err := s.o.Provider.Waiting(v.ctx, grant.Handle(v.field("a")))
	if errors.As(err, new(provider.Finished)) { // perhaps by this very answer, sent twice
		w, err = provider.Waiting{ID: grant.Handle(v.field("a"))}, nil
	}
	if err != nil {
		return err
	}
	v.hear(w.Request.UILocales...)
	who, err := v.current()
	if err != nil {
		return err
	}
	if who == nil {
		return redirect(errand{authorization: string(w.ID)}.done())
	}
	digest, lang, ok := v.shown(who, "consent "+string(w.ID))
	if !ok {
		// Somebody else signed in meanwhile, in another tab: what one person read,
		// another cannot answer.
		return redirect(errand{authorization: string(w.ID)}.done())
	}
	answer := consent.Answer{Shown: digest, Session: who.ID, ACR: who.Level.ACR(), MayGiveNone: w.Request.ClaimsOnly}
	if v.field("decision") != "agree" {
		return s.decline(v, w, who, answer, lang)
	}
	ticked := map[string]bool{}
	for _, id := range v.c.Request().PostArgs().PeekMulti("item") {
		ticked[string(id)] = true
	}
	items := slices.Sorted(maps.Keys(ticked))
	said := strings.Join(append([]string{digest, string(lang)}, items...), "\n")
	var logIt []func(context.Context) error
	next, err := s.o.Provider.Approve(v.http, w.ID, said, func(ctx context.Context, w provider.Waiting, in provider.SignedIn) (granted []authz.Release, err error) {
		answer.Session, answer.ACR, answer.Ticked = in.ID, in.Level.ACR(), ticked
		if answer.Question, err = s.question(ctx, w, in.Subject, in.Level, lang); err != nil {
			return nil, err
		}
		granted, logIt, err = s.o.Consents.Record(ctx, answer)
		return granted, err
	})
	var problem view.ConsentProblem
	switch {
	case errors.Is(err, consent.ErrNothingChosen):
		problem = view.ConsentNothingChosen
	case errors.Is(err, consent.ErrRequiredMissing):
		problem = view.ConsentRequiredMissing
	case changed(err):
		return v.againOf(w.ID, consentPath, remark{Problem: changedMeanwhile})
	case err != nil:
		return err
	}
	if problem != "" {
		r := remark{Problem: string(problem), Notice: digest, Ticked: items}
		if size := len(strings.Join(items, "")); size > maxTicked {
			r.Ticked = nil
		}
		return v.againOf(w.ID, consentPath, r)
	}
	v.logAll(logIt)
	return v.follow(next)
}

// maxTicked bounds what was ticked and is carried along in an address, which proxies
// take up to 8 KiB. Beyond it she ticks anew.
const maxTicked = 4096

// logAll puts events whose rows are committed into the log. A failure leaves
// rows without an entry, which the recorder's next sweep logs.
func (v *visit) logAll(logIt []func(context.Context) error) {
	for _, log := range logIt {
		if err := log(v.ctx); err != nil {
			slog.ErrorContext(v.ctx, "an event is recorded but not logged yet", "error", err)
		}
	}
}

// changed reports whether an answer did not count because it was to something else
// than what the person would be shown now.
func changed(err error) bool {
	return errors.Is(err, consent.ErrChanged) || errors.Is(err, consent.ErrAppGone)
}

func (s *Server) decline(v *visit, w provider.Waiting, who *session.Session, answer consent.Answer, lang view.Lang) error {
	var logIt []func(context.Context) error
	next, err := s.o.Provider.Decline(v.http, w.ID, func(ctx context.Context) (err error) {
		if answer.Question, err = s.question(ctx, w, who.Subject, who.Level, lang); err != nil {
			return err
		}
		logIt, err = s.o.Consents.Declined(ctx, answer)
		return err
	})
	if changed(err) {
		return v.againOf(w.ID, consentPath, remark{Problem: changedMeanwhile})
	}
	if err != nil {
		return err
	}
	v.logAll(logIt)
	return v.follow(next)
}
