package house

import (
	"strconv"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit/verifier"
	"hopnhat/cmd/command/evidence"
	"hopnhat/cmd/command/tool"
)

// Audit is `hopnhat audit`.
func Audit(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "verify PROOF", Short: "Verify a proof of the release log, or an auditor's export, without any network",
		Long: `Verifies a proof of the release log, or an auditor's export, without any network.
Kiểm tra bằng chứng của nhật ký cung cấp dữ liệu, không cần mạng.

The log's key is given with --log-key, as it was published: the key itself, or a file with one
verifier key a line, where lines that begin with # are notes. No key is looked for: one that
lies beside the proof came with it. Without --log-key the proof is checked against the key it
carries, which proves only that it is consistent in itself (KEY NOT PINNED, exit code 3).
hopnhat-verify is the same as a small program.

With --witness-keys, as --log-key, at least as many of these witnesses as --witnesses says have
to have cosigned each checkpoint in the file.

Exit codes: 0 green, 1 red, 2 wrong use, 3 consistent, but no key was given that signed it.`,
		Example: tool.Lines("hopnhat audit verify --log-key state/log.vkey release-0197.proof"),
	}
	key := cmd.Flags().String("log-key", "", "the log's verifier key, or a `file` that holds it")
	witnesses := cmd.Flags().String("witness-keys", "", "the verifier key of a witness, or a `file` that holds some")
	wanted := cmd.Flags().Int("witnesses", 1, "how many of these witnesses have to have cosigned")
	lang := cmd.Flags().String("lang", "vi", "language of the report: vi or en")
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions([]string{"vi", "en"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		args := append([]string{
			"--log-key", *key, "--witness-keys", *witnesses, "--witnesses", strconv.Itoa(*wanted), "--lang", *lang, "--",
		}, words...)
		if code := verifier.Run(cmd.CommandPath(), args, e.Out, e.Err); code != 0 {
			return tool.ExitCode(code)
		}
		return nil
	}
	return tool.Group("audit", "Verify a proof file without any network, export events, hold the evidence against its log, close incidents, erase an event",
		"hopnhat audit verify --log-key state/log.vkey hopnhat-0197.proof", cmd, consistency(e), evidence.Export(e), evidence.Reconcile(e),
		evidence.Incidents(e), evidence.Erase(e))
}
