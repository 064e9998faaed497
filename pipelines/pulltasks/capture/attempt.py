"""The capture of one target: list it, ask for missing tasks, store every answer, reach a verdict.

Lives here: everything between the first request for a target and its verdict.
Does not live here: the choice of targets and the capture that counts (day, existing), the proof itself (proof).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.huawei.pull_tasks import NO_ENDS, Ends, PageReader, find_ends, list_pull_tasks, spread
from pulltasks.lake.raw import AnswerLine, RawWriter, VerdictLine, body_fields, ids_sha256
from pulltasks.outside_text import fit
from pulltasks.proof.evidence import sentence
from pulltasks.proof.listing import Listing
from pulltasks.proof.order import ASSUMED
from pulltasks.proof.pages import Rules
from pulltasks.reasons import advice_on
from pulltasks.service_words import region_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pulltasks.errors import ApiError
    from pulltasks.huawei.client import LiveClient
    from pulltasks.huawei.refusals import Answer
    from pulltasks.previous import PreviousCapture
    from pulltasks.proof.pages import Outcome, Page, PageRequest
    from pulltasks.settings import Settings, Target


# The size of all answers of one target; a larger listing is given up (`too_large`).
MAX_TARGET_BYTES = 512_000_000


class CaptureCounts:
    """Counts what a capture sends and receives, and writes every answer to the raw file."""

    def __init__(self, writer: RawWriter) -> None:
        self.requests = 0
        self.retries = 0
        self.answers = 0
        self.request_ids: list[str | None] = []
        self.totals: list[int] = []
        self.answer_bytes = 0
        self._writer = writer

    def received(self, answer: Answer, request: PageRequest | str) -> None:
        """Store the answer to a request for a page, or for the task with the requested id."""
        body, body_base64 = body_fields(answer.content)
        page = None if isinstance(request, str) else request
        self._writer.answer(
            AnswerLine(
                sequence=self.answers,
                sweep=page.sweep if page else None,
                offset=page.offset if page else None,
                limit=page.limit if page else None,
                task_id=request if isinstance(request, str) else None,
                sent_at=answer.sent_at,
                received_at=answer.received_at,
                status=answer.status,
                request_id=answer.request_id,
                date=answer.date,
                body=body,
                body_base64=body_base64,
                old_encoding=answer.old_encoding,
            )
        )
        self.answers += 1
        self.answer_bytes += len(answer.content)
        self.request_ids = [*self.request_ids[:1], answer.request_id]

    def showed(self, page: Page) -> None:
        """Record the total of a page; only the first and the last one are retained."""
        if page.total is not None:
            self.totals = [*self.totals[:1], page.total]


class _Recorder:
    """Reports the requests for one page (or one task) to the capture."""

    def __init__(self, counts: CaptureCounts, request: PageRequest | str) -> None:
        self._counts = counts
        self._request = request

    def sent(self, *, is_retry: bool) -> None:
        self._counts.requests += 1
        self._counts.retries += is_retry

    def received(self, answer: Answer) -> None:
        self._counts.received(answer, self._request)


class Attempt:
    """The listing of one target, followed by requests for the tasks that it lacks."""

    def __init__(
        self,
        client: LiveClient,
        settings: Settings,
        target: Target,
        known: PreviousCapture,
        counts: CaptureCounts,
        on_page: Callable[[int, int], None] = lambda _pages, _tasks: None,
    ) -> None:
        self.error: ApiError | None = None
        self._client = client
        self._settings = settings
        self._target = target
        self._known = known
        self._counts = counts
        self._on_page = on_page
        self._pages = 0
        self._listing = Listing(self._rules(1))
        self._outcome: Outcome | None = None
        self._ends = NO_ENDS
        self._seen: set[str] = set()
        self._strange_regions: set[str] = set()
        self._repairs = 0

    def _rules(self, first_sweep: int) -> Rules:
        api = self._settings.api
        return Rules(
            limit=api.page_size,
            overlap=api.page_overlap,
            hinted_unit=self._known.offset_unit,
            first_sweep=first_sweep,
        )

    def _recorder_for(self, request: PageRequest | str) -> _Recorder:
        return _Recorder(self._counts, request)

    def _showed(self, listing: Listing, page: Page) -> None:
        """Record a page; give the listing up if its answers exceed `MAX_TARGET_BYTES`."""
        self._counts.showed(page)
        self._pages += 1
        self._on_page(self._pages, max(len(listing.seen), len(page.ids)))
        if page.names_other_regions(self._known.regions):
            self._strange_regions |= {region_of(region) for region in page.regions if region}
        if self._counts.answer_bytes > MAX_TARGET_BYTES and listing.outcome is None:
            listing.give_up("too_large")

    async def _list(self, listing: Listing) -> Outcome:
        outcome = await list_pull_tasks(
            PageReader(self._client, self._target, self._recorder_for, self._known.regions),
            listing,
            self._settings.api.max_concurrency,
            lambda page: self._showed(listing, page),
        )
        self._repairs += outcome.repairs
        self._seen |= listing.seen
        return outcome

    async def list(self) -> None:
        """List the target, then ask for missing tasks; if one of them still exists, list once more.

        Missing are tasks of the previous capture, and those that an answer of this capture had and the listing lacks.
        """
        self._outcome = outcome = await self._list(self._listing)
        if outcome.verdict != "complete":
            return
        self._ends = ends = await self._find_ends(outcome.ids, frozenset())
        if not ends.unlisted:
            return
        self._listing = Listing(self._rules(outcome.sweeps + 1))
        second = await self._list(self._listing)
        if second.verdict != "complete":
            self._outcome = second  # nobody can tell which of the two was right
        elif not second.ids.isdisjoint(ends.unlisted):  # the first listing had missed tasks that the second one has
            self._outcome = second
            self._ends |= await self._find_ends(second.ids, ends.asked)

    async def _find_ends(self, listed: frozenset[str], asked: frozenset[str]) -> Ends:
        """Ask for a sample of the tasks that a listing lacks; tasks whose absence a person accepted are left out.

        Args:
            listed: the ids that the listing has.
            asked: the ids that this capture has asked for already.
        """
        known, checks = self._known, self._settings.api.max_gone_checks
        lacking = sorted(known.task_ids - listed - known.accepted_ids - asked)
        # The number of requests is limited, so the sample is spread over all ids.
        sample = spread(lacking, checks)
        shown = sorted(self._seen - listed - known.task_ids - asked)
        sample += shown[: checks - len(sample)]
        control = sorted(listed)[len(listed) // 2] if sample and listed else None
        return await find_ends(self._client, self._target, sample, control, self._recorder_for)

    def _message(self, outcome: Outcome | None) -> str | None:
        """Return the advice on a target that is not complete, or None."""
        if self.error:
            return str(self.error)
        if outcome is None or outcome.verdict == "complete":
            return None
        return f"{self._target.label}: not proved complete ({outcome.reason}); {advice_on(outcome.reason)}"

    def verdict(self, finished_at: datetime) -> VerdictLine:
        """Return the last line of the raw file: from the outcome of the listing, or from the error that ended it."""
        outcome = None if self.error else self._outcome
        reason = self.error.reason if self.error else outcome.reason if outcome else None
        # Only tasks of the previous capture can have ended. Without a proof, only those that were asked for count.
        is_proved = outcome is not None and outcome.verdict == "complete"
        lacking = self._known.task_ids - (outcome.ids if outcome else set())
        lacking = lacking if is_proved else lacking & self._ends.asked
        ends = self._ends.among(lacking)
        return VerdictLine(
            verdict=outcome.verdict if outcome else "failed",
            proof=outcome.proof if outcome else None,
            verdict_reason=reason,
            evidence=sentence(outcome.tested, self._strange_regions) if outcome and outcome.tested else None,
            drift_repairs=self._repairs or self._listing.repairs,
            offset_unit=outcome.offset_unit if outcome else "unknown",
            order_witness=outcome.order_witness if outcome else ASSUMED,
            error_code=self.error.said.error_code if self.error else None,
            error_message=self._message(outcome),
            service_message=(self.error.said.error_message if self.error else None) or "",
            counted_sweep=outcome.counted_sweep if outcome else None,
            task_count=len(outcome.ids) if outcome else len(self._listing.seen),
            task_ids_sha256=ids_sha256(sorted(outcome.ids)) if outcome and outcome.verdict == "complete" else None,
            total_first=self._counts.totals[0] if self._counts.totals else None,
            total_last=self._counts.totals[-1] if self._counts.totals else None,
            sweeps=self._listing.sweep,
            requests=self._counts.requests,
            retries=self._counts.retries,
            first_request_id=_fit(self._counts.request_ids[:1]),
            last_request_id=_fit(self._counts.request_ids[-1:]),
            clock_skew_seconds=self._client.clock_skew_seconds(self._target),
            gone=sorted(ends.gone),
            unlisted=sorted(ends.unlisted),
            unchecked=sorted(lacking - ends.gone - ends.unlisted),
            asked_count=len(ends.asked),
            finished_at=finished_at,
        )


def _fit(request_ids: list[str | None]) -> str | None:
    """Return the first id that is not empty, cut to the length that tables allow, or None."""
    return next((fit(each) for each in request_ids if each), None)
