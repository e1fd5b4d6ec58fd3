// Command manual writes the manual pages of hopnhat, one for each command, into a folder:
// `make man`. It is a program of its own so that the server does not link what writes them.
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra/doc"

	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "manual: name the folder for the pages")
		os.Exit(int(tool.Misused))
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "manual:", err)
		os.Exit(int(tool.Failed))
	}
}

// write writes the pages, and makes the folder if it is missing.
func write(folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	root := command.Root(&tool.Env{Out: io.Discard, Err: io.Discard})
	root.DisableAutoGenTag = true
	return doc.GenManTree(root, &doc.GenManHeader{Title: "HOPNHAT", Section: "1", Source: "Hopnhat", Manual: "Hopnhat"}, folder)
}
