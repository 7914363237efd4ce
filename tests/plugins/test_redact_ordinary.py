"""What is no secret: it is stored at once, byte for byte."""

from __future__ import annotations

import base64
import json
import random
import uuid
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redact_samples import FORMATS, items_of
from stream_corpus import RecordedStream, cases

from tracekit.decoding import Frame, StreamHead
from tracekit.framing import framer_for
from tracekit.plugins import PluginHost
from tracekit.redaction import StreamItem
from tracekit.stream_decoder import StreamDecoder
from tracekit.types import ItemKind
from tracekit_redact import Redact

REDACT = Redact()

# What real streams hold that looks like a secret, and is one or could be.
SECRETS_IN_THE_CORPUS = {"anthropic/sdk-padded-json-refusal.sse": [b"tok_synthetic_fixture_a"]}

WORDS = [
    *("the", "a", "to", "and", "of", "in", "I", "is", "it", "that", "was", "for", "so", "no", "not", "on", "my", "we"),
    *("key", "token", "password", "secret", "cookie", "basic", "bearer", "task", "risk", "disk", "ask-me", "re-do"),
    *("https://example.com", "http://localhost:8080/x", "3.14", "2024-07-18", "GPT-4o", "e-mail", "the-secret", "SK"),
    *("Hello,", "world!", "(yes)", '"quoted"', "it's", "API", "AI", "Asia", "key:", "token:", "password-free", "eyes"),
    *("gh", "npm", "pypi", "pat", "do", "密码", "是", "é", "😀"),
]

HARMLESS = [
    "max_tokens=100, input_tokens: 7, token_count = 3; tokenizer: cl100k_base",
    f"{uuid.UUID(int=7**45)} and {uuid.UUID(int=3**80)}",
    "sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709, md5 d41d8cd98f00b204e9800998ecf8427e, sha256 " + "0a1b2c3d" * 8,
    "data:image/png;base64," + base64.b64encode(random.Random(7).randbytes(6000)).decode(),
    "class sk-toggleable__content-wrapper, sk-estimator-doc-link-and-more, a task-oriented-dialogue-system",
    "The token is a unit of text. Password: must contain 8 characters. secret: keep it. Your api key: see settings.",
    "password = os.environ['DB'], token=get_token(user), api_key=YOUR_API_KEY, secret=secret, password=args.password",
    "connect(host, password=password, token=self.token) # Bearer authentication and Basic understanding",
    "postgres://user:${PASSWORD}@host/db and https://example.com:8080/@ann and mailto:ann@example.com",
    "fetch(url, { credentials: 'include', headers: { Authorization: `Bearer ${token}` } })",
    "call_AbCdEfGhIjKlMnOpQrStUvWx toolu_01A09q90qw90lq917835lq9 msg_01XFDUDYJgAACzvnptvVoYEL resp_67ca chatcmpl-B9MHD",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQC7 ann@host; pwd: /home/ann/src1; cookie: of the day",
    "eyJhbGciOiJIUzI1NiJ9 is a header of a JWT, and -----BEGIN CERTIFICATE----- begins no secret",
    "from task-12345678901234567890 to risk_ghp; hf_hub_download(repo_id), npm_config_cache, key-value-store-2024",
]


def masked(items: Sequence[StreamItem], batch: int) -> int:
    """Mask frames as they come; the most that were held after a batch."""
    redactor = REDACT.tracekit_before_store()
    held: list[StreamItem] = []
    most = 0
    for start in range(0, len(items), batch):
        held += items[start : start + batch]
        del held[: redactor.stream(held, final=False)]
        most = max(most, len(held))
    redactor.stream(held, final=True)
    return most


def read_items(stream: RecordedStream) -> list[StreamItem]:
    """The frames of a recorded stream, with what the installed decoders read in them."""
    framer = framer_for(stream.framing, 1 << 30)
    plugins = PluginHost()
    decoder = StreamDecoder(plugins, StreamHead(path="/", status=200, framing=stream.framing))
    pieces = [*framer.feed(0, stream.body), *framer.finish()]
    items = [StreamItem(piece.raw) for piece in pieces]
    fed = [item for item, piece in zip(items, pieces, strict=True) if piece.kind is not ItemKind.KEEPALIVE]
    facts = [read for item in fed for read in decoder.feed(Frame(item.raw, stream.framing))] + decoder.settle()
    for item, read in zip(fed, facts, strict=True):
        item.facts = read
    return items


@pytest.mark.parametrize("stream", cases())
@pytest.mark.parametrize("batch", [1, 10])
def test_recorded_streams_are_stored_as_they_are(stream: RecordedStream, batch: int) -> None:
    """Of thousands of real frames none changes but where something in it could be a secret."""
    items = read_items(stream)
    before = [item.raw for item in items]
    most = masked(items, batch)
    changed = [raw for raw, item in zip(before, items, strict=True) if item.raw != raw]
    secrets = SECRETS_IN_THE_CORPUS.get(stream.entry["file"], [])
    assert len(changed) == len(secrets)
    assert all(secret in raw for secret, raw in zip(secrets, changed, strict=True))
    # A frame may end in what begins a key; the next one, in each of the choices, tells that it was none.
    assert most <= 3


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_is_kept(text: str) -> None:
    """Ids, hashes, images, code that names no value, prose about passwords."""
    redactor = REDACT.tracekit_before_store()
    assert redactor.value(text) is text
    document = {"a": text, "b": json.dumps({"text": text})}
    assert redactor.value(document) is document
    for name in FORMATS:
        items = items_of(name, [text[start : start + 7] for start in range(0, len(text), 7)])
        before = [item.raw for item in items]
        masked(items, 1)
        assert [item.raw for item in items] == before


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=40), st.sampled_from([*FORMATS]), st.integers(1, 12))
def test_ordinary_words_are_stored_at_once(words: list[str], name: str, batch: int) -> None:
    """Word by word, none is held once the next one has begun, and none is changed."""
    items = items_of(name, [f" {word}" for word in words] + [" "])
    before = [item.raw for item in items]
    redactor = REDACT.tracekit_before_store()
    held: list[StreamItem] = []
    for start in range(0, len(items), batch):
        held += items[start : start + batch]
        del held[: redactor.stream(held, final=False)]
        assert len(held) <= 1
    assert held == []
    assert [item.raw for item in items] == before


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="=:")), st.integers(1, 9))
def test_text_of_any_characters_is_kept(text: str, size: int) -> None:
    """Without the signs that assign a value, chance makes no secret."""
    items = items_of("openai", [text[start : start + size] for start in range(0, len(text), size)])
    before = [item.raw for item in items]
    masked(items, 3)
    assert [item.raw for item in items] == before
