// The certified openid-client without a browser of its own: the device grant (RFC
// 8628) and CIBA in mode poll, with private_key_jwt and DPoP. The person answers at
// the provider's pages. Environment as in party.mjs, and:
//
//   PERSON   see fapi2.mjs

import { clientKey, client, connect, env, must, refused, run, say } from './party.mjs';
import { Browser, signIn } from './forms.mjs';

async function main() {
  const config = await connect({ backchannel_token_delivery_mode: 'poll' }, client.PrivateKeyJwt(await clientKey()));
  const server = config.serverMetadata();
  must(server.device_authorization_endpoint, 'RFC 8628 §4: the device endpoint is not announced');
  must(server.backchannel_token_delivery_modes_supported?.includes('poll'), 'CIBA Core §4: mode poll is not announced');
  say('discovery');

  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  const person = JSON.parse(env('PERSON'));
  const done = `${server.issuer}/approve/done`;
  const browser = new Browser(done);
  // She has answered when the library begins to poll, so it need not wait longer.
  const soon = (begun) => ({ ...begun, interval: 1 });

  const device = await client.initiateDeviceAuthorization(config, { scope: 'openid' });
  must(device.verification_uri_complete?.includes(device.user_code), 'RFC 8628 §3.3.1: verification_uri_complete does not hold the code');
  person.userCode = device.user_code;
  person.symbol = device.user_code.slice(5);
  const typed = await signIn(device.verification_uri, done, person, browser);
  must(typed.callback.searchParams.get('result') === 'approved', `it ended ${typed.callback.search}`);
  const tokens = await client.pollDeviceAuthorizationGrant(config, soon(device), undefined, { DPoP });
  const { sub } = tokens.claims();
  must(tokens.token_type.toLowerCase() === 'dpop' && sub, `the device got ${Object.keys(tokens)}`);
  must((await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP })).sub === sub, 'UserInfo is about somebody else');
  const twice = await refused('a device code for the second time', () => client.pollDeviceAuthorizationGrant(config, soon(device), undefined, { DPoP }));
  must(twice === 'invalid_grant', `RFC 6749 §5.2: a spent device code is answered with ${twice}`);
  say('device', { twice });

  const asked = await client.initiateBackchannelAuthentication(config, { scope: 'openid', login_hint: person.number, binding_message: 'Quầy 7, số 4821' });
  browser.stop = new URL(done);
  const page = await browser.open(`${server.issuer}/portal/requests`);
  const link = /href="(\/authorize\/resume\?a=[^"]+)"/.exec(page.html ?? '')?.[1];
  must(link, 'no request waits for the person');
  person.symbol = '4821';
  const answered = await signIn(new URL(link.replaceAll('&amp;', '&'), server.issuer).href, done, person, browser);
  must(answered.callback.searchParams.get('result') === 'approved', `it ended ${answered.callback.search}`);
  const polled = await client.pollBackchannelAuthenticationGrant(config, soon(asked), undefined, { DPoP });
  must(polled.claims().sub === sub, 'the counter knows another person than the device of the same app');
  say('ciba');
}

await run(main);
