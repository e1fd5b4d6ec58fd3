// A person at a plain browser: fetch, cookies, and the HTML forms of the sign-in
// pages. No script of the page runs, so whatever passes here works without any.

import { next } from './totp.mjs';

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

function unescape(text) {
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(Number(decimal));
    return entities[name.toLowerCase()] ?? whole;
  });
}

function attributes(tag) {
  const found = {};
  for (const [, name, double, single, bare] of tag.matchAll(/\s([a-z-]+)(?:=(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/gi)) {
    found[name.toLowerCase()] ??= unescape(double ?? single ?? bare ?? '');
  }
  return found;
}

// forms reads the forms of a page: action, method, inputs and buttons.
export function forms(html, base) {
  return [...html.matchAll(/<form\b([^>]*)>([\s\S]*?)<\/form>/gi)].map(([, head, body]) => {
    const { action = '', method = 'get' } = attributes(' ' + head);
    return {
      url: new URL(action, base).href,
      method: method.toUpperCase(),
      inputs: [...body.matchAll(/<input\b[^>]*>/gi)].map(([tag]) => attributes(tag)),
      buttons: [...body.matchAll(/<button\b[^>]*>/gi)].map(([tag]) => attributes(tag)),
    };
  });
}

const title = (html) => unescape(/<title>([^<]*)/i.exec(html)?.[1] ?? '(no title)').trim();

// setCookies are the lines of Set-Cookie; the fetch of Debian's Node 18 joins
// them by commas.
function setCookies(headers) {
  return headers.getSetCookie?.() ?? (headers.get('set-cookie') ?? '').split(/,\s*(?=[^\s;,=]+=)/).filter(Boolean);
}

// Browser follows redirects itself, so that it sees each, and keeps cookies by
// origin; it stops, without a request, where the redirect URI is reached.
export class Browser {
  constructor(redirectURI) {
    this.stop = new URL(redirectURI);
    this.jar = new Map();
  }

  async open(url, init = {}) {
    for (let hops = 0; hops < 20; hops++) {
      const target = new URL(url);
      if (target.origin === this.stop.origin && target.pathname === this.stop.pathname) return { callback: target };
      const cookies = this.jar.get(target.origin) ?? new Map();
      const headers = new Headers(init.headers);
      if (cookies.size) headers.set('cookie', [...cookies].map(([n, v]) => `${n}=${v}`).join('; '));
      const response = await fetch(target, { ...init, headers, redirect: 'manual' });
      for (const line of setCookies(response.headers)) {
        const [pair, ...flags] = line.split(';').map((part) => part.trim());
        const at = pair.indexOf('=');
        const gone = flags.some((flag) => /^max-age=(0|-\d+)$/i.test(flag));
        if (gone) cookies.delete(pair.slice(0, at));
        else cookies.set(pair.slice(0, at), pair.slice(at + 1));
      }
      this.jar.set(target.origin, cookies);
      const location = response.headers.get('location');
      if (!location) return { url: target, status: response.status, html: await response.text() };
      await response.arrayBuffer();
      url = new URL(location, target).href;
      init = {}; // 303 for every form of ours: the next request is a GET
    }
    throw new Error(`more than 20 redirects, the last to ${url}`);
  }

  async submit(form, fields) {
    const body = new URLSearchParams(fields);
    if (form.method === 'GET') return this.open(`${form.url}?${body}`);
    return this.open(form.url, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: new URL(form.url).origin },
    });
  }
}

// signIn goes through whatever pages stand between the authorization URL and the
// redirect URI, as the person, and returns the callback URL. On another device's
// request she types person.userCode, and picks person.symbol.
export async function signIn(start, redirectURI, person, browser = new Browser(redirectURI)) {
  browser.stop = new URL(redirectURI);
  const seen = [];
  let codes = 0;
  let page = await browser.open(start);
  for (let pages = 0; !page.callback; pages++) {
    const here = `${page.url.pathname} (${page.status}, ${title(page.html)})`;
    seen.push(page.url.pathname);
    if (pages > 8) throw new Error(`no end to the pages, the last: ${here}`);
    const form = forms(page.html, page.url).find(({ inputs, buttons }) =>
      inputs.some(({ name }) => ['number', 'password', 'code', 'item', 'user_code'].includes(name)) ||
      buttons.some(({ name }) => name === 'decision'));
    if (!form) throw new Error(`no form to go on with: ${here}`);
    const has = (name) => form.inputs.some((input) => input.name === name);
    const fields = [];
    for (const { type = 'text', name, value = '' } of form.inputs) {
      if (type === 'hidden') fields.push([name, value]);
      else if (name === 'number') fields.push([name, person.number]);
      else if (name === 'password') fields.push([name, person.password]);
      else if (name === 'code') {
        codes++;
        fields.push([name, await next(person)]);
      }
      else if (name === 'item') fields.push([name, value]);
      else if (name === 'user_code') fields.push([name, person.userCode]);
      else if (name === 'symbol' && value === person.symbol) fields.push([name, value]);
    }
    const yes = form.buttons.find(({ name, value }) => name === 'decision' && ['agree', 'approve'].includes(value));
    if (yes) fields.push(['decision', yes.value]);
    if (page.status >= 400 && !(has('code') && codes < 2)) throw new Error(`refused: ${here}`);
    page = await browser.submit(form, fields);
  }
  return { callback: page.callback, pages: seen, browser };
}
