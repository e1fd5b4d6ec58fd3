// A certified provider that others wrote, as a check on our checker: npm
// oidc-provider with its own defaults and its own sign-in pages, plus the optional
// features that the plans are about. Prints {"ok":true,"issuer":…} when it listens.
//
// PORT      where to listen on loopback
// CERT, KEY PEM files; without them it speaks plain HTTP
// OPTIONS   JSON that is put over the configuration, for plans with needs of their own

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { Provider } from 'oidc-provider';

const { PORT, CERT, KEY, OPTIONS } = process.env;
const issuer = `${CERT ? 'https' : 'http'}://localhost:${PORT}`;

const person = {
  name: 'Mẫu An', given_name: 'An', family_name: 'Mẫu', middle_name: 'Thị', nickname: 'An', preferred_username: 'an',
  profile: 'https://person.example/an', picture: 'https://person.example/an.png', website: 'https://person.example',
  gender: 'female', birthdate: '1990-01-31', zoneinfo: 'Asia/Ho_Chi_Minh', locale: 'vi', updated_at: 1700000000,
  email: 'an@example.com', email_verified: true, phone_number: '+84990000000', phone_number_verified: false,
  address: { formatted: '1 Đường Mẫu\nĐà Nẵng', locality: 'Đà Nẵng', country: 'VN' },
};

// What it remembers: its own memory forgets all but the last thousand things, and a
// run of every plan makes more.
const kept = new Map();

class Memory {
  constructor(model) { this.model = model; }

  key(id) { return `${this.model}:${id}`; }

  async upsert(id, payload, seconds) {
    kept.set(this.key(id), { ...payload, until: seconds ? Date.now() + seconds * 1000 : Infinity });
  }

  async find(id) {
    const found = kept.get(this.key(id));
    return found && found.until > Date.now() ? found : undefined;
  }

  async by(member, value) {
    for (const [key, found] of kept) {
      if (key.startsWith(`${this.model}:`) && found[member] === value && found.until > Date.now()) return found;
    }
    return undefined;
  }

  async findByUid(uid) { return this.by('uid', uid); }

  async findByUserCode(code) { return this.by('userCode', code); }

  async consume(id) { kept.get(this.key(id)).consumed = Math.floor(Date.now() / 1000); }

  async destroy(id) { kept.delete(this.key(id)); }

  async revokeByGrantId(grant) {
    for (const [key, found] of kept) if (found.grantId === grant && !key.startsWith('Grant:')) kept.delete(key);
  }
}

const asked = OPTIONS ? JSON.parse(OPTIONS) : {};
const provider = new Provider(issuer, {
  ...asked,
  adapter: Memory,
  claims: {
    address: ['address'],
    email: ['email', 'email_verified'],
    phone: ['phone_number', 'phone_number_verified'],
    profile: ['birthdate', 'family_name', 'gender', 'given_name', 'locale', 'middle_name', 'name', 'nickname', 'picture',
      'preferred_username', 'profile', 'updated_at', 'website', 'zoneinfo'],
  },
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    claimsParameter: { enabled: true },
    requestObjects: { enabled: true },
    backchannelLogout: { enabled: true },
    jwtUserinfo: { enabled: true },
    ...asked.features,
  },
  responseTypes: ['code', 'id_token', 'id_token token', 'code id_token', 'code token', 'code id_token token', 'none'],
  // Its guard refuses loopback, which is where the suite is.
  fetch: (url, options) => globalThis.fetch(url, { ...options, dispatcher: undefined }),
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...person }) }),
});

const server = CERT
  ? https.createServer({ cert: readFileSync(CERT), key: readFileSync(KEY) }, provider.callback())
  : http.createServer(provider.callback());
server.listen(Number(PORT), '127.0.0.1', () => console.log(JSON.stringify({ ok: true, issuer })));
