package vneid

import (
	"bytes"
	"html/template"
	"net/http"
	"net/url"
	"slices"
)

// words are the texts of the pages, in Vietnamese and English.
var words = map[string][2]string{
	"simulator":    {"TRÌNH GIẢ LẬP VNeID – không phải VNeID thật, mọi người ở đây đều hư cấu", "VNeID SIMULATOR – this is not VNeID, and everybody here is invented"},
	"title":        {"Trình giả lập VNeID", "VNeID simulator"},
	"approve":      {"Một dịch vụ muốn biết bạn là ai", "A service wants to know who you are"},
	"approve_text": {"Chọn một người hư cấu và mức xác thực. Trình giả lập không kiểm tra gì.", "Choose an invented person and a level. The simulator checks nothing."},
	"person":       {"Người", "Person"},
	"level1":       {"Đồng ý, mức 1", "Approve, level 1"},
	"level2":       {"Đồng ý, mức 2", "Approve, level 2"},
	"decline":      {"Từ chối", "Decline"},
	"problem":      {"Yêu cầu không hợp lệ", "The request is not valid"},
	"signed_in":    {"Đang đăng nhập", "Signed in"},
	"nobody":       {"Chưa có ai đăng nhập.", "Nobody is signed in."},
	"sign_out":     {"Đăng xuất", "Sign out"},
	"logout":       {"Đăng xuất khỏi trình giả lập?", "Sign out of the simulator?"},
	"fault":        {"Cố ý làm sai", "Misbehave"},
	"none":         {"không", "not at all"},
	"set":          {"Đặt", "Set"},
}

// screen is what a page shows.
type screen struct {
	Lang, Page, Detail string
	Query              url.Values
	Persons            []Person
	Back               string
	Fault              Fault
	Faults             any
}

// T is a text in the language of the page.
func (s screen) T(key string) string {
	if s.Lang == "en" {
		return words[key][1]
	}
	return words[key][0]
}

// Carried are the parameters of the request that the form sends back.
func (s screen) Carried() []string {
	return []string{"client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge", "code_challenge_method", "ui_locales"}
}

var pages = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>{{.T "title"}}</title>
<style>body{font:1.0625rem/1.5 system-ui,sans-serif;margin:0;color:#222;background:#fff}main{max-width:32rem;margin:0 auto;padding:1rem}
.strip{background:#8a1c00;color:#fff;padding:.75rem 1rem;font-weight:700;text-align:center}select,button{font:inherit;padding:.625rem 1rem;margin:.25rem 0;min-height:2.75rem}
select{width:100%}button{border:1px solid #222;background:#fff;border-radius:.25rem}button.first{background:#10385f;color:#fff}li{margin:.5rem 0}</style></head>
<body><header><p class="strip">{{.T "simulator"}}</p></header><main>
{{if eq .Page "approve"}}<h1>{{.T "approve"}}</h1><p>{{.T "approve_text"}}</p>
<form method="post" action="/approve">{{$s := .}}{{range .Carried}}<input type="hidden" name="{{.}}" value="{{$s.Query.Get .}}">{{end}}
<p><label for="person">{{.T "person"}}</label> <select id="person" name="person">{{range .Persons}}<option value="{{.Number}}">{{.Name}} · {{.Number}}</option>{{end}}</select></p>
<p><button class="first" name="level" value="2">{{.T "level2"}}</button> <button name="level" value="1">{{.T "level1"}}</button>
<button name="decision" value="decline">{{.T "decline"}}</button></p></form>
{{else if eq .Page "problem"}}<h1>{{.T "problem"}}</h1><p><code>{{.Detail}}</code></p>
{{else if eq .Page "logout"}}<h1>{{.T "logout"}}</h1>
{{range .Persons}}<form method="post" action="/logout"><input type="hidden" name="person" value="{{.Number}}"><input type="hidden" name="back" value="{{$.Back}}">
<p>{{.Name}} <button class="first">{{$.T "sign_out"}}</button></p></form>{{else}}<p>{{.T "nobody"}}</p>{{end}}
{{else}}<h1>{{.T "title"}}</h1><h2>{{.T "signed_in"}}</h2>
{{range .Persons}}<form method="post" action="/logout"><input type="hidden" name="person" value="{{.Number}}"><p>{{.Name}} <button>{{$.T "sign_out"}}</button></p></form>
{{else}}<p>{{.T "nobody"}}</p>{{end}}
<h2>{{.T "fault"}}</h2><form method="post" action="/misbehave"><p><label for="fault">{{.T "fault"}}</label> <select id="fault" name="fault"><option value="">{{.T "none"}}</option>
{{$f := .Fault}}{{range .Faults}}<option value="{{.Name}}"{{if eq .Name $f}} selected{{end}}>{{.Name}}: {{.What}}</option>{{end}}</select></p><p><button>{{.T "set"}}</button></p></form>
{{end}}</main></body></html>`))

// say shows a page in the language that the request names.
func (s *Simulator) say(w http.ResponseWriter, status int, q url.Values, page, detail string) {
	s.show(w, status, screen{Lang: language(q), Page: page, Detail: detail, Query: q, Persons: s.o.Persons})
}

// language is Vietnamese, unless English comes first.
func language(q url.Values) string {
	if locales := q.Get("ui_locales"); len(locales) >= 2 && locales[:2] == "en" {
		return "en"
	}
	return "vi"
}

func (s *Simulator) show(w http.ResponseWriter, status int, one screen) {
	var b bytes.Buffer
	if err := pages.Execute(&b, one); err != nil {
		http.Error(w, "the simulator cannot show its page", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the caller may be gone
}

// present are the persons who are signed in.
func (s *Simulator) present() (out []Person) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.signIns {
		if !slices.Contains(out, one.person) {
			out = append(out, one.person)
		}
	}
	return out
}

func (s *Simulator) home(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fault := s.fault
	s.mu.Unlock()
	s.show(w, http.StatusOK, screen{Lang: language(r.URL.Query()), Page: "home", Persons: s.present(), Fault: fault, Faults: Faults})
}

// logoutPage asks who signs out (OpenID Connect RP-Initiated Logout 1.0 §2). Without an ID token
// it cannot know.
func (s *Simulator) logoutPage(w http.ResponseWriter, r *http.Request) {
	back := ""
	if q := r.URL.Query(); q.Get("client_id") == s.o.Client.ID && q.Get("post_logout_redirect_uri") == s.o.Client.ReturnURI {
		back = s.o.Client.ReturnURI
	}
	s.show(w, http.StatusOK, screen{Lang: language(r.URL.Query()), Page: "logout", Persons: s.present(), Back: back})
}

func (s *Simulator) logout(w http.ResponseWriter, r *http.Request) {
	if _, err := s.SignOut(r.Context(), r.PostFormValue("person")); err != nil {
		http.Error(w, "the client was not told: "+err.Error(), http.StatusBadGateway)
		return
	}
	to := "/"
	if back := r.PostFormValue("back"); back != "" && back == s.o.Client.ReturnURI {
		to = back
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Simulator) misbehave(w http.ResponseWriter, r *http.Request) {
	if err := s.Misbehave(Fault(r.PostFormValue("fault"))); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
