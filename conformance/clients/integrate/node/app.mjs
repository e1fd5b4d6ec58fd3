// So-tay is an app of profile fapi2: PAR, PKCE, private_key_jwt and DPoP.
import { createServer } from 'node:http';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { randomUUID, webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Node 18 has it under another name
globalThis.CryptoKey ??= webcrypto.CryptoKey;
const client = await import('openid-client');

const { ISSUER: issuer = 'http://localhost:8440', PORT: port = 8500 } = process.env;
const home = `http://localhost:${port}`;
const wanted = { registry: 'civil', purpose: 'land.mortgage', attributes: ['civil.marital_status'] };

// The app's key, made at the first start.
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
if (!existsSync('app.jwk')) {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey('jwk', privateKey);
  writeFileSync('app.jwk', JSON.stringify({ kty, crv, x, y, d, kid: randomUUID(), alg: 'ES256', use: 'sig' }), { mode: 0o600 });
}
const { d, ...published } = JSON.parse(readFileSync('app.jwk', 'utf8'));
const { kty, crv, x, y, kid } = published;
const key = await crypto.subtle.importKey('jwk', { kty, crv, x, y, d }, algorithm, false, ['sign']);

const config = await client.discovery(new URL(issuer), 'so-tay-cua-toi', undefined, client.PrivateKeyJwt({ key, kid }),
  issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined); // plain http: for this demonstration only
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair('ES256')); // what tokens are bound to

const sessions = new Map(); // by cookie: first a sign-in under way, then a person
const current = (request) => sessions.get(/(?:^|; )so-tay=([^;]+)/.exec(request.headers.cookie ?? '')?.[1]) ?? {};
function remember(response, session) {
  const name = randomUUID();
  sessions.set(name, session);
  response.setHeader('set-cookie', `so-tay=${name}; Path=/; HttpOnly; SameSite=Lax`); // and Secure, over https
}
const go = (response, location) => response.writeHead(303, { location: String(location) }).end();
const escape = (text) => String(text).replace(/[&<>"]/g, (sign) => `&#${sign.codePointAt(0)};`);

const routes = {
  '/': async (request, response) => {
    const { person, records } = current(request);
    const page = person
      ? `<p>Xin chào ${escape(person.name)}, ${escape(person.birthdate)}</p><p>${escape(person.sub)}</p><pre>${escape(JSON.stringify(records))}</pre><a href="/logout">Đăng xuất</a>`
      : '<a href="/login">Đăng nhập bằng Định danh quốc gia</a>';
    response.setHeader('content-type', 'text/html; charset=utf-8').end(`<!doctype html><title>Sổ tay</title>${page}`);
  },

  // The request is pushed to the provider; the browser carries a reference to it.
  '/login': async (_, response) => {
    const session = { state: client.randomState(), nonce: client.randomNonce(), verifier: client.randomPKCECodeVerifier() };
    const to = await client.buildAuthorizationUrlWithPAR(config, {
      redirect_uri: `${home}/callback`, scope: 'openid profile', state: session.state, nonce: session.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(session.verifier), code_challenge_method: 'S256',
      authorization_details: JSON.stringify([{ type: 'vn_data_release', ...wanted }]),
    }, { DPoP });
    remember(response, session);
    go(response, to);
  },

  // The library checks state, iss, signature, audience, time and nonce.
  '/callback': async (request, response) => {
    const { state, nonce, verifier } = current(request);
    if (!state) throw new Error('the answer belongs to no sign-in of this browser');
    const tokens = await client.authorizationCodeGrant(config, new URL(request.url, home),
      { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true }, undefined, { DPoP });
    const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub, { DPoP });
    const release = await client.fetchProtectedResource(config, tokens.access_token, new URL(`${issuer}/broker/v1/releases`), 'POST',
      JSON.stringify(wanted), new Headers({ 'content-type': 'application/json' }), { DPoP });
    const answer = await release.json();
    if (!release.ok) throw new Error(`${answer.code}: ${answer.title}`); // she did not agree, or has withdrawn
    remember(response, { person, records: answer.records, idToken: tokens.id_token });
    go(response, '/');
  },

  '/logout': async (request, response) => {
    const to = client.buildEndSessionUrl(config, { id_token_hint: current(request).idToken, post_logout_redirect_uri: `${home}/` });
    remember(response, {});
    go(response, to);
  },

  '/jwks.json': async (_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [published] })),
};

createServer(async (request, response) => {
  try {
    const route = routes[new URL(request.url, home).pathname];
    await (route ? route(request, response) : response.writeHead(404).end());
  } catch (problem) {
    const { error = problem.message, error_description: why = '' } = problem;
    console.error(problem);
    response.writeHead(502, { 'content-type': 'text/plain; charset=utf-8' }).end(`${error}: ${why}`);
  }
}).listen(Number(port), 'localhost', () => console.log('so-tay:', home));
