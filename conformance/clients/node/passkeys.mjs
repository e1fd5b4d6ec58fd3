// Passkeys in Chromium, with authenticators that it plays (the WebAuthn
// domain of CDP): a person adds one in the portal, signs in with it at an app without a
// number, in the place of the code, and out of the field of the number; adds a second one of
// another device; is refused with another person's, and with one that was removed. Exit 1 if
// anything was wrong.
//
//   ISSUER, APP     where they answer, without trailing slash; APP is of the test
//   CLIENT          the app's client_id
//   FIRST, SECOND   persons as JSON, see fapi2.mjs
//   ARTIFACTS       the folder of screenshots
//   CHROMIUM        as for journey.mjs

import { next } from './totp.mjs';
import { Watch, env, launch, must, speak } from './pages.mjs';

const issuer = env('ISSUER');
const app = env('APP');
const watch = new Watch(env('ARTIFACTS'), [issuer, app]);

const authorize = (more = {}) => `${issuer}/authorize?${new URLSearchParams({
  client_id: env('CLIENT'), redirect_uri: `${app}/callback`, response_type: 'code', scope: 'openid', state: 's', ...more,
})}`;
const button = (page, name) => page.locator('main form', { has: page.locator(`input[name="${name}"]`) }).locator('button[type="submit"]').first();
const keyButton = (page) => page.locator('form[data-passkey=get] button');
const landed = (page) => page.waitForURL((url) => url.href.startsWith(`${app}/callback`), { waitUntil: 'commit' });
const said = (text) => console.log(JSON.stringify({ ok: true, step: text }));

// authenticator plays one in a browser: that of the device, or a security key.
async function authenticator(page, more = {}) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('WebAuthn.enable');
  const { authenticatorId } = await cdp.send('WebAuthn.addVirtualAuthenticator', { options: {
    protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true,
    isUserVerified: true, automaticPresenceSimulation: true, ...more,
  } });
  const id = { authenticatorId };
  return {
    verified: (isUserVerified) => cdp.send('WebAuthn.setUserVerified', { ...id, isUserVerified }),
    credentials: async () => (await cdp.send('WebAuthn.getCredentials', id)).credentials,
    add: (credential) => cdp.send('WebAuthn.addCredential', { ...id, credential }),
    remove: () => cdp.send('WebAuthn.removeVirtualAuthenticator', id),
  };
}

async function number(page, who) {
  await page.locator('input[name="number"]').fill(who.number);
  await page.locator('main input[name="password"]').fill(who.password);
  await button(page, 'number').click();
  await page.locator('input[name="code"]').waitFor();
}

async function code(page, who) {
  await page.locator('input[name="code"]').fill(await next(who));
  await button(page, 'code').click();
}

// add adds a passkey under a name.
async function add(page, name) {
  await page.locator('input[name="passkey_name"]').fill(name);
  await button(page, 'passkey_name').click();
  await page.getByRole('heading', { name }).waitFor();
}

async function signOut(page) {
  await page.goto(`${issuer}/portal/sessions`);
  await page.locator('form[action="/portal/sessions/end-all"] button').click();
  await page.waitForLoadState();
}

async function journey(browser, who, other, lang) {
  const page = await watch.person(browser, { lang, width: 'phone' });
  // The authenticator that is played answers at once, also where the browser only offers a
  // passkey in the field of the number: it offers none there until the tab says so.
  await page.addInitScript(() => {
    if (window.PublicKeyCredential && location.port && !sessionStorage.getItem('offered')) PublicKeyCredential.isConditionalMediationAvailable = async () => false;
  });
  const device = await authenticator(page);
  await page.goto(`${issuer}/portal/passkeys`);
  await speak(page, lang);
  await watch.look(page, 'sign-in-with-a-passkey', lang);
  await number(page, who);
  await watch.look(page, 'code-or-passkey', lang);
  await code(page, who);
  await page.waitForURL('**/portal/passkeys**');
  await watch.look(page, 'no-passkey-yet', lang);

  // A device that did not verify her makes none.
  await device.verified(false);
  await button(page, 'passkey_name').click();
  await page.locator('[data-passkey-said]:not([hidden])').waitFor();
  await device.verified(true);
  await add(page, 'Điện thoại của tôi');
  must((await device.credentials()).length === 1, 'the authenticator holds one passkey');
  await watch.look(page, 'passkey-added', lang);
  said('a passkey is added');
  await signOut(page);

  await page.goto(authorize());
  await Promise.all([landed(page), keyButton(page).click()]);
  must(new URL(page.url()).searchParams.get('code'), `signed in without a number: ${page.url()}`);
  said('signs in at an app without a number');
  await signOut(page);

  // The browser offers the passkey in the field of the number, and she takes it.
  await page.evaluate(() => sessionStorage.setItem('offered', 'yes'));
  await Promise.all([landed(page), page.goto(authorize(), { waitUntil: 'commit' }).catch(() => {})]);
  must(new URL(page.url()).searchParams.get('code'), `signed in out of the field of the number: ${page.url()}`);
  said('signs in out of the field of the number');
  await signOut(page);
  await page.evaluate(() => sessionStorage.clear());

  // In the place of the code, with a security key beside the telephone.
  await page.goto(authorize());
  await number(page, who);
  await Promise.all([landed(page), keyButton(page).click()]);
  said('signs in in the place of the code');

  await page.goto(`${issuer}/portal/passkeys`);
  const [held] = await device.credentials();
  await device.remove();
  const second = await authenticator(page, { transport: 'usb' });
  await add(page, 'Khóa bảo mật');
  await watch.look(page, 'two-passkeys', lang);
  said('a passkey of a second authenticator is added');

  // The passkey of another person, where somebody gave her number.
  await signOut(page);
  await page.goto(authorize());
  await number(page, other);
  await keyButton(page).click();
  await page.locator('[role="alert"]').waitFor();
  must(new URL(page.url()).pathname === '/signin/code', `another person's passkey: ${page.url()}`);
  await watch.look(page, 'passkey-of-another', lang);
  said("another person's passkey is refused");

  // The second one signs in, and the first, removed, does not.
  await page.goto(authorize());
  await Promise.all([landed(page), keyButton(page).click()]);
  await page.goto(`${issuer}/portal/passkeys`);
  await page.locator('form[action="/portal/passkeys/remove"] button').first().click();
  await page.locator('[role="status"]').first().waitFor();
  must(await page.locator('form[action="/portal/passkeys/remove"]').count() === 1, 'one of two is left');
  await watch.look(page, 'passkey-removed', lang);
  await page.goto(`${issuer}/portal/sessions`);
  await watch.look(page, 'passkeys-among-acts', lang);
  await signOut(page);
  await second.remove();
  const removed = await authenticator(page);
  await page.goto(authorize());
  await removed.add(held);
  await keyButton(page).click();
  await page.locator('[role="alert"]').waitFor();
  await watch.look(page, 'passkey-refused', lang);
  said('a passkey that was removed is refused');
  await page.context().close();
}

const browser = await launch();
try {
  const [first, second] = [JSON.parse(env('FIRST')), JSON.parse(env('SECOND'))];
  await journey(browser, first, second, 'vi');
  await journey(browser, second, first, 'en');
} catch (err) {
  watch.problem(err.stack ?? String(err));
} finally {
  await browser.close();
}
if (watch.problems.length) process.exitCode = 1;
