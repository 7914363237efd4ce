from tracekit.testing import record_stream

STREAM = b"event: word\ndata: Hello\n\nevent: word\ndata: world\n\nevent: bye\ndata: .\n\n"


def test_words_are_the_answer() -> None:
    trace = record_stream(STREAM)
    assert (trace.wire_format, trace.text) == ("words", "Hello world ")
    assert trace.events_of("stream.frame")[0].raw == b"event: word\ndata: Hello\n\n"
    assert trace.faults == {}


def test_it_does_not_matter_how_the_app_cuts_the_stream() -> None:
    assert record_stream(STREAM, chunks=[1] * len(STREAM)).text == "Hello world "
