// Package verifier is what a person has in her hands of package proof: it verifies a file on a
// machine without network and says step by step, in Vietnamese or English, what holds. Both
// hopnhat-verify and hopnhat audit verify are it.
package verifier

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/wording"
)

// Exit codes of [Run].
const (
	ExitGreen     = 0 // all holds, under a trusted key
	ExitRed       = 1 // something does not match
	ExitUsage     = 2
	ExitNotPinned = 3 // all holds, but nobody vouched for the log's key
)

const usage = `Verify a proof of the release log, or an auditor's export, without any network.
Kiểm tra bằng chứng của nhật ký cung cấp dữ liệu, không cần mạng.

Usage:
  %[1]s [--log-key FILE|KEY] [--witness-keys FILE|KEY [--witnesses N]] [--lang vi|en] PROOF

The log's key is given with --log-key, as it was published: the key itself, or
a file with one verifier key a line, where lines that begin with # are notes.
No key is looked for: one that lies beside the proof came with it. Without
--log-key the proof is checked against the key it carries, which proves only
that it is consistent in itself (KEY NOT PINNED, exit code 3).

With --witness-keys, as --log-key, at least N of these witnesses have to have
cosigned each checkpoint in the file; one if --witnesses is not given.

Example:
  %[1]s --log-key state/log.vkey release-0197.proof

Exit codes: 0 green, 1 red, 2 wrong use, 3 consistent but the key is not pinned.

`

// Run is the command: it verifies a proof or an export and says step by step
// what holds. name is how the command is called, for its help.
func Run(name string, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprintf(errOut, usage, name); flags.PrintDefaults() }
	keyFlag := flags.String("log-key", "", "the log's verifier key, or a file that holds it")
	witnessFlag := flags.String("witness-keys", "", "the verifier key of a witness, or a file that holds some")
	wanted := flags.Int("witnesses", 1, "how many of the witnesses have to have cosigned")
	lang := flags.String("lang", "vi", "language of the report: vi or en")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return ExitGreen
	} else if err != nil {
		return ExitUsage
	}
	if flags.NArg() != 1 || (*lang != "vi" && *lang != "en") {
		flags.Usage()
		return ExitUsage
	}
	path := flags.Arg(0)
	raw, err := readBounded(path)
	if err != nil {
		fmt.Fprintln(errOut, err)
		return ExitUsage
	}
	t := proof.Trust{Wanted: *wanted}
	var source string
	if t.Keys, source, err = trustedKeys(*keyFlag); err == nil {
		t.Witnesses, err = trustedWitnesses(*witnessFlag, *wanted)
	}
	if err != nil {
		fmt.Fprintln(errOut, err)
		return ExitUsage
	}
	p := printer{out: out, vi: *lang == "vi", colour: isTerminal(out)}
	return p.report(t.Verify(raw), source)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, proof.MaxExport+1))
	if err != nil {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	return raw, nil
}

// trustedKeys reads the keys to trust and says where they are from. Only what was given is
// trusted; that nothing was given is no error.
func trustedKeys(given string) (keys []string, source string, err error) {
	if given == "" {
		return nil, "", nil
	}
	if keys, err = Keys(given); err != nil {
		return nil, "", fmt.Errorf("--log-key: %w", err)
	}
	if keys[0] == given {
		given = "--log-key"
	}
	return keys, given, nil
}

// Keys reads verifier keys of logs: one, or the path of a file with one a line, where lines
// that begin with # are notes.
func Keys(given string) ([]string, error) {
	raw, err := os.ReadFile(given)
	if err != nil {
		if _, keyErr := note.NewVerifier(given); keyErr == nil {
			return []string{given}, nil
		}
		return nil, fmt.Errorf("%q is neither a file that can be read nor a verifier key: %w", given, err)
	}
	keys, err := keyLines(raw)
	if err != nil {
		return nil, fmt.Errorf("reading the log key in %s: %w", given, err)
	}
	return keys, nil
}

// trustedWitnesses reads the keys of witnesses, of whom a number is wanted.
func trustedWitnesses(given string, wanted int) ([]*cosign.Verifier, error) {
	if given == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(given)
	if err != nil {
		raw = []byte(given)
	}
	var list []*cosign.Verifier
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, _, _ := strings.Cut(line, " ") // what a log's list of witnesses has behind it is a URL
		v, err := cosign.ParseKey(key)
		if err != nil {
			return nil, fmt.Errorf("--witness-keys: %w", err)
		}
		if !slices.ContainsFunc(list, func(known *cosign.Verifier) bool { return known.Name() == v.Name() }) {
			list = append(list, v)
		}
	}
	if wanted < 1 || wanted > len(list) {
		return nil, fmt.Errorf("--witnesses is %d, and --witness-keys has %d", wanted, len(list))
	}
	return list, nil
}

func keyLines(raw []byte) ([]string, error) {
	var keys []string
	for line := range strings.Lines(string(raw)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := note.NewVerifier(line); err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no key")
	}
	return keys, nil
}

