"""Everything that stands between a stranger and the routes, in the order in which it must stand.

Flask runs what is installed first before the others on the way in, and after them on the way out:

| guard            | why it stands there                                                        |
|------------------|----------------------------------------------------------------------------|
| access_log       | sees every request, also one that the others refuse, and the final status  |
| security_headers | no answer goes out without them                                            |
| cors             | a browser asks without a key whether it may send one; no page of another   |
|                  | origin gets further                                                        |
| names of clients | the limit counts by them                                                   |
| rate_limits      | wrong keys are counted too, so that nobody tries many                      |
| rules for keys   | 401 and 403                                                                |

`errors.install` comes before all of them: it names the request.
"""

from __future__ import annotations

import flask

from serving import access_log, api_keys, cors, rate_limits, security_headers
from serving.settings import ServerSettings


def install(app: flask.Flask, settings: ServerSettings) -> None:
    """Installs all guards; right after `errors.install(app)`.

    Raises:
        ValueError: if a setting is impossible.
    """
    access_log.install(app, settings)
    security_headers.install(app, settings)
    cors.install(app, settings)
    api_keys.install_names(app, settings)
    rate_limits.install(app, settings)
    api_keys.install_rules(app, settings)
