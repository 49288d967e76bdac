"""Problems, repairs, outlines and scopes, as examples: `<caret>` marks a place."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermitcrab.syntax.check import check, check_from_json, check_patiently
from hermitcrab.syntax.languages import GRAMMARS, language_of
from hermitcrab.syntax.outline import outline
from hermitcrab.syntax.parse import TooSlowError, parse
from hermitcrab.syntax.problems import problems
from hermitcrab.syntax.repair import missing_token
from hermitcrab.syntax.scope import names_at

SOUND = {
    "python": "def f(a):\n    return [a]\n",
    "javascript": "function f(a) {\n  return [a];\n}\n",
    "typescript": "function f(a: number): number[] {\n  return [a];\n}\n",
    "tsx": "const f = (a: number) => <b>{a}</b>;\n",
    "go": "package p\n\nfunc f(a int) []int {\n\treturn []int{a}\n}\n",
    "rust": "fn f(a: i32) -> Vec<i32> {\n    vec![a]\n}\n",
    "java": "class C {\n  int f(int a) {\n    return a;\n  }\n}\n",
    "c": "int f(int a) {\n  return a;\n}\n",
    "cpp": "struct S {\n  int f(int a) { return a; }\n};\n",
    "csharp": "class C {\n  int F(int a) {\n    return a;\n  }\n}\n",
    "ruby": "def f(a)\n  [a]\nend\n",
    "php": "<?php\nfunction f($a) {\n  return [$a];\n}\n",
    "bash": 'f() {\n  echo "$1"\n}\n',
}


@pytest.mark.parametrize("language", GRAMMARS)
def test_sound_code_has_no_problems(language):
    assert problems(SOUND[language], language) == ()
    assert missing_token(SOUND[language], language) is None


@pytest.mark.parametrize("language", GRAMMARS)
def test_broken_code_has_some(language):
    text = SOUND[language].replace("(", "((", 1)
    found = problems(text, language)
    assert found
    assert all(0 <= problem.start <= problem.end <= len(text) and problem.message for problem in found)


def repaired(language: str, marked: str) -> None:
    """Check that the text without `‹…›` is mended by inserting what stands between them."""
    before, _, rest = marked.partition("‹")
    token, _, after = rest.partition("›")
    found = missing_token(before + after, language)
    assert found is not None
    assert (before + after)[: found.offset] + found.text + (before + after)[found.offset :] == before + token + after


@pytest.mark.parametrize(
    "marked",
    [
        "def f(x)‹:›\n    return x\n",
        "def f(x)‹:›  # why\n    return x\n",
        "if x:\n    pass\nelse‹:›\n    pass\n",
        "class A‹:›\n    x = 1\n",
        "print((1 + 2)‹)›\nx = 3\n",
        "def f(x‹)›:\n    return 1\n",
        "x = [1, 2‹]›\ny = 3\n",
        "x = [\n    1,\n    2,‹\n]›\ny = (1)\n",
        "x = {\n    'a': 1,‹\n}›\n\n\ndef f():\n    return {}\n",
        "d = {'a': 1‹}›\nprint(d)\n",
        "x = f(a, [1, 2‹]›)\n",
        "s = 'abc‹'›\nx = 1\n",
        "f('a', 'b‹'›)\n",
        "s = f(x, 'a‹'›)  # it's a bit of a hack\n",
        "é = '😀'; x = f('😀', 1‹)›\n",
        "x = 1\r\ny = f(x‹)›\r\nz = 2\r\n",
    ],
)
def test_the_missing_token_of_python(marked):
    repaired("python", marked)


@pytest.mark.parametrize(
    ("language", "marked"),
    [
        ("javascript", "function g() {\n  if (a) {\n    b();‹\n  }›\n}\nlet x = 3;\n"),
        ("javascript", "foo(1, 2‹)›;\n"),
        ("typescript", "interface A { x: number‹\n}›\nlet y = 3;\n"),
        ("c", "int main() {\n  int x = 3‹;›\n  return x;\n}\n"),
        ("cpp", "struct A { int x; }‹;›\nint y;\n"),
        ("java", "class A {\n  int f() {\n    return 1‹;›\n  }\n}\n"),
        ("csharp", "class A { int f() { return 1‹;› } }\n"),
        ("go", "package a\nfunc f() {\n\tif x {\n\t\ty()‹\n\t}›\n}\n\nfunc g() int {\n\treturn 1\n}\n"),
        ("rust", 'fn main() {\n    let x = 3‹;›\n    println!("a");\n}\n'),
        ("php", "<?php\n$x = 3‹;›\n$y = 4;\n"),
        ("bash", 'echo "abc‹"›\n'),
    ],
)
def test_the_missing_token_of_other_languages(language, marked):
    repaired(language, marked)


def test_a_repair_never_makes_a_tuple_of_a_list():
    found = missing_token("x = [\n    1,\ny = 2\n", "python")
    assert found is None or "]," not in ("x = [\n    1,"[: found.offset] + found.text)


def test_one_of_two_errors_is_mended_and_that_is_said():
    found = missing_token("def f(a)\n    pass\n\n\ndef g(a)\n    pass\n", "python")
    assert found is not None
    assert (found.offset, found.text, found.is_whole) == (8, ":", False)


@pytest.mark.parametrize("text", ["x = = 2\n", "import os\nfoo)\n", "else\n x\n", "1 +* 2\n"])
def test_what_no_single_token_mends_is_left_alone(text):
    assert problems(text, "python")
    assert missing_token(text, "python") is None


def test_places_are_code_points_and_precise():
    text = "let s = '😀😀'; let x = = 3;\n"
    (problem,) = problems(text, "javascript")
    assert text[problem.start : problem.end] == "="
    assert problem.start == text.index("= 3")


def test_an_error_is_told_where_it_is_not_where_its_statement_begins():
    text = "package a\n\nfunc f() int {\n\treturn 1\n}\n\nfunc g() {\n\tx := := 2\n}\n"
    (problem, *_) = problems(text, "go")
    assert text.count("\n", 0, problem.start) == 7


def test_python_speaks_with_its_own_parsers_words():
    (problem,) = problems("x = (1,\ny = 2\n", "python")
    assert "`(` was never closed" in problem.message or "comma" in problem.message


def test_the_language_of_a_file():
    names = ["a.py", "b.TSX", "Rakefile", "c.h", "d.unknown", "noext", "x/y/.bashrc", "e.hpp"]
    assert [language_of(name) for name in names] == ["python", "tsx", "ruby", "c", None, None, "bash", "cpp"]


OUTLINES = {
    "python": ("class A:\n    x: int = 1\n    def m(self): pass\n\ndef f(): pass\nK = 1\n", ["class A", "field A.x", "method A.m", "function f", "variable K"]),
    "javascript": ("class A { m() {} }\nfunction f() {}\nconst g = () => 1;\n", ["class A", "method A.m", "function f", "function g"]),
    "typescript": ("interface I { m(): void }\ntype T = number;\nenum E { a }\nabstract class A { m() {} }\n", ["interface I", "method I.m", "type T", "enum E", "class A", "method A.m"]),
    "tsx": ("function App() { return <b/>; }\n", ["function App"]),
    "go": ("package p\ntype S struct { a int }\ntype I interface { M() }\nfunc (s S) M() {}\nfunc f() {}\nconst c = 1\n", ["struct S", "interface I", "method M", "function f", "constant c"]),
    "rust": ("struct S;\nenum E { A }\ntrait T { fn t(&self); }\nimpl S { fn m(&self) {} }\nfn f() {}\n", ["struct S", "enum E", "interface T", "method T.t", "implementation S", "method S.m", "function f"]),
    "java": ("class A { int x; A() {} void m() {} }\ninterface I {}\nenum E { K }\n", ["class A", "field A.x", "constructor A.A", "method A.m", "interface I", "enum E", "constant E.K"]),
    "c": ("#define M 1\nstruct s { int a; };\ntypedef int t;\nint *f(void) { return 0; }\nint g(void);\n", ["macro M", "struct s", "type t", "function f", "function g"]),
    "cpp": ("namespace n {\nclass A { public: void m(); int x; };\n}\nvoid n::A::m() {}\n", ["module n", "class n.A", "method n.A.m", "field n.A.x", "method n::A::m"]),
    "csharp": ("namespace N { class A { int P { get; set; } void M() {} } interface I {} }\n", ["module N", "class N.A", "property N.A.P", "method N.A.M", "interface N.I"]),
    "ruby": ("module M\n  class A\n    def m; end\n    def self.s; end\n  end\nend\n", ["module M", "class M.A", "method M.A.m", "method M.A.s"]),
    "php": ("<?php\nclass A { public $p; function m() {} }\nfunction f() {}\ninterface I {}\n", ["class A", "property A.$p", "method A.m", "function f", "interface I"]),
    "bash": ("X=1\nf() { :; }\nfunction g { :; }\n", ["variable X", "function f", "function g"]),
}  # fmt: skip


@pytest.mark.parametrize("language", GRAMMARS)
def test_the_outline_of_each_language(language):
    text, expected = OUTLINES[language]
    found = outline(text, language)
    assert [f"{s.kind} {f'{s.container}.' if s.container else ''}{s.name}" for s in found] == expected
    assert all(text[symbol.start : symbol.end] == symbol.name for symbol in found)


def test_an_outline_counts_code_points():
    (symbol,) = outline("# 😀😀\ndef café(): pass  # 😀\n", "python")
    assert (symbol.name, symbol.line, symbol.end_line) == ("café", 1, 1)


def in_scope(marked: str) -> list[str]:
    offset = marked.index("<caret>")
    found = names_at(marked.replace("<caret>", ""), offset)
    return [known.name for known in found if known.start >= 0]


def test_a_function_sees_its_own_names_then_the_modules():
    marked = """
