// Package bundling has the commands that carry what is known of a federation to where nobody can be
// asked.
package bundling

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/federating"
	"hopnhat/federation/bundle"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
)

// Bundle is `hopnhat federation bundle`.
func Bundle(e *tool.Env) *cobra.Command {
	return tool.Group("bundle", "Carry what is known of the federation to a server that cannot ask",
		"hopnhat federation bundle export --out federation.bundle", exportCommand(e), importCommand(e))
}

func exportCommand(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "export --out FILE", Short: "Write what the server knows of the federation, signed as a trust anchor", Args: tool.NoWords,
		Long: `Writes what the resolver of this server knows into a file, signed with the federation key of this
entity. A server takes it in that has this entity among its anchors.
Ghi những gì máy chủ này biết về liên đoàn vào một tệp có ký, để mang đến máy chủ không hỏi được.`,
		Example: tool.Lines("hopnhat federation bundle export --out federation.bundle"),
	}
	out := cmd.Flags().String("out", "", "the `FILE` to write")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, _ []string) error {
		if *out == "" {
			return errors.New("--out names the file to write")
		}
		entity, err := entityOf(b)
		if err != nil {
			return err
		}
		content, err := read(filepath.Join(b.Config.State, resolver.FileName))
		if err != nil {
			return fmt.Errorf("what the server knows of the federation: %w; a server with anchors writes it after its first walk", err)
		}
		places, now := order.Order{Folder: b.Config.State, Book: b.DB.Bundles}, time.Now()
		serial, err := places.Next(ctx, entity.ID(), now)
		if err != nil {
			return err
		}
		signed, err := bundle.Sign(ctx, b.Ring, entity.ID(), content, serial, now)
		if err != nil {
			return err
		}
		if err := places.Raise(ctx, entity.ID(), bundle.PlaceOf(content, serial, now)); err != nil {
			return err
		}
		if err := os.WriteFile(*out, signed, 0o600); err != nil {
			return err
		}
		e.Printf("%s: %d bytes, taken in within %s by servers that have %s among their anchors\n", *out, len(signed), bundle.Life, entity.ID())
		return nil
	})
}

func importCommand(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Take in what another server knows of the federation, signed by a trust anchor",
		Long: `Verifies a bundle with the keys of the anchors in federation_entity, and every chain in it, and adds what leads
to the anchor that signed it to what this server knows. A bundle that is older than one of the anchor that was taken in before, here or at
another node with the same database, is refused. Start the server after that.
Kiểm tra gói bằng khóa của các neo tin cậy đã cấu hình rồi nhận những chuỗi dẫn tới neo đã ký gói. Gói cũ hơn gói đã nhận bị từ chối.`,
		Example: tool.Lines("hopnhat federation bundle import federation.bundle"), Args: tool.OneWord("file that bundle export wrote"),
	}
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		entity, err := entityOf(b)
		if err != nil {
			return err
		}
		raw, err := read(words[0])
		if err != nil {
			return err
		}
		known, until, err := take(ctx, raw, entity.Anchors, order.Order{Folder: b.Config.State, Book: b.DB.Bundles}, time.Now())
		if err != nil {
			return err
		}
		e.Printf("%d entities are known, the first of them until %s; start the server now\n", known, until.UTC().Format(time.DateTime))
		return nil
	})
}

// take takes a bundle in, if it is genuine, the newest of its anchor, and somebody in it is
// trusted.
func take(ctx context.Context, raw []byte, anchors []trust.Anchor, places order.Order, now time.Time,
) (known int, until time.Time, err error) {
	b, err := bundle.Read(raw, anchors, now)
	if err != nil {
		return 0, until, err
	}
	if err := places.Raise(ctx, b.Issuer, b.Place); err != nil {
		return 0, until, err
	}
	r := resolver.New(resolver.Options{
		Anchors: anchors, File: filepath.Join(places.Folder, resolver.FileName), Now: func() time.Time { return now },
	})
	if err := r.Take(b.Content, b.Issuer, b.IssuedAt); err != nil {
		return 0, until, err
	}
	known, _, until = r.Known()
	return known, until, nil
}

func entityOf(b *node.Base) (*federating.Entity, error) {
	entity, err := federating.Read(b.Config.FederationEntity, b.Config.Issuer)
	if err == nil && (entity == nil || len(entity.Anchors) == 0) {
		err = errors.New("this server knows nobody: set federation_entity to a file with anchors")
	}
	return entity, err
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, bundle.MaxBytes+1))
	if err == nil && len(raw) > bundle.MaxBytes {
		err = fmt.Errorf("%s is longer than %d bytes", file, bundle.MaxBytes)
	}
	return raw, err
}
