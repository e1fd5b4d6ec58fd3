"""Flask with Authlib."""
import os
import secrets

from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, session, url_for
from markupsafe import escape

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)
oauth = OAuth(app)
oauth.register(
    "hopnhat",
    server_metadata_url=os.environ.get("ISSUER", "http://localhost:8440") + "/.well-known/openid-configuration",
    client_id="so-tay-authlib",
    client_secret=os.environ["CLIENT_SECRET"],
    client_kwargs={"scope": "openid profile", "code_challenge_method": "S256"},
)


@app.get("/")
def front():
    name = session.get("name")
    return f"Xin chào {escape(name)}" if name else '<a href="/login">Đăng nhập</a>'


@app.get("/login")
def login():
    return oauth.hopnhat.authorize_redirect(url_for("callback", _external=True))


@app.get("/callback")
def callback():
    token = oauth.hopnhat.authorize_access_token()  # verifies the ID token
    person = oauth.hopnhat.userinfo(token=token)
    if person["sub"] != token["userinfo"]["sub"]:
        raise ValueError("UserInfo is about somebody else")
    session["name"] = person.get("name", person["sub"])
    return redirect("/")


app.run("localhost", int(os.environ.get("PORT", "8500")))
