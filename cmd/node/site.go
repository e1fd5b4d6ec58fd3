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
	"hopnhat/cmd/node/watch"
	"hopnhat/store"
)

// nameSelf names this node among those of its site.
func (n *Node) nameSelf(context.Context) error {
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
	n.self = store.Node{Place: host + ":" + folder, Folder: id, Run: authz.NewID(), Address: n.Config.LogAddress}
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

// beat is one small write, which shows that this node lives and, where it writes the log,
// has its site. One that lost the site follows the node that has it, if it can.
func (n *Node) beat(ctx context.Context) error {
	if !n.log.Writes() {
		return n.DB.Attend(ctx, n.Config.Site, n.self)
	}
	err := n.showSite(ctx)
	if !errors.Is(err, store.ErrSiteTaken) {
		return err
	}
	address, lookErr := lease{n}.Writer(ctx)
	if lookErr != nil || address == "" {
		n.lose(err)
		return err
	}
	go n.log.Lost(context.WithoutCancel(ctx))
	return n.DB.Attend(ctx, n.Config.Site, n.self)
}

// showSite shows that this node has its site.
func (n *Node) showSite(ctx context.Context) error {
	now := time.Now()
	if err := n.DB.Beat(ctx, n.Config.Site, n.self); err != nil {
		return err
	}
	n.seen.Store(now.UnixNano())
	return nil
}

// holdsSite returns an error when another node may have the site: this one has not shown
// itself for long, by a clock that runs while the process is stopped, and cannot now. What
// was written to the log then is not acknowledged. A clock that was put back says nothing.
func (n *Node) holdsSite() error {
	ago := time.Since(time.Unix(0, n.seen.Load()))
	if 0 <= ago && ago < store.SiteLease/2 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), watch.Bound)
	defer cancel()
	if err := n.showSite(ctx); err != nil {
		return fmt.Errorf("this node last showed %s ago that it has the site, and another may have it: %w", ago.Round(time.Second), err)
	}
	return nil
}

// lose tells the server once that another node has its site.
func (n *Node) lose(err error) {
	select {
	case n.lost <- err:
	default:
	}
}
