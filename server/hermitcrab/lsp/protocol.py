"""pygls's protocol class with its input and output replaced: every request gets exactly one reply, and nothing waits.

Where pygls 2.1.1 stands in the way is listed as P1 to P10 in `tests/wire/test_defects.py`.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, cast

from lsprotocol import types
from pygls import feature_manager
from pygls.exceptions import JsonRpcException, JsonRpcInvalidParams
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.language_server import lsp_method

from hermitcrab.core.errors import HermitcrabError
from hermitcrab.lsp import jsonrpc
from hermitcrab.lsp.jsonrpc import Invalid, MessageId, Notification, Request, Response
from hermitcrab.lsp.methods import Method, ReplyOrder, session_of, stream_of
from hermitcrab.lsp.outbox import Hold, Outbox
from hermitcrab.lsp.questions import Question, Questions
from hermitcrab.lsp.typed import Typed, lean_initialize

if TYPE_CHECKING:
    from cattrs import Converter

    from hermitcrab.lsp.connection import Connection

_log = logging.getLogger("hermitcrab.lsp")

_INBOX_LIMIT: Final = 10_000  # messages read and not yet begun; beyond it we stop reading
_RUNNING_LIMIT: Final = 1_000  # requests under way; beyond it the next one waits
_OFF_LOOP: Final = 64 * 1024  # bytes from which the typed reading of params leaves the loop

_CANCELLED: Final = (jsonrpc.REQUEST_CANCELLED, "The request was cancelled")


@dataclass(slots=True, eq=False)
class Running:
    """A request that has no reply yet, queued or under way."""

    id: MessageId
    session: str
    task: asyncio.Task[None] | None = None
    reply: ReplyOrder = "free"
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class _Incoming:
    message: Request | Notification
    size: int
    running: Running | None = None


class HermitcrabProtocol(LanguageServerProtocol):
    """One client's conversation: what came in and is not answered, what we asked, what waits to be written."""

    def __init__(self, server: Connection, converter: Converter) -> None:
        self.connection = server
        self.typed = Typed(converter)
        self.methods: dict[str, Method] = {}
        self.questions = Questions()
        self.outbox = Outbox(server.policy, self._encode_news)
        self._running: dict[MessageId, Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._inbox: deque[_Incoming | None] = deque()
        self._arrived = asyncio.Event()
        self._begun = asyncio.Event()
        self._is_initialized = False
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        super().__init__(server, converter)

    # What comes in.

    def attach(self) -> None:
        """Belong to the running event loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()

    def receive(self, message: Any, size: int = 0) -> None:
        """Take one decoded message: answers and cancellations act at once, all else stands in line."""
        match jsonrpc.classify(message):
            case Notification("$/cancelRequest", params):
                self._cancel(params)
            case Notification() as news:
                self._enqueue(_Incoming(news, size))
            case Request() as request:
                self._accept(request, size)
            case Response() as response:
                self._take_answer(response)
            case Invalid() as invalid:
                self.refuse(invalid.id, invalid.code, invalid.message)
            case None:
                _log.warning("A notification that is none was dropped")

    def refuse(self, message_id: MessageId | float | None, code: int, message: str) -> None:
        """Reply to something that never became a request."""
        self._send_error(message_id, code, message)

    def _accept(self, request: Request, size: int) -> None:
        if request.id in self._running:
            self.refuse(request.id, jsonrpc.INVALID_REQUEST, "a request with this `id` is still under way")
            return
        running = Running(request.id, session_of(request.params))
        self._running[request.id] = running
        self._enqueue(_Incoming(request, size, running))

    def _enqueue(self, incoming: _Incoming | None) -> None:
        self._inbox.append(incoming)
        self._arrived.set()

    async def has_space(self) -> None:
        """Return when the line of messages is short enough to read more."""
        while len(self._inbox) > _INBOX_LIMIT:
            self._begun.clear()
            await self._begun.wait()

    def finish(self) -> None:
        """Nothing more will come in: `dispatch` returns after what stands in line."""
        self._enqueue(None)

    def _take_answer(self, response: Response) -> None:
        if not self.questions.settle(response):
            if response.is_bare:
                self.refuse(response.id, jsonrpc.INVALID_REQUEST, "neither `method` nor `result` nor `error`")
            else:
                _log.debug("An answer to no open question was dropped")

    def _cancel(self, params: Any) -> None:
        """Answer a cancelled request now, whatever becomes of its handler; a finished one has had its reply."""
        message_id = jsonrpc.field_of(params, "id")
        running = self._running.get(message_id) if isinstance(message_id, str | int) else None
        if running is not None:
            self._settle_error(running, *_CANCELLED)
            if running.task is not None:
                running.task.cancel()

    # What is done about it, in order.

    async def dispatch(self) -> None:
        """Begin what stands in line, in the order it came; each handler runs up to its first wait before the next."""
        while True:
            while not self._inbox:
                self._arrived.clear()
                await self._arrived.wait()
            incoming = self._inbox.popleft()
            self._begun.set()
            if incoming is None:
                return
            if incoming.running is not None:
                await self._capacity()
            await self._begin(incoming)

    async def _capacity(self) -> None:
        """Wait while this client leaves its replies unread, or has too many requests under way."""
        await self.outbox.room()
        if len(self._tasks) >= _RUNNING_LIMIT:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)

    async def _begin(self, incoming: _Incoming) -> None:
        running, message = incoming.running, incoming.message
        if running is not None and self._running.get(running.id) is not running:
            return  # cancelled while it stood in line
        if refusal := self._not_now(message.method):
            if running is not None:
                self._settle_error(running, *refusal)
            return
        method = self.methods.get(message.method)
        if method is None:
            await self._begin_standard(incoming)
        elif running is None and not method.is_ordered and not inspect.iscoroutinefunction(method.handle):
            self._hear(message, method)
        else:
            await self._start(incoming, partial(_invoke, method.handle, message.params), method)

    def _not_now(self, method: str) -> tuple[int, str] | None:
        if method == types.EXIT:
            return None
        if self._shutdown:
            return jsonrpc.INVALID_REQUEST, "the server is shutting down"
        if not self._is_initialized and method != types.INITIALIZE:
            return jsonrpc.NOT_INITIALIZED, "`initialize` comes first"
        if self._is_initialized and method == types.INITIALIZE:
            return jsonrpc.INVALID_REQUEST, "`initialize` comes once"
        return None

    def _hear(self, news: Notification | Request, method: Method) -> None:
        """Hand a notification to a plain function, the way of every keystroke: no task is made."""
        try:
            result = method.handle(news.params)
        except Exception:  # noqa: BLE001 - a bug ends at the door: logged whole, the server stays
            _log.exception("`%s` failed", news.method)
            return
        if inspect.isawaitable(result):
            self._spawn(self._listen(news.method, partial(_invoke, lambda _none: result, None)))

    async def _begin_standard(self, incoming: _Incoming) -> None:
        name, running = incoming.message.method, incoming.running
        handler = self._feature(name)
        if handler is None:
            if running is not None:
                self._settle_error(running, jsonrpc.METHOD_NOT_FOUND, f"`{name}` is not a method of this server")
            return
        try:
            params = await self._read_params(name, incoming)
        except JsonRpcInvalidParams as error:
            _log.warning("%s", error.message)
            if running is not None:
                self._settle_error(running, error.code, error.message)
            return
        if name == types.INITIALIZE:
            self.connection.meet(incoming.message.params)
        is_ordered = name in {types.INITIALIZE, types.SHUTDOWN, types.EXIT}
        await self._start(incoming, partial(self._call, handler, (params,), {}), Method(handler, is_ordered=is_ordered))

    def _feature(self, name: str) -> Callable[..., Any] | None:
        builtin: dict[str, Callable[..., Any]] = cast("Any", self.fm).builtin_features
        return builtin.get(name) or self._users_feature(name)

    def _users_feature(self, name: str) -> Callable[..., Any] | None:
        features: dict[str, Callable[..., Any]] = cast("Any", self.fm).features
        return features.get(name)

    def advertise(self, method: str, handler: Callable[..., Any], options: Any) -> None:
        """Let pygls count a standard method of our own table among the server's capabilities."""
        manager: Any = self.fm
        manager.features[method] = handler
        if options is not None:
            manager.feature_options[method] = options

    async def _read_params(self, name: str, incoming: _Incoming) -> Any:
        if name == types.INITIALIZE:
            return self.typed.params(name, lean_initialize(incoming.message.params))
        if incoming.size < _OFF_LOOP:
            return self.typed.params(name, incoming.message.params)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(
            self.connection.reading_thread, self.typed.params, name, incoming.message.params
        )

    async def _start(self, incoming: _Incoming, work: Callable[[], Any], method: Method) -> None:
        """Run a handler as a task, up to its first wait; to its end when nothing may overtake it."""
        running = incoming.running
        if running is None:
            task = self._spawn(self._listen(incoming.message.method, work))
        else:
            running.reply = method.reply
            if method.reply == "first":
                running.hold = self.outbox.hold(running.session)
            task = self._spawn(self._answer(running, incoming.message.method, work))
            running.task = task
        if method.is_ordered:
            await asyncio.wait([task])
        else:
            await asyncio.sleep(0)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _listen(self, name: str, work: Callable[[], Any]) -> None:
        """See a notification's handler through."""
        try:
            await work()
        except Exception:  # noqa: BLE001 - as above
            _log.exception("`%s` failed", name)

    async def _answer(self, running: Running, name: str, work: Callable[[], Any]) -> None:
        """See a request's handler through and reply."""
        self._ctx_msg_id.set(running.id)
        try:
            self._settle(running, await work())
        except asyncio.CancelledError:
            self._settle_error(running, *_CANCELLED)
            raise
        except JsonRpcException as error:
            if error.code == jsonrpc.INTERNAL_ERROR:  # pygls makes these of bugs, with a traceback inside
                self._settle_bug(running, name)
            else:
                self._settle_error(running, error.code, error.message, error.data)
        except HermitcrabError as error:
            self._settle_error(running, jsonrpc.REQUEST_FAILED, str(error))
        except Exception:  # noqa: BLE001 - as above
            self._settle_bug(running, name)

    async def _call(self, handler: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a handler of any of pygls's kinds: coroutine, thread, generator of further calls, plain function."""
        if _wants_thread(handler):
            call = partial(handler, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self.connection.thread_pool, call)
        if inspect.isgeneratorfunction(handler):
            return await self._drive(handler(*args, **kwargs))
        result = handler(*args, **kwargs)
        return await result if inspect.isawaitable(result) else result

    async def _drive(self, steps: Generator[Any, Any, Any]) -> Any:
        value = None
        while True:
            try:
                handler, args, kwargs = steps.send(value)
            except StopIteration as stop:
                return stop.value
            value = await self._call(handler, tuple(args), kwargs or {})

    # What goes out.

    def _settle(self, running: Running, result: Any) -> None:
        """Send the one reply of a request."""
        if self._running.get(running.id) is not running:
            return
        body = self.typed.encode({"jsonrpc": "2.0", "id": running.id, "result": result})
        del self._running[running.id]
        if running.reply == "last":
            self.outbox.put_in_order(body, running.session or session_of(result))
        else:
            self.outbox.put_urgent(body)
        if running.hold is not None:
            self.outbox.release(running.hold, session_of(result))

    def _settle_error(self, running: Running, code: int, message: str, data: Any = None) -> None:
        if self._running.get(running.id) is not running:
            return
        del self._running[running.id]
        self._send_error(running.id, code, message, data)
        if running.hold is not None:
            self.outbox.release(running.hold, "")

    def _settle_bug(self, running: Running, name: str) -> None:
        """Log the exception at hand whole, and tell the client none of it."""
        _log.exception("`%s` failed", name)
        self._settle_error(running, jsonrpc.INTERNAL_ERROR, f"Internal error in `{name}`; the log has more")

    def _send_error(self, message_id: MessageId | float | None, code: int, message: str, data: Any = None) -> None:
        error: dict[str, Any] = {"code": code, "message": message}
        try:
            body = self.typed.encode(
                {"jsonrpc": "2.0", "id": message_id, "error": {**error, "data": data} if data else error}
            )
        except (TypeError, ValueError):
            body = self.typed.encode({"jsonrpc": "2.0", "id": message_id, "error": error})
        self.outbox.put_urgent(body)

    def _encode_news(self, news: Notification) -> bytes:
        message = {"jsonrpc": "2.0", "method": news.method}
        return self.typed.encode(message if news.params is None else {**message, "params": news.params})

    def notify(self, method: str, params: Any | None = None) -> None:
        """Send a notification; the params belong to the outbox from now on."""
        if self._is_closed:
            return
        if self._loop is not None and threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self.notify, method, params)
            return
        if params is not None and not isinstance(params, dict | list):
            params = self.typed.plain(params)
        self.outbox.put_news(Notification(method, params), stream_of(method, params))

    def ask(
        self, future: asyncio.Future[Any] | Future[Any], method: str, params: Any, read: Callable[[Any], Any]
    ) -> None:
        """Send a request; its answer, read, goes into the future. Cancelling the future withdraws the request."""
        message = {"jsonrpc": "2.0", "id": self.questions.new_id(), "method": method}
        body = self.typed.encode(message if params is None else {**message, "params": params})
        may_wait = asyncio.current_task() not in self._tasks  # a handler may ask before it replies
        letter = self.outbox.put_urgent(body, session_of(params), may_wait=may_wait)
        question = Question(message["id"], future, read, letter)
        self.questions.add(question)
        future.add_done_callback(lambda done: self._unask(question) if done.cancelled() else None)

    def _unask(self, question: Question) -> None:
        if self.questions.forget(question) and not self.outbox.withdraw(question.letter) and not self._is_closed:
            message = {"jsonrpc": "2.0", "method": types.CANCEL_REQUEST, "params": {"id": question.id}}
            self.outbox.put_urgent(self.typed.encode(message))

    def send_request(
        self,
        method: str,
        params: Any | None = None,
        callback: Callable[[Any], None] | None = None,
        msg_id: MessageId | None = None,  # noqa: ARG002 - pygls's signature; ids are ours alone
    ) -> Future[Any]:
        """Send a standard request the way pygls's generated methods do; the answer is typed."""
        future: Future[Any] = Future()
        if callback is not None:
            future.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else callback(done.result())
            )
        ask = partial(self.ask, future, method, params, self.typed.result_reader(method))
        if self._loop is None or threading.get_ident() == self._thread:
            ask()
        else:
            self._loop.call_soon_threadsafe(ask)
        return future

    def _send_data(self, data: Any) -> None:
        raise NotImplementedError("everything is sent by `notify`, `ask` and the replies of this class")

    # The life of the conversation.

    @lsp_method(types.INITIALIZE)
    def lsp_initialize(self, params: types.InitializeParams) -> Generator[Any, Any, types.InitializeResult]:
        """Begin: note who the client is, let the server's own handler speak, then say what we can do."""
        result = yield from super().lsp_initialize(params)
        result.capabilities.experimental = self.connection.server_experimental or None
        self._is_initialized = True
        return result

    @lsp_method(types.SHUTDOWN)
    def lsp_shutdown(self, *args: Any) -> Generator[Any, Any, None]:
        """End politely: what is under way is cancelled, and only `exit` is heard from now on."""
        if (handler := self._users_feature(types.SHUTDOWN)) is not None:
            yield handler, args, None
        self._shutdown = True
        self._cancel_all(besides=asyncio.current_task())

    @lsp_method(types.EXIT)
    def lsp_exit(self, *args: Any) -> Generator[Any, Any, None]:
        """Let this client go; the engine and other clients stay."""
        if (handler := self._users_feature(types.EXIT)) is not None:
            yield handler, args, None
        self.connection.close(0 if self._shutdown else 1)

    def _cancel_all(self, besides: asyncio.Task[Any] | None = None) -> None:
        for running in list(self._running.values()):
            if running.task is None or running.task is not besides:
                self._settle_error(running, *_CANCELLED)
        for task in list(self._tasks):
            if task is not besides:
                task.cancel()

    async def end(self) -> None:
        """The client is gone: nothing more is sent, everyone who waits is told, and every handler is stopped."""
        self._is_closed = True
        self.questions.close()
        self._running.clear()
        self._cancel_all()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=5)


_wants_thread: Final = cast("Callable[[Any], bool]", feature_manager.is_thread_function)  # pyright: ignore[reportUnknownMemberType]


async def _invoke(handle: Callable[[Any], Any], params: Any) -> Any:
    result = handle(params)
    return await result if inspect.isawaitable(result) else result
