// RFC 6238 one-time codes, as an authenticator app makes them: SHA-1, 30 s, six
// digits.

import { execFile } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'; // RFC 4648 §6

function base32(text) {
  let bits = 0;
  let held = 0;
  const out = [];
  for (const letter of text.toUpperCase().replace(/[\s=]/g, '')) {
    const value = alphabet.indexOf(letter);
    if (value < 0) throw new Error('the TOTP secret is not base32');
    held = (held << 5) | value;
    bits += 5;
    if (bits >= 8) {
      bits -= 8;
      out.push((held >> bits) & 0xff);
      held &= (1 << bits) - 1;
    }
  }
  return Buffer.from(out);
}

// next is a code that the person has not used yet: at the server, each works
// once. From the secret of an authenticator app it is the one of now, later those
// of the steps ahead, which the server accepts a little early. From a command, as
// from an app on a telephone, it is whatever is shown next.
export async function next(person) {
  person.used ??= [];
  for (;;) {
    const shown = person.totp ? at(person.totp, person.used.length) : await read(person.command);
    if (!person.used.includes(shown)) {
      person.used.push(shown);
      return shown;
    }
    await wait(1000);
  }
}

async function read(command) {
  const { stdout } = await promisify(execFile)(command[0], command.slice(1));
  return stdout.trim();
}

// at is the code of now, or of that many steps ahead.
export function at(secret, ahead = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30000) + ahead));
  const mac = createHmac('sha1', base32(secret)).update(counter).digest();
  const offset = mac[19] & 0x0f;
  return String((mac.readUInt32BE(offset) & 0x7fffffff) % 1000000).padStart(6, '0');
}
