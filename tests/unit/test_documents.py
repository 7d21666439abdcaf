"""Documents that are made from the code are current; what scripts say of themselves is there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_SCRIPTS = [*ROOT.glob("scripts/*.py"), *ROOT.glob("poc/serve_*.py"), *ROOT.glob("poc/train_*.py")]
SHELL_SCRIPTS = [path for path in ROOT.glob("scripts/*.sh") if path.name != "environment.sh"]


def test_settings_page_is_current(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/write_docs.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_python_script_opens_with_its_manual() -> None:
    for path in PYTHON_SCRIPTS:
        assert path.read_text().startswith('"""'), path
        assert len(path.read_text().splitlines()) <= 65, path


@pytest.mark.parametrize("path", [*PYTHON_SCRIPTS, *SHELL_SCRIPTS], ids=lambda path: path.name)
def test_help_of_every_script_is_what_it_opens_with_and_plain_in_a_pipe(path: Path) -> None:
    program = [sys.executable] if path.suffix == ".py" else ["bash"]
    done = subprocess.run([*program, path, "--help"], cwd=ROOT, capture_output=True, text=True, check=True)
    opening = path.read_text().splitlines()[0 if path.suffix == ".py" else 1].strip('"# ')
    assert opening in done.stdout
    assert done.stderr == ""
    assert "\x1b" not in done.stdout


def test_links_between_the_documents_lead_somewhere(root: Path) -> None:
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_of_the_project_that_the_documents_name_are_there(root: Path) -> None:
    named = {
        (path.name, name)
        for path in [*root.glob("*.md"), *root.glob("docs/**/*.md")]
        if path.name not in ("CHANGELOG.md", "guide.md")
        for name in re.findall(
            r"`((?:tests|poc|scripts|deploy|requirements|docs)/[\w./-]+)`", path.read_text()
        )
    }
    assert len(named) > 50
    assert sorted((page, name) for page, name in named if not (root / name).exists()) == []


def test_no_file_names_a_folder_of_this_machine(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    homes = (f"{Path.home()}/", f"{root}/")
    for name in filter(None, listed.stdout.split("\0")):
        path = root / name
        if path.is_file() and not path.is_symlink() and path.suffix not in {".png", ".ico"}:
            assert not any(home in path.read_text() for home in homes), name
