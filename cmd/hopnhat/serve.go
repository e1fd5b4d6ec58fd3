package main

import (
	"context"
	"errors"
	"log/slog"

	"hopnhat/cmd/logging"
	"hopnhat/cmd/node"
)

var serveCommand = command{
	name: "serve", summary: "Run the server: provider, broker, portals", usage: "serve [flags]",
	example: "hopnhat serve --config /etc/hopnhat.yaml",
	run:     serve,
}

func serve(ctx context.Context, self command, e env, args []string) error {
	c, err := alone(self, e, args, nil)
	if err != nil {
		return err
	}
	logger, err := logging.New(e.err, c.LogLevel)
	if err != nil {
		return err
	}
	slog.SetDefault(logger)
	// What could not be served with is said before anything is opened.
	if err := errors.Join(c.CheckFiles(), c.PortsFree()); err != nil {
		return err
	}
	server, err := node.Start(ctx, &c.Config, node.Options{Pushes: e.err})
	if err != nil {
		return err
	}
	slog.Info("serving", "issuer", c.Issuer, "listen", c.Listen)
	return server.Wait(ctx)
}
