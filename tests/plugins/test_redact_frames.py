"""Secrets that a model writes across several frames, and how long frames are held for them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redact_samples import FORMATS, SAMPLES, Sample, chunks, items_of, said

from tracekit.decoding import Refusal, Text, ToolArguments
from tracekit.redaction import StreamItem
from tracekit_redact import Redact

REDACT = Redact()

# Their mark comes late, or begins like much else: the beginning of the secret may be stored before it is known.
LATE = ("azure", "telegram", "pem RSA PRIVATE KEY", "pem PRIVATE KEY", "pem OPENSSH PRIVATE KEY", "pem EC PRIVATE KEY")
LONGEST_LEAK = 12


def stream(items: Sequence[StreamItem], batch: int = 1, redact: Redact = REDACT) -> list[int]:
    """Mask frames as they come, so many at a time; how many were held after each batch."""
    redactor = redact.tracekit_before_store()
    held: list[StreamItem] = []
    counts = []
    for start in range(0, len(items), batch):
        held += items[start : start + batch]
        del held[: redactor.stream(held, final=False)]
        counts.append(len(held))
    assert redactor.stream(held, final=True) == len(held)
    return counts


def cuts_over(sample: Sample, parts: int) -> Iterable[list[int]]:
    """Places at which a text is cut, so that its secret goes over so many frames, the first cut at every byte."""
    first, last = sample.text.index(sample.secret), len(sample.text) - 1
    end = first + len(sample.secret)
    for cut in range(max(1, first - 2), min(end + 2, last)):
        step = max(1, (end - cut) // (parts - 1))
        yield sorted({min(last, cut + step * number) for number in range(parts - 1)})


def assert_masked(name: str, sample: Sample, pieces: Sequence[str], batch: int = 1) -> None:
    """The stored frames say the text with the mask in the place of the secret, and the rest of it unchanged."""
    items = items_of(name, pieces)
    stream(items, batch)
    raws = [item.raw for item in items]
    text = said(name, raws)
    if sample.name not in LATE:
        assert text == sample.text.replace(sample.secret, f"[redacted:{sample.kind}]"), pieces
        return
    before, _, after = sample.text.partition(sample.secret)
    mask = text.removeprefix(before).removesuffix(after)
    leak, _, rest = mask.partition(f"[redacted:{sample.kind}]")
    assert text == f"{before}{mask}{after}"
    assert sample.secret.startswith(leak)
    assert (len(leak) <= LONGEST_LEAK, rest) == (True, ""), pieces


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_secret_cut_at_any_byte_is_masked(name: str, sample: Sample) -> None:
    """Wherever frames end, the mask stands in the first of them, and the others say nothing of the secret."""
    for cuts in [*cuts_over(sample, 2), *cuts_over(sample, 3)]:
        assert_masked(name, sample, chunks(sample.text, cuts))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_secret_in_frames_of_few_bytes_is_masked(name: str, sample: Sample) -> None:
    """Also where it is longer than all the frames that are held at once."""
    for size in (1, 2, 3, 5):
        assert_masked(name, sample, chunks(sample.text, range(size, len(sample.text), size)), batch=size)


@given(st.data())
def test_no_frame_is_lost_or_changes_its_place(data: st.DataObject) -> None:
    """Frames are ready in the order in which they came, and each once."""
    text = data.draw(
        st.lists(st.sampled_from([*(sample.text for sample in SAMPLES), "plain words", "é文😀"])).map(" ".join)
    )
    cuts = data.draw(st.lists(st.integers(1, max(1, len(text) - 1)), max_size=20, unique=True)) if len(text) > 1 else []
    items = items_of(data.draw(st.sampled_from([*FORMATS])), chunks(text, cuts))
    redactor, held, ready = REDACT.tracekit_before_store(), [], []
    for item in items:
        held.append(item)
        count = redactor.stream(held, final=False)
        ready += held[:count]
        del held[:count]
    assert redactor.stream(held, final=True) == len(held)
    assert [id(item) for item in [*ready, *held]] == [id(item) for item in items]
    stored = b"".join(item.raw for item in items)
    assert not any(sample.secret.encode() in stored for sample in SAMPLES)


def test_held_frames_are_untouched_until_they_are_ready() -> None:
    """They come again with those that follow, and are read anew."""
    items = items_of("openai", ["My key is sk-", "proj-", "aB3" * 12])
    before = [item.raw for item in items]
    redactor = REDACT.tracekit_before_store()
    for count in range(1, 4):
        assert redactor.stream(items[:count], final=False) == 0
        assert [item.raw for item in items] == before
    assert redactor.stream(items, final=True) == 3
    assert said("openai", [item.raw for item in items]) == "My key is [redacted:openai-key]"
    assert [item.redacted for item in items] == [True] * 3


def test_a_beginning_that_comes_to_nothing_is_stored_as_it_was() -> None:
    """`sk-` at the end of a frame holds it back, until the next one tells that it was none."""
    items = items_of("openai", ["the sk-", "learn library", " is fine"])
    before = [item.raw for item in items]
    assert stream(items) == [1, 0, 0]
    assert [item.raw for item in items] == before


@pytest.mark.parametrize(
    "ending", ["hello", "tas", "I like", "the password", "task-", "key:", "password is", "3.14", "ok."]
)
def test_an_unfinished_word_is_not_held(ending: str) -> None:
    """Ordinary text is stored at once: only what may be the beginning of a secret waits."""
    assert stream(items_of("openai", [f"so {ending}"]))[-1] == 0


@pytest.mark.parametrize(
    "ending",
    [
        "sk-pro",
        "gh",
        "ghp_a",
        "AKI",
        "eyJhbGci",
        "-----BEGIN RSA PRI",
        "password=h",
        '{"password": "h',
        "://ann:h",
        "Bearer abc",
    ],
)
def test_the_beginning_of_a_secret_is_held(ending: str) -> None:
    """From the first frame in which it may have begun."""
    assert stream(items_of("openai", ["Well,", " so ", ending]))[-1] == 1


def test_no_more_than_64_frames_are_held() -> None:
    """After that they are masked as far as something was found, and stored; what goes on is masked as well."""
    items = items_of("openai", ["key sk-proj-", *["aB3"] * 300, " end"])
    assert max(stream(items)) <= 64
    assert said("openai", [item.raw for item in items]) == "key [redacted:openai-key] end"


def test_no_more_than_32_kilobytes_are_held() -> None:
    """A long value does not fill the memory."""
    items = items_of("arguments", ['{"password": "', *["x" * 10_000] * 8, '", "b": 1}'])
    assert max(stream(items)) <= 4
    assert said("arguments", [item.raw for item in items]) == '{"password": "[redacted:password]", "b": 1}'


def test_a_private_key_without_an_end_is_masked_as_far_as_it_goes() -> None:
    """Lines of base64 belong to it; what is said after them does not."""
    head = "-" * 5 + "BEGIN RSA PRIVATE KEY" + "-" * 5 + "\n"
    items = items_of("openai", [head, *["aB3+" * 16 + "\n"] * 5, "\nand so on, said the model"])
    stream(items)
    assert said("openai", [item.raw for item in items]) == "[redacted:private-key]and so on, said the model"


def test_channels_are_kept_apart() -> None:
    """Two answers side by side do not make a secret of one another, and each has its own."""
    key = "sk-proj-" + "aB3" * 10
    chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": ""}}]}

    def frame(choice: int, text: str) -> StreamItem:
        chunk["choices"] = [{"index": choice, "delta": {"content": text}}]
        return StreamItem(f"data: {json.dumps(chunk)}\n\n".encode(), (Text(text, None, choice),))

    items = [frame(0, key[:9]), frame(1, "other words "), frame(0, key[9:20]), frame(1, key[:15]), frame(0, key[20:])]
    stream([*items, frame(1, key[15:]), frame(1, " end")])
    stored = b"".join(item.raw for item in items).decode()
    assert stored.count("[redacted:openai-key]") == 2
    assert "other words" in stored
    assert "aB3" not in stored


@pytest.mark.parametrize("escape", [True, False])
def test_any_escapes_in_a_frame_are_understood(escape: bool) -> None:
    """The text is found in the frame however its JSON is written."""
    text = 'é文😀\\"password\\": \\"hunt'
    spelled = json.dumps({"t": text}, ensure_ascii=escape)
    odd = "".join(f"\\u{ord(char):04X}" for char in "er2")
    items = [
        StreamItem(f"data: {spelled}\n\n".encode(), (Text(text),)),
        StreamItem(f'data: {{"t": "{odd}\\u005c\\u0022 \\/"}}\n\n'.encode(), (Text('er2\\" /'),)),
    ]
    stream(items)
    read = [json.loads(item.raw.removeprefix(b"data: "))["t"] for item in items]
    assert read == ['é文😀\\"password\\": \\"[redacted:password]', '\\" /']


def test_a_text_that_is_not_in_its_frame_costs_the_frame() -> None:
    """What cannot be masked inside is replaced as a whole; the event's name stays."""
    items = [
        StreamItem(b'event: x\ndata: {"opaque": "c2st"}\n\n', (Text("my sk-proj-"),)),
        StreamItem(b'event: x\ndata: {"opaque": "cHJv"}\n\n', (Text("aB3" * 10 + " ok"),)),
    ]
    stream(items)
    assert [item.raw for item in items] == [b'event: x\ndata: {"redacted":"openai-key"}\n\n'] * 2


