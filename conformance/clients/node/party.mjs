// What every script of openid-client begins with: its environment, its key, its
// configuration by discovery, and how it tells what it saw.
//
//   ISSUER, CLIENT_ID   as registered
//   CLIENT_KEY          file with the client's private JWK (ES256, PS256 or EdDSA)
//
// A script prints one JSON object a line for each step, and ends with status 1 and
// a reason at the first thing that is not as the standards say.

import { readFile } from 'node:fs/promises';
import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto; // Debian's Node 18 has it under another name
globalThis.CryptoKey ??= webcrypto.CryptoKey;
export const client = await import('openid-client');

export const env = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set`);
  return value;
};

export const say = (step, facts = {}) => console.log(JSON.stringify({ step, ok: true, ...facts }));

class Violation extends Error {}
export function must(holds, what) {
  if (!holds) throw new Violation(what);
}

// refused runs what must fail and returns the error code.
export async function refused(what, action) {
  try {
    await action();
  } catch (err) {
    const why = err.error ?? err.cause?.error ?? err.cause?.[0]?.parameters?.error ?? err.code;
    must(why, `${what}: refused, but without an error code: ${err.message}`);
    return why;
  }
  throw new Violation(`${what}: accepted`);
}

const algorithms = {
  ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  EdDSA: { name: 'Ed25519' },
  PS256: { name: 'RSA-PSS', hash: 'SHA-256' },
};

// clientKey is the key that signs, with its id.
export async function clientKey() {
  const jwk = JSON.parse(await readFile(env('CLIENT_KEY'), 'utf8'));
  const alg = jwk.alg ?? { 'EC/P-256': 'ES256', 'OKP/Ed25519': 'EdDSA' }[`${jwk.kty}/${jwk.crv}`] ?? 'PS256';
  const { kid, use, alg: _, key_ops, ...rest } = jwk;
  return { key: await crypto.subtle.importKey('jwk', rest, algorithms[alg], false, ['sign']), kid };
}

// decryptionKey is a P-256 key that opens what the server encrypts to the client.
export async function decryptionKey(file) {
  const { kid, use, alg, key_ops, ...rest } = JSON.parse(await readFile(file, 'utf8'));
  return { key: await crypto.subtle.importKey('jwk', rest, { name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits']), alg: 'ECDH-ES', kid };
}

// connect reads the metadata and checks in them what every profile promises.
export async function connect(metadata, authentication, options = {}) {
  const issuer = new URL(env('ISSUER'));
  const execute = issuer.protocol === 'http:' ? [client.allowInsecureRequests] : [];
  const config = await client.discovery(issuer, env('CLIENT_ID'), metadata, authentication, { ...options, execute });
  const server = config.serverMetadata();
  must(server.issuer === env('ISSUER'), `issuer is ${server.issuer}`);
  must(server.authorization_response_iss_parameter_supported === true, 'RFC 9207: iss is not announced');
  return config;
}

// run is the whole script: nothing after a violation.
export async function run(main) {
  try {
    await main();
  } catch (err) {
    const { name, message, code, error, error_description, status } = err;
    console.log(JSON.stringify({ ok: false, name: err instanceof Violation ? 'Violation' : name, message, code, error, error_description, status, cause: String(err.cause?.message ?? err.cause ?? '') || undefined }));
    process.exitCode = 1;
  }
}
