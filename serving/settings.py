"""What an operator may set about the server; `command_line.py` reads it from flags and environment.

Nothing of this can be changed over the network.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """Limits and permissions of one server.

    Attributes:
        checkpoint_root: folder whose checkpoint directories `/load_model` may name; None: none.
        api_keys: name of a client -> its key; empty: no key is asked for.
        cors_origins: web origins whose pages may call the server, such as "https://lab.example".
        requests_per_minute: of one key or address; None: no limit.
        max_body_bytes: of a request; base64 of a photograph of 20 megapixels takes about 10 MB.
        max_pixels: of a picture; its header is read first, so that a larger one is never decoded.
        max_json_depth: of arrays and objects inside each other.
        max_waiting: requests that may wait for the model; one more is answered with 503.
        max_batch: requests that the model may answer in one call.
        deadline_s: a request that has waited as long is answered with 504.
        record_dir: folder where requests and answers are kept; None: nothing is kept.
        engine: "auto", "tensorflow" or "onnxruntime".
        passes: how often photos are looked at, of `framing.PASSES`; None: as the checkpoint says.
    """

    checkpoint_root: pathlib.Path | None = None
    api_keys: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    cors_origins: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    max_body_bytes: int = 32 * 1024 * 1024
    max_pixels: int = 50_000_000
    max_json_depth: int = 8
    max_waiting: int = 64
    max_batch: int = 8
    deadline_s: float = 30.0
    record_dir: pathlib.Path | None = None
    engine: str = "auto"
    passes: str | None = None
