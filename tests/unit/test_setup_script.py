"""Which environment `make setup` fills, when it makes one anew, and when a step says that there is none.

Environments and their Pythons are real. In the place of pip they have what writes down who was asked for
what, and does as much of it as the scripts look at. Into what PATH calls `python` nothing is ever installed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

PIP = """import os, pathlib, site, sys
with open({log!r}, "a") as log:
    print(sys.prefix, *sys.argv[1:], file=log)
packages = pathlib.Path(site.getsitepackages()[0])
if "-e" in sys.argv:
    (packages / "poc.pth").write_text(os.getcwd())
else:
    feast = packages / "feast-0.38.0.dist-info"
    feast.mkdir(exist_ok=True)
    (feast / "METADATA").write_text("Metadata-Version: 2.1\\nName: feast\\nVersion: 0.38.0\\n")
"""
# `-m venv` makes an environment, as fast as without pip. Else it is the real one, which sees no packages.
PYTHON = """#!/bin/bash
if [ "$1 $2" = "-m venv" ]; then
  made="${{@: -1}}"
  "{real}" -m venv --without-pip "${{@:3}}"
  packages=("$made"/lib/python3*/site-packages)
  mkdir "${{packages[0]}}/pip"
  touch "${{packages[0]}}/pip/__init__.py"
  cp "{pip}" "${{packages[0]}}/pip/__main__.py"
  echo '#!'"$(cd "$made" && pwd)/bin/python" >"$made/bin/pip"
elif [ "$1 $2" = "-m pip" ]; then
  echo "PATH $*" >>"{log}"
else
  exec "{real}" -S "$@"
