"""The image of the Dockerfile without Docker: its instructions carried out in a folder, where that is honest.

The base image is this machine's Python, linked file by file, without its packages. The packages are those
that requirements/hashed.txt names, linked (but for their own tests) from the environment of the tests, which
has the same versions; one that it does not name is not there. The root file system is this machine's: that
it is read-only means here that the user of the image owns nothing but data and tmp, and a read-only volume
is one that belongs to another user. Where the tests do not run as root, both are the person who runs them.
"""

import fnmatch
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import Any

from dockerfile_parse import DockerfileParser
from packaging.requirements import Requirement

HASHED = "requirements/hashed.txt"


class Dockerfile:
    """What the last stage of a Dockerfile says.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._parser = DockerfileParser(path=str(path), cache_content=True)
        self.instructions = [
            (item["instruction"], " ".join(item["value"].split()))
            for item in self._parser.structure
            if item["instruction"] != "COMMENT"
        ]
        stages = [at for at, (name, _) in enumerate(self.instructions) if name == "FROM"]
        self.last_stage = self.instructions[stages[-1] :]

    @property
    def bases(self) -> list[str]:
        """The images it starts from."""
        return [str(image) for image in self._parser.parent_images]

    @property
    def environment(self) -> dict[str, str]:
        """ENV of the last stage."""
        return dict(self._parser.envs)

    @property
    def labels(self) -> dict[str, str]:
        """LABEL of the last stage."""
        return dict(self._parser.labels)

    def values(self, instruction: str) -> list[str]:
        """Give what the last stage has after each `instruction`."""
        return [value for name, value in self.last_stage if name == instruction]

    def copies(self) -> list[tuple[str, str]]:
        """Give source and target of every COPY from the build context, in any stage."""
        copied = [value.split() for name, value in self.instructions if name == "COPY"]
        return [(words[0], words[1]) for words in copied if not words[0].startswith("--from")]

    def user(self) -> tuple[int, int]:
        """Give the numbers of USER."""
        uid, _, gid = self.values("USER")[-1].partition(":")
        return int(uid), int(gid)

    def command(self) -> list[str]:
        """Give CMD; it must be in exec form."""
        return _exec_form(self.values("CMD")[-1])

    def health_command(self) -> list[str]:
        """Give the command of HEALTHCHECK."""
        return _exec_form(self.values("HEALTHCHECK")[-1].partition("CMD ")[2])


def _as_user(uid: int, gid: int) -> dict[str, Any]:
    return {"user": uid, "group": gid, "extra_groups": []}


def _exec_form(text: str) -> list[str]:
    command = json.loads(text)
    assert isinstance(command, list)
    return [str(word) for word in command]


class ImageFolder:
    """The files of the image under a folder, and a way to run its commands in it.

    Args:
        dockerfile: what to carry out.
        context: the build context.
        root: stands for `/`.
    """

    def __init__(self, dockerfile: Dockerfile, context: Path, root: Path) -> None:
        self._dockerfile, self._root = dockerfile, root
        self.app, self.venv, self.tmp = root / "app", root / "opt/venv", root / "tmp"
        self.data = self.app / "data"
        self._make_venv(context)
        self._copy(context)
        for command in dockerfile.values("RUN"):
            self._run_at_build(command)
        self.tmp.mkdir()
        self.tmp.chmod(0o1777)
        for path in [self.app, *self.app.rglob("*")]:
            if path != self.data and not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)

    def environment(self, **more: str) -> dict[str, str]:
        """ENV with its paths under the folder, and `more`."""
        given = {name: self._placed(value) for name, value in self._dockerfile.environment.items()}
        # The linked Python would look for its library where it was installed.
        own = {"TMPDIR": str(self.tmp), "LD_LIBRARY_PATH": str(self._root / "usr/local/lib")}
        return {**given, **own, **more}

    def start(
        self, command: Sequence[str], environment: dict[str, str], log: Path, *, reads_only: bool
    ) -> "subprocess.Popen[bytes]":
        """Start `command` as the image's user, or as one that does not own data; it prints to `log`."""
        uid, gid = self._dockerfile.user()
        program = shutil.which(command[0], path=environment["PATH"])
        assert program is not None, command
        with log.open("ab") as output:
            return subprocess.Popen(
                [program, *command[1:]],
                cwd=self.app,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                **(_as_user(uid + reads_only, gid) if os.geteuid() == 0 else {}),
            )

    def files(self) -> set[str]:
        """Name everything that a read-only root file system would hold."""
        kept = (path for top in (self.app, self.venv) for path in top.rglob("*"))
        return {str(path) for path in kept if self.data not in path.parents}

    def _placed(self, text: str) -> str:
        return re.sub(r"(?<![\w.])(/opt/venv|/app|/tmp)\b", rf"{self._root}\1", text)

    def _make_venv(self, context: Path) -> None:
        base = self._root / "usr/local"
        _link_base(base)
        python = base / "bin" / Path(sys._base_executable).resolve().name  # type: ignore[attr-defined]
        subprocess.run([python, "-m", "venv", "--without-pip", str(self.venv)], check=True)
        site = next(self.venv.glob("lib/python*/site-packages"))
        for installed in hashed_distributions(context):
            _link_files(installed, site)
            for entry in installed.entry_points.select(group="console_scripts"):
                script = self.venv / "bin" / entry.name
                lines = f"#!{self.venv}/bin/python\nimport sys\nfrom {entry.module} import {entry.attr}\n"
                script.write_text(f"{lines}sys.exit({entry.attr}())\n")
                script.chmod(0o755)

    def _copy(self, context: Path) -> None:
        for source, target in self._dockerfile.copies():
            if source == HASHED:
                continue  # The build stage's own.
            for name in context_files(context, source):
                inner = Path(name).relative_to(source) if (context / source).is_dir() else Path(name)
                placed = self.app / target / inner
                placed.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(context / name, placed, follow_symlinks=False)

    def _run_at_build(self, command: str) -> None:
        if os.geteuid() != 0:
            command = re.sub(r"-[og] \d+ ?", "", command)
        subprocess.run(
            ["sh", "-ec", self._placed(command)],
            cwd=self.app,
            env=self.environment(TMPDIR="/tmp"),
            check=True,
        )


