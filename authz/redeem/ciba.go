package redeem

import "hopnhat/authz/decoupled"

// ciba is the grant of CIBA Core §10.1 and §11.
func ciba(o *Options) poll {
	return poll{o, "auth_req_id", decoupled.CIBA}
}
