// A citizen's and an auditor's day in a real browser, against the running
// demonstration. Every page on the way is looked at (pages.mjs); screenshots and
// downloads go to ARTIFACTS. Exit 1 if anything was wrong.
//
//   ISSUER, LAND_APP, TAX_APP   where they answer, without trailing slash
//   CITIZEN, AUDITOR            persons as JSON, see fapi2.mjs
//   UI_LANG                     vi or en
//   WIDTH                       phone or desktop: the width at which things are pressed
//   ARTIFACTS                   a folder
//   CHROMIUM                    default /usr/bin/chromium

import { next } from './totp.mjs';
import { env, launch, must, speak, Watch } from './pages.mjs';

const issuer = env('ISSUER');
const land = env('LAND_APP');
const tax = env('TAX_APP');
const lang = env('UI_LANG');
const width = env('WIDTH');
const watch = new Watch(env('ARTIFACTS'), [issuer, land, tax].map((url) => new URL(url).origin));

const password = (page) => page.locator('main input[name="password"]');

// signIn passes the two factors; the first try has a wrong password, if wanted.
async function signIn(page, person, mistake) {
  must(new URL(page.url()).pathname === '/signin', `a sign-in was expected at ${page.url()}`);
  await speak(page, lang);
  await watch.look(page, 'signin', lang);
  const submit = () => page.locator('main form', { has: page.locator('input[name="number"]') }).locator('button[type="submit"]').first().click();
  if (mistake) {
    await page.locator('input[name="number"]').fill(person.number);
    await password(page).fill('not the password');
    await submit();
    await page.locator('[role="alert"]').waitFor();
    await watch.look(page, 'signin-wrong', lang);
  }
  await page.locator('input[name="number"]').fill(person.number);
  await password(page).fill(person.password);
  await submit();
  await page.locator('input[name="code"]').waitFor();
  await watch.look(page, 'code', lang);
  await page.locator('input[name="code"]').fill(await next(person));
  await page.locator('main form', { has: page.locator('input[name="code"]') }).locator('button[type="submit"]').first().click();
  await page.waitForLoadState();
}

// until reloads the page until what is looked for is there: logout tokens and
// log entries arrive when they arrive.
async function until(page, locator, what) {
  const give_up = Date.now() + 20_000;
  while ((await locator.count()) === 0) {
    must(Date.now() < give_up, `never appeared: ${what}`);
    await page.waitForTimeout(250);
    await page.reload();
  }
}

async function citizen(browser, person) {
  const page = await watch.person(browser, { lang, width });

  await page.goto(`${land}/?lang=${lang}`);
  await watch.look(page, 'app', lang);
  await page.locator('[data-test="login"]').click();
  await page.waitForURL((url) => url.origin === issuer);
  await signIn(page, person, true);

  await page.locator('button[name="decision"][value="agree"]').waitFor();
  const items = page.locator('input[name="item"]');
  must((await items.count()) > 1, 'the consent screen shows nothing to choose');
  for (const item of await items.all()) must(!(await item.isChecked()), 'something is ticked before the person did');
  await watch.look(page, 'consent', lang);
  await page.locator('button[name="decision"][value="agree"]').click();
  await page.locator('[role="alert"]').waitFor();
  await watch.look(page, 'consent-nothing-ticked', lang);
  for (const item of await page.locator('input[name="item"]').all()) await item.check();
  await page.locator('button[name="decision"][value="agree"]').click();
  await page.waitForURL((url) => url.origin === new URL(land).origin);
  must((await page.locator('[data-test="released"]').count()) > 0, 'the app got nothing');
  must(!(await page.content()).includes(person.number), 'the app was told the personal number');
  await watch.look(page, 'app-result', lang);

  // The second app: no second sign-in.
  await page.goto(`${tax}/?lang=${lang}`);
  await page.locator('[data-test="login"]').click();
  await page.waitForLoadState();
  must((await password(page).count()) === 0, 'single sign-on asked for the password again');
  const inform = page.locator('button[name="decision"]');
  must((await inform.count()) === 1, 'a read by law is told first, with one button');
  await watch.look(page, 'tax-inform', lang);
  await inform.click();
  await page.waitForURL((url) => url.origin === new URL(tax).origin);
  await page.locator('[data-test="released"]').first().waitFor();
  await watch.look(page, 'tax-result', lang);

  // Who has seen my data.
  await page.goto(`${issuer}/`);
  await speak(page, lang);
  await watch.look(page, 'home', lang);
  await page.goto(`${issuer}/portal`);
  await until(page, page.locator('li.release.is-permitted'), 'the release in the timeline');
  await watch.look(page, 'timeline', lang);
  const ofLand = page.locator('li.release.is-permitted').filter({ hasText: lang === 'vi' ? 'đất đai' : 'land services' });
  await ofLand.first().locator('h3 a').click();
  await page.waitForLoadState();
  await until(page, page.locator('main a[download]'), 'the proof of the release');
  await watch.look(page, 'release', lang);
  await watch.save(page, () => page.locator('main a[download]').first().click(), `citizen-${lang}.proof`);

  // Withdraw everything; each is asked once more.
  const withdraw = page.locator('main a[href$="/withdraw"]');
  await page.goto(`${issuer}/portal/consents`);
  await watch.look(page, 'consents', lang);
  must((await withdraw.count()) > 0, 'there is nothing to withdraw');
  const detail = page.locator('main .consent-card h3 a').first();
  await detail.click();
  await page.waitForLoadState();
  await watch.look(page, 'consent-detail', lang);
  await page.goto(`${issuer}/portal/consents`);
  for (let round = 0; (await withdraw.count()) > 0; round++) {
    must(round < 10, 'withdrawing has no end');
    await withdraw.first().click();
    const button = page.locator('button[name="decision"][value="withdraw"]');
    await button.waitFor();
    if (round === 0) await watch.look(page, 'withdraw', lang);
    await button.click();
    await page.waitForLoadState();
    await page.goto(`${issuer}/portal/consents`);
  }
  await watch.look(page, 'consents-withdrawn', lang);

  // The app's next read is refused, with words.
  await page.goto(`${land}/?lang=${lang}`);
  await page.locator('[data-test="read"]').click();
  await page.locator('[data-test="refused"]').first().waitFor();
  must((await page.locator('[data-test="released"]').count()) === 0, 'something was released after the withdrawal');
  await watch.look(page, 'app-refused', lang);
  await page.goto(`${issuer}/portal`);
  await until(page, page.locator('li.release.is-refused'), 'the refusal in the timeline');
  await watch.look(page, 'timeline-refused', lang);

  // A citizen is no auditor.
  const refused = await page.goto(`${issuer}/console`);
  must([403, 404].includes(refused.status()), `a citizen at the console is answered ${refused.status()}`);
  await watch.look(page, 'console-refused', lang);

  // Out, everywhere.
  await page.goto(`${issuer}/portal/sessions`);
  await watch.look(page, 'sessions', lang);
  await page.locator('form[action="/portal/sessions/end-all"] button').click();
  await page.waitForLoadState();
  await watch.look(page, 'signed-out', lang);
  await page.goto(`${land}/?lang=${lang}`);
  await until(page, page.locator('[data-test="login"]'), 'the end of the session at the app');
  await watch.look(page, 'app-ended', lang);
  await page.goto(`${issuer}/portal`);
  must(new URL(page.url()).pathname === '/signin', `after signing out, ${page.url()} still opens`);
  await page.context().close();
}

