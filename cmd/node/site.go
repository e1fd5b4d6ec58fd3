package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/store"
)

// takeSite makes this node the one of its site, until it is closed: before the log is
// touched, whose one writer it will be.
func (n *Node) takeSite(ctx context.Context) error {
	folder, err := filepath.Abs(n.Config.State)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	id, err := folderID(filepath.Join(folder, "node"))
	if err != nil {
		return err
	}
	n.self = store.Node{Place: host + ":" + folder, Folder: id, Run: authz.NewID()}
	if err := n.DB.TakeSite(ctx, n.Config.Site, n.self); err != nil {
		return err
	}
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return n.DB.LeaveSite(ctx, n.Config.Site, n.self)
	})
	return nil
}

// folderID is the random name of a state folder, made at the first start: a machine
// that was set up as another is has its name and paths, and is another node.
func folderID(path string) (string, error) {
	made, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = made.WriteString(authz.NewID() + "\n")
		err = errors.Join(err, made.Sync(), made.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("naming the state folder: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the name of the state folder: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if id == "" || len(id) > 64 {
		return "", fmt.Errorf("%s, which names this state folder, is damaged: remove it while no server runs on the folder", path)
	}
	return id, nil
}

// lose tells the server once that another node has its site.
func (n *Node) lose(err error) {
	select {
	case n.lost <- err:
	default:
	}
}
