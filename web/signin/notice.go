package signin

import (
	"context"
	"crypto/subtle"
	"errors"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// notices makes the notice of a pending request, and ties a form to it.
type notices struct {
	consents  Consents
	answers   Answers
	catalogue *consent.Catalogue
	forms     page.Forms
}

// question is what a person is asked or told for a pending authorization, on a page
// in a language.
func (n notices) question(
	ctx context.Context, w authorize.Waiting, who authz.Principal, level authz.AuthenticationLevel, lang view.Lang,
) (consent.Question, error) {
	kept, err := n.answers.Kept(ctx, w, who)
	return consent.Question{
		Client: w.Client.ID, Principal: who, Level: level, Wanted: w.Request.Details, Kept: kept,
		Locale: string(lang), Texts: view.TextsVersion(lang),
	}, err
}

// notice is what the person is shown for it now.
func (n notices) notice(ctx context.Context, w authorize.Waiting, who *session.Session, lang view.Lang) (consent.Notice, error) {
	q, err := n.question(ctx, w, who.Principal, who.Level, lang)
	if err != nil {
		return consent.Notice{}, err
	}
	notice, err := n.consents.Notice(ctx, q)
	if errors.Is(err, consent.ErrAppGone) {
		err = page.Fault(view.ErrorAppDisabled)
	}
	return notice, err
}

// want is a release in few words.
func (n notices) want(r authz.Release) view.Want {
	purpose, _ := n.catalogue.Purpose(r.Purpose)
	want := view.Want{Purpose: purpose.Text()}
	for _, id := range r.Attributes {
		a, _ := n.catalogue.Attribute(id)
		want.Attributes = append(want.Attributes, view.Item{ID: string(id), Name: a.Text(), Sensitive: a.Sensitive()})
	}
	return want
}

// fields tie a form to the person who is asked, to what she is asked for, and to
// everything that she is shown.
func (n notices) fields(who *session.Session, subject string, notice consent.Notice) []view.Field {
	digest := notice.Digest()
	return []view.Field{
		{Name: "notice", Value: digest},
		{Name: "read", Value: notice.Locale},
		{Name: "shown", Value: n.tie(who, subject, digest, notice.Locale)},
	}
}

// tie is a MAC over what a person is shown.
func (n notices) tie(who *session.Session, subject, digest, locale string) string {
	return n.forms.Token(string(who.Actor), strings.Join([]string{subject, digest, locale}, " "))
}

// shown is what a form says that the person was shown; ok is false for a form that
// was made for somebody else, or for something else.
func (n notices) shown(v *page.Visit, who *session.Session, subject string) (digest string, lang view.Lang, ok bool) {
	digest = v.Field("notice")
	lang, ok = view.ParseLang(v.Field("read"))
	want := n.tie(who, subject, digest, string(lang))
	return digest, lang, ok && subtle.ConstantTimeCompare([]byte(want), []byte(v.Field("shown"))) == 1
}

// changed reports whether an answer did not count because it was to something else
// than what the person would be shown now.
func changed(err error) bool {
	return errors.Is(err, consent.ErrChanged) || errors.Is(err, consent.ErrAppGone)
}
