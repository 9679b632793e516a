"""Bearer tokens in a file: each with a name, a role and a rate, kept as a hash.

A token is 256 random bits, so a plain SHA-256 of it cannot be turned back or guessed, and the file
that leaks lets nobody in.
"""

import hashlib
import hmac
import json
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from optimizer.errors import ConfigurationError, InvalidRequestError, NotFoundError
from optimizer.identity import Principal, Role

PREFIX = "sro_"
"""Lets scanners for leaked secrets know one of ours."""


class StoredToken(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    role: Role
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created_at: AwareDatetime
    requests_per_s: Annotated[FiniteFloat, Field(gt=0)] | None = None

    @property
    def principal(self) -> Principal:
        """Who holds it."""
        return Principal(name=f"token:{self.name}", role=self.role)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    tokens: tuple[StoredToken, ...] = ()


class TokenFile:
    """The tokens in one file, read again when it changes.

    Args:
        path: A JSON file, made with mode 0600 by the first `add`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at: tuple[int, int] | None = None
        self._tokens: tuple[StoredToken, ...] = ()

    def tokens(self) -> tuple[StoredToken, ...]:
        """Every token, oldest first.

        Raises:
            ConfigurationError: The file cannot be read; with a broken list nobody is let in.
        """
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._read_at, self._tokens = None, ()
            return ()
        changed = (status.st_mtime_ns, status.st_ino)
        if changed != self._read_at:
            self._tokens = self._load()
            self._read_at = changed
        return self._tokens

    def find(self, offered: str) -> StoredToken | None:
        """The token that was offered, in a time that does not tell how much of it was right."""
        digest = _digest(offered)
        found = None
        for token in self.tokens():
            if hmac.compare_digest(token.sha256, digest):
                found = token
        return found

    def add(
        self, name: str, role: Role, *, now: datetime, requests_per_s: float | None = None
    ) -> str:
        """Make a token and keep its hash.

        Returns:
            The token; it is shown this once.

        Raises:
            InvalidRequestError: The name is taken, or a value is not allowed.
        """
        kept = self.tokens()
        if any(token.name == name for token in kept):
            raise InvalidRequestError(f"there is a token {name!r} already; revoke it first")
        secret = PREFIX + secrets.token_urlsafe(32)
        try:
            token = StoredToken(
                name=name,
                role=role,
                sha256=_digest(secret),
                created_at=now,
                requests_per_s=requests_per_s,
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise InvalidRequestError(f"token {first['loc'][0]}: {first['msg']}") from None
        self._save((*kept, token))
        return secret

    def revoke(self, name: str) -> None:
        """Forget a token; who uses it is refused from the next request on.

        Raises:
            NotFoundError: There is none of that name.
        """
        kept = self.tokens()
        left = tuple(token for token in kept if token.name != name)
        if len(left) == len(kept):
            known = ", ".join(token.name for token in kept) or "none"
            raise NotFoundError(what="token", name=name, hint=f"known: {known}")
        self._save(left)

    def _load(self) -> tuple[StoredToken, ...]:
        try:
            return _File.model_validate_json(self._path.read_bytes()).tokens
        except (OSError, ValidationError) as error:
            raise ConfigurationError(
                setting=str(self._path),
                problem=f"the token file cannot be read ({type(error).__name__})",
                fix="restore it, or remove it and add the tokens again",
            ) from None

    def _save(self, tokens: tuple[StoredToken, ...]) -> None:
        """Replace the file in one step, so that a reader sees the old list or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = json.dumps(_File(tokens=tokens).model_dump(mode="json"), indent=2)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, self._path)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
