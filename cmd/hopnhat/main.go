// Command hopnhat is the national electronic identity federation server and the
// tools of those who run it. What it does lives in the packages it imports.
package main

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command.Run(ctx, &tool.Env{Out: os.Stdout, Err: os.Stderr, Environment: environment()}, os.Args[1:]))
}

// environment is that of the process.
func environment() config.Environment {
	e := config.Environment{Lookup: os.LookupEnv}
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		e.Names = append(e.Names, name)
	}
	return e
}
