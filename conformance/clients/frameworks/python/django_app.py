"""Django with mozilla-django-oidc, in one file."""
import os
import secrets
import sys

import django
from django.conf import settings

issuer = os.environ.get("ISSUER", "http://localhost:8440")
settings.configure(
    SECRET_KEY=secrets.token_hex(32), ROOT_URLCONF=__name__, ALLOWED_HOSTS=["localhost"],
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "mozilla_django_oidc"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "so-tay.db"}},
    AUTHENTICATION_BACKENDS=[__name__ + ".Backend"], LOGIN_REDIRECT_URL="/", LOGIN_REDIRECT_URL_FAILURE="/failed",
    OIDC_RP_CLIENT_ID="so-tay-django", OIDC_RP_CLIENT_SECRET=os.environ["CLIENT_SECRET"],
    OIDC_OP_AUTHORIZATION_ENDPOINT=issuer + "/authorize", OIDC_OP_TOKEN_ENDPOINT=issuer + "/token",
    OIDC_OP_USER_ENDPOINT=issuer + "/userinfo", OIDC_OP_JWKS_ENDPOINT=issuer + "/jwks",
    OIDC_RP_SCOPES="openid profile",  # its own default asks for email and insists on it
    OIDC_RP_SIGN_ALGO="RS256",  # its own default, HS256, is signed by nobody here
    OIDC_USE_PKCE=True,  # off by default
)
django.setup()

from django.core.exceptions import SuspiciousOperation
from django.core.management import call_command, execute_from_command_line
from django.http import HttpResponse
from django.urls import include, path
from django.utils.html import escape
from mozilla_django_oidc.auth import OIDCAuthenticationBackend


class Backend(OIDCAuthenticationBackend):
    """Knows a person by her pseudonym, where the package itself does by e-mail."""

    def get_userinfo(self, access_token, id_token, payload):
        claims = super().get_userinfo(access_token, id_token, payload)
        # The package checks signature and nonce, and leaves these to its users.
        if payload["iss"] != issuer or payload["aud"] != self.OIDC_RP_CLIENT_ID or payload["sub"] != claims["sub"]:
            raise SuspiciousOperation("the ID token is of another provider, for another app, or about somebody else")
        return claims

    def filter_users_by_claims(self, claims):
        return self.UserModel.objects.filter(username=claims["sub"])

    def create_user(self, claims):
        return self.update_user(self.UserModel.objects.create_user(claims["sub"]), claims)

    def update_user(self, user, claims):
        user.first_name = claims.get("name", claims["sub"])[:150]
        user.save()
        return user


def front(request):
    if request.user.is_authenticated:
        return HttpResponse("Xin chào " + escape(request.user.first_name))
    return HttpResponse('<a href="/oidc/authenticate/">Đăng nhập</a>')


urlpatterns = [
    path("", front),
    path("failed", lambda _: HttpResponse("Không đăng nhập được", status=403)),
    path("oidc/", include("mozilla_django_oidc.urls")),
]

if __name__ == "__main__":
    sys.modules["__main__"] = sys.modules[__name__]
    call_command("migrate", verbosity=0)
    execute_from_command_line(["django_app.py", "runserver", "--noreload", "localhost:" + os.environ.get("PORT", "8500")])
