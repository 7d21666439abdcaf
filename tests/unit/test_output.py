import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from git_folder import begin_history

from poc.errors import OutputNotWritable
from poc.output import git_commit, markdown_table, replacing, require_writable, write_json


def test_folder_of_a_result_is_made_and_left_empty(tmp_path: Path) -> None:
    require_writable(tmp_path / "new" / "folder" / "result.json")
    assert list((tmp_path / "new" / "folder").iterdir()) == []


def test_folder_in_the_place_of_a_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputNotWritable, match="it is a folder") as caught:
        require_writable(tmp_path)
    assert caught.value.exit_status == 2


def test_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputNotWritable):
        require_writable(tmp_path / "file" / "result.json")


def test_result_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with replacing(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "new"


def test_interrupted_result_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as draft:
        draft.write_text("ne")
        raise KeyboardInterrupt
    assert [item.name for item in tmp_path.iterdir()] == ["result.json"]
    assert path.read_text() == "old"


def test_document_is_indented_with_lists_of_numbers_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "numbers.json"
    content = {"names": ["a", "b, c"], "ms": [1.0, 2.5e-05, -3], "rows": [{"x": [1, 2]}], "none": []}
    write_json(content, path)
    written = json.loads(path.read_text())
    del written["created"], written["git_commit"]
    assert written == content
    assert '"ms": [ 1.0, 2.5e-05, -3 ]' in path.read_text()
    assert '  "names": [\n    "a",\n' in path.read_text()


def test_document_is_utf_8_whatever_the_locale_has(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from poc.output import write_json;"
        " write_json({'shop': 'B\\u00fccher'}, Path(sys.argv[1]))"
    )
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    path = tmp_path / "x.json"
    subprocess.run([sys.executable, "-c", program, path], env=os.environ | ascii_only, check=True)
    assert json.loads(path.read_bytes())["shop"] == "B\u00fccher"


def test_document_says_when_and_of_which_commit_it_was_made(tmp_path: Path) -> None:
    write_json({}, tmp_path / "x.json")
    written = json.loads((tmp_path / "x.json").read_text())
    made = datetime.fromisoformat(written["created"])
    assert timedelta(0) <= datetime.now(timezone.utc) - made < timedelta(minutes=1)
    commit = git_commit(Path(__file__).parents[2])
    # Whether files have changed may itself change meanwhile.
    assert written["git_commit"].split()[0] == commit.split()[0]


def test_table_is_as_wide_as_its_cells_only_where_it_is_to_be_read_in_a_terminal() -> None:
    rows = [("a", 1), ("long", 22)]
    assert markdown_table(("x", "n"), rows).splitlines() == [
        "| x | n |",
        "|---|---|",
        "| a | 1 |",
        "| long | 22 |",
    ]
    assert markdown_table(("x", "n"), rows, aligned=True).splitlines() == [
        "| x    | n  |",
        "|------|----|",
        "| a    | 1  |",
        "| long | 22 |",
    ]


def test_bar_in_a_cell_does_not_end_it() -> None:
    assert markdown_table(("x",), [("a|b",)]).splitlines()[-1] == r"| a\|b |"


def test_commit_is_named(tmp_path: Path) -> None:
    assert begin_history(tmp_path) == git_commit(tmp_path)


def test_changed_files_are_mentioned(tmp_path: Path) -> None:
    head = begin_history(tmp_path)
    (tmp_path / "new.py").touch()
    assert git_commit(tmp_path) == f"{head} with changes"


def test_folder_without_git_has_an_unknown_commit(tmp_path: Path) -> None:
    assert git_commit(tmp_path) == "unknown"


def test_machine_without_git_has_an_unknown_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin_history(tmp_path)
    monkeypatch.setenv("PATH", "")
    assert git_commit(tmp_path) == "unknown"
