// The certified openid-client with client certificates (RFC 8705): it authenticates
// with one at the alias hosts of the metadata, has its tokens bound to it, and a
// stolen token is worth nothing without it. Environment as in party.mjs without
// CLIENT_KEY, and:
//
//   CERT, KEY        PEM files of the client
//   THIEF_CERT, THIEF_KEY   of somebody else with a certificate of the same CA
//   NODE_EXTRA_CA_CERTS     PEM file of the CA, which Node reads
//   REDIRECT_URI, PERSON    see fapi2.mjs

import { readFileSync } from 'node:fs';
import https from 'node:https';

import { client, connect, env, must, refused, run, say } from './party.mjs';
import { signIn } from './forms.mjs';

// presenting is a fetch that shows a certificate to who asks for one.
function presenting(cert, key) {
  const agent = new https.Agent({ cert: readFileSync(cert), key: readFileSync(key) });
  return (url, { method, headers, body }) => new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, agent }, async (response) => {
      const parts = [];
      for await (const part of response) parts.push(part);
      const { statusCode: status, headers: { ...fields } } = response;
      resolve(new Response(parts.length ? Buffer.concat(parts) : null, { status, headers: Object.entries(fields).flatMap(([name, value]) => [value].flat().map((one) => [name, one])) }));
    });
    request.on('error', reject);
    request.end(body === undefined || body === null ? undefined : String(body));
  });
}

async function main() {
  const redirectURI = env('REDIRECT_URI');
  const metadata = { use_mtls_endpoint_aliases: true, tls_client_certificate_bound_access_tokens: true };
  const config = await connect(metadata, client.TlsClientAuth(), { [client.customFetch]: presenting(env('CERT'), env('KEY')) });
  const server = config.serverMetadata();
  must(server.mtls_endpoint_aliases?.token_endpoint, 'RFC 8705 §5: no alias of the token endpoint is announced');
  must(server.tls_client_certificate_bound_access_tokens === true, 'RFC 8705 §3.3: bound tokens are not announced');
  say('discovery');

  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const start = await client.buildAuthorizationUrlWithPAR(config, {
    redirect_uri: redirectURI, scope: 'openid', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  });
  say('par');

  const { callback } = await signIn(start.href, redirectURI, JSON.parse(env('PERSON')));
  const tokens = await client.authorizationCodeGrant(config, callback, { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true });
  must(tokens.token_type.toLowerCase() === 'bearer', `RFC 8705 §3: token_type is ${tokens.token_type}`);
  const { cnf } = JSON.parse(Buffer.from(tokens.access_token.split('.')[1], 'base64url'));
  must(cnf?.['x5t#S256'], 'RFC 8705 §3.1: the token is not bound to a certificate');
  const { sub } = tokens.claims();
  say('bound token');

  must((await client.fetchUserInfo(config, tokens.access_token, sub)).sub === sub, 'UserInfo is about somebody else');
  say('userinfo');

  const thief = await connect(metadata, client.TlsClientAuth(), { [client.customFetch]: presenting(env('THIEF_CERT'), env('THIEF_KEY')) });
  say('stolen token', { refused: await refused("a token with a thief's certificate", () => client.fetchUserInfo(thief, tokens.access_token, sub)) });
  const why = await refused("a refresh with a thief's certificate", () => client.refreshTokenGrant(thief, tokens.refresh_token));
  must(why === 'invalid_client', `RFC 8705 §2: another certificate is answered with ${why}`);
  say('another certificate', { refused: why });

  const again = await client.refreshTokenGrant(config, tokens.refresh_token);
  must((await client.fetchUserInfo(config, again.access_token, sub)).sub === sub, 'a refreshed token is about somebody else');
  say('refresh');
}

await run(main);
