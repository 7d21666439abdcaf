"""Documents that are made from the code are current; what scripts say of themselves is there."""

import re
import subprocess
import sys
from pathlib import Path


def test_settings_page_is_current(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "scripts/write_docs.py", "--check"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_python_script_opens_with_its_manual(root: Path) -> None:
    for path in [*root.glob("scripts/*.py"), *root.glob("poc/serve_*.py"), *root.glob("poc/train_*.py")]:
        assert path.read_text().startswith('"""'), path
        assert len(path.read_text().splitlines()) <= 65, path


def test_help_of_every_python_script_is_its_docstring(root: Path) -> None:
    for path in root.glob("scripts/*.py"):
        if "argparse" in path.read_text():
            done = subprocess.run(
                [sys.executable, str(path), "--help"], cwd=root, capture_output=True, text=True, check=True
            )
            first_line = path.read_text().splitlines()[0].strip('"')
            assert first_line in done.stdout, path


def test_links_between_the_documents_lead_somewhere(root: Path) -> None:
    for page in [*root.glob("*.md"), *root.glob("docs/**/*.md")]:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_file_names_a_folder_of_this_machine(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True)
    homes = (f"{Path.home()}/", f"{root}/")
    for name in filter(None, listed.stdout.split("\0")):
        path = root / name
        if path.is_file() and not path.is_symlink() and path.suffix not in {".png", ".ico"}:
            assert not any(home in path.read_text() for home in homes), name
