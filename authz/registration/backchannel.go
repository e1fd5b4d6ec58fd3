package registration

import "hopnhat/authz"

// checkBackchannel is CIBA Core §4.
func checkBackchannel(m Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	if m.BackchannelUserCode {
		return refuse("backchannel_user_code_parameter", "user codes are not offered: the person picks a code on her own device")
	}
	if !c.AllowsGrant(authz.GrantCIBA) {
		if c.BackchannelDelivery != "" || c.BackchannelNotificationURI != "" || c.BackchannelRequestAlg != "" {
			return refuse("grant_types", "the backchannel members are for apps with the grant %s", authz.GrantCIBA)
		}
		return nil
	}
	switch c.BackchannelDelivery {
	case authz.Poll:
		if c.BackchannelNotificationURI != "" {
			return refuse("backchannel_client_notification_endpoint", "an app of mode poll is not notified")
		}
	case authz.Ping:
		if c.BackchannelNotificationURI == "" {
			return refuse("backchannel_client_notification_endpoint", "an app of mode ping needs one")
		}
	case "":
		return refuse("backchannel_token_delivery_mode", "it is missing; use poll or ping")
	default:
		return refuse("backchannel_token_delivery_mode", "only poll and ping are offered (FAPI-CIBA §5.2.2: no push)")
	}
	if c.BackchannelRequestAlg != "" && len(c.JWKS) == 0 && c.JWKSURI == "" {
		return refuse("jwks", "an app that signs its authentication requests registers the keys it signs with, in jwks or jwks_uri")
	}
	return nil
}
