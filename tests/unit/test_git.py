"""Our own git calls look, and start nothing a repository asks for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from hermitcrab.core.errors import ToolError
from hermitcrab.procs.git import git, tracked_and_untracked

ENV = {
    **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@example.com",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@example.com",
}


def plain_git(cwd: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=cwd, env=ENV, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repo"
    root.mkdir()
    plain_git(root, "init", "-q", "-b", "main")
    for name in ("a.py", "b.bin", "sub/c.py"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(f"{name}\n")
    plain_git(root, "add", ".")
    plain_git(root, "commit", "-q", "-m", "first")
    return root


def listed(root: Path, files: tuple[Path, ...] | None) -> list[str]:
    assert files is not None
    return [file.relative_to(root).as_posix() for file in files]


async def test_status_as_git_tells_it(repository: Path) -> None:
    (repository / "a.py").write_text("changed\n")
    done = await git(["status", "--porcelain"], repository)
    assert (done.exit_code, done.output, done.errors) == (0, " M a.py\n", "")


async def test_listing_honours_gitignore_and_sees_untracked_files(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\nbuild/\n")
    (repository / "x.log").write_text("")
    (repository / "build").mkdir()
    (repository / "build" / "y.py").write_text("")
    (repository / "new.py").write_text("")
    (repository / "a.py").unlink()
    files = await tracked_and_untracked(repository)
    assert listed(repository, files) == [".gitignore", "b.bin", "new.py", "sub/c.py"]


async def test_listing_of_a_folder_inside_a_repository(repository: Path) -> None:
    assert listed(repository, await tracked_and_untracked(repository / "sub")) == ["sub/c.py"]


async def test_names_no_encoding_knows_survive(repository: Path) -> None:
    odd = os.fsencode(repository) + b"/odd\xff\nname"
    os.close(os.open(odd, os.O_CREAT | os.O_WRONLY))
    files = await tracked_and_untracked(repository)
    assert files is not None
    assert odd in [os.fsencode(file) for file in files]


async def test_nested_repositories_are_listed_by_their_own_rules(repository: Path) -> None:
    inner = repository / "vendor" / "inner"
    inner.mkdir(parents=True)
    plain_git(inner, "init", "-q")
    (inner / ".gitignore").write_text("*.o\n")
    (inner / "x.c").write_text("")
    (inner / "x.o").write_text("")
    files = await tracked_and_untracked(repository)
    assert listed(repository, files) == ["a.py", "b.bin", "sub/c.py", "vendor/inner/.gitignore", "vendor/inner/x.c"]


async def test_a_submodule_that_was_never_fetched_is_an_empty_folder(repository: Path) -> None:
    commit = plain_git(repository, "rev-parse", "HEAD").strip()
    plain_git(repository, "update-index", "--add", "--cacheinfo", f"160000,{commit},lib")
    (repository / "lib").mkdir()
    assert listed(repository, await tracked_and_untracked(repository)) == ["a.py", "b.bin", "sub/c.py"]


async def test_a_repository_whose_work_tree_is_another_one_is_not_followed(repository: Path) -> None:
    inner = repository / "inner"
    inner.mkdir()
    plain_git(inner, "init", "-q")
    plain_git(inner, "config", "core.worktree", str(repository))
    assert listed(repository, await tracked_and_untracked(repository)) == ["a.py", "b.bin", "sub/c.py"]


async def test_a_link_to_a_folder_is_listed_and_not_followed(repository: Path) -> None:
    (repository / "loop").symlink_to(".")
    assert listed(repository, await tracked_and_untracked(repository)) == ["a.py", "b.bin", "loop", "sub/c.py"]


async def test_where_there_is_no_repository_git_cannot_tell(tmp_path: Path) -> None:
    assert await tracked_and_untracked(tmp_path) is None


async def test_a_work_tree_that_lies_elsewhere_is_not_believed(repository: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "secret").write_text("")
    plain_git(repository, "config", "core.worktree", str(elsewhere))
    assert await tracked_and_untracked(repository) is None


@pytest.mark.parametrize(
    "args",
    [
        ["commit", "-m", "x"],
        ["config", "core.pager", "evil"],
        ["-c", "core.pager=evil", "log"],
        [],
        ["diff", "--ext-diff"],
        ["diff", "--ext-d"],
        ["show", "--textconv"],
        ["log", "--output=/tmp/x"],
        ["cat-file", "--filters", "HEAD:a.py"],
        ["log", "--show-signature"],
    ],
)
async def test_what_could_write_or_start_something_is_refused(args: list[str], repository: Path) -> None:
    with pytest.raises(ToolError):
        await git(args, repository)


def hostile(root: Path, trace: Path) -> None:
    """Configure every program a repository can name, each leaving a mark when it is started."""
    evil = root.parent / "evil.sh"
    evil.write_text(f'#!/bin/sh\necho "$0 $*" >> {trace}\ncat\n')
    evil.chmod(0o755)
    hooks = root / "my-hooks"
    hooks.mkdir()
    for hook in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction", "fsmonitor-watchman"):
        for place in (hooks, root / ".git" / "hooks"):
            (place / hook).write_text(f"#!/bin/sh\necho {hook} >> {trace}\n")
            (place / hook).chmod(0o755)
    settings = {
        "core.fsmonitor": str(evil),
        "core.hooksPath": "my-hooks",
        "core.pager": str(evil),
        "core.editor": str(evil),
        "core.sshCommand": str(evil),
        "core.askPass": str(evil),
        "pager.log": str(evil),
        "pager.status": str(evil),
        "diff.external": str(evil),
        "diff.evil.command": str(evil),
        "diff.evil.textconv": str(evil),
        "filter.evil.clean": str(evil),
        "filter.evil.smudge": str(evil),
        "filter.Two Words.process": str(evil),
        "filter.Two Words.required": "true",
        "merge.evil.driver": str(evil),
        "credential.helper": str(evil),
        "gpg.program": str(evil),
        "log.showSignature": "true",
        "alias.status": f"!{evil}",
        "alias.ls-files": f"!{evil}",
        "interactive.diffFilter": str(evil),
        "protocol.ext.allow": "always",
        "remote.origin.url": f"ext::{evil}",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": str(evil),
        "uploadpack.packObjectsHook": str(evil),
    }
    for key, value in settings.items():
        plain_git(root, "config", key, value)
    (root / ".gitattributes").write_text('*.py diff=evil filter=evil merge=evil\n*.bin filter="Two Words"\n')
    (root / ".git" / "info" / "attributes").write_text("c.py diff=evil filter=evil\n")
    (root / "a.py").write_text("A.py\n")  # same size, other content: only a filter run can compare it
    (root / "b.bin").write_text("B.bin\n")


def signed_commit(root: Path) -> None:
    """Put a commit with a signature on top, so that whoever shows signatures asks the configured program."""
    commit = plain_git(root, "cat-file", "commit", "HEAD")
    head, _, message = commit.partition("\n\n")
    signed = f"{head}\ngpgsig -----BEGIN PGP SIGNATURE-----\n x\n -----END PGP SIGNATURE-----\n\n{message}"
    made = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"], cwd=root, env=ENV, input=signed, capture_output=True,
        text=True, check=True, timeout=30,
    )  # fmt: skip
    plain_git(root, "update-ref", "HEAD", made.stdout.strip())


READING = [
    ["status", "--porcelain"],
    ["diff"],
    ["diff", "HEAD"],
    ["log", "-p"],
    ["log", "--format=%H %s"],
    ["show", "HEAD"],
    ["ls-files", "-z", "-co", "--exclude-standard"],
    ["ls-files", "-m"],
    ["cat-file", "-p", "HEAD:a.py"],
    ["rev-parse", "--show-toplevel"],
]


async def test_a_hostile_repository_starts_nothing(repository: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    signed_commit(repository)
    hostile(repository, trace)
    assert await tracked_and_untracked(repository) is not None
    for args in READING:
        await git(args, repository)
    assert not trace.exists(), trace.read_text()


@pytest.mark.parametrize("args", [["status", "--porcelain"], ["diff"], ["log", "-p"], ["show", "HEAD"]])
async def test_plain_git_does_start_something_there(args: list[str], repository: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile(repository, trace)
    subprocess.run(["git", *args], cwd=repository, env=ENV, capture_output=True, check=False, timeout=30)
    assert trace.exists()


async def test_a_missing_object_is_not_fetched_from_where_the_repository_says(repository: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hostile(repository, trace)
    (tmp_path / "evil.sh").write_text(f"#!/bin/sh\necho asked >> {trace}\n")
    plain_git(repository, "config", "core.repositoryFormatVersion", "1")
    plain_git(repository, "config", "extensions.partialClone", "origin")
    blob = plain_git(repository, "rev-parse", "HEAD:a.py").strip()
    trace.unlink(missing_ok=True)
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    done = await git(["cat-file", "-p", blob], repository)
    assert done.exit_code != 0
    assert not trace.exists()
    subprocess.run(
        ["git", "cat-file", "-p", blob], cwd=repository, env=ENV, capture_output=True, check=False, timeout=30
    )
    assert trace.exists()  # plain git would have asked


async def test_a_git_in_the_folder_is_not_taken(repository: Path) -> None:
    fake = repository / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho hijacked\n")
    fake.chmod(0o755)
    env = {**ENV, "PATH": f"{fake.parent}:.:{ENV['PATH']}"}
    done = await git(["rev-parse", "--is-inside-work-tree"], repository, env=env)
    assert done.output == "true\n"


async def test_an_environment_that_points_elsewhere_is_not_followed(repository: Path, tmp_path: Path) -> None:
    env = {**ENV, "GIT_DIR": str(tmp_path / "other"), "GIT_EXTERNAL_DIFF": "evil"}
    assert (await git(["rev-parse", "--show-toplevel"], repository, env=env)).output == f"{repository}\n"


async def test_a_filter_that_cannot_be_named_on_the_command_line_stops_the_call(repository: Path) -> None:
    with (repository / ".git" / "config").open("a") as config:
        config.write('[filter "a=b"]\n\tclean = evil\n')
    with pytest.raises(ToolError, match="a=b"):
        await git(["status"], repository)
