"""Verifies who decides. Runs on the worker, called by its workflows' queries and validators.

Nothing of it gets into history: neither queries nor refused updates do.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from temporalio import worker

from ._errors import NotVerifiedError, UnknownKeyError
from ._people import Credential, Person, SignedPerson
from ._tickets import (
    TICKET_SECONDS,
    Claims,
    checked_groups,
    checked_keys,
    checked_name,
    opened,
    read_claims,
    ticket_of,
)

T = TypeVar("T")

logger = logging.getLogger(__name__)

EXTERN_FUNCTION = "strands_temporal_hitl.identity"
"""Name under which a worker offers its `Identity` to its workflows."""

REFRESH_SECONDS = 300.0

_AFTER_FAILURE = 15.0  # seconds until keys are read again that could not be read
_AT_LEAST = 5.0  # seconds between two reads because of unknown keys, so that nobody can make a worker busy
_LONGEST_SECONDS = 1.0  # for one credential: a workflow task that takes two seconds fails
_LARGEST_CREDENTIAL = 20_000  # characters


@runtime_checkable
class Verifier(Protocol):
    """Finds out who presents a credential. Runs on the worker, inside of queries: quick, and without I/O.

    A verifier that needs I/O, for example to read keys, has also a method `async def refresh(self)`. The
    worker calls it when it starts, at intervals, and after an `UnknownKeyError`.
    """

    def verify(self, credential: Credential) -> Person:
        """Return the person.

        Raises:
            NotVerifiedError: If the credential proves nobody. The message goes to the worker's log.
        """
        ...


VerifierLike = Verifier | Callable[[Credential], Person]


@dataclass(frozen=True)
class About:
    """What a decision is about, and what is stated with it."""

    namespace: str
    workflow_id: str
    digest: str
    question: str = ""
    by: str = ""
    channel: str = ""


@dataclass(frozen=True)
class Issued:
    """A ticket and the person's name; without a ticket, whether to ask again soon."""

    ticket: str = ""
    by: str = ""
    again: bool = False


class Identity:
    """The verifiers and keys of one plugin.

    Args:
        verify: The verifiers; the first that accepts a credential counts. None accepts none.
        ticket_keys: Keys of the tickets; the first one signs.
        refresh_seconds: The interval of `refresh`.

    Raises:
        TypeError: If something is of a wrong type.
        ValueError: If a key is too short, or only one of `verify` and `ticket_keys` is given.
    """

    def __init__(self, verify: Any, ticket_keys: Any, refresh_seconds: float = REFRESH_SECONDS) -> None:
        if (verify is None) != (ticket_keys is None):
            missing = "ticket_keys" if ticket_keys is None else "verify"
            raise ValueError(
                f"HITLPlugin: verify= and ticket_keys= belong together, and {missing}= is not given. The "
                "keys are the same on all workers of a task queue: ticket_keys=[os.environ['TICKET_KEY']]"
            )
        if isinstance(refresh_seconds, bool) or refresh_seconds <= 0:
            raise ValueError(f"HITLPlugin: refresh_seconds={refresh_seconds!r} is not positive")
        many = isinstance(verify, Sequence) and not isinstance(verify, (str, bytes))
        given = cast("Sequence[Any]", verify if many else [] if verify is None else [verify])
        self._verifiers = [checked_verifier(each) for each in given]
        if verify is not None and not self._verifiers:
            raise ValueError("HITLPlugin(verify=...): there is no verifier")
        self._keys = [] if ticket_keys is None else checked_keys("HITLPlugin(ticket_keys=...)", ticket_keys)
        self._every = refresh_seconds
        self._threads = _threads()
        self._refreshing: list[asyncio.Task[None]] = []
        self._wake: dict[int, tuple[asyncio.AbstractEventLoop, asyncio.Event]] = {}

    def issue(self, credential: Any, about: About) -> Issued:
        """Verify a credential, and return a ticket for one decision. It never raises."""
        return self._in_thread(lambda: self._verified(credential, about), about, Issued())

    def check(self, proof: Any, about: About) -> bool:
        """Tell whether a ticket is for this decision, and has not expired. It never raises."""
        return self._in_thread(lambda: self._is_good(proof, about), about, default=False)

    def _in_thread(self, call: Callable[[], T], about: About, default: T) -> T:
        """Call a function outside of the workflow's thread, where its sandbox would import modules again."""
        try:
            return self._threads.submit(call).result(_LONGEST_SECONDS)
        except Exception as error:  # noqa: BLE001  # it takes too long, or the worker ends: nobody is verified
            _log(about, error, None)
            return default

    def _verified(self, credential: Any, about: About) -> Issued:
        again = False
        for i, verifier in enumerate(self._verifiers):
            try:
                return self._issue(_credential(credential), about, verifier)
            except UnknownKeyError as error:  # noqa: PERF203  # another verifier may accept it
                again = self._ask_for_keys(i) or again
                _log(about, error, credential)
            except Exception as error:  # noqa: BLE001  # a user's verifier may raise anything: nobody is verified
                _log(about, error, credential)
        if not self._verifiers:
            _log(about, NotVerifiedError("this worker has no HITLPlugin(verify=...)"), credential)
        return Issued(again=again)

    def _is_good(self, proof: Any, about: About) -> bool:
        try:
            claims = read_claims(opened("ticket", proof, self._keys))
            wanted = (about.namespace, about.workflow_id, about.digest)
            if (claims.namespace, claims.workflow_id, claims.digest) != wanted:
                raise NotVerifiedError("the ticket is for another decision, or another workflow")
            if not time.time() < claims.expires_at <= time.time() + 2 * TICKET_SECONDS:
                raise NotVerifiedError("the ticket has expired")
        except NotVerifiedError as error:
            _log(about, error, None)
            return False
        return True

    def start(self) -> None:
        """Begin to refresh the verifiers, in the running event loop."""
        loop = asyncio.get_running_loop()
        for i, verifier in enumerate(self._verifiers):
            if (refresh := getattr(verifier, "refresh", None)) is not None:
                self._wake[i] = loop, asyncio.Event()
                self._refreshing.append(asyncio.create_task(self._refresh(refresh, self._wake[i][1])))

    async def stop(self) -> None:
        """Refresh no more."""
        tasks, self._refreshing = self._refreshing, []
        self._wake.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        threads, self._threads = self._threads, _threads()
        threads.shutdown(wait=False, cancel_futures=True)

    def _issue(self, credential: Credential, about: About, verifier: Verifier) -> Issued:
        person = verifier.verify(credential)
        if not isinstance(person, Person):  # pyright: ignore[reportUnnecessaryIsInstance]  # users
            raise NotVerifiedError(f"the verifier returned a {type(person).__name__}, not a Person")
        name, groups = checked_name("the name", person.name), checked_groups(person.groups)
        channel, nonce = about.channel, ""
        if isinstance(person, SignedPerson):
            channel, nonce = person.channel or channel, person.nonce
            _check_about(person, about)
        if about.by not in ("", name):
            raise NotVerifiedError(f"the decision is by {about.by!r}, and the credential is {name!r}'s")
        claims = Claims(
            name,
            groups,
            channel and checked_name("the channel", channel),
            about.namespace,
            about.workflow_id,
            about.digest,
            round(time.time() + TICKET_SECONDS, 3),
            nonce or secrets.token_urlsafe(16),
        )
        return Issued(ticket_of(claims, self._keys[0]), name)

    def _ask_for_keys(self, number: int) -> bool:
        """Have a verifier refreshed. Called in the thread of a workflow task."""
        if number not in self._wake:
            return False
        loop, event = self._wake[number]
        with contextlib.suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(event.set)
        return True

    async def _refresh(self, refresh: Callable[[], Any], wanted: asyncio.Event) -> None:
        extra = 0.0  # when the keys were read last because one was unknown
        while True:
            wanted.clear()
            wait = self._every
            try:
                await refresh()
            except Exception as error:  # noqa: BLE001  # the keys that are known still count
                wait = min(wait, _AFTER_FAILURE)
                logger.warning("error=<%s> | the keys of a verifier could not be read; trying again", error)
            try:
                await asyncio.wait_for(wanted.wait(), wait)
            except asyncio.TimeoutError:
                continue
            await asyncio.sleep(max(0.0, extra + _AT_LEAST - time.monotonic()))
            extra = time.monotonic()


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(4, "hitl-identity")  # it begins none before they are needed