def hashed_distributions(context: Path) -> Iterator[Distribution]:
    """Give what requirements/hashed.txt names for this Python, as installed here, and of the same version."""
    text = (context / HASHED).read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        requirement = Requirement(line.partition("--hash")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            found = distribution(requirement.name)
            assert found.version in requirement.specifier, (
                f"{requirement} is {found.version} here: make setup"
            )
            yield found


def _link_base(target: Path) -> None:
    """Link the Python that the tests run on, without its packages and its own tests."""
    program = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    library = Path(sysconfig.get_path("stdlib"))
    _link(program, target / "bin" / program.name)
    for shared in Path(sys.base_prefix, "lib").glob("libpython*"):
        _link(shared, target / "lib" / shared.name)
    for folder, folders, files in os.walk(library):
        folders[:] = [name for name in folders if name not in ("site-packages", "test")]
        for name in files:
            source = Path(folder, name)
            _link(source, target / "lib" / library.name / source.relative_to(library))


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        if not source.stat().st_mode & stat.S_IROTH:
            raise PermissionError
        target.hardlink_to(source)
    except OSError:  # Another file system, or not for everybody to read.
        shutil.copyfile(source, target)
        target.chmod(0o755)


def _link_files(installed: Distribution, site: Path) -> None:
    assert installed.files is not None
    for file in installed.files:
        source = Path(str(file.locate()))
        if ".." in file.parts or "tests" in file.parts or not source.is_file():
            continue
        if not (site / file).exists():
            _link(source, site / file)


def context_files(context: Path, source: str) -> list[str]:
    """Name the files under `source` that git tracks or would track, and .dockerignore lets through."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", source]
    listed = subprocess.run(command, cwd=context, check=True, capture_output=True, text=True).stdout
    rules = (context / ".dockerignore").read_text().splitlines()
    return [
        name
        for name in filter(None, listed.split("\0"))
        if (context / name).exists() and is_sent(name, rules)
    ]


def is_sent(name: str, rules: list[str]) -> bool:
    """Tell whether the rules, of the kinds that our file has, let `name` pass; the last that fits decides."""
    sent = True
    for rule in rules:
        pattern = rule.removeprefix("!")
        if not rule or rule.startswith("#"):
            continue
        if pattern.startswith("**/"):
            matches = any(fnmatch.fnmatchcase(part, pattern[3:]) for part in name.split("/"))
        else:
            matches = any(
                fnmatch.fnmatchcase(str(path), pattern) for path in (Path(name), *Path(name).parents)
            )
        if matches:
            sent = rule.startswith("!")
    return sent
