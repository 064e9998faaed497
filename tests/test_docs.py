"""The pages keep their word: queries, examples, commands, links, file modes and what is masked are tried."""

from __future__ import annotations

import math
import re
import runpy
import shlex
import shutil
import sys
import uuid
import webbrowser
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from history import contents
from pulltasks import config, masking
from pulltasks.cli import main as cli
from pulltasks.clock import Clock
from pulltasks.lake.lake import Lake
from pulltasks.run.order import rebuild, snapshot
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.cli import places_of, targets_toml
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import ApiSettings
from pulltasks.tables import TABLES
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "README.zh.md", *sorted(DOCS.glob("*.md")))

# The dates that examples name lie in this week.
WEEK = tuple(date(2026, 11, 16) + timedelta(days=n) for n in range(7))
CLOCK = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))

# Commands that this test does not run, each with the reason.
NOT_RUN = {
    "export ": "sets the reader's own access key",
    "pulltasks query -f question.sql": "the file is the reader's own: tests/cli/test_query.py",
    "echo ": "a pipe: tests/cli/test_query.py",
    "pip install -r bi/superset/requirements.txt": "tests/test_superset.py does it",
    "duckdb ": "DuckDB's own command line is no part of this project",
    "pulltasks sandbox": "serves until it is stopped: tests/cli/test_cli.py runs it",
}
# What `make` makes, and the test that makes it.
MADE = {
    "demo": "tests/dagster/test_definitions.py::test_the_demo_runs_and_leaks_nothing",
    "dev": "tests/dagster/test_definitions.py::test_dagster_dev_loads_the_location",
    "bench": "tests/test_bench.py::test_the_benchmark_of_a_snapshot_runs",
    "docs": "tests/warehouse/sql/test_dictionary.py::test_the_page_is_what_the_code_says",
    "superset": "tests/test_superset_bundle.py::test_the_program_writes_the_zip_and_says_which_file_it_reads",
    "test-superset": "tests/test_superset.py::test_every_chart_says_what_duckdb_says",
    "test-browser": "tests/browser/test_overview.py::test_the_chart_is_that_of_sql_under_any_filter",
    "test-compat": "tests/whole/test_compat.py::test_an_older_duckdb_reads_the_same",
}
# Questions of docs/querying.md that find nothing in a made-up week.
FINDS_NOTHING = {"20. What did the answers hold that nobody expected?": "the sandbox's answers hold no surprises"}


@dataclass(frozen=True)
class Block:
    """A fenced block of a page, under the heading that stands before it."""

    page: Path
    line: int
    heading: str
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    found = []
    for page in PAGES:
        heading, language, begin, lines = "", None, 0, []
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("```"):
                if language is not None:
                    found.append(Block(page, begin, heading, language, "\n".join(lines)))
                language = None if language is not None else line.removeprefix("```")
                begin, lines = number + 1, []
            elif language is not None:
                lines.append(line)
            elif line.startswith("#"):
                heading = line.lstrip("# ")
        assert language is None, f"{page.name}: a block is not closed"
    return [block for block in found if block.language in languages]