import os, a.b as ab
from x import y as z
def f(one, *rest, key=1, **more):
    with open(one) as handle: pass
    for i, (j, k) in rest: pass
    try: pass
    except OSError as error: pass
    if (found := key): pass
    match found:
        case {"k": caught, **others}: pass
    return <caret>one
def g(unseen): hidden = 1
"""
    assert in_scope(marked) == ["one", "rest", "key", "more", "handle", "i", "j", "k", "error", "found", "caught", "others", "os", "ab", "z", "f", "g"]  # fmt: skip


def test_a_method_does_not_see_its_classs_names_but_its_class_body_does():
    assert in_scope("class A:\n    field = 1\n    def m(self): <caret>x\n") == ["self", "A"]
    assert in_scope("class A:\n    field = 1\n    other = <caret>x\n") == ["field", "other", "A"]
    assert in_scope("class A:\n    field = 1\n    def m(self, x=<caret>y): pass\n") == ["field", "m", "A"]


def test_comprehensions_and_lambdas_have_scopes_of_their_own():
    assert in_scope("def f(rows):\n    return [<caret>row for row in rows]\n") == ["row", "rows", "f"]
    assert in_scope("f = lambda a, *b: <caret>a\n") == ["a", "b", "f"]
    assert "inner" not in in_scope("x = [inner for inner in y]\n<caret>z\n")


def test_names_are_found_while_the_rest_is_broken():
    assert "total" in in_scope("def f(total):\n    return <caret>totl\n\ndef g(:\n    x = (\n")


@pytest.mark.parametrize(
    "text", ["(" * 30_000, "def f(:\n" * 3000, "{" * 8000, '"' * 9999, "if x\n" * 3000, "-" * 50_000]
)
@pytest.mark.parametrize("language", ["python", "javascript", "bash"])
def test_hostile_text_is_answered_in_time(language, text):
    began = time.monotonic()
    with contextlib.suppress(TooSlowError):
        check_patiently(text, language, seconds=0.2)
    assert time.monotonic() - began < 3


@settings(max_examples=60, deadline=None)
@given(
    st.text(alphabet="()[]{}:;,.\"'`#\\\n\r\t =abxdef01😀é\ud800\x00", max_size=60), st.sampled_from(sorted(GRAMMARS))
)
def test_any_text_can_be_checked(text, language):
    found = check(text, language)
    assert all(0 <= problem.start <= problem.end <= len(text) for problem in found.problems)
    if found.repair is not None:
        assert 0 <= found.repair.offset <= len(text)
    for symbol in outline(text, language):
        assert (
            text.encode("utf-8", "replace").decode()[symbol.start : symbol.end]
            == symbol.name.encode("utf-8", "replace").decode()
        )
    names_at(text, len(text) // 2)


@given(st.text(alphabet="aé😀\ud800\n", max_size=3000))
def test_bytes_find_their_code_points(text):
    parsed = parse(text, "python")
    for offset in [*range(0, len(text), 97), len(text)]:
        assert parsed.offset(len(text[:offset].encode("utf-8", "replace"))) == offset


def worker(request: bytes) -> tuple[int, dict]:
    done = subprocess.run(
        [sys.executable, "-m", "hermitcrab.syntax.worker"], input=request, capture_output=True, check=False
    )
    return done.returncode, json.loads(done.stdout)


def test_a_worker_says_the_same_as_we_do():
    text = "x = (1,\n"
    code, reply = worker(json.dumps({"op": "check", "language": "python", "text": text}).encode())
    assert code == 0
    assert check_from_json(reply["result"]) == check(text, "python")


def test_a_worker_answers_what_it_cannot_read():
    assert worker(b"{") == (
        1,
        {
            "ok": False,
            "error": "JSONDecodeError: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
        },
    )
    code, reply = worker(json.dumps({"op": "check", "language": "klingon", "text": ""}).encode())
    assert (code, "`klingon`" in reply["error"]) == (1, True)
