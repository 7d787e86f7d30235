# SPDX-License-Identifier: Apache-2.0
"""The scripts that two servers of the Janus API are told the same by."""
import dataclasses

SCRIPTS = {}


@dataclasses.dataclass(frozen=True)
class Script:
    """@settings: what both servers are started with (api_secret, admin_key,
    string_ids, session_timeout, token_auth). @credentials: in each request.
    @is_slow: it waits for half a minute."""
    name: str
    run: object
    settings: tuple
    credentials: tuple
    transports: tuple
    is_slow: bool


def script(*transports, settings=(), credentials=(), is_slow=False):
    def add(run):
        name = run.__name__
        assert name not in SCRIPTS, name
        SCRIPTS[name] = Script(name, run, tuple(sorted(dict(settings).items())),
                               tuple(dict(credentials).items()),
                               transports or ("http", "ws"), is_slow)
        return run
    return add
