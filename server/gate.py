"""Who a bearer token stands for, and how often its holder may ask."""

import base64
import hmac
from dataclasses import dataclass

from optimizer.identity import Principal
from optimizer.settings import Settings
from server.rate_limit import Rate, RateLimiter
from server.tokens import TokenFile

UNGUARDED = Principal(name="local", role="user")
"""Whoever calls over loopback while no token is set."""

ANONYMOUS = Principal(name="anonymous", role="reader")
"""Whoever calls the open route without a token while one is set."""

TOKEN_HOLDER = Principal(name="token:default", role="user")
READER = Principal(name="token:read-only", role="reader")


@dataclass(frozen=True)
class Holder:
    """Who came in.

    Attributes:
        principal: Name and role.
        own_rate: The rate of the token, instead of RATE_LIMIT.
    """

    principal: Principal
    own_rate: Rate | None = None


class Gate:
    """API_TOKEN, READ_ONLY_TOKEN, the token file and RATE_LIMIT, as every door asks for them.

    Args:
        settings: The tokens, where the file of tokens is, and the rate.
    """

    def __init__(self, settings: Settings) -> None:
        self._limiter = RateLimiter(None)
        self.replace(settings)

    def replace(self, settings: Settings) -> None:
        """Go by other settings from now on; nobody's bucket is refilled by it."""
        api, read_only = settings.api_token, settings.read_only_token
        self._writing = None if api is None else api.get_secret_value()
        self._reading = None if read_only is None else read_only.get_secret_value()
        self._file = TokenFile(settings.tokens_path)
        self._limiter.default = Rate.of(settings.rate_limit) if settings.rate_limit else None

    @property
    def is_guarded(self) -> bool:
        """Whether there is any token.

        Raises:
            ConfigurationError: The token file cannot be read.
        """
        return self.opens_other_addresses or self._reading is not None

    @property
    def opens_other_addresses(self) -> bool:
        """Whether there is a token with which this may be served beyond loopback.

        Raises:
            ConfigurationError: The token file cannot be read.
        """
        return self._writing is not None or bool(self._file.tokens())

    def holder(self, authorization: str | None, *, basic: bool = False) -> Holder | None:
        """Who an Authorization header stands for; None when its token is missing or wrong.

        Every comparison always runs and takes the same time whatever the token is.

        Args:
            authorization: The header's value.
            basic: Whether the token may also come as the password of Basic, as browsers send it;
                the user name is not looked at.

        Raises:
            ConfigurationError: The token file cannot be read; nobody is let in.
        """
        if not self.is_guarded:
            return Holder(UNGUARDED)
        offered = _offered(authorization or "", basic=basic)
        writes = _same(offered, self._writing)
        reads = _same(offered, self._reading)
        stored = self._file.find(offered)
        if writes:
            return Holder(TOKEN_HOLDER)
        if reads:
            return Holder(READER)
        if stored is None:
            return None
        rate = stored.requests_per_s
        return Holder(stored.principal, None if rate is None else Rate.of(rate))

    def wait_s(self, holder: Holder, *, now_s: float) -> float | None:
        """Count a request; None when it may pass, else the seconds until the next one may.

        Args:
            holder: Who asks.
            now_s: A clock that only goes forward, in seconds.
        """
        return self._limiter.admit(holder.principal.name, now_s=now_s, own=holder.own_rate)


def _offered(authorization: str, *, basic: bool) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if basic and scheme.lower() == "basic":
        try:
            return base64.b64decode(given.strip(), validate=True).decode().partition(":")[2]
        except ValueError:
            return ""
    return ""


def _same(offered: str, token: str | None) -> bool:
    equal = hmac.compare_digest(offered.encode(), (token or "").encode())
    return equal and token is not None
