"""Problems made by a seed, and whether the rules fix exactly those they should."""

from __future__ import annotations

import ast
import asyncio
from collections import Counter

import pytest

from hermitcrab.demo.mutation_kinds import BEYOND, KINDS, QUIET
from hermitcrab.demo.mutations import Mutated, Mutation, checked_by, mutate, project_files, sample_files
from hermitcrab.demo.sample_tests import TestsInCopy, read_results, run_tests, write_files
from hermitcrab.diagnostics.collect import Collector
from offline_host import ROOT, Host

EVERY_KIND = Counter({**dict.fromkeys(KINDS, 1), "unknown_name": 1})


async def made(seed: int, collector: Collector, files=None, **options) -> Mutated:
    return await mutate(files or sample_files(), seed=seed, check=checked_by(collector, ROOT), **options)


def without_layout(text: str) -> str:
    """Return what a program means: where an import stands among others does not count."""
    tree = ast.parse(text)
    imports = sorted(
        ast.unparse(ast.ImportFrom(node.module, [alias], node.level) if isinstance(node, ast.ImportFrom) else ast.Import([alias]))
        for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    )  # fmt: skip
    tree.body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join([*imports, ast.dump(tree)])


async def check_seed(seed: int, files=None) -> None:
    """Make problems, fix file by file, and compare with the untouched project."""
    files = files or sample_files()
    collector = Collector(remembered=400)
    mutated = await made(seed, collector, files)
    host = Host({**files, **mutated.files}, collector=collector)
    said = "\n".join([await host.turn(f"Fix the problems in {name}") for name in mutated.files])
    for name in mutated.files:
        beyond = [mutation for mutation in mutated.mutations if mutation.file == name and not mutation.is_within_rules]
        wanted = files[name]
        for mutation in beyond:
            wanted = mutation.apply(wanted)
            assert f"Undefined name `{mutation.name}`: `{mutation.name}` is defined nowhere" in said
        assert without_layout(host.files[name]) == without_layout(wanted), (seed, name)
    fixed = said.count("\n- ")
    assert fixed >= sum(mutation.is_within_rules for mutation in mutated.mutations)


def test_the_sample_is_sound_and_its_tests_pass(tmp_path):
    files = sample_files()
    assert len([name for name in files if name.startswith("larder/")]) >= 8
    write_files(tmp_path, files)
    found = asyncio.run(run_tests(tmp_path))
    assert (found.failed, len(found.passed)) == (frozenset(), 29)


async def test_the_checkers_find_nothing_in_the_sample():
    check = checked_by(Collector(), ROOT)
    assert [item for name, text in sample_files().items() for item in await check(name, text)] == []


async def test_the_same_seed_makes_the_same_problems():
    assert await made(5, Collector()) == await made(5, Collector())
    assert await made(5, Collector()) != await made(6, Collector())


async def test_every_kind_is_made_and_seen():
    collector = Collector()
    mutated = await made(11, collector)
    assert Counter(mutation.kind for mutation in mutated.mutations) == EVERY_KIND
    check = checked_by(collector, ROOT)
    for name, text in mutated.files.items():
        assert len(await check(name, text)) >= 1


@pytest.mark.parametrize("seed", range(4))
async def test_the_rules_fix_exactly_what_is_within_them(seed):
    await check_seed(seed)


@pytest.mark.slow
@pytest.mark.parametrize("decade", range(7))
async def test_the_rules_fix_exactly_what_is_within_them_for_many_seeds(decade):
    for seed in range(100 + decade * 10, 110 + decade * 10):
        await check_seed(seed)


async def test_what_changes_behaviour_makes_a_named_test_fail():
    tests = TestsInCopy(sample_files())
    try:
        assert await tests({}) == frozenset()
        mutated = await made(3, Collector(), fails=tests)
        assert Counter(mutation.kind for mutation in mutated.mutations) == EVERY_KIND
        for mutation in mutated.mutations:
            assert bool(mutation.failing) == (mutation.kind not in QUIET)
            assert all(name.startswith("tests.test_") for name in mutation.failing)
        (beyond,) = [mutation for mutation in mutated.mutations if not mutation.is_within_rules]
        left = await tests({beyond.file: beyond.apply(sample_files()[beyond.file])})
        assert left == frozenset(beyond.failing)
        assert all(set(m.failing) - left for m in mutated.mutations if m.is_within_rules and m.kind not in QUIET)
    finally:
        tests.close()


