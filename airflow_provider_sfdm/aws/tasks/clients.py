"""boto3 clients for tasks: one for each service and time limit, set up to do what Step Functions' SDK does."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import botocore.handlers
from botocore.config import Config

ClientFactory = Callable[[str, Config], Any]
"""Makes a boto3 client of a service, set up as the config says: ``factory("s3", config)``."""

# A Lambda function may run for 15 minutes; the answer must not be given up before.
_READ_TIMEOUTS = {"lambda": 15 * 60 + 30.0}
_READ_TIMEOUT = 60.0
_CONNECT_TIMEOUT = 10.0
_BRIEF_TIMEOUT = 2.0

# botocore makes some calls more comfortable than the API is, and Java does not: policies and templates are parsed,
# user data is encoded (twice, if the author has done it already), listings ask for encoded keys.
_COMFORTS = (
    "base64_encode_user_data",
    "decode_console_output",
    "json_decode_policies",
    "json_decode_template_body",
    "set_list_objects_encoding_type_url",
)


def boto3_client(service: str, config: Config) -> Any:
    """A client with boto3's own credentials and region."""
    import boto3

    # The stubs name every service that they know; ours is whatever the definition says.
    return boto3.session.Session().client(service, config=config)  # type: ignore[call-overload]


class Clients:
    """Clients that are made when they are first needed. Threads may share them, as boto3's may be."""

    def __init__(self, factory: ClientFactory, concurrency: int) -> None:
        self._factory = factory
        self._concurrency = concurrency
        self._made: dict[tuple[str, float, int], Any] = {}
        self._lock = threading.Lock()

    def once(self, service: str, timeout_seconds: float | None = None) -> Any:
        """A client that calls once ("SDK Attempt Count: 1"); retrying is what the state's ``Retry`` says.

        :param timeout_seconds: the task's. The client gives up somewhat later, so that few of them are needed.
        """
        limit = _READ_TIMEOUTS.get(service, _READ_TIMEOUT)
        if timeout_seconds is not None:
            limit = min(limit, 2.0 ** max(0, math.floor(math.log2(timeout_seconds)) + 1))
        return self._client(service, limit, 1)

    def brief(self, service: str) -> Any:
        """A client for what is done while the process may be about to end."""
        return self._client(service, _BRIEF_TIMEOUT, 2)

    def patient(self, service: str) -> Any:
        """A client for polling, where a throttled call is no failure of the task."""
        return self._client(service, _READ_TIMEOUT, 6)

    def _client(self, service: str, read_timeout: float, attempts: int) -> Any:
        key = (service, read_timeout, attempts)
        # Making a client is neither quick nor safe in threads.
        with self._lock:
            if key not in self._made:
                config = self._config(read_timeout, attempts)
                self._made[key] = _plain(self._factory(service, config))
            return self._made[key]

    def _config(self, read_timeout: float, attempts: int) -> Config:
        return Config(
            read_timeout=read_timeout,
            connect_timeout=min(_CONNECT_TIMEOUT, read_timeout),
            retries={"total_max_attempts": attempts, "mode": "standard"},
            max_pool_connections=max(10, self._concurrency),
            tcp_keepalive=True,
            # Arguments are checked in Step Functions' words before; lengths and patterns are the service's business.
            parameter_validation=False,
            # Otherwise every GetObject would ask for, and show, a checksum; recorded ones do not.
            response_checksum_validation="when_required",
        )


def _plain(client: Any) -> Any:
    comforts = {getattr(botocore.handlers, name, None) for name in _COMFORTS} - {None}
    for event, handler, *_ in botocore.handlers.BUILTIN_HANDLERS:
        if handler in comforts:
            client.meta.events.unregister(event, handler)
    return client
