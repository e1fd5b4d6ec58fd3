package redeem

import "hopnhat/authz/decoupled"

// deviceCode is the device authorization grant, RFC 8628 §3.4 and §3.5.
func deviceCode(o *Options) poll {
	return poll{o, "device_code", decoupled.Device}
}
