"""The pace of requests: how many leave per second, how many are in flight. It is learned from the answers.

Lives here: the rate after a refusal and its recovery, pauses, requests in flight. Each method gets the time in seconds,
of any clock that only runs forwards.
Does not live here: waiting for a turn (gates), the answers that mean "too fast" (client), retries.
"""

from __future__ import annotations

from collections import deque
from math import inf, sqrt

import msgspec

from pulltasks.words import counted

FIRST_IN_FLIGHT = 5
# After a refusal the rate is halved. It follows a cubic curve (RFC 9438, section 4.2, with a half instead of 0.7): it
# regains most of the lost rate soon, comes near the refused one slowly, and reaches it after this time, or after so
# many requests if they take longer: about one in as many is refused.
RECOVERY_S, RECOVERY_REQUESTS = 20.0, 40
LOWEST_PER_SECOND = 0.1
# A refusal without `Retry-After` pauses this long; each further one before an accepted answer doubles the pause.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
# A turn that is taken late, because this machine is busy, does not delay the turns after it by more than this.
SAVED_S = 0.1
# Requests are counted over this time, and over no shorter one than the second.
_WINDOW_S, _SHORTEST_S = 1.0, 0.05


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """The pace that a credential reached in a run.

    Attributes:
        per_second: the largest number of requests within one second.
        in_flight: the largest number of requests in flight.
        refused: answers that asked for a slower pace, and time-outs.
        allowed_per_second: the rate at which the service refused; None if it never did.
    """

    per_second: int = 0
    in_flight: int = 0
    refused: int = 0
    allowed_per_second: float | None = None

    def __str__(self) -> str:
        """Return the pace as a sentence."""
        text = f"up to {counted(self.per_second, 'request')} in a second, {self.in_flight} in flight"
        if self.allowed_per_second is None:
            return f"{text}; the service refused none"
        refused = f"{self.refused} refused" if self.refused else "none refused, as it was known"
        return f"{text}; the service allows about {self.allowed_per_second:.3g} per second ({refused})"


NOT_KNOWN = Reached()


