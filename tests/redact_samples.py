"""Made-up secrets of every kind, each with the text around it, and ways to stream a text.

They are put together from parts, so that no scanner takes this file for a leak.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from tracekit.decoding import Fact, Frame, Text, ToolArguments
from tracekit.redaction import StreamItem
from tracekit_anthropic import MessagesDecoder
from tracekit_openai import ChatDecoder

__all__ = ["FORMATS", "SAMPLES", "Sample", "chunks", "items_of", "said"]

_UPPER, _LOWER, _DIGITS = string.ascii_uppercase, string.ascii_lowercase, string.digits
_random = random.Random(20261121)


class Sample(NamedTuple):
    """A secret in its surroundings."""

    name: str
    secret: str
    text: str
    kind: str


def _run(length: int, characters: str = _UPPER + _LOWER + _DIGITS) -> str:
    """Random characters, the first few of them of each sort."""
    sorts = [sort for sort in (_LOWER, _UPPER, _DIGITS) if set(sort) & set(characters)]
    first = [_random.choice([char for char in sort if char in characters]) for sort in sorts]
    return "".join([*first, *(_random.choice(characters) for _ in range(length - len(first)))])


def _hex(length: int) -> str:
    return _run(length, "abcdef" + _DIGITS)


def _b64(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


_WORD = _UPPER + _LOWER + _DIGITS + "_-"
_PREFIXED = {
    "openai project": ("sk-proj-" + _run(74, _WORD) + _run(6), "openai-key"),
    "openai service account": ("sk-svcacct-" + _run(60, _WORD) + _run(6), "openai-key"),
    "openai classic": ("sk-" + _run(20) + "T3Blbk" + "FJ" + _run(20), "openai-key"),
    "deepseek": ("sk-" + _hex(32), "openai-key"),
    "anthropic": ("sk-ant-" + "api03-" + _run(93, _WORD) + "AA", "anthropic-key"),
    "openrouter": ("sk-or-" + "v1-" + _hex(64), "openrouter-key"),
    "google": ("AI" + "za" + _run(35), "google-key"),
    "google oauth": ("ya29" + "." + _run(60, _WORD) + _run(4), "google-token"),
    "google client secret": ("GOC" + "SPX-" + _run(28), "google-secret"),
    "groq": ("gsk" + "_" + _run(52), "groq-key"),
    "xai": ("xai" + "-" + _run(80), "xai-key"),
    "perplexity": ("pplx" + "-" + _run(48), "perplexity-key"),
    "replicate": ("r8" + "_" + _run(37), "replicate-key"),
    "hugging face": ("hf" + "_" + _run(34), "hugging-face-token"),
    "nvidia": ("nvapi" + "-" + _run(64), "nvidia-key"),
    "tavily": ("tvly" + "-" + _run(32), "tavily-key"),
    "langsmith": ("lsv2" + "_pt_" + _hex(32) + "_" + _hex(10), "langsmith-key"),
    "pinecone": ("pcsk" + "_" + _run(70), "pinecone-key"),
    "aws id": ("AK" + "IA" + _run(16, _UPPER + _DIGITS), "aws-key-id"),
    "aws temporary id": ("AS" + "IA" + _run(16, _UPPER + _DIGITS), "aws-key-id"),
    "digitalocean": ("dop" + "_v1_" + _hex(64), "digitalocean-token"),
    "github": ("gh" + "p_" + _run(36), "github-token"),
    "github oauth": ("gh" + "o_" + _run(36), "github-token"),
    "github fine-grained": ("github" + "_pat_" + _run(22) + "_" + _run(59), "github-token"),
    "gitlab": ("glp" + "at-" + _run(20), "gitlab-token"),
    "slack bot": ("xox" + "b-" + _run(12, _DIGITS) + "-" + _run(24), "slack-token"),
    "slack user": ("xox" + "p-" + _run(12, _DIGITS) + "-" + _run(32), "slack-token"),
    "slack webhook": ("hooks.slack" + ".com/services/T" + _run(8) + "/B" + _run(8) + "/" + _run(24), "slack-webhook"),
    "stripe": ("sk" + "_live_" + _run(24), "stripe-key"),
    "stripe restricted": ("rk" + "_live_" + _run(24), "stripe-key"),
    "stripe webhook": ("wh" + "sec_" + _run(32), "stripe-key"),
    "sendgrid": ("SG" + "." + _run(22) + "." + _run(43), "sendgrid-key"),
    "twilio": ("S" + "K" + _hex(32), "twilio-key"),
    "mailgun": ("key" + "-" + _hex(32), "mailgun-key"),
    "npm": ("npm" + "_" + _run(36), "npm-token"),
    "pypi": ("pypi" + "-AgEI" + _run(80, _WORD) + _run(4), "pypi-token"),
    "databricks": ("da" + "pi" + _hex(32), "databricks-token"),
    "vault": ("hv" + "s." + _run(90), "vault-token"),
    "doppler": ("dp.p" + "t." + _run(43), "doppler-token"),
    "shopify": ("shp" + "at_" + _hex(32), "shopify-token"),
    "docker": ("dckr" + "_pat_" + _run(27), "docker-token"),
    "notion": ("nt" + "n_" + _run(46), "notion-token"),
    "linear": ("lin" + "_api_" + _run(40), "linear-key"),
    "grafana": ("gl" + "sa_" + _run(32) + "_" + _hex(8), "grafana-token"),
    "telegram": (_run(9, _DIGITS) + ":A" + "A" + _run(33), "telegram-token"),
    "azure": (_run(52) + "JQQJ" + "99" + _run(26), "azure-key"),
    "json web token": (
        f"{_b64({'alg': 'HS256', 'typ': 'JWT'})}.{_b64({'sub': '1234567890', 'name': 'Ann'})}.{_run(43)}",
        "jwt",
    ),
}
_PEM_BODY = [_run(64, _WORD.replace("_", "+").replace("-", "/")) for _ in range(6)] + [_run(24) + "=="]


def _pem(label: str) -> str:
    dashes = "-" * 5
    lines = [f"{dashes}BEGIN {label}{dashes}", *_PEM_BODY, f"{dashes}END {label}{dashes}"]
    return "\n".join(lines)


def _password() -> str:
    return f"{_run(3)}unter{_run(6)}"


def _opaque() -> str:
    return _run(32)


def _basic() -> str:
    return base64.b64encode(f"ann:{_password()}".encode()).decode()


def _aws() -> str:
    return _run(40, _UPPER + _LOWER + _DIGITS + "/+")


# Secrets that only their surroundings tell: `*` is the place of the secret.
_PLACED: tuple[tuple[str, str, Callable[[], str], str], ...] = (
    ("bearer in a header", "curl -H 'Authorization: Bearer *' https://api", _opaque, "bearer-token"),
    ("bearer alone", "sent Bearer * to it", _opaque, "bearer-token"),
    ("basic", "Proxy says Basic * and", _basic, "basic-credentials"),
    ("postgres", "use postgres://app:*@db.internal:5432/chat for it", _password, "password-in-url"),
    ("mysql", "mysql://root:*@localhost/x", _password, "password-in-url"),
    ("redis", "redis://:*@cache:6379/0", _password, "password-in-url"),
    ("mongodb", "mongodb+srv://app:*@cluster0.example.net/?w=1", _password, "password-in-url"),
    ("amqp", "amqps://guest:*@mq/", _password, "password-in-url"),
    ("https", "git clone https://ann:*@git.example.com/x.git", _password, "password-in-url"),
    ("json password", '{"user": "ann", "password": "*"}', _password, "password"),
    ("json in json", '{\\"password\\": \\"*\\", \\"a\\": 1}', _password, "password"),
    ("json client secret", '{"clientSecret":"*","a":1}', _opaque, "secret"),
    ("json api key", '{"api_key":"*"}', _opaque, "api-key"),
    ("json refresh token", '{"refresh_token":"*"}', _opaque, "token"),
    ("environment", "export DB_PASSWORD=*\nexport X=1", _password, "password"),
    ("assignment", 'api_key = "*"', _opaque, "api-key"),
    ("yaml", "password: *\nuser: ann", _password, "password"),
    ("header", "X-Api-Key: *\nAccept: */*", _opaque, "api-key"),
    ("cookie", "Cookie: session=*\n", _opaque, "cookie"),
    ("query", "GET /v1?key=*&alt=sse HTTP/1.1", _opaque, "key-in-url"),
    ("query token", "https://x.example/cb?state=1&access_token=*&y=2", _opaque, "token"),
    ("aws secret", "AWS_SECRET_ACCESS_KEY=* ", _aws, "access-key"),
    ("aws secret in prose", "the secret access key is *, keep it", _aws, "aws-secret-key"),
    ("connection string", "Server=db;User Id=ann;Password=*;Encrypt=True", _password, "password"),
    ("azure storage", "AccountName=x;AccountKey=*+/==;EndpointSuffix=core", _opaque, "access-key"),
    ("command", "mysqldump --password * chat", _password, "password"),
    ("xml", "<user>ann</user><password>*</password>", _password, "password"),
)


def _placed(name: str, template: str, secret: str, kind: str) -> Sample:
    before, _, after = template.partition("*")
    if name == "cookie":
        before, secret = "Cookie: ", f"session={secret}"
    if name == "azure storage":
        after, secret = after.removeprefix("+/=="), f"{secret}+/=="
    return Sample(name, secret, f"{before}{secret}{after}", kind)


SAMPLES = (
    *(Sample(name, secret, f"my key is {secret} ok", kind) for name, (secret, kind) in _PREFIXED.items()),
    *(
        Sample(f"pem {label}", _pem(label), f"here:\n{_pem(label)}\nthanks", "private-key")
        for label in ("RSA PRIVATE KEY", "PRIVATE KEY", "OPENSSH PRIVATE KEY", "EC PRIVATE KEY")
    ),
    *(_placed(name, template, make(), kind) for name, template, make, kind in _PLACED),
)


# Streams of a text, and what is read in them again


def _openai(text: str) -> bytes:
    chunk = {
        "id": "chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG",
        "object": "chat.completion.chunk",
        "created": 1741570283,
        "model": "gpt-4o-mini-2024-07-18",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
    }
    return f"data: {json.dumps(chunk, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def _anthropic(text: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n".encode()


def _arguments(text: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": text}}
    return f"event: content_block_delta\ndata: {json.dumps(delta)}\n\n".encode()


def _plain(text: str) -> bytes:
    return "".join(f"data: {line}\n" for line in text.split("\n")).encode() + b"\n"


FORMATS: dict[str, Callable[[str], bytes]] = {
    "openai": _openai, "anthropic": _anthropic, "arguments": _arguments, "plain": _plain,
}  # fmt: skip


class _PlainDecoder:
    """Takes the payload for a piece of the answer."""

    def feed(self, frame: Frame) -> Sequence[Fact]:
        return (Text(frame.text),)


def _decoder(name: str) -> Any:
    if name == "openai":
        return ChatDecoder()
    if name == "plain":
        return _PlainDecoder()
    decoder = MessagesDecoder()
    tool = {"type": "tool_use", "id": "toolu_01", "name": "connect", "input": {}}
    block = tool if name == "arguments" else {"type": "text", "text": ""}
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    tuple(decoder.feed(Frame(f"data: {json.dumps(start)}\n\n".encode())))
    return decoder


def chunks(text: str, cuts: Sequence[int]) -> list[str]:
    """A text cut at these places."""
    edges = [0, *sorted(cuts), len(text)]
    return [text[start:stop] for start, stop in pairwise(edges)]


def items_of(name: str, pieces: Sequence[str]) -> list[StreamItem]:
    """Frames of a format that say these pieces, with what its decoder reads in them."""
    decoder = _decoder(name)
    raws = [FORMATS[name](piece) for piece in pieces]
    return [StreamItem(raw, tuple(decoder.feed(Frame(raw)))) for raw in raws]


def said(name: str, raws: Sequence[bytes]) -> str:
    """What frames say, read by the decoder of their format."""
    decoder = _decoder(name)
    facts = [fact for raw in raws for fact in decoder.feed(Frame(raw))]
    return "".join(fact.text for fact in facts if isinstance(fact, Text | ToolArguments))
