package trust

import (
	"errors"
	"fmt"
	"slices"
)

// The reasons for which trust is refused, by their codes (§8.9).
var (
	ErrChain    = errors.New("invalid_trust_chain")
	ErrAnchor   = errors.New("invalid_trust_anchor")
	ErrMetadata = errors.New("invalid_metadata")
)

// Rule is a rule that a chain has to keep.
type Rule string

// The rules of a chain, in the order in which they are checked.
const (
	Length    Rule = "length"
	Form      Rule = "form"
	Issued    Rule = "issued"
	Unexpired Rule = "unexpired"
	First     Rule = "first"
	Between   Rule = "between"
	Link      Rule = "link"
	NoLoop    Rule = "no-loop"
	Hint      Rule = "hint"
	Ends      Rule = "anchor"
	OwnKey    Rule = "own-key"
	NextKey   Rule = "next-key"
	PinnedKey Rule = "pinned-key"
	Path      Rule = "path"
	Naming    Rule = "naming"
	Policies  Rule = "policies"
	Complies  Rule = "complies"
)

// ruleText is a row of the table of rules.
type ruleText struct {
	Rule    Rule
	Section string
	Kind    error
	// Want says what has to be.
	Want string
	// VI and EN say who has to do what where it is not. They name the one who acts by %[1]s,
	// and the subject of the chain by %[2]s.
	VI, EN string
}

var ruleTexts = []ruleText{
	{
		Length, "4", ErrChain, "a chain has 1 to 10 statements",
		"%[2]s phải gửi một chuỗi có từ 1 đến 10 tuyên bố.", "%[2]s has to send a chain of 1 to 10 statements.",
	},
	{
		Form, "3.2", ErrChain, "each is an entity statement that keeps to its form",
		"%[1]s phải sửa tuyên bố của mình cho đúng mẫu và ký lại.", "%[1]s has to mend the form of its statement and sign it again.",
	},
	{
		Issued, "10.2", ErrChain, "it was issued in the past",
		"%[1]s phải chỉnh lại đồng hồ của máy chủ rồi ký lại tuyên bố.", "%[1]s has to set the clock of its server and sign the statement again.",
	},
	{
		Unexpired, "10.2", ErrChain, "it has not expired",
		"%[1]s phải ký lại tuyên bố đã hết hạn.", "%[1]s has to sign anew its statement that has expired.",
	},
	{
		First, "10.2", ErrChain, "the first is the configuration of the subject",
		"Người gửi phải đặt cấu hình của %[2]s ở đầu chuỗi.", "Who sends the chain has to begin it with the configuration of %[2]s.",
	},
	{
		Between, "4", ErrChain, "between the first and that of the anchor, all are about others",
		"Người gửi phải bỏ cấu hình nằm giữa chuỗi.", "Who sends the chain has to take out the configuration in its middle.",
	},
	{
		Link, "10.2", ErrChain, "it is about the issuer of the one before",
		"Người gửi phải xếp chuỗi cho đủ và đúng thứ tự, từ %[2]s lên đến neo tin cậy.",
		"Who sends the chain has to make it whole and in order, from %[2]s up to the trust anchor.",
	},
	{
		NoLoop, "10.1", ErrChain, "no entity comes twice",
		"%[1]s không thể vừa là cấp trên vừa là cấp dưới: phải bỏ một trong hai tuyên bố.",
		"%[1]s cannot be both above and below: one of the two statements has to go.",
	},
	{
		Hint, "3.2", ErrChain, "authority_hints of the subject name its superior",
		"%[2]s phải ghi tên cấp trên vào authority_hints.", "%[2]s has to name its superior in authority_hints.",
	},
	{
		Ends, "10.2", ErrAnchor, "the chain ends at a trust anchor that is configured here",
		"%[2]s phải gia nhập liên đoàn của một neo tin cậy mà máy chủ này công nhận.",
		"%[2]s has to join the federation of a trust anchor that this server accepts.",
	},
	{
		OwnKey, "10.2", ErrChain, "it is signed with a key that it states itself",
		"%[1]s phải ký cấu hình bằng một khóa có trong chính cấu hình đó.", "%[1]s has to sign its configuration with a key that stands in it.",
	},
	{
		NextKey, "10.2", ErrChain, "it is signed with a key that the next one states",
		"%[1]s phải gửi khóa liên đoàn mới cho cấp trên; cấp trên phải ký lại tuyên bố với khóa đó.",
		"%[1]s has to give its new federation key to its superior, who has to sign a statement with it.",
	},
	{
		PinnedKey, "4", ErrChain, "it is signed with a key of the trust anchor that is configured here",
		"Người vận hành máy chủ này phải so khóa của %[1]s với bản do neo tin cậy công bố qua kênh khác; nếu khác nhau, đừng tin.",
		"Whoever runs this server has to compare the keys of %[1]s with those it publishes elsewhere; if they differ, do not trust it.",
	},
	{
		Path, "6.2.1", ErrChain, "no more intermediates stand below it than it allows",
		"%[1]s giới hạn số cấp trung gian: %[2]s phải gia nhập ở cấp cao hơn, hoặc %[1]s nới giới hạn.",
		"%[1]s limits the intermediates: %[2]s has to join further up, or %[1]s has to allow more.",
	},
	{
		Naming, "6.2.2", ErrChain, "the hosts of all below it are permitted and not excluded",
		"%[1]s chỉ cho phép một số tên miền: phải đổi tên miền, hoặc %[1]s thêm tên miền đó.",
		"%[1]s permits some hosts only: the host has to change, or %[1]s has to permit it.",
	},
	{
		Policies, "6.1.4", ErrChain, "the policies of the chain go together",
		"Các cấp trên của %[2]s đặt chính sách trái nhau: họ phải thống nhất lại. %[2]s không phải làm gì.",
		"The superiors of %[2]s have policies that do not go together, and have to agree. %[2]s has nothing to do.",
	},
	{
		Complies, "6.1.4", ErrMetadata, "the metadata comply with the policy",
		"%[2]s phải sửa siêu dữ liệu theo chính sách của cấp trên.", "%[2]s has to change its metadata as the policy of its superiors says.",
	},
}

// Rules are all rules, in the order in which they are checked.
func Rules() []Rule {
	all := make([]Rule, len(ruleTexts))
	for i, t := range ruleTexts {
		all[i] = t.Rule
	}
	return all
}

// textOf is the row of a rule.
func textOf(r Rule) ruleText {
	return ruleTexts[slices.IndexFunc(ruleTexts, func(t ruleText) bool { return t.Rule == r })]
}

// Advice says who has to do what so that a subject which is refused is trusted, in
// Vietnamese and in English; both are empty for a valid chain.
func (v Verdict) Advice() (vi, en string) {
	if v.Valid() || len(v.Trail) == 0 {
		return "", ""
	}
	failed := v.Trail[len(v.Trail)-1]
	text := textOf(failed.Rule)
	say := func(format, issuer, subject string) string {
		if failed.Statement >= 0 && failed.Statement < len(v.Chain) {
			issuer = string(v.Chain[failed.Statement].Issuer)
		}
		if len(v.Chain) > 0 {
			subject = string(v.Chain[0].Subject)
		}
		return fmt.Sprintf(format+"%.0[1]s%.0[2]s", issuer, subject)
	}
	return say(text.VI, fmt.Sprintf("Người phát hành tuyên bố số %d", failed.Statement), "chủ thể của chuỗi"),
		say(text.EN, fmt.Sprintf("The issuer of statement %d", failed.Statement), "the subject of the chain")
}
