// How a sign-in ends at apps that send the browser on: to another host, from http
// to https, to an app's scheme; with scripts and without; and in a window that the
// app opened. Exit 1 if anything was wrong.
//
//   ISSUER, APP, OTHER, SECURE   where they answer, without trailing slash; the last
//                                three are of the test
//   CLIENT                       the app's client_id
//   PROXY                        where oauth2-proxy begins, to end at OTHER
//   FIRST, SECOND, THIRD         persons as JSON, see fapi2.mjs
//   CHROMIUM                     as for journey.mjs

import { next } from './totp.mjs';
import { env, launch } from './pages.mjs';

const issuer = env('ISSUER');
const app = env('APP');
const client = env('CLIENT');
const ends = { other: `${env('OTHER')}/landed`, secure: `${env('SECURE')}/landed`, scheme: 'vn.example.app:/landed', opener: `${app}/callback` };

let failed = false;
function say(ok, step) {
  failed ||= !ok;
  console.log(JSON.stringify({ ok, step }));
}

const authorize = (to, more = {}) => `${issuer}/authorize?${new URLSearchParams({
  client_id: client, redirect_uri: `${app}/callback?to=${to}`, response_type: 'code', scope: 'openid', state: 's', ...more,
})}`;

const form = (page, name) => page.locator('main form', { has: page.locator(`input[name="${name}"]`) }).locator('button[type="submit"]').first();

async function enter(page, who) {
  await page.locator('input[name="number"]').fill(who.number);
  await page.locator('main input[name="password"]').fill(who.password);
  await form(page, 'number').click();
  await page.locator('input[name="code"]').fill(await next(who));
  await form(page, 'code').click();
}

async function person(browser, scripts) {
  const context = await browser.newContext({ javaScriptEnabled: scripts, locale: 'vi-VN', ignoreHTTPSErrors: true });
  context.setDefaultTimeout(10_000);
  return context;
}

async function open(context) {
  const page = await context.newPage();
  page.blocked = [];
  page.on('console', (message) => { if (/Content Security Policy/.test(message.text())) page.blocked.push(message.text()); });
  return page;
}

// lands opens an address in a tab of its own and presses; then the browser must come
// to where the app sends it.
async function lands(context, step, to, address, press) {
  const page = await open(context);
  await page.goto(address);
  try {
    if (to === 'scheme') { // nothing here opens it: the app was asked, and nothing was blocked
      const asked = page.waitForRequest((request) => request.url().startsWith(`${app}/callback`));
      const gone = page.waitForEvent('requestfailed', (request) => request.url().startsWith(`${app}/callback`) || request.url().startsWith(ends.scheme)).catch(() => {});
      await press(page);
      await asked;
      await gone;
      if (page.blocked.length) throw new Error('blocked');
    } else {
      await Promise.all([page.waitForURL((url) => url.href.startsWith(ends[to]), { waitUntil: 'commit' }), press(page)]);
    }
    say(true, step);
  } catch (err) {
    say(false, `${step}: ${page.url()}: ${page.blocked[0] ?? err.message.split('\n')[0]}`);
  }
  await page.close();
}

async function everyEnd(browser, who, scripts) {
  const how = scripts ? 'with scripts' : 'without scripts';
  const context = await person(browser, scripts);
  const at = (step, to, address, press) => lands(context, `${how}: ${step}`, to, address, press);
  await at('cancel, to another host', 'other', authorize('other'), (page) => page.locator('main a[href^="/signin/cancel"]').click());
  await at('code, to another host', 'other', authorize('other'), (page) => enter(page, who));
  for (const to of ['other', 'secure', 'scheme']) {
    for (const decision of ['agree', 'decline']) {
      await at(`${decision}, to ${to}`, to, authorize(to, { prompt: 'consent' }), (page) => page.locator(`button[value="${decision}"]`).click());
    }
  }
  await at('form_post, to another host', 'other', authorize('other', { prompt: 'consent', response_mode: 'form_post' }), async (page) => {
    await page.locator('button[value="agree"]').click();
    if (!scripts) await page.locator(`form[action^="${app}"] button`).click();
  });
  const out = `${issuer}/logout?${new URLSearchParams({ client_id: client, post_logout_redirect_uri: `${app}/callback?to=secure`, state: 'x' })}`;
  await at('sign-out, http to https', 'secure', out, (page) => page.locator('button[value="signout"]').click());
  await context.close();
}

// popup: the app opens the sign-in in a window of its own, which tells it the end.
async function popup(browser, who) {
  const context = await person(browser, true);
  const page = await open(context);
  for (const [step, signedIn] of [['a popup that signs in', false], ['a popup that shows no page', true]]) {
    await page.goto(`${app}/opener#${encodeURIComponent(authorize('opener', { display: 'popup' }))}`);
    const [window] = await Promise.all([page.waitForEvent('popup'), page.locator('button').click()]);
    if (!signedIn) await enter(window, who);
    try {
      await page.locator('#heard:not(:empty)').waitFor();
      say((await page.locator('#heard').textContent()).includes('code='), `${step} tells its opener`);
    } catch {
      say(false, `${step}: its opener heard nothing`);
    }
  }
  await context.close();
}

// behindProxy: oauth2-proxy takes the code, and sends the browser on to another host.
async function behindProxy(browser, who) {
  const context = await person(browser, true);
  await lands(context, 'oauth2-proxy, with a sign-in', 'other', env('PROXY'), (page) => enter(page, who));
  const page = await open(context);
  await page.goto(env('PROXY'));
  say(page.url().startsWith(ends.other), `oauth2-proxy, signed in: ${page.url()}`);
  await context.close();
}

const browser = await launch();
try {
  await everyEnd(browser, JSON.parse(env('FIRST')), false);
  const second = JSON.parse(env('SECOND'));
  await everyEnd(browser, second, true);
  await popup(browser, second);
  await behindProxy(browser, JSON.parse(env('THIRD')));
} catch (err) {
  say(false, err.stack ?? String(err));
} finally {
  await browser.close();
}
if (failed) process.exitCode = 1;
