// Package broker stands in the path of the national registers: it decides,
// records, logs, and only then sends (decision D8). When the record is in doubt
// the data stay here.
package broker

import (
	"encoding/json"
	"net/http"
	"strconv"

	"hopnhat/authz/policy"
)

// Problem is an answer of RFC 9457 with a stable code and both languages.
type Problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	TitleVI  string   `json:"title_vi"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Code     string   `json:"code"`
	Codes    []string `json:"codes,omitempty"`
	Instance string   `json:"instance,omitempty"`
}

// text is what an app's developer and its user read for a code.
type text struct {
	status int
	en, vi string
}

// texts is the one table of answers that are not releases.
var texts = map[string]text{
	string(policy.NotGranted):        {403, "The grant has no permission for this purpose and register", "Không có quyền cho mục đích và cơ sở dữ liệu này"},
	string(policy.PurposeUnknown):    {403, "The purpose is not in the catalogue", "Mục đích không có trong danh mục"},
	string(policy.PurposeForbidden):  {403, "The purpose is forbidden", "Mục đích bị cấm"},
	string(policy.NotDeclared):       {403, "The app has no declaration in force for this", "Ứng dụng chưa khai báo mục đích này"},
	string(policy.AttributeNot):      {403, "An attribute was not granted", "Có thông tin không thuộc phạm vi được phép"},
	string(policy.ClassTooHigh):      {403, "An attribute may not be used for this purpose", "Có thông tin không được dùng cho mục đích này"},
	string(policy.ConsentMissing):    {403, "There is no consent", "Chưa có sự đồng ý"},
	string(policy.ConsentWithdrawn):  {403, "The person withdrew the consent", "Người dân đã rút lại sự đồng ý"},
	string(policy.ConsentExpired):    {403, "The consent has expired", "Sự đồng ý đã hết hạn"},
	string(policy.ConsentSuperseded): {403, "The consent was replaced and does not cover this", "Sự đồng ý đã được thay thế và không bao gồm thông tin này"},
	string(policy.ConsentNotThis):    {403, "The consent was given to another", "Sự đồng ý được cấp cho bên khác"},
	string(policy.Expired):           {403, "The permission has expired", "Quyền truy cập đã hết hạn"},
	string(policy.AccountLocked):     {403, "The account is locked", "Tài khoản đang bị khóa"},
	string(policy.LevelTooLow):       {403, "The sign-in level is too low", "Mức độ xác thực chưa đủ"},
	string(policy.ChildNeedsBoth):    {403, "A child's data need the representative's agreement", "Dữ liệu trẻ em cần sự đồng ý của người đại diện"},
	string(policy.WrittenRequest):    {403, "A written request of the person is needed", "Cần yêu cầu bằng văn bản của chủ thể dữ liệu"},
	string(policy.PredicateOnly):     {403, "This purpose gets a yes or no only", "Mục đích này chỉ được nhận kết quả đúng hoặc sai"},
	string(policy.SubjectDead):       {403, "The register knows the person as dead", "Chủ thể dữ liệu đã mất"},
	string(policy.RegistryPolicy):    {403, "The register's policy forbids this", "Chính sách của cơ sở dữ liệu không cho phép"},
	"frequency-exceeded":             {429, "The agreed number of reads is used up", "Đã hết số lần truy cập được đồng ý"},
	"grant-ended":                    {401, "The grant was revoked or has ended", "Phiên ủy quyền đã kết thúc hoặc bị thu hồi"},
	"token-refused":                  {401, "The access token was refused", "Mã truy cập bị từ chối"},
	"malformed-request":              {400, "The request is malformed", "Yêu cầu không hợp lệ"},
	"too-many-requests":              {429, "Too many refused requests", "Quá nhiều yêu cầu bị từ chối"},
	"no-record":                      {404, "The register has no record of this person", "Cơ sở dữ liệu không có thông tin về người này"},
	"unavailable":                    {503, "A part of the service does not answer; nothing was released", "Dịch vụ tạm thời gián đoạn; không có dữ liệu nào được gửi"},
}

// write answers a problem. detail is for the developer, instance the event's id.
func write(w http.ResponseWriter, code, detail, instance string, all []string) {
	t := texts[code]
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch t.status {
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	case http.StatusTooManyRequests:
		h.Set("Retry-After", strconv.Itoa(60))
	}
	w.WriteHeader(t.status)
	_ = json.NewEncoder(w).Encode(Problem{
		Type: "urn:hopnhat:problem:" + code, Title: t.en, TitleVI: t.vi, Status: t.status,
		Detail: detail, Code: code, Codes: all, Instance: instance,
	})
}
