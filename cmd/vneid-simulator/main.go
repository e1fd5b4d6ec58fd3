// Command vneid-simulator is a simulator of VNeID: an OpenID Provider with invented persons, by
// which a server is tried. It is not VNeID, and is never to be reached from outside.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"hopnhat/cmd/vneid"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const help = `vneid-simulator is a SIMULATOR of VNeID, and not VNeID: an OpenID Provider on this machine with
invented persons, whom anybody may choose to be. It is for trying sign-in by another provider
(docs/upstream.md), and listens on a loopback address only.
Đây là TRÌNH GIẢ LẬP VNeID, không phải VNeID thật; mọi người trong đó đều hư cấu.

  vneid-simulator --server http://localhost:8440

`

// run serves until ctx ends, and returns the exit code.
func run(ctx context.Context, words []string, out, errs io.Writer) int {
	flags := flag.NewFlagSet("vneid-simulator", flag.ContinueOnError)
	flags.SetOutput(errs)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), help)
		flags.PrintDefaults()
	}
	port := flags.Int("port", 8460, "port on 127.0.0.1; the issuer is http://localhost:PORT")
	server := flags.String("server", "http://localhost:8440", "issuer of the server that people sign in to")
	alias := flags.String("alias", "vneid", "alias of the simulator in the file upstreams of the server")
	client := flags.String("client", "hopnhat", "client_id of the server here")
	persons := flags.String("persons", "099201000001=Trần Thị Mẫu An", "invented persons, NUMBER=NAME separated by commas; each number begins with 099")
	if err := flags.Parse(words); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil || flags.NArg() > 0 {
		return 2
	}
	var people []vneid.Person
	for _, one := range strings.Split(*persons, ",") {
		number, name, _ := strings.Cut(one, "=")
		people = append(people, vneid.Person{Number: strings.TrimSpace(number), Name: strings.TrimSpace(name)})
	}
	if err := vneid.Serve(ctx, *port, vneid.Registered(*client, *server, *alias), people, func(issuer string) {
		fmt.Fprintf(out, "VNeID SIMULATOR (not VNeID) at %s, for %s\n", issuer, *server)
	}); err != nil {
		fmt.Fprintf(errs, "vneid-simulator: %v\n", err)
		return 1
	}
	return 0
}
