// Package wording says in Vietnamese and English what an event is, for the readers of proofs.
package wording

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/calendar"
)

// kinds are the words for the types of events.
var kinds = map[string][2]string{
	"release.permitted":      {"Dữ liệu đã được cung cấp", "Data were released"},
	"release.refused":        {"Yêu cầu dữ liệu bị từ chối", "A request for data was refused"},
	"consent.approved":       {"Đã đồng ý", "Consent was given"},
	"consent.declined":       {"Đã từ chối đồng ý", "Consent was declined"},
	"consent.withdrawn":      {"Đã rút lại sự đồng ý", "Consent was withdrawn"},
	"consent.superseded":     {"Sự đồng ý được thay bằng bản mới", "Consent was replaced by a newer one"},
	"consent.suspended":      {"Sự đồng ý bị tạm ngưng", "Consent was suspended"},
	"consent.expired":        {"Sự đồng ý hết hạn", "Consent expired"},
	"consent.ended":          {"Sự đồng ý chấm dứt", "Consent ended"},
	"session.signed-in":      {"Đã đăng nhập", "Signed in"},
	"session.refused":        {"Đăng nhập bị từ chối", "Sign-in was refused"},
	"session.signed-out":     {"Đã đăng xuất", "Signed out"},
	"release.unanswered":     {"Cơ sở dữ liệu không trả lời, không có dữ liệu nào được gửi", "The register did not answer, nothing was released"},
	"grant.exchanged":        {"Một dịch vụ hành động thay dịch vụ khác", "A service acts for another"},
	"grant.ended":            {"Dịch vụ trả lại quyền truy cập", "A service gave its access back"},
	"account.locked":         {"Tài khoản bị khóa", "The account was locked"},
	"account.unlocked":       {"Tài khoản được mở khóa", "The account was unlocked"},
	"account.factor-changed": {"Phương tiện xác thực thay đổi", "A means of authentication was changed"},
	"auditor.looked":         {"Kiểm toán viên xem một sự kiện", "An auditor looked at an event"},
	"auditor.query":          {"Kiểm toán viên tra cứu", "An auditor searched"},
	"auditor.export":         {"Kiểm toán viên xuất dữ liệu", "An auditor exported"},
	"admin.action":           {"Thao tác quản trị", "An act of administration"},
	"evidence.erased":        {"Bản ghi đã bị xóa theo luật", "A record was erased by law"},
}

// Kind says a type in words; one that is not known stands for itself.
func Kind(eventType string, vi bool) string {
	words, ok := kinds[eventType]
	switch {
	case !ok:
		return eventType
	case vi:
		return words[0]
	default:
		return words[1]
	}
}

// Fact is one line that a person reads about an event.
type Fact struct{ Name, Value string }

// Facts tells of an event what is shown of it.
func Facts(d commitment.Disclosure, vi bool) []Fact {
	say := func(inVI, inEN string) string {
		if vi {
			return inVI
		}
		return inEN
	}
	list := []Fact{{say("Sự kiện", "Event"), Kind(d.Type, vi) + " (" + d.Type + ")"}}
	hidden := say("(không trình ra)", "(withheld)")
	add := func(name string, g commitment.Group, value func(map[string]any) string) {
		raw, shown := d.Shown(g)
		if !shown {
			list = append(list, Fact{name, hidden})
			return
		}
		members, err := commitment.ParseObject(raw)
		if err != nil {
			list = append(list, Fact{name, say("(không đọc được)", "(not readable)")})
			return
		}
		if v := value(members); v != "" {
			list = append(list, Fact{name, v})
		}
	}
	add(say("Thời điểm", "When"), commitment.When, func(m map[string]any) string {
		at, err := time.Parse(time.RFC3339Nano, str(m["decided"]))
		if err != nil {
			return ""
		}
		return at.In(calendar.Hanoi).Format("02/01/2006 15:04:05 ") + say("(giờ Việt Nam)", "(Vietnam time)")
	})
	add(say("Bên yêu cầu", "Who asked"), commitment.Asked, func(m map[string]any) string {
		return join(" · ", str(m["name"]), str(m["owner"]), str(m["client"]))
	})
	add(
		say("Người có dữ liệu (bí danh)", "Person (pseudonym)"), commitment.Person,
		func(m map[string]any) string { return str(m["pseudonym"]) },
	)
	add(say("Mục đích · căn cứ", "Purpose · basis"), commitment.Reason, func(m map[string]any) string {
		return join(" · ", str(m["purpose"]), str(m["basis"]), str(m["citation"]), str(m["case_reference"]))
	})
	add(say("Sự đồng ý", "Consent"), commitment.Consent, func(m map[string]any) string {
		if id := str(m["consent"]); id != "" {
			return id + say(" bản ", " version ") + fmt.Sprint(m["version"])
		}
		if why := str(m["no_consent"]); why != "" {
			return say("không cần: ", "not needed: ") + why
		}
		return ""
	})
	add(say("Dữ liệu", "Data"), commitment.Data, func(m map[string]any) string {
		var names []string
		if attributes, ok := m["attributes"].([]any); ok {
			for _, a := range attributes {
				names = append(names, str(a))
			}
		}
		return join(": ", str(m["registry"]), strings.Join(names, ", "))
	})
	add(say("Quyết định", "Decision"), commitment.Decision, func(m map[string]any) string {
		if !strings.HasPrefix(d.Type, "release.") {
			return str(m["code"])
		}
		if permit, _ := m["permit"].(bool); permit {
			return join(" · ", say("cho phép", "permitted"), str(m["code"]))
		}
		return join(" · ", say("từ chối", "refused"), str(m["code"]))
	})
	return list
}

