package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"hopnhat/cmd/node"
	"hopnhat/keys"
)

// address is host:port, as it is listened on.
func address(s string) error {
	_, port, err := net.SplitHostPort(s)
	if err != nil {
		return fmt.Errorf("%q is not host:port", s)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("the port of %q is a number from 1 to 65535", s)
	}
	return nil
}

// siteNames are parts of a log's origin and of file names.
var siteNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func siteName(s string) error {
	if !siteNames.MatchString(s) {
		return fmt.Errorf("%q is not a name of letters, digits, dots, dashes and underscores, at most 63", s)
	}
	return nil
}

// originNames are names of a signed note's key: no space and no plus (C2SP
// signed-note, "Signatures").
var originNames = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,254}$`)

func originName(s string) error {
	if !originNames.MatchString(s) || strings.Contains(s, "//") || strings.HasSuffix(s, "/") {
		return fmt.Errorf("%q is not a name such as id.example.vn/release/dc1", s)
	}
	return nil
}

// vaultServers are URLs; a token goes to each, so plain HTTP is for loopback.
func vaultServers(s string) error {
	servers := node.List(s)
	if len(servers) == 0 {
		return errors.New("it names no server")
	}
	for _, text := range servers {
		u, err := url.Parse(text)
		switch {
		case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "",
			u.Scheme != "https" && u.Scheme != "http":
			return errors.New("each is https://host:port, without a name, a query or a fragment")
		case u.Scheme == "http" && !node.OnLoopback(u.Hostname()):
			return fmt.Errorf("%s would carry Vault's token in the clear: use https", text)
		}
	}
	return nil
}

func signingAlgorithms(s string) error {
	all := node.List(s)
	for i, alg := range all {
		switch {
		case !slices.Contains(keys.OpenIDSignatures, keys.Algorithm(alg)):
			return fmt.Errorf("%q is none of %v", alg, keys.OpenIDSignatures)
		case slices.Contains(all[:i], alg):
			return fmt.Errorf("%s is there twice", alg)
		}
	}
	if !slices.Contains(all, string(keys.ES256)) {
		return errors.New("ES256 must be one: it signs access tokens")
	}
	return nil
}

// bareHost is https://host or https://host:port.
func bareHost(s string) error {
	if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" || s != "https://"+u.Host {
		return fmt.Errorf("%q is not https://host or https://host:port", s)
	}
	return nil
}

func roleList(s string) error {
	_, err := node.Roles(s)
	return err
}

func networkList(s string) error {
	_, err := node.Networks(s)
	return err
}

func webPage(s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !(u.Scheme == "http" && node.OnLoopback(u.Hostname())) {
		return fmt.Errorf("%q is not the https address of a page", s)
	}
	return nil
}
