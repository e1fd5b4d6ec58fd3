package broker

import (
	"encoding/json"
	"net/http"

	"hopnhat/authz/policy"
)

// Problem is an answer of RFC 9457 with a stable code and both languages.
type Problem struct {
	Type    string `json:"type"`
	Title   string `json:"title"`
	TitleVI string `json:"title_vi"`
	Status  int    `json:"status"`
	Detail  string `json:"detail,omitempty"`
	Code    string `json:"code"`
	// Codes are all causes where there are several, the first of them Code.
	Codes    []string `json:"codes,omitempty"`
	Instance string   `json:"instance,omitempty"`
}

// releasedOutcome is counted where nothing was refused.
const releasedOutcome = "released"

// The codes of problems that no rule of the policy gives.
const (
	methodNotAllowed       = "method-not-allowed"
	busy                   = "busy"
	unavailable            = "unavailable"
	tooManyRequests        = "too-many-requests"
	malformedRequest       = "malformed-request"
	caseReferenceMalformed = "case-reference-malformed"
	tokenRefused           = "token-refused"
	grantEnded             = "grant-ended"
	subjectOfAnother       = "subject-of-another"
	frequencyExceeded      = "frequency-exceeded"
	noRecord               = "no-record"
	registerSilent         = "register-silent" // the register did not answer
)

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
	string(policy.ConsentWithdrawn):  {403, "The consent was withdrawn", "Sự đồng ý đã được rút lại"},
	string(policy.ConsentExpired):    {403, "The consent has expired", "Sự đồng ý đã hết hạn"},
	string(policy.ConsentSuperseded): {403, "The consent was replaced and does not cover this", "Sự đồng ý đã được thay thế và không bao gồm thông tin này"},
	string(policy.ConsentNotThis):    {403, "The consent was given to another", "Sự đồng ý được cấp cho bên khác"},
	string(policy.Expired):           {403, "The permission has expired", "Quyền truy cập đã hết hạn"},
	string(policy.AccountLocked):     {403, "The account is locked", "Tài khoản đang bị khóa"},
	string(policy.ConsentSuspended):  {403, "The consent is suspended", "Sự đồng ý đang tạm dừng"},
	string(policy.ConsentEnded):      {403, "The consent has ended", "Sự đồng ý đã chấm dứt"},
	string(policy.BasisNotAllowed):   {403, "The purpose may not rest on this legal basis", "Mục đích không được dựa trên căn cứ pháp lý này"},
	string(policy.AgeUnknown):        {403, "The person's age is not known, so no consent counts", "Chưa xác định được tuổi nên sự đồng ý chưa có hiệu lực"},
	string(policy.LevelTooLow):       {401, "The sign-in level is too low", "Mức độ xác thực chưa đủ"},
	string(policy.SignInTooOld):      {401, "The sign-in is too long ago", "Lần đăng nhập đã quá lâu"},
	string(policy.AgencyUnverified):  {403, "Nobody vouches that the app is run by the agency that the law names", "Chưa ai xác minh ứng dụng là của cơ quan được luật cho phép"},
	string(policy.ActorNotDeclared):  {403, "An app that acts has no declaration of its own for this", "Ứng dụng hành động thay chưa khai báo mục đích này"},
	string(policy.RecipientNotNamed): {403, "The person was not told that this app would receive the data", "Người dân chưa được cho biết ứng dụng này sẽ nhận dữ liệu"},
	string(policy.ChildNeedsBoth):    {403, "A child's data need the representative's agreement", "Dữ liệu trẻ em cần sự đồng ý của người đại diện"},
	string(policy.WrittenRequest):    {403, "A written request of the person is needed", "Cần yêu cầu bằng văn bản của chủ thể dữ liệu"},
	string(policy.PredicateOnly):     {403, "This purpose gets a yes or no only", "Mục đích này chỉ được nhận kết quả đúng hoặc sai"},
	string(policy.SubjectDead):       {403, "The register knows the person as dead", "Chủ thể dữ liệu đã mất"},
	string(policy.RegistryPolicy):    {403, "The register's policy forbids this", "Chính sách của cơ sở dữ liệu không cho phép"},
	frequencyExceeded:                {429, "The agreed number of reads is used up", "Đã hết số lần truy cập được đồng ý"},
	subjectOfAnother:                 {403, "The grant is about another person", "Quyền này thuộc về người khác"},
	methodNotAllowed:                 {405, "This endpoint takes POST", "Địa chỉ này chỉ nhận phương thức POST"},
	busy:                             {503, "Too many requests are in work; nothing was released", "Hệ thống đang quá tải; không có dữ liệu nào được gửi"},
	grantEnded:                       {401, "The grant was revoked or has ended", "Phiên ủy quyền đã kết thúc hoặc bị thu hồi"},
	tokenRefused:                     {401, "The access token was refused", "Mã truy cập bị từ chối"},
	malformedRequest:                 {400, "The request is malformed", "Yêu cầu không hợp lệ"},
	caseReferenceMalformed:           {400, "The case reference is not of the agency's form, or carries twelve digits", "Mã hồ sơ không đúng dạng của cơ quan hoặc có mười hai chữ số"},
	tooManyRequests:                  {429, "Too many refused requests", "Quá nhiều yêu cầu bị từ chối"},
	noRecord:                         {404, "The register has no record of this person", "Cơ sở dữ liệu không có thông tin về người này"},
	registerSilent:                   {503, "The register does not answer; nothing was released and no use is spent", "Cơ sở dữ liệu không trả lời; không có dữ liệu nào được gửi và không tính lượt sử dụng"},
	unavailable:                      {503, "A part of the service does not answer; nothing was released", "Dịch vụ tạm thời gián đoạn; không có dữ liệu nào được gửi"},
}

// refusal is an answer that is not a release.
type refusal struct {
	code string
	// detail is for the developer; nothing of ours and nothing of a person.
	detail string
	// event is the evidence of it, if there is any.
	event string
	all   []string
	// challenge are the lines of WWW-Authenticate of a 401.
	challenge []string
}

// Error says the code.
func (r refusal) Error() string { return "refused: " + r.code }

func (r refusal) write(w http.ResponseWriter) {
	p := Problems()[r.code]
	p.Detail, p.Codes = r.detail, r.all
	if r.event != "" {
		p.Instance = "urn:uuid:" + r.event
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	switch p.Status {
	case http.StatusUnauthorized:
		h["Www-Authenticate"] = r.challenge // the canonical spelling of net/http
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "2")
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "60")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// Problems is the table of all refusals by their code, for the documentation of
// the interface.
func Problems() map[string]Problem { return problems }

var problems = func() map[string]Problem {
	all := make(map[string]Problem, len(texts))
	for code, t := range texts {
		all[code] = Problem{Type: "urn:hopnhat:problem:" + code, Title: t.en, TitleVI: t.vi, Status: t.status, Code: code}
	}
	return all
}()

// Text is what people read for the code of a refusal; the code itself where it
// has no text.
func Text(code string) (vi, en string) {
	t, ok := texts[code]
	if !ok {
		return code, code
	}
	return t.vi, t.en
}
