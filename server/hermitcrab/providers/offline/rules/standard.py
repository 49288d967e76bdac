"""Names of the standard library that people import by name, and where from; each has one home only."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HOMES: Mapping[str, str] = MappingProxyType({
    name: module
    for module, names in {
        "abc": "ABC ABCMeta abstractmethod",
        "argparse": "ArgumentParser ArgumentTypeError",
        "collections": "ChainMap Counter OrderedDict defaultdict deque namedtuple",
        "collections.abc": "AsyncGenerator AsyncIterable AsyncIterator Awaitable Callable Collection Coroutine Generator Hashable Iterable Iterator Mapping MutableMapping MutableSequence MutableSet Reversible Sequence Sized",
        "contextlib": "AsyncExitStack ExitStack asynccontextmanager closing contextmanager nullcontext redirect_stdout suppress",
        "copy": "deepcopy",
        "dataclasses": "asdict astuple dataclass",
        "datetime": "timedelta timezone",
        "decimal": "ROUND_DOWN ROUND_HALF_EVEN ROUND_HALF_UP ROUND_UP Decimal InvalidOperation getcontext localcontext",
        "enum": "Enum Flag IntEnum IntFlag StrEnum",
        "fractions": "Fraction",
        "functools": "cached_property cmp_to_key lru_cache partial partialmethod reduce singledispatch total_ordering wraps",
        "io": "BytesIO StringIO TextIOWrapper",
        "itertools": "accumulate chain combinations cycle dropwhile groupby islice pairwise permutations product starmap takewhile zip_longest",
        "math": "ceil floor isclose sqrt",
        "operator": "attrgetter itemgetter methodcaller",
        "pathlib": "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath",
        "string": "Formatter Template ascii_letters ascii_lowercase ascii_uppercase",
        "tempfile": "NamedTemporaryFile TemporaryDirectory",
        "textwrap": "dedent",
        "threading": "Thread",
        "types": "MappingProxyType ModuleType SimpleNamespace TracebackType",
        "typing": "TYPE_CHECKING Annotated Any ClassVar Final Generic Literal NamedTuple NoReturn Optional Protocol Self TypeAlias TypeGuard TypeVar TypedDict Union assert_never cast overload runtime_checkable",
        "unittest": "TestCase",
        "unittest.mock": "AsyncMock MagicMock Mock",
        "urllib.parse": "parse_qs quote_plus urlencode urljoin urlparse urlsplit",
        "uuid": "UUID uuid4",
    }.items()
    for name in names.split()
})  # fmt: skip

DATETIME_CLASS_METHODS = frozenset({"now", "utcnow", "today", "fromisoformat", "fromtimestamp", "strptime", "combine", "min", "max"})  # fmt: skip
"""What follows `datetime.` when the class is meant and not the module."""

NOT_MODULES = frozenset({"this", "antigravity", "code", "string", "test", "symbol", "token", "types", "site", "select", "copy", "queue", "profile", "calendar"})  # fmt: skip
"""Modules whose names people give to variables: where one is undefined, a guess would be no more than that."""
