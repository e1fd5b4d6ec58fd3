package web

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// langCookie keeps the language that the person chose; nothing but a link that she
// pressed sets it.
const langCookie = "hn_lang"

// listen finds the language of a visit: what the person chose, else what the app
// asks for, else what the browser prefers.
func (v *visit) listen() {
	if lang, ok := view.ParseLang(v.c.Query("lang")); ok {
		v.c.Cookie(&fiber.Cookie{Name: langCookie, Value: string(lang), Path: "/", SameSite: fiber.CookieSameSiteLaxMode, MaxAge: 365 * 24 * 3600, HTTPOnly: true, Secure: v.s.o.Sessions.Secure()})
	}
	v.lang = view.Vietnamese
	if lang := authz.Language(preferred(v.c.Get(fiber.HeaderAcceptLanguage))...); lang != "" {
		v.lang = view.Lang(lang)
	}
	locales := v.c.Query("ui_locales")
	if v.c.Method() == fiber.MethodPost {
		locales = cmp.Or(v.field("ui_locales"), locales)
	}
	v.hear(strings.Fields(locales)...)
	if heard, ok := v.c.Locals(heard{}).(string); ok { // before something went wrong
		v.hear(heard)
	}
	if lang, ok := v.chosen(); ok {
		v.lang = lang
	}
}

// heard is where an error page finds the language that was asked for.
type heard struct{}

// hear is told the ui_locales of a request, for as long as it lasts
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §2); the person's own choice
// is above it.
func (v *visit) hear(locales ...string) {
	lang := authz.Language(locales...)
	if lang == "" {
		return
	}
	v.asked = lang
	v.c.Locals(heard{}, lang)
	if _, ok := v.chosen(); !ok {
		v.lang = view.Lang(lang)
	}
}

// chosen is the language that the person chose, now or before.
func (v *visit) chosen() (view.Lang, bool) {
	if lang, ok := view.ParseLang(v.c.Query("lang")); ok {
		return lang, true
	}
	return view.ParseLang(v.c.Cookies(langCookie))
}

// maxPreferred bounds the ranges of a browser that are looked at.
const maxPreferred = 16

// preferred are the ranges of Accept-Language, the most wanted first and those that
// are not wanted left out (RFC 9110 §12.4.2, §12.5.4).
func preferred(header string) []string {
	type wish struct {
		tag    string
		weight float64
	}
	var wishes []wish
	for part := range strings.SplitSeq(header, ",") {
		tag, parameters, _ := strings.Cut(part, ";")
		w := wish{strings.TrimSpace(tag), 1}
		if name, value, ok := strings.Cut(strings.TrimSpace(parameters), "="); ok && strings.EqualFold(strings.TrimSpace(name), "q") {
			weight, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil || weight < 0 || weight > 1 {
				continue
			}
			w.weight = weight
		}
		if w.tag != "" && w.weight > 0 && len(wishes) < maxPreferred {
			wishes = append(wishes, w)
		}
	}
	slices.SortStableFunc(wishes, func(a, b wish) int { return cmp.Compare(b.weight, a.weight) })
	tags := make([]string, len(wishes))
	for i, w := range wishes {
		tags[i] = w.tag
	}
	return tags
}
