"""The example repository, and the hooks, action and template it uses, run by the programs that read them."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from command import run

from planner.version import __version__

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples/repository"
WHO = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.org"}
WHO |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in WHO.items()}


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-c", "commit.gpgsign=false", *words], cwd=folder, check=True, capture_output=True, text=True,
        env={**os.environ, **WHO},
    )  # fmt: skip
    return done.stdout.strip()


def script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_example_is_in_order() -> None:
    plans = str(EXAMPLE / "plans")
    assert run("fmt", "--check", plans).returncode == 0
    checked = run("check", "--locked", plans)
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout == ""
    tested = run("test", plans)
    assert tested.returncode == 0, tested.stdout
    assert tested.stdout.count("pass ") == 4


@pytest.mark.parametrize(
    ("file", "schema"),
    [
        ("action.yml", "vendor.github-actions"),
        ("examples/repository/.github/workflows/planner.yml", "vendor.github-workflows"),
        ("examples/repository/.gitlab-ci.yml", "vendor.gitlab-ci"),
        ("templates/planner.gitlab-ci.yml", "vendor.gitlab-ci"),
    ],
)
def test_files_of_ci_keep_their_schemas(file: str, schema: str) -> None:
    words = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *words, str(ROOT / file)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def steps() -> dict[str, str]:
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    return {step["name"]: step["run"] for step in action["runs"]["steps"] if "run" in step}


def test_scripts_are_shell() -> None:
    template = yaml.load(
        (ROOT / "templates/planner.gitlab-ci.yml").read_text().replace("!reference ", ""), yaml.SafeLoader
    )
    lines = [line for job in template.values() for line in job.get("script", []) if isinstance(line, str)]
    scripts = [(ROOT / ".ci" / name).read_text() for name in ("comment", "package", "run")]
    for text in (*steps().values(), "\n".join(lines), *scripts):
        subprocess.run(["bash", "-n"], input=text, check=True, text=True)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder with the command `planner` in it, as an installation has it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script(folder / "planner", f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m planner "$@"\n')
    return folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The example as a repository of its own, committed."""
    folder = tmp_path / "clone"
    shutil.copytree(EXAMPLE, folder)
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "plans")
    return folder


@pytest.fixture
def hooked(tmp_path: Path, clone: Path, path: Path) -> Path:
    """The example with the hooks of this checkout, and `planner` from the path in place of an installation."""
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    git(hooks, "init", "-q")
    git(hooks, "add", "-A")
    git(hooks, "commit", "-qm", "hooks")
    config = yaml.safe_load((clone / ".pre-commit-config.yaml").read_text())
    (repository,) = config["repos"]
    repository |= {"repo": str(hooks), "rev": git(hooks, "rev-parse", "HEAD")}
    for hook in repository["hooks"]:
        hook["language"] = "unsupported"
    (clone / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    git(clone, "commit", "-qam", "hooks")
    return clone


def precommit(folder: Path, path: Path) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}", "PRE_COMMIT_HOME": str(path / "home")}
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", "run", "--all-files"], cwd=folder, capture_output=True, text=True, env=env
    )


