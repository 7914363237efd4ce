"""`python -m benchmarks.watchers HOST PORT PATH TOKEN COUNT`: so many readers of one stream, which take all and keep
nothing. Prints the count when each has got something."""

from __future__ import annotations

import asyncio
import sys


async def _watch(host: str, port: int, request: bytes, count: int) -> None:
    ready = asyncio.Semaphore(0)
    tasks = [asyncio.create_task(_read(host, port, request, ready)) for _ in range(count)]
    for _ in range(count):
        await ready.acquire()
    print(count, flush=True)
    await asyncio.gather(*tasks)


async def _read(host: str, port: int, request: bytes, ready: asyncio.Semaphore) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    await reader.readuntil(b"data: ")
    ready.release()
    while await reader.read(65536):
        pass
    writer.close()


if __name__ == "__main__":
    _, place, number, path, token, readers = sys.argv
    head = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
    asyncio.run(_watch(place, int(number), head.encode(), int(readers)))
