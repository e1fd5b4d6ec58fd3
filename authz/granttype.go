package authz

// The grants beyond RFC 6749, by their registered names.
const (
	GrantDevice        = "urn:ietf:params:oauth:grant-type:device_code"    // RFC 8628 §3.4
	GrantCIBA          = "urn:openid:params:grant-type:ciba"               // CIBA Core §10.1
	GrantTokenExchange = "urn:ietf:params:oauth:grant-type:token-exchange" // RFC 8693 §2.1
	GrantJWTBearer     = "urn:ietf:params:oauth:grant-type:jwt-bearer"     // RFC 7523 §2.1
)