class Pace:
    """The pace of one credential, or the fixed one of a project.

    Without any refusal there is no rate, only a number of requests in flight; it begins with `FIRST_IN_FLIGHT` and
    grows by one with each accepted answer. A refusal sets a rate, and halves both; then the number in flight grows by
    one each time that as many answers were accepted.

    Attributes:
        refused: number of refusals so far.
    """

    def __init__(
        self,
        now: float,
        most_in_flight: int,
        *,
        per_second: float = inf,
        saved_s: float = SAVED_S,
        before: Reached = NOT_KNOWN,
    ) -> None:
        """Begin with the pace that was learned before.

        Args:
            now: the time.
            most_in_flight: the largest number of requests in flight.
            per_second: the largest rate.
            saved_s: the time whose turns may be taken later, all at once.
            before: the pace that the run before reached.
        """
        self.refused = 0
        self._most_in_flight = most_in_flight
        self._most_per_second = per_second
        self._saved_s = saved_s
        self._in_flight = float(min(max(FIRST_IN_FLIGHT, before.in_flight), most_in_flight))
        self._ceiling = before.allowed_per_second
        # Remembered, the rate begins in the middle of its curve, a little below the refused one.
        self._slowed_at = now - RECOVERY_S / 2 if self._ceiling else -inf
        self._was_accepted = True
        self._pause_s = FIRST_PAUSE_S
        self._paused_until = -inf
        self._next = -inf
        self._sent: deque[float] = deque()
        self._accepted: deque[float] = deque()
        self._reached = NOT_KNOWN

    @property
    def in_flight(self) -> int:
        """The number of requests that may be in flight now; after a refusal one goes alone until one is accepted."""
        return int(self._in_flight) if self._was_accepted else 1

    def per_second(self, now: float) -> float:
        """Return the rate; infinite if only the number in flight limits it."""
        if self._ceiling is None:
            return self._most_per_second
        recovered = (now - self._slowed_at) / max(RECOVERY_S, RECOVERY_REQUESTS / self._ceiling)
        return min(self._most_per_second, max(LOWEST_PER_SECOND, self._ceiling * (1 + (recovered - 1) ** 3 / 2)))

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next request may leave; 0 if it may leave now."""
        return max(0.0, self._next - now, self._paused_until - now)

    def sent(self, now: float) -> None:
        """Record a request that leaves now."""
        step_s = 1 / self.per_second(now)
        self._next = max(self._next, now - max(0.0, self._saved_s - step_s)) + step_s
        _add(self._sent, now)
        if len(self._sent) > self._reached.per_second:
            self._reached = msgspec.structs.replace(self._reached, per_second=len(self._sent))

    def accepted(self, now: float, in_flight: int) -> None:
        """Record an answer that did not ask for a slower pace, which came when so many requests were in flight."""
        _add(self._accepted, now)
        self._was_accepted = True
        self._pause_s = FIRST_PAUSE_S
        if in_flight > self._reached.in_flight:
            self._reached = msgspec.structs.replace(self._reached, in_flight=in_flight)
        # A number that is not used says nothing about what the service can bear.
        if in_flight >= self.in_flight:
            step = 1.0 if self._ceiling is None else 1 / self._in_flight
            self._in_flight = min(self._most_in_flight, self._in_flight + step)

    def pause(self, now: float, seconds: float) -> None:
        """Send nothing for so many seconds."""
        self._paused_until = max(self._paused_until, now + seconds)

    def slow_down(self, now: float, sent_at: float, pause_s: float | None) -> None:
        """Halve the pace because of an answer that asks for it, or a time-out.

        Requests that had left before the pace was halved do not halve it again. Nor do refusals without any accepted
        answer between them: then no rate is accepted, and only the pause grows.

        Args:
            now: the time.
            sent_at: the time at which the refused request left.
            pause_s: the pause that the service asks for; None if it does not say. A longer one than
                `LONGEST_PAUSE_S` is not about the rate, but about a project, which has to obey it alone.
        """
        self.refused += 1
        per_second = self._between_accepted_and_sent(now)
        if pause_s is not None and pause_s <= LONGEST_PAUSE_S:
            self.pause(now, pause_s)
        if sent_at < self._slowed_at:
            return
        if pause_s is None:
            self.pause(now, self._pause_s)
            self._pause_s = min(2 * self._pause_s, LONGEST_PAUSE_S)
        if self._was_accepted:
            self._ceiling = max(LOWEST_PER_SECOND, min(self.per_second(now), per_second))
            self._in_flight = max(min(FIRST_IN_FLIGHT, self._most_in_flight), self._in_flight / 2)
        self._was_accepted = False
        self._slowed_at = now
        self._next = now

    def _between_accepted_and_sent(self, now: float) -> float:
        """Return a rate between the one that was accepted and the one that was refused; the limit lies between them.

        What was sent may be far above the limit after a pause or at the begin, and what was accepted in a second that
        is mostly a pause far below. So their mean is that of the magnitudes, which finds any limit in a few refusals.
        """
        begin = max(now - _WINDOW_S, min(self._paused_until, now), self._sent[0] if self._sent else now)
        sent = sum(moment >= begin for moment in self._sent) / max(now - begin, _SHORTEST_S)
        accepted = sum(moment > now - _WINDOW_S for moment in self._accepted) / _WINDOW_S
        return sqrt(sent * min(sent, max(FIRST_IN_FLIGHT, accepted)))

    def reached(self) -> Reached:
        """Return the pace that was reached."""
        return msgspec.structs.replace(self._reached, refused=self.refused, allowed_per_second=self._ceiling)


def _add(moments: deque[float], now: float) -> None:
    moments.append(now)
    while moments[0] <= now - _WINDOW_S:
        moments.popleft()
