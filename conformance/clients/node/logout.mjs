// Signing out in a real browser: the page that asks, the page that tells apps through
// frames, and the frame of session management as an app uses it. Every page of ours
// is looked at (pages.mjs). Exit 1 if anything was wrong.
//
//   ISSUER, APP     where they answer, without trailing slash; APP is of the test
//   CLIENT          the app's client_id
//   FIRST, SECOND, OPERATOR   persons as JSON, see fapi2.mjs
//   ARTIFACTS, CHROMIUM   as for journey.mjs

import { next } from './totp.mjs';
import { env, launch, Watch } from './pages.mjs';

const issuer = env('ISSUER');
const app = env('APP');
const client = env('CLIENT');
const watch = new Watch(env('ARTIFACTS'), [issuer, app].map((url) => new URL(url).origin));

function must(holds, what) {
  if (!holds) throw new Error(what);
  console.log(JSON.stringify({ ok: true, step: what }));
}

async function enter(page, person, address) {
  await page.goto(address);
  await page.locator('input[name="number"]').fill(person.number);
  await page.locator('main input[name="password"]').fill(person.password);
  await page.locator('main form', { has: page.locator('input[name="number"]') }).locator('button[type="submit"]').first().click();
  await page.locator('input[name="code"]').fill(await next(person));
  await page.locator('main form', { has: page.locator('input[name="code"]') }).locator('button[type="submit"]').first().click();
  await page.waitForLoadState();
}

const authorize = (lang) => `${issuer}/authorize?${new URLSearchParams({ client_id: client, redirect_uri: `${app}/callback`, response_type: 'code', scope: 'openid', state: 's', ui_locales: lang })}`;

// says is what the frame tells the app about a session_state.
let asks = 0;
async function says(page, state) {
  await page.goto(`${app}/watch?${++asks}#${encodeURIComponent(`${client} ${state}`)}`);
  await page.locator('#answer:not(:empty)').waitFor();
  return page.locator('#answer').textContent();
}

async function heard(page) {
  return (await page.request.get(`${app}/heard`)).text();
}

// told: the frames of the page after a sign-out, and the frame of session management.
async function told(browser, person, lang, times) {
  const page = await watch.person(browser, { lang, width: 'phone' });
  await enter(page, person, authorize(lang));
  await page.waitForURL(`${app}/callback**`);
  const state = new URL(page.url()).searchParams.get('session_state');
  must(state, 'session_state comes with the response');
  must((await says(page, state)) === 'unchanged', 'the frame says unchanged');
  must((await says(page, `x${state}`)) === 'changed', 'and changed of a state it did not make');
  must((await says(page, '')) === 'error', 'and error of what is no state (Session Management §3.2)');
  await page.goto(`${issuer}/logout?${new URLSearchParams({ client_id: client, ui_locales: lang })}`);
  await page.locator('button[value="signout"]').waitFor();
  await watch.look(page, 'logout-asked', lang);
  await Promise.all([page.waitForURL(`${issuer}/logout/done**`), page.locator('button[value="signout"]').click()]);
  await page.locator('iframe').first().waitFor({ state: 'attached' });
  await page.waitForFunction(() => !document.querySelector('[data-again]')); // it looks again by itself, once
  await watch.look(page, 'signed-out', lang);
  must(Number(await heard(page)) >= times, 'the app heard of it in its frame, with iss and sid');
  must((await says(page, state)) === 'changed', 'the frame says changed after the sign-out');
  await page.context().close();
}

// onward: an operator looks at her page, then an app signs her out and has her back.
async function onward(browser, person) {
  const page = await watch.person(browser, { lang: 'vi', width: 'desktop' });
  await enter(page, person, `${issuer}/signin?${new URLSearchParams({ next: '/console/logouts' })}`);
  for (const lang of ['vi', 'en']) {
    await page.goto(`${issuer}/console/logouts?${new URLSearchParams({ lang })}`);
    await watch.look(page, 'logout-notices', lang);
  }
  await page.goto(authorize('vi'));
  await page.waitForURL(`${app}/callback**`);
  const before = Number(await heard(page));
  await page.goto(`${issuer}/logout?${new URLSearchParams({ client_id: client, post_logout_redirect_uri: `${app}/signed-out`, state: 'x' })}`);
  await page.locator('button[value="signout"]').click();
  await page.waitForURL(`${app}/signed-out?state=x`);
  must(Number(await heard(page)) > before, 'the page told the app, then went on to it');
  await page.context().close();
}

const browser = await launch();
try {
  await told(browser, JSON.parse(env('FIRST')), 'vi', 1);
  await told(browser, JSON.parse(env('SECOND')), 'en', 2);
  await onward(browser, JSON.parse(env('OPERATOR')));
} catch (err) {
  watch.problem(err.stack ?? String(err));
} finally {
  await browser.close();
}
process.exitCode = watch.problems.length > 0 ? 1 : 0;
