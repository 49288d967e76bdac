"""Edits of open documents: sent once, confirmed from the echo, put right when a client misplaced them."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass

from hermitcrab.core.edits import Hunk, apply, diff, rebase
from hermitcrab.core.errors import HermitcrabError, StaleEditError, ToolError, UnconfirmedEditError
from hermitcrab.core.ports import ApplyReply, BufferEdit, Editor
from hermitcrab.workspace.confirm import Landed, Misplaced, Tracker, excerpt
from hermitcrab.workspace.documents import Document, Documents, Watch
from hermitcrab.workspace.files import read_file
from hermitcrab.workspace.threads import off_loop


@dataclass(frozen=True, slots=True)
class Waits:
    """How long we wait, in seconds."""

    quiet: float = 0.5  # without typing, before an edit goes to a client that does not check versions
    quiet_limit: float = 10.0
    reply: float = 60.0  # for the client's answer: it may be asking the user
    refusal: float = 0.2  # for news that explains, or contradicts, a refusal


DEFAULT_WAITS = Waits()

_OF_VERSIONS = re.compile(r"version|changed|modified|stale|outdated|out of date", re.IGNORECASE)


class BufferWriter:
    """Makes one edit of one open document."""

    def __init__(self, documents: Documents, document: Document, editor: Editor, name: str, waits: Waits) -> None:
        self._documents = documents
        self._document = document
        self._editor = editor
        self._name = name
        self._waits = waits
        self.notes: list[str] = []

    async def wait_until_quiet(self) -> None:
        """Let a user finish typing where the client would put an edit into text it was not made for."""
        if self._editor.profile.checks_versions:
            return
        clock = self._documents.clock
        deadline = clock() + self._waits.quiet_limit
        while (remaining := self._document.changed_at + self._waits.quiet - clock()) > 0:
            if clock() + remaining > deadline:
                raise StaleEditError(f"`{self._name}` is being typed in and this editor needs a pause; try again")
            await asyncio.sleep(remaining)

    async def write(self, hunks: tuple[Hunk, ...], label: str) -> Landed:
        """Send hunks of the document's present text and return what is certain; raise when that is not success.

        Nothing is awaited before the sending: the hunks are of the text as it is now.
        """
        verdict = await self._send(hunks, label)
        if isinstance(verdict, Misplaced):
            return await self._put_right(verdict, label)
        return verdict

    async def save(self, landed: Landed, disk: str | None) -> tuple[bool, str]:
        """Let the editor save a file that was clean before the edit and holds nothing but it; never any other.

        Return whether it is on disk, and what the user should know when it is not.
        """
        if landed.before != disk:
            return False, f"`{self._name}` had unsaved changes before and was not saved"
        if not self._editor.profile.saves_on_request:
            return False, f"`{self._name}` is changed in the editor and not saved"
        if self._document.text != apply(landed.before, landed.hunks):
            return False, f"`{self._name}` was typed in meanwhile and was not saved"
        with self._documents.watch(self._document) as watch:
            if await self._editor.save(self._document.path) and await self._is_on_disk(landed.now, watch):
                return True, ""
        return False, f"`{self._name}` is changed in the editor; the editor did not save it"

    async def _is_on_disk(self, text: str, watch: Watch) -> bool:
        """Say whether the disk holds the text, or what the editor made of it while saving (it may tell of that later)."""
        texts = {text}
        try:
            async with asyncio.timeout(self._editor.profile.echo_seconds):
                while True:
                    file = await asyncio.to_thread(read_file, self._document.path)
                    if file.text in texts:
                        return True
                    texts.update(await watch.news())
        except (TimeoutError, HermitcrabError):
            return False

    async def _put_right(self, misplaced: Misplaced, label: str) -> Landed:
        """Make one more edit that gives the user back what was removed, with our change where it belongs."""
        removed = _shown_removed(misplaced.removed)
        trouble = (
            f"`{self._name}` was typed in while the edit was on its way, and the editor put it into the wrong place"
        )
        try:
            await self.wait_until_quiet()
        except StaleEditError:
            raise self._unconfirmed(f"{trouble}; typing went on, so it was not put right. {removed}") from None
        hunks = await self._correction(misplaced)
        if hunks is None:
            raise self._unconfirmed(f"{trouble}; it was then changed in the same place. {removed}")
        try:
            verdict = await self._send(hunks, f"{label}: put into its place")
        except ToolError as error:
            raise self._unconfirmed(f"{trouble}; putting it right failed: {error} {removed}") from error
        if isinstance(verdict, Misplaced):
            removed = _shown_removed((*misplaced.removed, *verdict.removed))
            raise self._unconfirmed(f"{trouble}, and so it did with the correction. {removed}")
        if not misplaced.hunks:
            raise StaleEditError(
                f"{trouble}; what it had removed is back, the edit is taken back. Read it and redo the edit"
            )
        self.notes.append(f"{trouble}; what it had removed was put back")
        return Landed(misplaced.before, misplaced.hunks, verdict.now)

    async def _correction(self, misplaced: Misplaced) -> tuple[Hunk, ...] | None:
        while True:
            text = self._document.text
            hunks = await off_loop(len(text), _moved, misplaced.now, misplaced.target, text)
            if self._document.text == text:
                return hunks

    async def _send(self, hunks: tuple[Hunk, ...], label: str) -> Landed | Misplaced:
        document, profile = self._document, self._editor.profile
        sent = BufferEdit(document.path, document.uri, document.version, document.text, hunks, label)
        with self._documents.watch(document) as watch:
            pursuit = _Pursuit(sent, watch, checks_versions=profile.checks_versions)
            following = asyncio.ensure_future(pursuit.follow())
            try:
                reply = await self._reply(sent, following)
                patience = profile.echo_seconds if reply.applied else self._waits.refusal
                await asyncio.wait({following}, timeout=patience)
                if following.done():
                    following.result()
            finally:
                following.cancel()
            if pursuit.verdict is not None:
                return pursuit.verdict
            if not reply.applied:
                raise self._refusal(sent, reply)
            lost = pursuit.lost()
            why = "was closed before it" if watch.is_closed else f"did not within {profile.echo_seconds:g} s"
            raise self._unconfirmed(
                f"the edit of `{self._name}` was sent, but the editor's text {why} show it alone and in its place; "
                f"it may or may not have been made, and it is not sent again. {_shown_removed(lost) if lost else ''}",
                hunks,
            )

    async def _reply(self, edit: BufferEdit, following: asyncio.Future[None]) -> ApplyReply:
        """Send, and wait for the answer; once the echo is there the answer is only a courtesy."""
        loop, soon = asyncio.get_running_loop(), self._editor.profile.echo_seconds
        try:
            async with asyncio.timeout(self._waits.reply) as scope:

                def hurry(_: asyncio.Future[None]) -> None:
                    with suppress(RuntimeError):  # the answer came first
                        scope.reschedule(loop.time() + soon)

                following.add_done_callback(hurry)
                return await self._editor.apply_edit(edit)
        except TimeoutError:
            return ApplyReply(applied=True, reason="the editor did not answer")
        except (HermitcrabError, OSError) as error:
            return ApplyReply(applied=True, reason=str(error))

    def _refusal(self, sent: BufferEdit, reply: ApplyReply) -> ToolError:
        reason = f" ({reply.reason})" if reply.reason else ""
        if self._document.text != sent.text or not reply.reason or _OF_VERSIONS.search(reply.reason):
            return StaleEditError(
                f"`{self._name}` changed while the edit was on its way and the editor refused it{reason}; "
                "nothing was changed, read the file again and redo the edit"
            )
        return ToolError(f"the editor refused the edit of `{self._name}`{reason}; nothing was changed")

    def _unconfirmed(self, message: str, hunks: tuple[Hunk, ...] = ()) -> UnconfirmedEditError:
        shown = excerpt(self._document.text, hunks) if hunks else ""
        return UnconfirmedEditError(
            f"{message.strip()} Read the file again." + (f" It now reads:\n{shown}" if shown else "")
        )


class _Pursuit:
    """Follows the texts after an edit was sent until it is known what became of it."""

    def __init__(self, sent: BufferEdit, watch: Watch, *, checks_versions: bool) -> None:
        self._sent = sent
        self._watch = watch
        self._checks_versions = checks_versions
        self._tracker: Tracker | None = None
        self.verdict: Landed | Misplaced | None = None

    async def follow(self) -> None:
        size, sent = len(self._sent.text), self._sent
        tracker = await off_loop(size, Tracker, sent.text, sent.hunks, checks_versions=self._checks_versions)
        self._tracker = tracker
        while not self._watch.is_closed:
            for text in await self._watch.news():
                self.verdict = await off_loop(size, tracker.see, text)
                if self.verdict is not None:
                    return

    def lost(self) -> tuple[str, ...]:
        return self._tracker.lost() if self._tracker and not self._checks_versions else ()


def _moved(before: str, target: str, text: str) -> tuple[Hunk, ...] | None:
    hunks = diff(before, target)
    return hunks if text == before else rebase(hunks, diff(before, text))


def _shown_removed(texts: tuple[str, ...]) -> str:
    """Show text that would otherwise be lost, whole."""
    return "It removed: " + ", ".join(f"`{text!r}`" for text in texts) + "."