def commands() -> list[tuple[Block, str]]:
    """Every command line of the pages, continued lines joined, without what comments say."""
    lines = [
        (block, line.removeprefix(".venv/bin/").strip())
        for block in blocks("sh")
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    return [(block, command) for block, command in lines if command and not command.startswith("#")]


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `pulltasks.toml` and the lake of a week like the demo's, whose sandbox is still there."""
    folder = tmp_path_factory.mktemp("week")
    places = places_of(3, 120)
    sandbox = Sandbox(
        places,
        faults={(places[1].project_id, WEEK[3]): "short_page", (places[2].project_id, WEEK[6]): "forbidden"},
    )
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        environment.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        api = f'[api]\nendpoint = "{url}"\niam_endpoint = "{url}"\nrequests_per_second = 1000\n\n'
        api += "[dashboard]\nenabled = true\n\n[publish]\ntables = true\n\n"
        (folder / "pulltasks.toml").write_text(api + targets_toml(places), encoding="utf-8")
        for day in WEEK:
            snapshot(config.load(folder / "pulltasks.toml"), day, CLOCK, simulated=True)
        yield folder


@pytest.fixture(scope="module")
def shell(week: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of that folder for commands to work in; `.demo/` is there as well, and is the same."""
    folder = tmp_path_factory.mktemp("shell") / "folder"
    shutil.copytree(week, folder, symlinks=True)
    (folder / ".demo").symlink_to(".")
    return folder


@pytest.mark.parametrize("block", blocks("sql"), ids=str)
def test_every_query_runs(week: Path, block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(week / "lake")
    monkeypatch.chdir(lake.warehouse)  # where a query that attaches the file finds it
    attaches = block.text.startswith("attach ")
    with duckdb.connect() if attaches else open_published(lake) as connection:
        found = connection.sql(block.text).fetchall()
    if block.page.name == "querying.md":
        assert bool(found) != (block.heading in FINDS_NOTHING), block.heading


def test_there_are_twenty_questions_and_none_names_a_date() -> None:
    questions = [block for block in blocks("sql") if block.heading[:1].isdecimal()]
    assert [block.heading.split(".")[0] for block in questions] == [str(n) for n in range(1, 21)]
    assert not [str(block) for block in questions if re.search(r"'\d{4}-", block.text)]


def test_the_eight_questions_of_operators_take_at_most_six_lines_each() -> None:
    text = (DOCS / "querying.md").read_text(encoding="utf-8")
    part = text.partition("## Eight questions of operators")[2].partition("## Twenty questions")[0]
    questions = re.findall(r"```sql\n(.*?)```", part, re.DOTALL)
    assert [len(sql.splitlines()) <= 6 for sql in questions] == [True] * 8


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_every_example_runs(week: Path, block: Block, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(week)
    exec(compile(block.text, str(block), "exec"), {})


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_every_configuration_is_accepted(tmp_path: Path, block: Block) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(block.text, encoding="utf-8")
    config.load(file, need_targets=False)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!http)([^)]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}, link


# Each page that is there in Chinese as well.
TRANSLATED = [(page.with_name(page.name.replace(".zh.", ".")), page) for page in PAGES if ".zh." in page.name]


def shape(page: Path) -> list[object]:
    """What a translation must leave as it is: levels of headings, code, pictures, links, code in prose, and tables."""
    found: list[object] = []
    for number, part in enumerate(re.split(r"^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE)):
        if number % 2:
            found.append([line.partition("  # ")[0].rstrip() for line in part.replace("   #", "  #").splitlines()])
            continue
        for line in part.splitlines():
            if line.startswith("#"):
                found.append(line.split(" ")[0])
            elif line.startswith("|"):
                cells = line.split("|")
                found.append(
                    [sorted(re.findall(r"`[^`]+`|\]\([^)]+\)", cell.replace(".zh.md", ".md"))) for cell in cells]
                )
        prose = re.sub(r"^\|.*$", "", part, flags=re.MULTILINE).replace(".zh.md", ".md")
        found.append(sorted(re.findall(r"`[^`]+`|\]\([^)]+\)", prose)))
    return found


@pytest.mark.parametrize(("english", "chinese"), TRANSLATED, ids=[chinese.name for _, chinese in TRANSLATED])
def test_a_translation_has_the_same_headings_commands_links_and_tables(english: Path, chinese: Path) -> None:
    assert shape(chinese) == shape(english)


def test_both_pages_of_a_newcomer_are_translated_and_the_readme_is_short() -> None:
    assert [english.name for english, _ in TRANSLATED] == ["README.md", "first-steps.md"]
    assert [page.name for page in PAGES[:2] if len(page.read_text(encoding="utf-8").splitlines()) > 80] == []


def test_the_page_of_commands_is_what_the_command_line_says() -> None:
    page = runpy.run_path(str(DOCS / "commands.py"))["page"]()
    assert (DOCS / "commands.md").read_text(encoding="utf-8") == page, "run `make docs`"
    assert {"forget", "fleet status", "sql", "lake restore"} <= set(re.findall(r"^## (.*)$", page, re.MULTILINE))


def runnable() -> list[tuple[Block, str]]:
    """The commands of all pages; a translation has those of its original, so they are run once."""
    originals = [(b, c) for b, c in commands() if ".zh." not in b.page.name]
    return [(b, c) for b, c in originals if not c.startswith(("make ", *NOT_RUN))]


@pytest.mark.parametrize(("block", "command"), runnable(), ids=[f"{b}-{c[:40]}" for b, c in runnable()])
def test_a_command_does_what_the_page_says(
    shell: Path, tmp_path: Path, block: Block, command: str, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    assert command.startswith("pulltasks "), f"{block}: neither pulltasks nor make; if it cannot be run, say why here"
    arguments = shlex.split(command, comments=True)
    if ">" in arguments:  # where the answer goes is the shell's business
        del arguments[arguments.index(">") :]
    if arguments[1] == "init":
        monkeypatch.setenv("PULLTASKS_API__IAM_ENDPOINT", config.load(shell / "pulltasks.toml").api.iam_endpoint)
    monkeypatch.setenv("BROWSER", "true %s")  # a browser that is content with any page
    monkeypatch.setattr(webbrowser, "_tryorder", None)  # looked for anew
    monkeypatch.chdir(tmp_path if arguments[1] == "init" else shell)
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code or 0) in {0, 3}, capfd.readouterr().err


def test_what_make_is_asked_for_is_there_and_is_tested() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {c.split("#")[0].strip() for _, c in commands() if c.startswith("make ")} - set(NOT_RUN)
    for command in asked:
        name = command.split()[1]
        assert name in targets, command
        file, _, test = MADE[name].partition("::")
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), MADE[name]


SECURITY = (DOCS / "security.md").read_text(encoding="utf-8")


def stated_modes() -> dict[str, tuple[str, str]]:
    """Modes of folders and of files below each entry of a lake, as the page's table states them."""
    rows = re.findall(r"^\| `lake/([^`/]*)/?` \| (?:`0(\d+)` )?\| (?:`0(\d+)` )?\|", SECURITY, re.MULTILINE)
    return {entry: (folders, files) for entry, folders, files in rows}


def test_files_have_the_modes_that_the_page_states(week: Path) -> None:
    stated, root = stated_modes(), week / "lake"
    # tests of their own hold the modes of these
    when_needed = {"alerts", "errors", "forgotten", "backup", "lake.id", "manners.json"}
    assert {path.name for path in root.iterdir()} | {""} | when_needed == set(stated)
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            folders, files = stated[path.relative_to(root).parts[0] if path != root else ""]
            assert f"{path.stat().st_mode & 0o777:o}" == (folders if path.is_dir() else files), path


MASKS = {
    "source": "mask_stream_url",
    "callback": "mask_url",
    "arguments": "mask_args",
    "name": "mask_name",
    "unknown field": "mask_json",
    "unreadable time": "mask_raw",
    "message": "mask_words",
}


def test_what_is_masked_looks_as_the_page_shows() -> None:
    rows = re.findall(r"^\| ([a-z ]+) \| `([^`]+)` \| `([^`]+)` \|$", SECURITY, re.MULTILINE)
    assert {field for field, *_ in rows} == set(MASKS)
    with duckdb.connect() as connection:
        masking.install(connection)
        for field, came, shown in rows:
            assert connection.execute(f"select {MASKS[field]}($1)", [came]).fetchall() == [(shown,)], came


def test_raw_and_key_are_all_that_a_restore_needs(week: Path, tmp_path: Path) -> None:
    old, new = Lake(week / "lake"), Lake(tmp_path / "lake")
    shutil.copytree(old.raw, new.raw)
    shutil.copy2(old.redaction_key, new.redaction_key)
    shutil.copy2(week / "pulltasks.toml", tmp_path)
    result = rebuild(config.load(tmp_path / "pulltasks.toml"), WEEK[0], WEEK[-1], CLOCK)
    assert result.built_days == WEEK
    for day in WEEK:
        for table in TABLES:
            assert new.tidy_file(table.name, day).read_bytes() == old.tidy_file(table.name, day).read_bytes()
    assert contents(new.published) == contents(old.published)


def test_the_requests_in_scale_md_are_those_of_the_usual_pages() -> None:
    api, page = ApiSettings(), (DOCS / "scale.md").read_text(encoding="utf-8")
    requests = math.ceil((9_000 - api.page_overlap) / (api.page_size - api.page_overlap))
    rows = re.findall(r"^\| \**([\d,]+)\** \| \**(\d+)[^|]*\| ([\d,]+) \| ([\d,]+) \|", page, re.MULTILINE)
    assert len(rows) == 5
    for accounts, lakes, tasks, sent in ([int(each.replace(",", "")) for each in row] for row in rows):
        assert (tasks * lakes, sent * lakes) == (9_000 * accounts, requests * accounts)
