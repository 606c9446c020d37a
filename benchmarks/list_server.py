"""An S3 server that knows one thing: to answer ListObjectsV2, as fast as a local server can.

Its pages are rendered before it listens, so that what is measured is the client. Usage: python -m
benchmarks.list_server KEYS; prints its port and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import unquote

HOST = "127.0.0.1"
PAGE = 1000
_TOKEN = re.compile(rb"continuation-token=([^& ]+)")
_OBJECT = (
    "<Contents><Key>folder/part-{n:09d}.json</Key><LastModified>2026-01-{day:02d}T{hour:02d}:00:00.000Z</LastModified>"
    "<ETag>&quot;{n:032x}&quot;</ETag><Size>{size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def page(number: int, keys: int) -> bytes:
    """One page of the listing, as S3 writes it."""
    first, end = number * PAGE, min(keys, (number + 1) * PAGE)
    objects = "".join(_OBJECT.format(n=n, day=n % 28 + 1, hour=n % 24, size=n % 100_000) for n in range(first, end))
    more = end < keys
    token = f"<NextContinuationToken>{number + 1}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>bucket</Name><Prefix>folder/</Prefix><MaxKeys>{PAGE}</MaxKeys><EncodingType>url</EncodingType>"
        f"<KeyCount>{end - first}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{token}{objects}"
        "</ListBucketResult>"
    ).encode()


async def serve(keys: int) -> None:
    """Listen on a free port, print it, and answer until cancelled."""
    pages = [page(number, keys) for number in range(-(-keys // PAGE))]
    answers = [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        for body in pages
    ]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                token = _TOKEN.search(head.split(b"\r\n", 1)[0])
                writer.write(answers[int(unquote(token[1].decode())) if token else 0])
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()  # the client has gone

    server = await asyncio.start_server(answer, HOST, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