async function auditor(browser, person) {
  const page = await watch.person(browser, { lang, width });
  await page.goto(`${issuer}/console?lang=${lang}`);
  await signIn(page, person, false);
  await page.waitForURL((url) => url.pathname === '/console');
  await watch.look(page, 'search', lang);
  const search = page.locator('form.search button[type="submit"]');

  await page.locator('select[name="client"]').selectOption({ index: 1 });
  await search.click();
  const rows = page.locator('main tbody tr');
  await rows.first().waitFor();
  await watch.look(page, 'search-app', lang);
  const pseudonym = (await rows.first().locator('td').nth(3).innerText()).trim();

  await page.goto(`${issuer}/console`);
  await page.locator('input[name="pseudonym"]').fill(pseudonym);
  await page.locator('select[name="decision"]').selectOption('permit');
  const days = (n) => new Date(Date.now() + n * 86_400_000).toISOString().slice(0, 16);
  await page.locator('input[name="from"]').fill(days(-1));
  await page.locator('input[name="to"]').fill(days(1));
  await search.click();
  await rows.first().waitFor();
  await watch.look(page, 'search-person', lang);
  const results = page.url();
  must(!results.includes(pseudonym), `the address says whom was looked for: ${results}`);
  await rows.first().locator('a').first().click();
  await page.waitForLoadState();
  await until(page, page.locator('main a[download]'), 'the proof of the event');
  await watch.look(page, 'event', lang);
  await watch.save(page, () => page.locator('main a[download]').first().click(), `auditor-${lang}.proof`);

  await page.goto(results);
  await page.locator('main a[href^="/console/exports?search="]').click();
  await page.waitForLoadState();
  const reason = page.locator('input[name="reason"]');
  if (await reason.count()) {
    await watch.look(page, 'export', lang);
    await reason.fill(lang === 'vi' ? 'Kiểm tra định kỳ' : 'Periodic inspection');
    const press = () => page.locator('form', { has: reason }).locator('button[type="submit"]').click();
    const outcome = await Promise.race([
      page.waitForEvent('download').then((download) => ({ download })),
      page.locator('main a[download]').waitFor().then(() => ({})),
      press().then(() => new Promise(() => {})),
    ]);
    if (outcome.download) {
      await outcome.download.saveAs(`${watch.folder}/auditor-${lang}.export`);
    } else {
      await watch.look(page, 'export-receipt', lang);
      await watch.save(page, () => page.locator('main a[download]').first().click(), `auditor-${lang}.export`);
    }
  } else {
    throw new Error(`an export form was expected at ${page.url()}`);
  }
  await page.context().close();
}

const browser = await launch();
try {
  await citizen(browser, JSON.parse(env('CITIZEN')));
  await auditor(browser, JSON.parse(env('AUDITOR')));
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
