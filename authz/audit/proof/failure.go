package proof

import "errors"

// Failure is a reason why something is not proved, in the languages of its
// readers.
type Failure struct {
	// Code is stable: structure, event, commitment, ground, tree, signature, key, witness, export.
	Code   string
	VI, EN string
}

// Error is the English reason.
func (f *Failure) Error() string { return f.EN }

// The failures.
var (
	ErrForm error = &Failure{
		"structure", "tệp không đúng một dạng duy nhất của nó", "not in the one form",
	}
	// ErrNoProof is of a file that does not begin as ours do: another file was taken
	// for one, or the first line was changed.
	ErrNoProof error = &Failure{
		"form", "tệp này không phải là bằng chứng hay bản xuất của nhật ký: dòng đầu không phải " + fileHead + ", " + releaseHead + " hoặc " + exportHead,
		"this file is no proof and no export of the release log: its first line is neither " + fileHead + ", " + releaseHead + " nor " + exportHead,
	}
	ErrWords error = &Failure{
		"structure", "dòng dành cho người đọc không đúng với bản ghi", "a line for readers does not say what the record says",
	}
	ErrEvent error = &Failure{
		"event", "một nhóm dữ liệu của sự kiện đã bị thay đổi", "a group of the event does not give its digest: it was changed",
	}
	ErrCommitment error = &Failure{
		"commitment", "sự kiện không khớp với mục trong nhật ký", "event and salt do not give the entry that the log holds",
	}
	ErrGround error = &Failure{
		"ground", "căn cứ của việc cung cấp không đúng như bản ghi nói", "what the release rests on is not what its event says",
	}
	ErrNotIncluded error = &Failure{
		"tree", "mục, vị trí và các mã băm không dẫn tới gốc mà nhật ký đã ký", "leaf, index and hashes do not lead to the root that the log signed",
	}
	ErrInconsistent error = &Failure{
		"tree", "cây không tiếp nối cây trước: nhật ký có hai lịch sử, hoặc bằng chứng không đúng",
		"the tree does not go on from the one before: the log has two histories, or the proof is not the one of the two",
	}
	ErrSignature error = &Failure{
		"signature", "chữ ký không phải của nhật ký", "the signature is not the log's: the text was changed, or another signed it",
	}
	ErrUnknownKey error = &Failure{
		"key", "khóa ký không phải là khóa đã biết của nhật ký", "no key that is known here signed it",
	}
	ErrWitnesses error = &Failure{
		"witness", "không đủ nhân chứng được tin cậy ký điểm kiểm tra", "too few of the trusted witnesses cosigned the checkpoint",
	}
	ErrCounts error = &Failure{
		"export", "số sự kiện trong tệp không bằng số sự kiện tìm thấy", "the file does not hold as many events as were found",
	}
	ErrManifest error = &Failure{
		"export", "nội dung bản xuất không khớp với bảng kê đã ký", "the content of the export is not what its manifest says",
	}
)

// reason is the failure behind an error, in a language.
func reason(err error, vi bool) string {
	var f *Failure
	if vi && errors.As(err, &f) {
		return f.VI + " (" + err.Error() + ")"
	}
	return err.Error()
}
