// What people do to a sign-in: two tabs at once, a double tap, the back button,
// reloading, a wrong password; with scripts and without. Exit 1 if anything was wrong.
//
//   ISSUER, APP     where they answer, without trailing slash; APP is of the test
//   CLIENT          the app's client_id
//   FIRST, SECOND, THIRD   persons as JSON, see fapi2.mjs
//   CHROMIUM        as for journey.mjs

import { next } from './totp.mjs';
import { env, launch } from './pages.mjs';

const issuer = env('ISSUER');
const app = env('APP');

let failed = false;
function must(ok, step) {
  failed ||= !ok;
  console.log(JSON.stringify({ ok: Boolean(ok), step }));
}

const authorize = (more = {}) => `${issuer}/authorize?${new URLSearchParams({
  client_id: env('CLIENT'), redirect_uri: `${app}/callback`, response_type: 'code', scope: 'openid', state: 's', ...more,
})}`;
const button = (page, name) => page.locator('main form', { has: page.locator(`input[name="${name}"]`) }).locator('button[type="submit"]').first();
const path = (page) => new URL(page.url()).pathname;
const landed = (page) => page.waitForURL((url) => url.href.startsWith(`${app}/callback`));

async function person(browser, scripts) {
  const context = await browser.newContext({ javaScriptEnabled: scripts, locale: 'vi-VN' });
  context.setDefaultTimeout(10_000);
  return context;
}

async function password(page, who, text = who.password) {
  await page.locator('input[name="number"]').fill(who.number);
  await page.locator('main input[name="password"]').fill(text);
  await button(page, 'number').click();
}

// tabs: two are opened at once, without a cookie; the first signs in, the second goes
// on with that when it is reloaded.
async function tabs(browser, who) {
  const context = await person(browser, true);
  const [a, b] = [await context.newPage(), await context.newPage()];
  // Both answers are made before either arrives, as when a browser restores its tabs.
  const held = [];
  await context.route(`${issuer}/signin**`, async (route) => {
    const response = await route.fetch({ headers: { ...route.request().headers(), cookie: '' } });
    held.push([route, response]);
    if (held.length === 2) for (const [r, answer] of held) await r.fulfill({ response: answer });
  });
  await Promise.all([a.goto(authorize()), b.goto(authorize())]);
  await context.unroute(`${issuer}/signin**`);
  await password(a, who);
  await a.locator('input[name="code"]').waitFor();
  must(path(a) === '/signin/code', 'the first of two tabs that were opened at once goes on');
  await a.locator('input[name="code"]').fill(await next(who));
  await Promise.all([landed(a), button(a, 'code').click()]);
  await Promise.all([landed(b), b.reload({ waitUntil: 'commit' }).catch(() => {})]);
  must(true, 'the second goes on with that sign-in when it is reloaded');
  await context.close();
}

// taps: a form is sent twice, the page goes back, and is reloaded.
async function taps(browser, who, scripts) {
  const how = scripts ? 'with scripts' : 'without scripts';
  const context = await person(browser, scripts);
  const page = await context.newPage();
  await page.goto(authorize());
  await password(page, who, 'not the password');
  await page.locator('[role="alert"]').waitFor();
  must(await page.locator('input[name="number"]').inputValue() === who.number, `${how}: a wrong password keeps the number`);
  must(!page.url().includes(who.number), `${how}: the number is not in the address`);
  await page.reload();
  must(await page.locator('[role="alert"]').count() === 1, `${how}: reloading says the same and sends nothing`);
  await password(page, who);
  await page.locator('input[name="code"]').waitFor();
  await page.goBack();
  must(await page.locator('main input[name="password"]').count() === 1, `${how}: back is the page before`);
  await page.goForward();
  await page.locator('input[name="code"]').fill('12');
  await button(page, 'code').click();
  await page.locator('[role="alert"]').waitFor();
  await page.reload();
  must(path(page) === '/signin/code', `${how}: reloading the code page asks for the code`);
  await page.locator('input[name="code"]').fill(await next(who));
  if (scripts) await Promise.all([landed(page), button(page, 'code').dblclick({ noWaitAfter: true })]).catch(() => {});
  else await twice(page, `${issuer}/signin/code`, button(page, 'code'));
  must(page.url().startsWith(`${app}/callback`), `${how}: a double tap on the code form signs in: ${page.url()}`);
  await page.goBack();
  must(path(page).startsWith('/signin') && await page.locator('h1').count() === 1, `${how}: back from the app is a page of ours: ${page.url()}`);
  await context.close();
}

// twice presses something again while the answer to the first press is on its way, and
// returns where that led. The browser drops the first answer.
async function twice(page, pattern, target) {
  await target.scrollIntoViewIfNeeded();
  const box = await target.boundingBox();
  const press = () => page.mouse.click(box.x + box.width / 2, box.y + box.height / 2);
  let seen = 0;
  let first;
  let goOn;
  const second = new Promise((resolve) => { goOn = resolve; });
  await page.route(pattern, async (route) => {
    if (++seen === 1) {
      first = await route.fetch({ maxRedirects: 0 });
      await press(); // this one's answer is never seen
    } else {
      await route.continue();
      goOn();
    }
  });
  await press();
  await second;
  await landed(page);
  await page.unroute(pattern);
  return first;
}

// answers: what is pressed twice on the pages of consent and of giving up ends where
// the first press led, with the one code.
async function answers(browser, who) {
  const context = await person(browser, false);
  const page = await context.newPage();
  await page.goto(authorize());
  let first = await twice(page, `${issuer}/signin/cancel**`, page.locator('a[href^="/signin/cancel"]'));
  must(page.url().includes('error=access_denied') && page.url() === first.headers().location, `giving up twice ends at the app: ${page.url()}`);
  await page.goto(authorize({ prompt: 'consent' }));
  await password(page, who);
  await page.locator('input[name="code"]').fill(await next(who));
  await button(page, 'code').click();
  const choice = (value) => page.locator(`button[name="decision"][value="${value}"]`);
  await choice('agree').waitFor();
  first = await twice(page, `${issuer}/consent`, choice('agree'));
  must(new URL(page.url()).searchParams.get('code') && page.url() === first.headers().location, `agreeing twice ends at the app with the one code: ${page.url()}`);
  await page.goto(authorize({ prompt: 'consent' }));
  await choice('decline').waitFor();
  first = await twice(page, `${issuer}/consent`, choice('decline'));
  must(page.url().includes('error=access_denied') && page.url() === first.headers().location, `declining twice ends at the app: ${page.url()}`);
  await context.close();
}

// This Chromium passes over a link that is pressed again within two seconds; others do
// not, and neither do other browsers.
const browser = await launch('--disable-features=IgnoreDuplicateNavs');
try {
  const first = JSON.parse(env('FIRST')); // it knows which codes were used
  await tabs(browser, first);
  await taps(browser, JSON.parse(env('SECOND')), false);
  await answers(browser, first);
  await taps(browser, JSON.parse(env('THIRD')), true);
} catch (err) {
  must(false, err.stack ?? String(err));
} finally {
  await browser.close();
}
if (failed) process.exitCode = 1;
