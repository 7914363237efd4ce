"""The cookie of someone who signed in: a signed, timed statement that needs no table."""

from __future__ import annotations

import hmac
import secrets
from hashlib import sha256

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection
from starlette.responses import Response

__all__ = ["COOKIE", "SESSION_SECONDS", "Sessions", "is_https"]

COOKIE = "tracekit_session"
SESSION_SECONDS = 12 * 60 * 60

# Characters. A cookie made here has fewer than 150.
_LONGEST = 512


class Sessions:
    """Makes and reads session cookies. The key comes from the admin token, so a new token signs everyone out."""

    def __init__(self, token: str) -> None:
        key = hmac.digest(token.encode(), b"tracekit admin session", "sha256")
        signing = {"key_derivation": "hmac", "digest_method": sha256}
        self._serializer = URLSafeTimedSerializer(key, salt="tracekit-admin", signer_kwargs=signing)

    def start(self, connection: HTTPConnection, response: Response) -> None:
        """Put a new session into a response.

        It names no path, so that the browser takes the mount's own as it sees it, whatever proxies made of it.
        """
        value = self._serializer.dumps(secrets.token_urlsafe(16))
        response.set_cookie(
            COOKIE, value, SESSION_SECONDS, path=None, secure=is_https(connection), httponly=True, samesite="strict"
        )

    def end(self, connection: HTTPConnection, response: Response) -> None:
        """Take the session out of the browser."""
        response.set_cookie(COOKIE, "", 0, path=None, secure=is_https(connection), httponly=True, samesite="strict")

    def is_open(self, connection: HTTPConnection) -> bool:
        """Whether a request carries a session that was made here and is not too old."""
        value = connection.cookies.get(COOKIE, "")
        if not value or len(value) > _LONGEST:
            return False
        try:
            self._serializer.loads(value, max_age=SESSION_SECONDS)
        except BadData:
            return False
        return True


def is_https(connection: HTTPConnection) -> bool:
    """Behind a proxy that ends TLS only the browser's own word tells."""
    return connection.url.scheme == "https" or connection.headers.get("origin", "").startswith("https://")