def test_several_data_lines_are_masked() -> None:
    """The lines of one event are one text; the event stays one."""
    lines = ["-" * 5 + "BEGIN PRIVATE KEY" + "-" * 5, "aB3+" * 16, "cD4/" * 16, "-" * 5 + "END PRIVATE KEY" + "-" * 5]
    text = "\n".join(["key:", *lines, "done"])
    items = items_of("plain", [text])
    stream(items)
    assert said("plain", [items[0].raw]) == "key:\n[redacted:private-key]\ndone"


def test_secrets_outside_the_text_are_masked() -> None:
    """Ids, echoed headers and whole documents in a frame are searched too."""
    key = "sk-proj-" + "aB3" * 10
    raw = f'data: {{"id": "{key}", "headers": {{"x-api-key": "abc"}}, "t": "hi"}}\n\n'.encode()
    items = [StreamItem(raw, (Text("hi"),)), StreamItem(b"event: e\n" + raw)]
    stream(items)
    for item in items:
        assert item.raw.endswith(
            b'data: {"id": "[redacted:openai-key]", "headers": {"x-api-key": "[redacted:api-key]"}, "t": "hi"}\n\n'
        )


@pytest.mark.parametrize("form", ["data: {}\n\n", "{}", "event: message\ndata: {}\nid: 7\n\n"])
@pytest.mark.parametrize("sample", SAMPLES[:20], ids=lambda sample: sample.name)
def test_frames_that_nobody_reads_are_searched_across_their_ends(form: str, sample: Sample) -> None:
    """Their payloads are taken for one text."""
    for cuts in [*cuts_over(sample, 2)][::5]:
        items = [StreamItem(form.replace("{}", piece).encode()) for piece in chunks(sample.text, cuts)]
        stream(items)
        left, right = form.split("{}")
        stored = "".join(item.raw.decode().removeprefix(left).removesuffix(right) for item in items)
        assert stored == sample.text.replace(sample.secret, f"[redacted:{sample.kind}]")


