// The certified openid-client against a running provider, as a relying party of
// the FAPI 2.0 Security Profile: discovery, PAR with PKCE, private_key_jwt and
// DPoP, the person at the forms, code exchange, UserInfo, release, refresh,
// revocation. One JSON object a line for each step; exit 1 with a reason at the
// first thing that is not as the standards say.
//
//   ISSUER        issuer identifier
//   CLIENT_ID     client of profile fapi2
//   CLIENT_KEY    file with its private JWK (ES256, PS256 or EdDSA)
//   REDIRECT_URI  one of its redirect URIs
//   PERSON        {"number":"099…","password":"…","totp":"BASE32"}, or instead of
//                 totp "command": program and arguments that print the code
//   SCOPE         default openid
//   DETAILS       authorization_details, JSON (optional)
//   RELEASE       body of a release request, JSON (optional; needs DETAILS)

import { clientKey, client, connect, env, must, refused, run, say } from './party.mjs';
import { signIn } from './forms.mjs';

async function main() {
  const redirectURI = env('REDIRECT_URI');
  const person = JSON.parse(env('PERSON'));
  const config = await connect(undefined, client.PrivateKeyJwt(await clientKey()));
  const server = config.serverMetadata();
  must(server.code_challenge_methods_supported?.join() === 'S256', 'FAPI 2.0 §5.3.2.2: code challenge methods other than S256');
  must(server.dpop_signing_alg_values_supported?.includes('ES256'), 'RFC 9449 §5.1: ES256 is not among the DPoP algorithms');
  say('discovery', { issuer: server.issuer });

  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const wanted = process.env.SCOPE ?? 'openid';
  const parameters = {
    redirect_uri: redirectURI,
    scope: wanted,
    state,
    nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  };
  if (process.env.DETAILS) parameters.authorization_details = process.env.DETAILS;
  const start = await client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP });
  must([...start.searchParams.keys()].sort().join() === 'client_id,request_uri', `the browser carries more than a reference: ${start.search}`);
  say('par', { request_uri: start.searchParams.get('request_uri').slice(0, 34) + '…' });

  const { callback, pages } = await signIn(start.href, redirectURI, person);
  must(callback.searchParams.get('iss') === server.issuer, 'RFC 9207: iss is missing from the response or wrong');
  must(callback.searchParams.get('state') === state, 'state was not returned as sent');
  say('authorization', { pages });

  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP });
  must(tokens.token_type.toLowerCase() === 'dpop', `RFC 9449 §5: token_type is ${tokens.token_type}`);
  const { sub, acr, amr, sid } = tokens.claims();
  must(!JSON.stringify(tokens.claims()).includes(person.number), 'the personal number is in the ID token');
  say('token', { expires_in: tokens.expires_in, acr, amr, sid: Boolean(sid), refresh: Boolean(tokens.refresh_token) });

  const info = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
  must(info.sub === sub, 'UserInfo is about somebody else');
  say('userinfo', { claims: Object.keys(info).sort() });

  const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  say('stolen token', { refused: await refused("a token with a stranger's key", () => client.fetchUserInfo(config, tokens.access_token, sub, { DPoP: stranger })) });

  const release = async (token) => {
    const url = new URL(process.env.RELEASE_URL ?? `${server.issuer}/broker/v1/releases`);
    const response = await client.fetchProtectedResource(config, token, url, 'POST', process.env.RELEASE,
      new Headers({ 'content-type': 'application/json', accept: 'application/json' }), { DPoP });
    return { status: response.status, body: await response.json() };
  };
  if (process.env.RELEASE) {
    const { status, body } = await release(tokens.access_token);
    must(status === 200, `release: ${status} ${JSON.stringify(body)}`);
    say('release', { members: Object.keys(body).sort() });
  }

  let last = tokens;
  if (tokens.refresh_token) {
    last = await client.refreshTokenGrant(config, tokens.refresh_token, undefined, { DPoP });
    must(last.token_type.toLowerCase() === 'dpop', 'a refreshed token is not bound to the key');
    const claims = last.claims();
    must(!claims || claims.sub === sub, 'OIDC Core §12.2: sub changed at refresh');
    await client.fetchUserInfo(config, last.access_token, sub, { DPoP });
    say('refresh', { rotated: Boolean(last.refresh_token) && last.refresh_token !== tokens.refresh_token });
    await client.tokenRevocation(config, last.refresh_token ?? tokens.refresh_token);
    const why = await refused('a revoked refresh token', () =>
      client.refreshTokenGrant(config, last.refresh_token ?? tokens.refresh_token, undefined, { DPoP }));
    must(why === 'invalid_grant', `RFC 6749 §5.2: a revoked refresh token is answered with ${why}`);
    say('revocation', { refused: why });
  } else {
    await client.tokenRevocation(config, tokens.access_token);
    say('revocation');
  }
  say('revoked token', { refused: await refused('a token of a revoked grant', () => client.fetchUserInfo(config, last.access_token, sub, { DPoP })) });
}

await run(main);
