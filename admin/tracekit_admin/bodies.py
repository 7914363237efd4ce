"""Request bodies, read up to a limit and not for ever."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import Request

from tracekit_admin.problems import Problem

__all__ = ["MOST_JSON_BYTES", "read_body", "read_form"]

MOST_JSON_BYTES = 1024 * 1024
_MOST_FORM_BYTES = 16 * 1024
_MOST_FORM_FIELDS = 16

# Seconds for a whole body. A megabyte takes that long on a line of 300 kbit/s.
_LONGEST = 30.0


async def read_body(request: Request, most: int = MOST_JSON_BYTES) -> bytes:
    """The body of a request.

    Raises:
        Problem: 413, it is longer than `most` bytes; 408, it does not come to its end; 415, it is compressed.
    """
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "Send the body uncompressed.")
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 12 or int(announced) > most):
        raise _too_long(most)
    try:
        async with asyncio.timeout(_LONGEST):
            return await _read(request, most)
    except TimeoutError:
        raise Problem(408, f"The body did not come to its end within {_LONGEST:.0f} seconds.") from None


async def _read(request: Request, most: int) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise _too_long(most)
    return bytes(body)


def _too_long(most: int) -> Problem:
    return Problem(413, f"The body is longer than {most} bytes.")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that a browser sent URL-encoded; of a repeated one the last.

    Raises:
        Problem: as `read_body`; 422, it has more fields than any form of ours.
    """
    body = await read_body(request, _MOST_FORM_BYTES)
    try:
        return dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST_FORM_FIELDS))
    except ValueError:
        raise Problem(422, "This is not a form of ours.") from None
