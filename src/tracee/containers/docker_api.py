"""What Docker and Podman have in common: lists of containers and images, in the same words."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, ClassVar

from tracee.containers.client import Client, NonsenseError, NotThisRuntimeError, Question
from tracee.containers.metadata import Metadata, digest_of, labels, pod_of, text

if TYPE_CHECKING:
    from tracee.containers.rest import Http

IMAGES = 1024
"""Images whose digests are remembered."""


class DockerApi(Client):
    """Asks for lists, even for one container: lists are told while a container starts, its own page is locked then."""

    libraries: ClassVar[tuple[str, ...]] = ("tracee.containers.rest",)
    family: ClassVar[int] = 0
    rank: ClassVar[int] = 1

    prefix = ""
    """What paths begin with."""
    _http: Http | None = None

    @property
    def http(self) -> Http:
        """The connection."""
        from tracee.containers.rest import Http

        if self._http is None:
            self._digests: OrderedDict[str, str] = OrderedDict()
            self._http = Http(self.path)
        return self._http

    @abstractmethod
    def greet(self, headers: Mapping[str, str]) -> str | None:
        """Looks at how ``/_ping`` was answered; the runtime's name, or ``None``: it is another."""

    async def open(self) -> str:
        """Asks whether anybody is there."""
        headers = await self.http.headers("/_ping")
        name = self.greet(headers)
        if name is None:
            raise NotThisRuntimeError(f"another answers: {text(headers.get('server')) or 'it does not say which'}")
        return name

    async def find(self, question: Question) -> Metadata | None:
        """The container in the list of those with this id."""
        wanted = {"all": "true", "filters": json.dumps({"id": [question.id]})}
        for one in _objects(await self.http.get(f"{self.prefix}/containers/json", wanted), "containers"):
            if one.get("Id") == question.id:
                return self.metadata(one, await self._digest(one))
        return None

    async def all(self) -> dict[str, Metadata]:
        """The containers that there are, whether they run or not."""
        images = {
            text(one.get("Id")): _digest_in(one)
            for one in _objects(await self.http.get(f"{self.prefix}/images/json"), "images")
        }
        containers = _objects(await self.http.get(f"{self.prefix}/containers/json", {"all": "true"}), "containers")
        return {
            text(one.get("Id")): self.metadata(
                one, images.get(text(one.get("ImageID"))) or _with_kind(one.get("ImageID"))
            )
            for one in containers
        }

    async def close(self) -> None:
        """Disconnects."""
        if self._http is not None:
            await self._http.close()

    def metadata(self, one: Mapping[str, object], digest: str) -> Metadata:
        """A container of a list."""
        given = labels(one.get("Labels"))
        return Metadata(
            name=_name_in(one.get("Names")),
            image=text(one.get("Image")),
            image_digest=digest,
            labels=given,
            runtime=self.runtimes[0],
            sandbox=given.get("io.kubernetes.docker.type") == "podsandbox",
            **pod_of(given)._asdict(),
        )

    async def _digest(self, container: Mapping[str, object]) -> str:
        id = text(container.get("ImageID"))
        if not _with_kind(id):
            return ""
        if id not in self._digests:
            image = await self.http.get(f"{self.prefix}/images/{id}/json")
            self._digests[id] = (_digest_in(image) if isinstance(image, dict) else "") or _with_kind(id)
            while len(self._digests) > IMAGES:
                self._digests.popitem(last=False)
        return self._digests[id]


def _objects(answer: object, what: str) -> Iterator[Mapping[str, object]]:
    """The objects of a list; what is none is an error, or passed over in it."""
    if not isinstance(answer, list):
        raise NonsenseError(f"a list of {what} was asked for, and something else came")
    return (one for one in answer if isinstance(one, dict))


def _name_in(names: object) -> str:
    """The container's own name: ``/web``; ``/web/database`` is what a container that is linked to it calls it."""
    own = (text(name).removeprefix("/") for name in names) if isinstance(names, list) else ()
    return next((name for name in own if name and "/" not in name), "")


def _digest_in(image: Mapping[str, object]) -> str:
    """The manifest's digest, where the image came from a registry or went to one."""
    digests = image.get("RepoDigests")
    return next((digest for digest in map(digest_of, digests) if digest), "") if isinstance(digests, list) else ""


def _with_kind(id: object) -> str:
    """An image's id as a digest; Podman leaves its kind out."""
    digits = text(id).removeprefix("sha256:")
    # it becomes part of a path that is asked for
    return f"sha256:{digits}" if digits.isascii() and digits.isalnum() else ""
