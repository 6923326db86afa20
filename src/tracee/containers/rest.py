"""HTTP through a unix socket, as Docker and Podman speak it. Imported at the first question to one of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import httpx

from tracee.containers.client import NonsenseError, NotThisRuntimeError

LARGEST_ANSWER = 16 << 20
"""Bytes."""


class Http:
    """Requests to one socket. None has a deadline of its own: whoever asks sets one for all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # nothing is encrypted here: without this, the host's certificates would be read first
        transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)
        self._http = httpx.AsyncClient(transport=transport, base_url="http://runtime", trust_env=False, timeout=None)

    async def headers(self, path: str) -> httpx.Headers:
        """The headers with which it answers.

        Raises:
            NotThisRuntimeError: what answers does not speak HTTP, or does not know this path.
            ConnectionError: nobody is there.
        """
        try:
            async with self._http.stream("GET", path) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise NotThisRuntimeError(f"{path}: {answer.status_code}")
                await self._body(path, answer)  # a connection whose answers are read is kept
                return answer.headers
        except httpx.ConnectError as error:
            raise ConnectionError(f"connect to {self._path}: {error}") from error
        except httpx.HTTPError as error:
            raise NotThisRuntimeError(f"{path}: {error or type(error).__name__}") from error

    async def get(self, path: str, parameters: Mapping[str, str] | None = None) -> object:
        """The JSON that it answers with; ``None``: what was asked for is not there.

        Raises:
            ConnectionError: it closed the connection.
            NonsenseError: another status than that it is well or not there; too much; no JSON.
        """
        try:
            async with self._http.stream("GET", path, params=parameters) as answer:
                if answer.status_code == httpx.codes.NOT_FOUND:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise NonsenseError(f"{self._path}: {path}: status {answer.status_code}")
                body = await self._body(path, answer)
        except (httpx.NetworkError, httpx.RemoteProtocolError) as error:
            raise ConnectionError(f"{self._path}: {path}: {error or type(error).__name__}") from error
        except httpx.HTTPError as error:
            raise NonsenseError(f"{self._path}: {path}: {error or type(error).__name__}") from error
        try:
            told: object = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise NonsenseError(f"{self._path}: {path}: no JSON: {error}") from error
        return told

    async def close(self) -> None:
        """Disconnects."""
        await self._http.aclose()

    async def _body(self, path: str, answer: httpx.Response) -> bytes:
        body = bytearray()
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST_ANSWER:
                raise NonsenseError(f"{self._path}: {path}: more than {LARGEST_ANSWER >> 20} MiB")
        return bytes(body)
