// Express with Auth.js.
import { randomBytes } from 'node:crypto';
import express from 'express';
import { ExpressAuth, getSession } from '@auth/express';

const { ISSUER: issuer = 'http://localhost:8440', PORT: port = '8500', CLIENT_SECRET: clientSecret } = process.env;
const options = {
  secret: randomBytes(32).toString('hex'),
  trustHost: true,
  providers: [{
    id: 'hopnhat', name: 'Định danh quốc gia', type: 'oidc', issuer, clientId: 'so-tay-authjs', clientSecret,
    idToken: false, // the name is in UserInfo, and not in the ID token
    profile: (person) => ({ id: person.sub, name: person.name ?? person.sub }),
  }],
};

const app = express();
app.use('/auth', ExpressAuth(options));
app.get('/', async (request, response) => {
  const name = (await getSession(request, options))?.user?.name?.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  response.send(name ? `Xin chào ${name}` : '<a href="/auth/signin">Đăng nhập</a>');
});
app.listen(Number(port), 'localhost');