class IdentityInterceptor(worker.Interceptor):
    """Offers a worker's `Identity` to its workflows. It intercepts nothing."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def workflow_interceptor_class(
        self, input: worker.WorkflowInterceptorClassInput
    ) -> type[worker.WorkflowInboundInterceptor] | None:
        """See base class."""
        input.unsafe_extern_functions[EXTERN_FUNCTION] = lambda: self._identity
        return None


class _FunctionVerifier:
    def __init__(self, verify: Callable[[Credential], Person]) -> None:
        self._verify = verify

    def verify(self, credential: Credential) -> Person:
        return self._verify(credential)


def checked_verifier(given: Any) -> Verifier:
    """Return a verifier of the user, which may be a function."""
    if isinstance(given, type):
        raise TypeError(f"HITLPlugin(verify=...): {given!r} is a class. Write {given.__name__}(...)")
    if isinstance(given, Verifier):
        return given
    if not callable(given):
        raise TypeError(
            f"HITLPlugin(verify=...): {given!r} has no method verify(credential), and is no function"
        )
    if asyncio.iscoroutinefunction(given):
        raise TypeError(f"HITLPlugin(verify=...): {given!r} is async. It runs in queries, without I/O")
    return _FunctionVerifier(cast("Callable[[Credential], Person]", given))


def _credential(given: Any) -> Credential:
    scheme, value = getattr(given, "scheme", None), getattr(given, "value", None)
    if not isinstance(scheme, str) or not isinstance(value, str) or len(value) > _LARGEST_CREDENTIAL:
        raise NotVerifiedError("it is no credential")
    return Credential(scheme, value)


def _check_about(person: SignedPerson, about: About) -> None:
    for name, value in (person.about or {}).items():
        if {"workflow_id": about.workflow_id, "id": about.question}.get(name) != value:
            raise NotVerifiedError(f"the credential is for another {name}")


def _log(about: About, error: Exception, credential: Any) -> None:
    """Log why nobody is verified, without the credential."""
    text, secret = str(error), getattr(credential, "value", "")
    if secret and isinstance(secret, str) and secret in text:
        text = "(the message holds the credential)"
    logger.warning(
        "workflow=<%s>, question=<%s>, error=<%s: %s> | the proof of identity is not accepted",
        about.workflow_id,
        about.question,
        type(error).__name__,
        text,
    )