async def test_a_wrong_operator_is_seen_by_no_checker_and_fixed_by_no_rule():
    collector = Collector()
    mutated = await made(2, collector, count=0, beyond="wrong_operator")
    (mutation,) = mutated.mutations
    host = Host({**sample_files(), **mutated.files}, collector=collector)
    said = await host.turn(f"Fix {mutation.file}")
    assert said.startswith("not fixed: the checkers report no problem")
    assert host.files[mutation.file] == mutated.files[mutation.file]


OTHERS = {
    "shop/__init__.py": "",
    "shop/prices.py": 'import math\r\n\r\n\r\ndef rounded(price, digits):\r\n    """Round up."""\r\n    factor = 10 ** digits\r\n    return math.ceil(price * factor) / factor\r\n',
    "shop/till.py": 'from shop.prices import rounded\n\n\ndef total(prices, reduction):\n    result = 0\n    for price in prices:\n        if price > reduction:\n            result += rounded(price - reduction, 2)\n    print("sum", result)\n    return result\n',
    "shop/été.py": "import json\n\nNAME = 'é😀'\n\n\ndef dumped(values):\n    return json.dumps([NAME, values, 'é😀', [values]])\n",
    "broken.py": "def f(:\n",
    "notes.txt": "nothing",
    "binary.py": "\0\0",
}


@pytest.mark.parametrize("seed", range(3))
async def test_other_peoples_projects(seed):
    collector = Collector()
    mutated = await made(seed, collector, OTHERS)
    assert len(mutated.mutations) >= 4
    assert not {"broken.py", "notes.txt", "binary.py"} & set(mutated.files)
    assert all("\r\n" in text for name, text in mutated.files.items() if name == "shop/prices.py")


def test_a_project_is_read_as_far_as_it_can_be_worked_on(tmp_path):
    for name, data in {"a.py": b"x = 1\r\n", "p/b.py": b"y = 1\n", "latin.py": b"# \xe9\n", "venv/c.py": b"", ".git/d.py": b"", "e.txt": b""}.items():  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "huge.py").write_bytes(b"#" * 200_000)
    (tmp_path / "link.py").symlink_to("a.py")
    assert project_files(tmp_path) == {"a.py": "x = 1\r\n", "p/b.py": "y = 1\n"}


@pytest.mark.parametrize("files", [{}, {"a.py": ""}, {"a.txt": "x"}, {"test_a.py": "def f(): ..."}, {"a.py": "x ="}])
async def test_a_project_with_nothing_to_break_stays_whole(files):
    assert await mutate(files, seed=1, check=checked_by(Collector(), ROOT)) == Mutated({}, ())


def test_a_mutation_knows_its_line_and_applies_to_the_untouched_text():
    mutation = Mutation("misspelt_name", "a.py", 4, 9, "totl", "totl", 1, is_within_rules=True, is_reported=True)
    assert mutation.apply("x = total\n") == "x = totl\n"


def test_kinds_within_and_beyond_are_apart():
    assert not set(KINDS) & set(BEYOND)


def test_results_of_unittest_are_read():
    output = (
        "test_a (tests.test_x.X.test_a) ... ok\ntest_b (tests.test_x.X.test_b)\nThe second line. ... FAIL\n"
        "tests.test_y (unittest.loader._FailedTest.tests.test_y) ... ERROR\ntest_c (tests.test_x.X) ... ok\n"
    )
    found = read_results(output)
    assert found.passed == {"tests.test_x.X.test_a", "tests.test_x.X.test_c"}
    assert found.failed == {"tests.test_x.X.test_b", "tests.test_y"}
