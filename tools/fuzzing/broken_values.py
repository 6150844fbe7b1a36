"""Values, bodies, headers, paths and bytes that a server should survive."""

from __future__ import annotations

ROUTES = ("/predict", "/predict_batch")
FIELDS = ("image", "action", "food_type", "text", "resize")
BATCH_FIELDS = (*FIELDS, "batch_size", "enable_dropout", "dropout_scope", "seed", "images")
# Of a JSON field. As text, since Python's own writer would not write the half of them.
VALUES = (
    *("null", "true", "0", "-1", "1.5", "NaN", "Infinity", "-Infinity", "1e999", "[]", "{}", '""'),
    *('" "', '"\\u0000"', '"\\ud800"', '"../../etc/passwd"', '"<script>"', '"%s%n"', '"\\n"'),
    *('["a"]', '{"a": 1}', '"strawberry"', "1" * 400, "9" * 5000, '"' + "x" * 5000 + '"'),
    *('"full"', '"crop"', "64", "65", "2147483648", '[[[[[[[[[["x"]]]]]]]]]]', '["", "", null]'),
)
BODIES = (
    *(b"", b"{", b"[", b"null", b'"text"', b"{}", b"[]", b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}"),
    *(b"[" * 100_000, b'{"a":' * 50_000, b'{"image": ' + b"1" * 5000 + b"}", b"NaN", b"1e999"),
    *(b'{"image": "AAAA", "image": 1}', b"\x80\x81", b"{'image': 1}", b'{"image": "AAAA"'),
    b"[" + b"[]," * 50_000 + b"1]",
    b'{"action": "' + "\u2028\u202e".encode() + b'"}',
)
TYPES = (
    *("application/json", "application/json; charset=utf-16", "text/plain", "", "image/png"),
    *("multipart/form-data", "multipart/form-data; boundary=", "application/x-www-form-urlencoded"),
    *("multipart/form-data; boundary=" + "b" * 500, "application/xml", "a/b/c;;=", "\xe9"),
)
PATHS = (
    *("/predict/", "//predict", "/static/../settings", "/static/..%2f..%2fetc%2fpasswd", "/%00"),
    *("/static/%2e%2e/%2e%2e/README.md", "/predict?x=" + "y" * 3000, "/" + "a" * 4000, "/\xe9"),
    *("/static/page.css%00.png", "/load_model/../health", "/docs#x", "/?%s", "/openapi.json?a[]=1"),
    *(
        "http://evil.example/health",
        "*",
        "/%ff%fe",
        "/health?" + "&".join("a=1" for _ in range(999)),
    ),
)
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW", "get")
HEADERS = (
    ("X-Request-ID", "../../x"),
    ("X-Request-ID", "x" * 3000),
    ("X-API-Key", "\xe9" * 20),
    ("Authorization", "Bearer"),
    ("Authorization", "Basic " + "=" * 100),
    ("Origin", "null"),
    ("Origin", "http://[::1"),
    ("Host", "a b"),
    ("Host", "[::1"),
    ("Range", "bytes=0-0,1-1"),
    ("If-None-Match", '"' * 50),
    ("Content-Encoding", "gzip"),
    ("Accept", "*/" * 200),
    ("Cookie", "a=" + "b" * 3000),
    ("Transfer-Encoding", "chunked, identity"),
    ("Expect", "100-continue"),
)
# In front of base64; the last one says that there is none.
PREFIXES = ("", "", "", "", "data:image/jpeg;base64,", "data:;base64,", "data:,")
# Hardly HTTP at all.
RAW = (
    b"GET /health HTTP/1.1\r\n\r\n",
    b"GET /health HTTP/9.9\r\nHost: x\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999\r\n\r\n{}",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nx",
    b"GET / HTTP/1.1\r\nHost: x\r\nA" + b"a" * 300_000 + b": 1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: 1\r\n" * 5000 + b"\r\n",
    b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00",
)