def test_a_frame_that_broke_off_inside_a_secret_is_withheld() -> None:
    """Nobody can read it, and it may hold the rest."""
    items = items_of("openai", ["my key is sk-proj-"])
    broken = StreamItem(b'data: {"choices":[{"delta":{"content":"aB3aB3aB3aB')
    stream([*items, broken])
    assert broken.raw == b'data: {"redacted":"unfinished"}\n'


def test_arguments_and_refusals_are_searched() -> None:
    """Every text that a model writes is a channel."""
    for fact in (Refusal, lambda text: ToolArguments("call", text)):
        pieces = ['{"password": "hun', 'ter2"}']
        items = [StreamItem(json.dumps({"p": piece}).encode() + b"\n", (fact(piece),)) for piece in pieces]
        stream(items)
        assert [json.loads(item.raw)["p"] for item in items] == ['{"password": "[redacted:password]', '"}']


def test_the_word_token_of_a_home_made_stream_is_text() -> None:
    """Where the answer itself stands under `token`, it is no secret."""
    words = ["Internationalisation", " of", " GPT4all"]
    items = [StreamItem(f"data: {json.dumps({'token': word})}\n\n".encode(), (Text(word),)) for word in words]
    before = [item.raw for item in items]
    stream(items)
    assert [item.raw for item in items] == before


@given(st.lists(st.binary(max_size=40)), st.lists(st.text(max_size=20)))
def test_any_bytes_and_any_facts_pass(raws: list[bytes], texts: list[str]) -> None:
    """Nothing that is recorded makes the redactor fail, and frames without a secret stay as they are."""
    items = [StreamItem(raw, (Text(text),)) for raw, text in zip(raws, [*texts, *[""] * len(raws)], strict=False)]
    items += [StreamItem(raw) for raw in raws]
    before = [item.raw for item in items]
    stream(items, batch=2)
    assert [item.raw for item in items if not item.redacted] == [
        raw for raw, item in zip(before, items, strict=True) if not item.redacted
    ]
