// Express with Passport and the strategy of openid-client.
import { randomBytes } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import passport from 'passport';
import * as client from 'openid-client';
import { Strategy } from 'openid-client/passport';

const { ISSUER: issuer = 'http://localhost:8440', PORT: port = '8500', CLIENT_SECRET: secret } = process.env;
const insecure = issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : undefined; // on loopback
const config = await client.discovery(new URL(issuer), 'so-tay-passport', secret, undefined, insecure);

passport.use('hopnhat', new Strategy({ config, scope: 'openid profile', callbackURL: `http://localhost:${port}/callback` }, async (tokens, done) => {
  const person = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  done(null, { sub: person.sub, name: person.name ?? person.sub });
}));
passport.serializeUser((user, done) => done(null, user));
passport.deserializeUser((user, done) => done(null, user));

const app = express();
app.use(session({ secret: randomBytes(32).toString('hex'), resave: false, saveUninitialized: false }));
app.use(passport.session());
app.get('/', (request, response) => {
  const name = request.user?.name.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  response.send(name ? `Xin chào ${name}` : '<a href="/login">Đăng nhập</a>');
});
app.get('/login', passport.authenticate('hopnhat'));
app.get('/callback', passport.authenticate('hopnhat', { successRedirect: '/', failureRedirect: '/failed' }));
app.get('/failed', (_, response) => response.status(403).send('Không đăng nhập được'));
app.listen(Number(port), 'localhost');
