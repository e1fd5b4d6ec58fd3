// A citizen signs in by another provider, the simulator of VNeID, in a real browser. Every page
// on the way is looked at (pages.mjs). Exit 1 if anything was wrong.
//
//   ISSUER, LAND_APP, SIMULATOR   where they answer, without trailing slash
//   NUMBER                        of the citizen, who is one of the simulator's persons
//   UI_LANG, WIDTH, ARTIFACTS     as journey.mjs

import { env, launch, must, speak, Watch } from './pages.mjs';

const issuer = env('ISSUER');
const land = env('LAND_APP');
const simulator = env('SIMULATOR');
const number = env('NUMBER');
const lang = env('UI_LANG');
const width = env('WIDTH');
const watch = new Watch(env('ARTIFACTS'), [issuer, land, simulator].map((url) => new URL(url).origin));

// toSimulator presses the button of the sign-in page.
async function toSimulator(page) {
  await page.locator('main a[href^="/signin/upstream?"]').click();
  await page.waitForURL((url) => url.origin === new URL(simulator).origin);
}

// choose answers at the simulator, as the citizen, and comes back.
async function choose(page, button) {
  await page.locator('select[name="person"]').selectOption(number);
  await page.locator(button).click();
  await page.waitForURL((url) => url.origin !== new URL(simulator).origin);
}

// refused is the page that says why nobody was signed in; it leads to the sign-in page again.
async function refused(page, name) {
  await page.locator('[role="alert"]').waitFor();
  await watch.look(page, name, lang);
  await page.locator('main a.button.primary').click();
  await page.locator('input[name="number"]').waitFor();
}

async function citizen(browser) {
  const page = await watch.person(browser, { lang, width });
  await page.goto(`${land}/?lang=${lang}`);
  await page.locator('[data-test="login"]').click();
  await page.locator('input[name="number"]').waitFor();
  await speak(page, lang);
  await watch.look(page, 'signin-providers', lang);

  await toSimulator(page);
  must(/VNeID/.test(await page.locator('.strip').innerText()), 'the simulator does not say what it is');
  await watch.look(page, 'simulator', lang);
  await choose(page, 'button[value="decline"]');
  await refused(page, 'vneid-declined');

  await toSimulator(page);
  await choose(page, 'button[name="level"][value="1"]');
  await refused(page, 'vneid-low');

  await toSimulator(page);
  await choose(page, 'button[name="level"][value="2"]');
  await page.locator('button[name="decision"][value="agree"]').waitFor();
  must((await page.locator('input[name="password"]').count()) === 0, 'a password was asked for');
  for (const item of await page.locator('input[name="item"]').all()) await item.check();
  await page.locator('button[name="decision"][value="agree"]').click();
  await page.waitForURL((url) => url.origin === new URL(land).origin);
  must((await page.locator('[data-test="released"]').count()) > 0, 'the app got nothing');
  must(!(await page.content()).includes(number), 'the app was told the personal number');

  // The link that the number made, and what was done to the account.
  await page.goto(`${issuer}/portal/sessions`);
  await speak(page, lang);
  await watch.look(page, 'sessions-vneid', lang);
  await page.locator('main a[href="/portal/providers"]').click();
  await page.waitForLoadState();
  must((await page.locator('input[name="link"]').count()) === 1, 'there is no link, or more than one');
  await watch.look(page, 'providers', lang);

  // Signed out there: signed out here.
  const there = await browser.newContext();
  const other = await there.newPage();
  await other.goto(simulator);
  await other.locator('form', { has: other.locator(`input[value="${number}"]`) }).locator('button').click();
  await other.waitForLoadState();
  await there.close();
  await page.goto(`${issuer}/portal/providers`);
  await page.locator('input[name="number"]').waitFor();

  // Back in, to unlink, and to link again by hand.
  await toSimulator(page);
  await choose(page, 'button[name="level"][value="2"]');
  await page.locator('input[name="link"]').waitFor({ state: 'attached' });
  await page.locator('form', { has: page.locator('input[name="link"]') }).locator('button').click();
  await page.locator('[role="status"]').waitFor();
  must((await page.locator('input[name="link"]').count()) === 0, 'the link is still there');
  await watch.look(page, 'providers-unlinked', lang);
  await page.locator('form', { has: page.locator('input[name="provider"]') }).locator('button').click();
  await page.waitForURL((url) => url.origin === new URL(simulator).origin);
  await choose(page, 'button[name="level"][value="2"]');
  await page.locator('button[name="decision"][value="link"]').waitFor();
  await watch.look(page, 'provider-confirm', lang);
  await page.locator('button[name="decision"][value="link"]').click();
  await page.locator('input[name="link"]').waitFor({ state: 'attached' });
  await watch.look(page, 'providers-linked', lang);

  // Signed out here: the way to sign out there is shown.
  await page.locator('header form[action="/logout/confirm"] button').first().click();
  await page.locator(`main a[href^="${simulator}/logout"]`).waitFor();
  await watch.look(page, 'loggedout-vneid', lang);
  await page.locator(`main a[href^="${simulator}/logout"]`).click();
  await page.locator('form', { has: page.locator(`input[value="${number}"]`) }).locator('button').click();
  await page.waitForURL((url) => url.origin === new URL(issuer).origin);
  await page.context().close();
}

const browser = await launch();
try {
  await citizen(browser);
} catch (err) {
  watch.problem(err.stack ?? String(err));
  for (const context of browser.contexts()) {
    for (const page of context.pages()) {
      await page.screenshot({ path: `${watch.folder}/where-it-stopped.png`, fullPage: true }).catch(() => {});
      console.log(JSON.stringify({ ok: false, stopped_at: page.url(), title: await page.title().catch(() => '') }));
    }
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify({ ok: watch.problems.length === 0, problems: watch.problems.length, folder: watch.folder }));
process.exitCode = watch.problems.length === 0 ? 0 : 1;
