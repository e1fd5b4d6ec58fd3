// Package ports opens the ports of a node.
package ports

import (
	"errors"
	"fmt"
	"net"
)

// Listen opens the issuer's port and that of the alias, which is nil without an address.
func Listen(at, aliasAt string) (issuer, alias net.Listener, err error) {
	if issuer, err = net.Listen("tcp", at); err != nil {
		return nil, nil, fmt.Errorf("listening on %s: %w; choose another with --listen, or --port in the demonstration", at, err)
	}
	if aliasAt == "" {
		return issuer, nil, nil
	}
	if alias, err = net.Listen("tcp", aliasAt); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listening on %s: %w; choose another with --mtls-listen", aliasAt, err), issuer.Close())
	}
	return issuer, alias, nil
}
