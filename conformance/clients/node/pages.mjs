// What every page of the journey must stand: axe-core without a violation in
// light and dark, at a phone's and a desktop's width; no sideways scrolling; no
// script error; nothing blocked by the page's own policy; nothing fetched from
// elsewhere. With HOPNHAT_TEST_PICTURES set each state is kept as a screenshot.

import { createRequire } from 'node:module';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { chromium } from 'playwright-core';

// What axe-core is asked: everything in light, and in dark, where nothing but colours is another,
// the rules that read colours.
const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
const colours = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

export const widths = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 900 } };

// env is a variable of the environment that has to be set.
export const env = (name) => process.env[name] ?? (() => { throw new Error(`${name} is not set`); })();

export function must(holds, what) {
  if (!holds) throw new Error(what);
}

// speak switches the page to a language, as a person would.
export async function speak(page, lang) {
  if ((await page.locator('html').getAttribute('lang')) !== lang) {
    await page.locator(`nav.langs a[lang="${lang}"]`).click();
    await page.waitForLoadState();
  }
}

export async function launch(...more) {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // The tests may run as root, where Chromium's own sandbox does not work; the
    // only pages opened are ours.
    args: ['--no-sandbox', '--disable-dev-shm-usage', ...more],
  });
}

export class Watch {
  constructor(folder, origins) {
    this.folder = folder;
    this.origins = origins; // those that a page may fetch from
    this.problems = [];
    this.count = 0;
  }

  problem(text) {
    this.problems.push(text);
    console.log(JSON.stringify({ ok: false, problem: text }));
  }

  // person opens a browser of one's own: cookies, language, first width.
  async person(browser, { lang, width }) {
    await mkdir(this.folder, { recursive: true });
    const context = await browser.newContext({ viewport: widths[width], locale: lang === 'vi' ? 'vi-VN' : 'en-GB', timezoneId: 'Asia/Ho_Chi_Minh', acceptDownloads: true });
    context.setDefaultTimeout(20_000);
    await context.addInitScript({ path: axe });
    const page = await context.newPage();
    page.on('pageerror', (err) => this.problem(`script error at ${page.url()}: ${err.message}`));
    page.on('console', (message) => {
      // An error status is shown by the browser as an error; the journey meets some on purpose.
      if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) this.problem(`console at ${page.url()}: ${message.text()}`);
    });
    page.on('request', (request) => {
      const { protocol, origin } = new URL(request.url());
      if (/^https?:$/.test(protocol) && !this.origins.includes(origin)) this.problem(`${page.url()} asked ${origin}`);
    });
    return page;
  }

  // look checks the page as it stands and keeps its picture.
  async look(page, name, lang) {
    const number = String(++this.count).padStart(2, '0');
    const first = page.viewportSize();
    const shown = await page.locator('html').getAttribute('lang');
    if (shown !== lang) this.problem(`${name}: the page is in ${shown}, not ${lang}`);
    for (const [width, size] of Object.entries(widths)) {
      await page.setViewportSize(size);
      for (const scheme of ['light', 'dark']) {
        await page.emulateMedia({ colorScheme: scheme, reducedMotion: 'reduce' });
        const where = `${name} (${lang}, ${width}, ${scheme})`;
        const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (over > 0) this.problem(`${where}: ${over} px too wide`);
        const { violations } = await page.evaluate(
          (runOnly) => globalThis.axe.run(document, { runOnly }), scheme === 'light' ? everything : colours,
        );
        for (const { id, help, nodes } of violations) {
          this.problem(`${where}: ${id}: ${help}: ${nodes.slice(0, 3).map(({ target }) => target.join(' ')).join(' | ')}`);
        }
        if (process.env.HOPNHAT_TEST_PICTURES) {
          const file = path.join(this.folder, `${number}-${name}-${lang}-${width}${scheme === 'dark' ? '-dark' : ''}.png`);
          await page.screenshot({ path: file, fullPage: true });
        }
      }
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize(first);
    console.log(JSON.stringify({ ok: true, page: name, lang, url: new URL(page.url()).pathname }));
  }

  // save presses what starts a download and keeps the file.
  async save(page, press, name) {
    const [download] = await Promise.all([page.waitForEvent('download'), press()]);
    const file = path.join(this.folder, name ?? download.suggestedFilename());
    await download.saveAs(file);
    console.log(JSON.stringify({ ok: true, saved: path.basename(file) }));
    return file;
  }
}