def test_hooks_with_the_real_pre_commit(hooked: Path, path: Path) -> None:
    done = precommit(hooked, path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Passed") == 2
    plan = hooked / "plans/chat.mem"
    plan.write_text(plan.read_text().replace("concurrency = 64", "concurrency    = 65"))
    git(hooked, "add", "-A")
    done = precommit(hooked, path)
    assert done.returncode != 0
    assert "files were modified by this hook" in done.stdout  # fmt laid it out
    assert "E0802" in done.stdout  # the lock answers another text
    assert "  concurrency = 65\n" in plan.read_text()


def test_versions_and_addresses_are_those_to_fill_in() -> None:
    """One version everywhere; the project's own address is the one thing that its files leave open."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version == __version__
    tags = {
        ".pre-commit-config.yaml": rf"repo: https://example\.com/planner\.git\n\s+rev: v{version}\n",
        ".github/workflows/planner.yml": rf"uses: OWNER/planner@v{version}\n",
        ".gitlab-ci.yml": rf"project: GROUP/planner\n\s+ref: v{version}\n",
    }
    for name, pattern in tags.items():
        assert len(re.findall(pattern, (EXAMPLE / name).read_text())) == 1, name
        assert len(re.findall(r"example\.com|OWNER/|GROUP/", re.sub(r"#.*", "", (EXAMPLE / name).read_text()))) == 1
    page = (ROOT / "docs/ci.md").read_text().partition("## Before each commit")[0]
    assert all(word in page for word in ("https://example.com/planner.git", "OWNER/planner", "GROUP/planner"))


def test_hooks_are_those_the_issue_names() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["planner-fmt", "planner-check", "planner-locked"]
    for hook in hooks:
        assert hook["language"] == "python"


def bash(text: str, folder: Path, path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    whole = {**os.environ, **env, "PATH": f"{path}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=folder,
        capture_output=True,
        text=True,
        env=whole,
    )


def test_the_steps_of_the_action(clone: Path, path: Path, tmp_path: Path) -> None:
    base = git(clone, "rev-parse", "HEAD")
    run_, env = steps(), {"PLANS": "plans", "LOCKED": "true", "AGAINST": base, "RUNNER_TEMP": str(tmp_path)}
    env |= {"GITHUB_OUTPUT": str(tmp_path / "output"), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}
    for name in ("Layout", "Plans and locks", "Tests", "Difference"):
        done = bash(run_[name], clone, path, **env)
        assert done.returncode == 0, (name, done.stdout, done.stderr)
    said = (tmp_path / "planner-difference.md").read_text()
    assert said.count("nothing changed") == 2
    plan = clone / "plans/chat.mem"
    plan.write_text(plan.read_text().replace("concurrency = 64", "concurrency = 164"))
    done = bash(run_["Plans and locks"], clone, path, **env)
    assert done.returncode == 1
    assert done.stdout.startswith("::error title=planner E0802,file=plans/chat.mem.lock,line=")
    assert bash(run_["Difference"], clone, path, **env).returncode == 0
    assert "/month" in (tmp_path / "planner-difference.md").read_text()
    assert (tmp_path / "output").read_text().splitlines()[-1] == f"file={tmp_path}/planner-difference.md"


@pytest.mark.parametrize(
    ("old", "call"),
    [("", "--method POST repos/o/r/issues/7/comments"), ("42", "--method PATCH repos/o/r/issues/comments/42")],
)
def test_the_comment_is_kept_up_to_date(old: str, call: str, tmp_path: Path, path: Path) -> None:
    script(
        path / "gh",
        '#!/bin/bash\necho "$@" >> "$CALLS"\n'
        '[ "$2" = --paginate ] && printf "%s" "$OLD" && exit 0\n'
        'for word in "$@"; do [[ $word == body=@* ]] && cat "${word#body=@}" >> "$CALLS"; done; exit 0\n',
    )
    (tmp_path / "difference.md").write_text("**+$5/month**\n")
    calls = tmp_path / "calls"
    done = bash(f'bash "{ROOT}/.ci/comment" o/r 7 difference.md', tmp_path, path, OLD=old, CALLS=str(calls))
    assert done.returncode == 0, done.stderr
    assert call in calls.read_text()
    assert "<!-- planner diff -->\n**+$5/month**" in calls.read_text()


def test_what_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = {word for word in re.findall(r"[\w./-]+/[\w./-]+", text) if not word.startswith((".venv", "http"))}
    missing = [path for path in sorted(paths) if not (ROOT / path).exists()]
    assert missing == []
    for module in re.findall(r"python -m ((?:tests|planner)\.[\w.]+)", text):
        assert any((ROOT / (module.replace(".", "/") + end)).exists() for end in (".py", "/__main__.py")), module


@pytest.mark.parametrize("page", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_file_that_the_guides_name_is_there(page: str) -> None:
    """A path is the repository's, the package's or the solver's; a bare name is that of some file."""
    files = {path.relative_to(ROOT).as_posix() for path in ROOT.joinpath("planner").rglob("*.py")}
    bare = {path.rpartition("/")[2] for path in files}
    named = set(re.findall(r"`([\w./-]+\.(?:py|yaml|md))`", (ROOT / page).read_text()))
    named -= {
        path for path in named if any((ROOT / folder / path).exists() for folder in ("", "planner", "planner/solve"))
    }
    shipped = {path.name for path in ROOT.joinpath("catalogs").iterdir()}
    assert named - bare - shipped == set()


APART = {"__init__.py", "__main__.py", "__pycache__"}


def test_the_guide_names_every_room() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rooms = {path.name for path in ROOT.joinpath("planner").iterdir() if path.suffix in ("", ".py")} - APART
    parts = {path.name for path in ROOT.joinpath("planner/solve").iterdir() if path.suffix in ("", ".py")} - APART
    assert [room for room in sorted(rooms) if f"`planner/{room}`" not in text] == []
    assert [part for part in sorted(parts) if f"`{part}`" not in text] == []
