package page

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/web/view"
)

// langCookie keeps the language that the person chose; nothing but a link that she
// pressed sets it.
const langCookie = "hn_lang"

// chooseLanguage finds the language of a visit: what the person chose, else what the app
// asks for, else what the browser prefers.
func (v *Visit) chooseLanguage() {
	if lang, ok := view.ParseLang(v.C.Query("lang")); ok {
		v.SetCookie(langCookie, string(lang), 365*24*time.Hour)
	}
	v.Lang = view.Vietnamese
	if lang := authz.Language(preferred(v.C.Get(fiber.HeaderAcceptLanguage))...); lang != "" {
		v.Lang = view.Lang(lang)
	}
	locales := v.C.Query("ui_locales")
	if v.C.Method() == fiber.MethodPost {
		locales = cmp.Or(v.Field("ui_locales"), locales)
	}
	v.SetUILocales(strings.Fields(locales)...)
	if earlier, ok := v.C.Locals(uiLocaleKey{}).(string); ok { // before something went wrong
		v.SetUILocales(earlier)
	}
	if lang, ok := v.chosen(); ok {
		v.Lang = lang
	}
}

// uiLocaleKey is the local where an error page finds the language that the app asked for.
type uiLocaleKey struct{}

// SetUILocales takes the ui_locales of a request, for as long as it lasts (OpenID
// Connect Core §3.1.2.1, RP-Initiated Logout §2); the person's own choice is above it.
func (v *Visit) SetUILocales(locales ...string) {
	lang := authz.Language(locales...)
	if lang == "" {
		return
	}
	v.UILocale = lang
	v.C.Locals(uiLocaleKey{}, lang)
	if _, ok := v.chosen(); !ok {
		v.Lang = view.Lang(lang)
	}
}

// chosen is the language that the person chose, now or before.
func (v *Visit) chosen() (view.Lang, bool) {
	if lang, ok := view.ParseLang(v.C.Query("lang")); ok {
		return lang, true
	}
	return view.ParseLang(v.C.Cookies(langCookie))
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