// isTerminal reports whether out is a screen that colours can be shown on.
func isTerminal(out io.Writer) bool {
	f, ok := out.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// printer writes a report for people.
type printer struct {
	out        io.Writer
	vi, colour bool
}

const (
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p printer) say(vi, en string) string {
	if p.vi {
		return vi
	}
	return en
}

func (p printer) paint(colour, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[1;" + colour + "m" + text + "\x1b[0m"
}

func (p printer) report(r proof.Report, source string) int {
	for _, s := range r.Steps {
		mark := p.paint(green, p.say("ĐÚNG ", "OK    "))
		if s.Err != nil {
			mark = p.paint(red, p.say("SAI  ", "FAILED"))
		}
		fmt.Fprintf(p.out, "%s %s\n", mark, p.say(s.VI, s.EN))
		if s.Err != nil {
			fmt.Fprintf(p.out, "       %s\n", printable(s.Reason(p.say("vi", "en"))))
		}
	}
	if failed, _ := r.Failed(); errors.Is(failed.Err, proof.ErrNoProof) {
		fmt.Fprintln(p.out, "\n"+p.paint(red, p.say("ĐỎ: tệp này không phải là bằng chứng, không có gì được chứng minh. Kiểm tra xem đã chọn đúng tệp chưa.",
			"RED: this file is no proof, and nothing is proved. See whether it is the right file.")))
		return ExitRed
	}
	if !r.OK() {
		fmt.Fprintln(p.out, "\n"+p.paint(red, p.say("ĐỎ: bằng chứng KHÔNG khớp. Không được tin nội dung của tệp này.",
			"RED: the proof does NOT match. Do not trust what this file says.")))
		return ExitRed
	}
	p.content(r)
	p.keys(r.Keys)
	if !r.Pinned {
		fmt.Fprintln(p.out, "\n"+p.paint(yellow, p.say("VÀNG: KHÓA CHƯA ĐƯỢC ĐỐI CHIẾU (KEY NOT PINNED). Tệp tự nhất quán, nhưng chưa ai xác nhận khóa của nhật ký. Lấy khóa từ nơi công bố, không lấy từ người đưa tệp, rồi kiểm tra lại với --log-key.",
			"YELLOW: KEY NOT PINNED. The file is consistent in itself, but nobody vouched for the log's key. Get the key where it is published, not from whoever gave you the file, and verify again with --log-key.")))
		for _, key := range r.Unpinned {
			fmt.Fprintln(p.out, p.say("Khóa chưa được đối chiếu, của sự đồng ý: ", "The key that was not given is that of the consent: ")+printable(key))
		}
		return ExitNotPinned
	}
	fmt.Fprintf(
		p.out, "\n%s\n", p.paint(
			green, p.say("XANH: bằng chứng khớp với nhật ký. Khóa lấy từ "+source+".", "GREEN: the proof matches the log. The key is from "+source+"."),
		),
	)
	return ExitGreen
}

// keys shows the keys that signed, with what people compare.
func (p printer) keys(keys []string) {
	fmt.Fprintln(p.out, "\n"+p.say("Khóa của nhật ký trong tệp và vân tay SHA-256 của nó:", "Keys of the log in the file, and their SHA-256 fingerprints:"))
	for _, key := range keys {
		fmt.Fprintf(p.out, "  %s\n  %s\n", printable(key), Fingerprint(key))
	}
}

// Fingerprint is what people compare of a verifier key: the SHA-256 of its text, in hex, in
// groups of four.
func Fingerprint(vkey string) string {
	sum := sha256.Sum256([]byte(vkey))
	var groups []string
	for i := 0; i < len(sum); i += 2 {
		groups = append(groups, hex.EncodeToString(sum[i:i+2]))
	}
	return strings.Join(groups, " ")
}

// content tells what was proved: of one event everything, of many how many of
// which kind.
func (p printer) content(r proof.Report) {
	fmt.Fprintln(p.out)
	if r.Coverage == nil {
		for i, e := range r.Events {
			if i > 0 {
				fmt.Fprintln(p.out)
			}
			for _, f := range wording.Facts(e, p.vi) {
				fmt.Fprintf(p.out, "%s: %s\n", f.Name, printable(f.Value))
			}
			if i == 0 && r.Ground != "" {
				fmt.Fprintln(p.out, printable(wording.Rests(string(r.Ground), r.Events[len(r.Events)-1], p.vi)))
			}
		}
		return
	}
	counts := map[string]int{}
	var types []string
	for _, e := range r.Events {
		if counts[e.Type]++; counts[e.Type] == 1 {
			types = append(types, e.Type)
		}
	}
	slices.Sort(types)
	for _, t := range types {
		fmt.Fprintf(p.out, "%6d  %s (%s)\n", counts[t], wording.Kind(t, p.vi), t)
	}
	fmt.Fprintln(p.out, p.say("Phạm vi: ", "Coverage: ")+r.Coverage.Text(p.say("vi", "en")))
}

// printable keeps a file from writing to the terminal with control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '?'
		}
		return r
	}, s)
}
