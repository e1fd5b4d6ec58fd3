// Command hopnhat-verify checks, on a machine without network, a proof that a
// citizen took away or an export that an auditor made. No network code is linked
// into it.
package main

import (
	"os"

	"hopnhat/authz/audit/verifier"
)

func main() {
	os.Exit(verifier.Run("hopnhat-verify", os.Args[1:], os.Stdout, os.Stderr))
}