func str(v any) string {
	switch s := v.(type) {
	case string:
		return s
	case json.Number:
		return s.String()
	default:
		return ""
	}
}

func join(by string, parts ...string) string {
	var there []string
	for _, p := range parts {
		if p != "" {
			there = append(there, p)
		}
	}
	return strings.Join(there, by)
}

// Rests says on what a release rests: by a consent that is proved with it, by one that is not, or
// by law. given is the event of that consent, the zero one if it is not proved.
func Rests(ground string, given commitment.Disclosure, vi bool) string {
	say := func(inVI, inEN string) string {
		if vi {
			return inVI
		}
		return inEN
	}
	switch ground {
	case "proved":
		var at struct{ Decided time.Time }
		when := ""
		if shown, ok := given.Shown(commitment.When); ok && json.Unmarshal(shown, &at) == nil {
			when = at.Decided.In(calendar.Hanoi).Format("02/01/2006 15:04:05")
			when = say(" lúc "+when+" (giờ Việt Nam)", " on "+when+" (Vietnam time)")
		}
		return say("Căn cứ: sự đồng ý đã cho"+when+", sự kiện "+given.ID+", được chứng minh cùng trong tệp này; "+
			"tệp không chứng minh rằng sự đồng ý chưa bị rút lại trong khoảng thời gian ở giữa",
			"Rests: on the consent given"+when+", event "+given.ID+", which this file proves, too; "+
				"that it was not withdrawn in between is not proved")
	case "unproved":
		return say("Căn cứ: sự đồng ý; tệp này không chứng minh sự đồng ý đó", "Rests: on a consent, which this file does not prove")
	default:
		return say("Căn cứ: quy định của pháp luật, không phải sự đồng ý; không có sự đồng ý để chứng minh",
			"Rests: on law and not on consent; there is none to prove")
	}
}

// Ground is Rests in both languages, as lines of a proof file.
func Ground(ground string, given commitment.Disclosure) string {
	return "vi " + Rests(ground, given, true) + "\nen " + Rests(ground, given, false) + "\n"
}

// Summary is the lines for readers at the head of a proof file, made from the
// record so that they cannot say something else.
func Summary(d commitment.Disclosure) string {
	var b strings.Builder
	for _, lang := range []string{"vi", "en"} {
		vi := lang == "vi"
		title := "Proof of an entry in the national release log. Check it without network: hopnhat-verify FILE"
		if vi {
			title = "Bằng chứng về một mục trong nhật ký cung cấp dữ liệu quốc gia. Kiểm tra không cần mạng: hopnhat-verify TỆP"
		}
		fmt.Fprintf(&b, "%s %s\n", lang, title)
		for _, f := range Facts(d, vi) {
			fmt.Fprintf(&b, "%s %s: %s\n", lang, f.Name, f.Value)
		}
	}
	return b.String()
}
