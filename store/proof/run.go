package proof

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Exit codes of [Run].
const (
	ExitGreen     = 0 // all holds, under a trusted key
	ExitRed       = 1 // something does not match
	ExitUsage     = 2
	ExitNotPinned = 3 // all holds, but nobody vouched for the log's key
)

const usage = `Verify a proof file without any network.

Usage:
  %s [--log-key FILE|KEY] [--lang vi|en] PROOF

The log's key is looked for in --log-key, then in log.vkey beside the proof,
then in state/log.vkey. Without one the proof is checked against the key it
carries, which proves only that it is consistent in itself (exit code 3).

Example:
  %s --log-key state/log.vkey release-0197.proof

`

// Run is the command: it verifies a proof and says step by step what holds. name
// is how the command is called, for its help.
func Run(name string, args []string, out, errOut io.Writer) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(errOut)
	flags.Usage = func() { fmt.Fprintf(errOut, usage, name, name); flags.PrintDefaults() }
	keyFlag := flags.String("log-key", "", "the log's verifier key, or a file that holds it")
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
	trusted, err := trustedKeys(*keyFlag, path)
	if err != nil {
		fmt.Fprintln(errOut, err)
		return ExitUsage
	}
	return report(Verify(raw, trusted), *lang, out)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// trustedKeys finds the keys to trust; none is not an error.
func trustedKeys(given, proofPath string) ([]string, error) {
	if given != "" {
		if strings.Contains(given, "+") && !strings.ContainsAny(given, "\n") {
			if _, err := os.Stat(given); err != nil {
				return []string{given}, nil
			}
		}
		raw, err := os.ReadFile(given)
		if err != nil {
			return nil, fmt.Errorf("reading the log key: %w", err)
		}
		return strings.Fields(string(raw)), nil
	}
	for _, path := range []string{filepath.Join(filepath.Dir(proofPath), "log.vkey"), filepath.Join("state", "log.vkey")} {
		if raw, err := os.ReadFile(path); err == nil {
			return strings.Fields(string(raw)), nil
		}
	}
	return nil, nil
}

func report(r Report, lang string, out io.Writer) int {
	vi := lang == "vi"
	say := func(viText, enText string) string {
		if vi {
			return viText
		}
		return enText
	}
	for _, s := range r.Steps {
		mark := say("ĐÚNG ", "OK    ")
		if s.Err != nil {
			mark = say("SAI  ", "FAILED")
		}
		fmt.Fprintf(out, "%s %s\n", mark, say(s.VI, s.EN))
		if s.Err != nil {
			fmt.Fprintf(out, "       %v\n", s.Err)
		}
	}
	if !r.OK() {
		fmt.Fprintln(out, say("\nĐỎ: bằng chứng KHÔNG khớp. Không được tin nội dung của tệp này.", "\nRED: the proof does NOT match. Do not trust what this file says."))
		return ExitRed
	}
	e := r.Event
	fmt.Fprintf(out, "\n%s %s\n%s %s (%s)\n%s %s, %s\n%s %v\n", say("Thời điểm:", "When:"),
		e.When.Decided.In(hanoi).Format("02/01/2006 15:04:05 MST"),
		say("Bên yêu cầu:", "Who asked:"), e.Asked.Name, e.Asked.Owner,
		say("Mục đích, căn cứ:", "Purpose, basis:"), e.Reason.Purpose, e.Reason.Basis,
		say("Dữ liệu:", "Data:"), e.Data.Attributes)
	if !r.Pinned {
		fmt.Fprintf(out, say("\nVÀNG: tệp tự nhất quán, nhưng khóa của nhật ký CHƯA được đối chiếu. So khóa này với khóa đã công bố:\n%s\n", "\nYELLOW: the file is consistent, but the log's key was NOT pinned. Compare it with the published one:\n%s\n"), r.Key)
		return ExitNotPinned
	}
	fmt.Fprintln(out, say("\nXANH: bằng chứng khớp với nhật ký.", "\nGREEN: the proof matches the log."))
	return ExitGreen
}

// hanoi is the time zone of screens (decision D15); it has no daylight saving.
var hanoi = time.FixedZone("ICT", 7*3600)
