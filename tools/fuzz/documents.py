"""Files that readers decode, each byte a character of latin-1, and the data that expressions look into."""

from __future__ import annotations

import gzip
import json
from typing import Any

ITEMS: list[Any] = [{"n": 1, "s": "a"}, {"n": 2, "s": "x", "t": None}, {"n": 2.5}]
DATA: tuple[Any, ...] = (
    {
        "a": {"b": [1, 2], "b c": 3},
        "list": ITEMS,
        "n": 7,
        "s": "a,b;é",
        "t": "2026-03-14T01:59:00Z",
        "yes": True,
        "e": {"é": 1},
    },
    {},
    [1, [2, {"a": "3"}], None],
    None,
    {"a": "", "list": [], "n": 1e308, "s": "\\", "t": "", "e": []},
    {"a": [[[[]]]], "list": {"n": -1}, "n": -(2**63), "s": 1, "yes": "true"},
)


def _bytes(data: bytes) -> str:
    return data.decode("latin-1")


CSV = (
    "id,name\n1,ada\n2,bob\n",
    'id,name\r\n1,"a ""quoted"" one"\r\n2,"two\nlines"\r\n',
    "id;name\n1;\\;escaped\n2\n3;4;5\n",
    "\ufeff".encode().decode("latin-1") + "id\n1\n\n\n2",
    'a,b\n"open,1\n',
)
CSV_WORDS = (
    ",",
    ";",
    "|",
    "\t",
    '"',
    '""',
    "\n",
    "\r",
    "\r\n",
    "\\",
    "\0",
    "\xff",
    "\xc3",
    "\xe2\x80\xa8",
    "id",
    '"\n',
)

JSON = (
    json.dumps(ITEMS),
    json.dumps({"a": {"b": ITEMS}, "c": 1}),
    '{"a": [1, 2.5, -0, 1e5, "\\u00e9\\ud83d\\ude00", null, true]}',
    "[" * 40 + "]" * 40,
    ' [1 , 2 ]\n{"a":1}',
)
JSON_WORDS = (
    "[", "]", "{", "}", ",", ":", '"', '\\"', "\\u", "\\ud800", "null", "true", "NaN", "Infinity", "-", "1e999",
    "123456789012345678901", "0.1", "\xef\xbb\xbf", "\xff", "\0", "\n", '{"a":', '"a":1,', "1E400", "-0",
)  # fmt: skip
JSONL = ("\n".join(json.dumps(item) for item in ITEMS), '1\n\n"x"\r\n[]\n', '{"a": 1}\n{"a": 2')

INVENTORY = json.dumps(
    {
        "sourceBucket": "a",
        "destinationBucket": "arn:aws:s3:::bucket",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, Size",
        "files": [{"key": "data/1.csv.gz", "size": 9, "MD5checksum": "0"}],
    }
)
MANIFESTS = (INVENTORY, "s3://bucket/a.csv\ns3://bucket/b.csv\n", '"s3://bucket/a"\r\n\r\n')
MANIFEST_WORDS = (
    *JSON_WORDS,
    "s3://",
    "bucket",
    "/",
    "arn:aws:s3:::",
    "fileFormat",
    "fileSchema",
    "files",
    "Key,",
    '"CSV"',
)

COMPRESSED = (
    _bytes(gzip.compress(b"id,name\n1,ada\n", mtime=0)),
    _bytes(gzip.compress(b"a", mtime=0) + gzip.compress(b"b" * 1000, mtime=0)),
    _bytes(bytes.fromhex("28b52ffd2004210000616263640102")),
)
COMPRESSED_WORDS = ("\x1f\x8b", "\x28\xb5\x2f\xfd", "\0", "\xff\xff\xff\xff", "\x50\x2a\x4d\x18")
