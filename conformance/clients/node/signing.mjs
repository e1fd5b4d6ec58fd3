// The certified openid-client as a relying party of FAPI 2.0 Message Signing: a
// signed request object that is pushed (JAR in PAR), a signed response (JARM), ID
// tokens that are signed and encrypted, signed UserInfo and introspection, and the
// sign-out that the app begins. Environment as in party.mjs, and:
//
//   DECRYPTION_KEY   file with the private JWK (P-256) for ECDH-ES
//   REDIRECT_URI, POST_LOGOUT_REDIRECT_URI
//   PERSON           see fapi2.mjs

import { clientKey, client, connect, decryptionKey, env, must, refused, run, say } from './party.mjs';
import { Browser, signIn } from './forms.mjs';

async function main() {
  const redirectURI = env('REDIRECT_URI');
  const signing = await clientKey();
  const config = await connect({
    authorization_signed_response_alg: 'ES256', id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256',
  }, client.PrivateKeyJwt(signing));
  client.useJwtResponseMode(config);
  client.enableNonRepudiationChecks(config);
  client.enableDecryptingResponses(config, ['A256GCM'], await decryptionKey(env('DECRYPTION_KEY')));
  const server = config.serverMetadata();
  must(server.request_object_signing_alg_values_supported?.includes('ES256'), 'RFC 9101 §10.5: ES256 is not announced');
  must(server.response_modes_supported?.includes('jwt'), 'JARM §5: response mode jwt is not announced');
  must(server.authorization_signing_alg_values_supported?.includes('ES256'), 'JARM §5: ES256 is not announced');
  say('discovery');

  const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256'));
  const verifier = client.randomPKCECodeVerifier();
  const state = client.randomState();
  const nonce = client.randomNonce();
  const parameters = {
    redirect_uri: redirectURI, scope: 'openid', state, nonce,
    code_challenge: await client.calculatePKCECodeChallenge(verifier), code_challenge_method: 'S256',
  };
  const unsigned = await refused('a request that is not signed', () => client.buildAuthorizationUrlWithPAR(config, parameters, { DPoP }));
  must(unsigned === 'invalid_request', `FAPI 2.0 Message Signing §5.3.1: an unsigned request is answered with ${unsigned}`);
  const { searchParams } = await client.buildAuthorizationUrlWithJAR(config, parameters, signing);
  const start = await client.buildAuthorizationUrlWithPAR(config, searchParams, { DPoP });
  say('signed request', { unsigned });

  const { callback, browser } = await signIn(start.href, redirectURI, JSON.parse(env('PERSON')));
  must([...callback.searchParams.keys()].join() === 'response', `JARM §2.3.1: the response carries ${[...callback.searchParams.keys()]}`);
  const checks = { pkceCodeVerifier: verifier, expectedState: state, expectedNonce: nonce, idTokenExpected: true };
  const forged = new URL(callback);
  const [head, body, signature] = forged.searchParams.get('response').split('.');
  forged.searchParams.set('response', [head, body, (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1)].join('.'));
  const spoilt = await refused('a response with another signature', () => client.authorizationCodeGrant(config, forged, checks, undefined, { DPoP }));
  const tokens = await client.authorizationCodeGrant(config, callback, checks, undefined, { DPoP });
  say('signed response', { spoilt });

  must(tokens.id_token.split('.').length === 5, 'OpenID Connect Core §16.14: the ID token is not encrypted');
  const idToken = client.getDecryptedResponses(tokens)?.id_token?.token_endpoint;
  must(idToken?.split('.').length === 3, 'the encrypted ID token holds no signed one');
  const { sub } = tokens.claims();
  say('encrypted ID token');

  const info = await client.fetchUserInfo(config, tokens.access_token, sub, { DPoP });
  must(info.sub === sub, 'UserInfo is about somebody else');
  say('signed UserInfo');

  const about = await client.tokenIntrospection(config, tokens.access_token);
  must(about.active === true && about.cnf?.jkt, `RFC 9701: introspection says ${JSON.stringify(about)}`);
  say('signed introspection');

  await client.tokenRevocation(config, tokens.access_token);
  const after = await client.tokenIntrospection(config, tokens.access_token);
  must(after.active === false, 'RFC 7009 §2.1: a revoked token is active');
  say('revocation');

  const goodbye = env('POST_LOGOUT_REDIRECT_URI');
  const out = client.buildEndSessionUrl(config, { post_logout_redirect_uri: goodbye, id_token_hint: idToken, state: 'bye' });
  browser.stop = new URL(goodbye);
  const left = await browser.open(out.href);
  must(left.callback?.searchParams.get('state') === 'bye', 'RP-Initiated Logout §3: the browser does not come back with state');
  say('logout');
}

await run(main);