fi
"""


@dataclass
class Machine:
    """A clone, a PATH, and what pip was asked for."""

    clone: Path
    environment: dict[str, str]
    log: Path

    def run(self, *command: str, **own: str) -> "subprocess.CompletedProcess[str]":
        environment = {**self.environment, **own}
        return subprocess.run(
            command, cwd=self.clone, env=environment, capture_output=True, text=True, check=False
        )

    def setup(self, **own: str) -> list[str]:
        """Run `make setup`, which has to end well; return the environments that pip was run in."""
        self.log.write_text("")
        done = self.run("make", "setup", **own)
        assert done.returncode == 0, done.stderr
        return sorted({line.split()[0] for line in self.log.read_text().splitlines()})

    def make_environment(self, path: Path) -> Path:
        subprocess.run(["python", "-m", "venv", path], env=self.environment, check=True)
        return path


@pytest.fixture
def machine(tmp_path: Path, project: Path) -> Machine:
    pip, log, programs = tmp_path / "pip.py", tmp_path / "log", tmp_path / "bin"
    pip.write_text(PIP.format(log=str(log)))
    programs.mkdir()
    # The base of this environment: what is made of it may outlive it.
    real = Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}")
    for name in ("python", "python3"):
        (programs / name).write_text(PYTHON.format(real=real, pip=pip, log=log))
        (programs / name).chmod(0o755)
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    # Were pip the real one, it would have nothing to install.
    return Machine(project, {**kept, "PATH": f"{programs}:/usr/bin:/bin", "PIP_NO_INDEX": "1"}, log)


def test_what_is_installed_is_not_installed_again(machine: Machine) -> None:
    own = str(machine.clone / ".venv")
    assert machine.setup() == [own]
    assert machine.setup() == []
    (machine.clone / "requirements-poc.txt").write_text("feast==0.38.1\n")
    assert machine.setup() == [own]


def lose_python(machine: Machine) -> None:
    for path in (machine.clone / ".venv/bin").glob("python*"):
        path.unlink()
        path.symlink_to("/nowhere/python3")


def lose_configuration(machine: Machine) -> None:
    (machine.clone / ".venv/pyvenv.cfg").unlink()


def see_another_python(machine: Machine) -> None:
    (library,) = (machine.clone / ".venv/lib").iterdir()
    library.rename(library.with_name("python3.9"))


@pytest.mark.parametrize("break_it", [lose_python, lose_configuration, see_another_python])
def test_unusable_environment_is_made_anew_and_no_other_python_is_filled(
    machine: Machine, break_it: Callable[[Machine], None]
) -> None:
    machine.setup()
    (machine.clone / ".venv/old").touch()
    break_it(machine)
    refused = machine.run("scripts/03_materialize.sh")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "Nothing is installed yet" in refused.stderr
    assert machine.setup() == [str(machine.clone / ".venv")]
    assert not (machine.clone / ".venv/old").exists()
    assert machine.setup() == []


def test_environment_that_is_active_is_used_though_it_is_not_on_the_path(
    machine: Machine, tmp_path: Path
) -> None:
    mine = machine.make_environment(tmp_path / "mine")
    assert machine.setup(VIRTUAL_ENV=str(mine)) == [str(mine)]
    assert machine.setup(VIRTUAL_ENV=str(mine), PATH=f"{mine}/bin:{machine.environment['PATH']}") == []
    assert not (machine.clone / ".venv").exists()


def test_active_environment_whose_packages_its_python_does_not_see_is_filled_anew(
    machine: Machine, tmp_path: Path
) -> None:
    mine = machine.make_environment(tmp_path / "mine")
    machine.setup(VIRTUAL_ENV=str(mine))
    shutil.rmtree(next(mine.glob("lib/python3*/site-packages/feast-*")))
    assert machine.setup(VIRTUAL_ENV=str(mine)) == [str(mine)]


def test_active_environment_of_another_python_is_refused_at_once(machine: Machine, tmp_path: Path) -> None:
    mine = machine.make_environment(tmp_path / "mine")
    old = 'import sys; sys.version_info = (3, 9, 1, "final", 0)'
    (next(mine.glob("lib/python3*/site-packages")) / "old.pth").write_text(old)
    refused = machine.run("scripts/01_install.sh", VIRTUAL_ENV=str(mine))
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "3.10, 3.11 or 3.12" in refused.stderr
    assert not machine.log.exists()


def test_environment_that_is_named_and_gone_is_said_and_the_projects_used(machine: Machine) -> None:
    assert machine.setup(VIRTUAL_ENV="/nowhere/.venv") == [str(machine.clone / ".venv")]
    said = machine.run("scripts/01_install.sh", VIRTUAL_ENV="/nowhere/.venv").stderr
    assert said == "! VIRTUAL_ENV names /nowhere/.venv, where no Python of its own starts: .venv is used\n"


def test_moved_checkout_is_set_up_anew(machine: Machine) -> None:
    machine.setup()
    machine.clone = machine.clone.rename(machine.clone.with_name("moved"))
    refused = machine.run("scripts/03_materialize.sh")
    assert "Nothing is installed yet" in refused.stderr
    assert machine.setup() == [str(machine.clone / ".venv")]
    assert (machine.clone / ".venv/bin/pip").read_text() == f"#!{machine.clone}/.venv/bin/python\n"
    assert machine.setup() == []


def test_copied_checkout_runs_its_own_code_and_leaves_the_original_alone(machine: Machine) -> None:
    machine.setup()
    original, copy = machine.clone, machine.clone.with_name("copy")
    shutil.copytree(original, copy, symlinks=True)
    machine.clone = copy
    assert "Nothing is installed yet" in machine.run("scripts/03_materialize.sh").stderr
    assert machine.setup() == [str(copy / ".venv")]
    machine.clone = original
    assert machine.setup() == []


def test_own_environment_that_another_checkout_filled_is_filled_from_this_one(
    machine: Machine, tmp_path: Path
) -> None:
    mine = machine.make_environment(tmp_path / "mine")
    machine.setup(VIRTUAL_ENV=str(mine))
    machine.clone = Path(shutil.copytree(machine.clone, machine.clone.with_name("copy")))
    assert machine.setup(VIRTUAL_ENV=str(mine)) == [str(mine)]
    assert machine.setup(VIRTUAL_ENV=str(mine)) == []


def test_environment_without_pip_gets_it(machine: Machine, tmp_path: Path) -> None:
    mine = machine.make_environment(tmp_path / "mine")
    packages = next(mine.glob("lib/python3*/site-packages"))
    (packages / "pip").rename(packages / "kept")
    # As Python's own, which takes seconds.
    (packages / "ensurepip.py").write_text(
        "import os; os.rename({!r}, {!r})".format(*map(str, (packages / "kept", packages / "pip")))
    )
    start = f"import sys; sys.path.insert(0, {str(packages)!r})"
    (packages / "first.pth").write_text(start)
    assert machine.setup(VIRTUAL_ENV=str(mine)) == [str(mine)]


STEPS = ["02_initialize.sh", "03_materialize.sh", "04_test_retrieval.sh", "05_serve.sh", "06_compare.sh"]


@pytest.mark.parametrize("script", [*STEPS, "install_spark.sh", "install_apart.sh", "clean.sh"])
def test_where_nothing_is_installed_that_is_said_in_a_line(machine: Machine, script: str) -> None:
    (machine.clone / ".cassandra").mkdir()
    named = ["audit"] if script == "install_apart.sh" else []
    refused = machine.run(f"scripts/{script}", *named, CONFIRM="y")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "✗ Nothing is installed yet" in refused.stderr
    assert "scripts/01_install.sh" in refused.stderr


def apart(machine: Machine) -> bool:
    """Install an environment apart; return whether it was made for that."""
    uv, asked = machine.clone / ".venv/bin/uv", machine.log.with_name("asked")
    python = machine.log.with_name("bin") / "python3"
    uv.write_text(f'#!/bin/sh\necho "$1" >>"{asked}"\n[ "$1" != venv ] || "{python}" -m venv .audit-venv\n')
    uv.chmod(0o755)
    asked.write_text("")
    done = machine.run("scripts/install_apart.sh", "audit")
    assert done.returncode == 0, done.stderr
    return asked.read_text() == "venv\npip\n"


def test_environment_apart_is_made_anew_where_its_programs_do_not_start(machine: Machine) -> None:
    machine.setup()
    assert apart(machine)
    assert not apart(machine)
    for path in (machine.clone / ".audit-venv/bin").glob("python*"):
        path.unlink()
    assert apart(machine)
    machine.clone = machine.clone.rename(machine.clone.with_name("moved"))
    machine.setup()
    assert apart(machine)
    assert not apart(machine)
