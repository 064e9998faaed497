"""Configuration: all mistakes at once, each with its key, no secret in any text."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from desk import ZONES
from pulltasks import config
from pulltasks.errors import ConfigError

PROJECT = "0123456789abcdef0123456789abcdef"
TARGET = f'[[targets]]\nproject_id = "{PROJECT}"\nregion = "cn-north-4"\n'


def load(folder: Path, text: str) -> config.Settings:
    file = folder / "pulltasks.toml"
    file.write_text(dedent(text), encoding="utf-8")
    return config.load(file)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("[api]\npage_sise = 100\n" + TARGET, "api.page_sise", "no such key"),
        (TARGET + TARGET, "targets.1", "the same project_id and region as targets.0"),
        (TARGET.replace(PROJECT, "my-project"), "targets.0.project_id", "not a valid project id"),
        (TARGET.replace("cn-north-4", "Beijing"), "targets.0.region", "not a valid region id"),
        ("[auth]\ntoken = 'hush-hush'\n" + TARGET, "auth.token", "PULLTASKS_AUTH__TOKEN"),
        ("[auth.other]\npassword = 'hush-hush'\n" + TARGET, "auth.other.password", "PULLTASKS_AUTH__OTHER__PASSWORD"),
        (TARGET + "sk = 'hush-hush'\n", "targets.0.sk", "a secret must not be in the file"),
        ("timezone = 'Mars/Base'\n" + TARGET, "timezone", "not a valid time zone"),
        ("[api]\npage_size = 101\n" + TARGET, "api.page_size", "above the maximum, 100"),
        ("[api]\npage_size = 5\n" + TARGET, "api.page_overlap", "not below api.page_size"),
        ("[alerts]\nmax_age = '26'\n" + TARGET, "alerts.max_age", "is not a valid duration"),
        ("[alerts]\nmax_age = '99999999999d'\n" + TARGET, "alerts.max_age", "is too long; the longest duration"),
        ("[alerts]\nmax_age = 26\n" + TARGET, "alerts.max_age", "is not a valid duration"),
        ("[alerts]\nwebhook = 'https://h/hush-hush'\n" + TARGET, "alerts.webhook", "PULLTASKS_ALERTS__WEBHOOK_FILE"),
        ("[alerts]\nwebhook = 'hush-hush'\n" + TARGET, "alerts.webhook", "PULLTASKS_ALERTS__WEBHOOK"),
        ("[alerts]\nformat = 'fax'\n" + TARGET, "alerts.format", "'dingtalk'"),
        ("[alerts]\nformat = 'slack'\n" + TARGET, "alerts.format", "slack://TokenA/TokenB/TokenC into alerts.urls"),
        ("[alerts]\nformat = 'feishu'\n" + TARGET, "alerts.format", "feishu://TOKEN into alerts.urls"),
        ("[api]\nendpoint = 'live.example.com'\n" + TARGET, "api.endpoint", "is not a valid address"),
        ("[api]\nendpoint = 'http://live.example.com'\n" + TARGET, "api.endpoint", "in clear"),
        ("[api]\nendpoint = 'https://u:hush-hush@h'\n" + TARGET, "api.endpoint", "no user, password"),
        (TARGET + "credential = 'nobody'\n", "targets.0.credential", "no [auth.nobody]"),
        ("[auth]\nmethod = 'password'\n" + TARGET, "auth", "needs 'user'"),
        ("", "targets", "add a [[targets]] table"),
        ("targets = [", "", "not readable as TOML"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, key: str, words: str) -> None:
    (mistake,) = mistakes(tmp_path, text)
    assert mistake.startswith(key)
    assert words in mistake
    assert "hush-hush" not in mistake


GONE = (
    "answer_seconds",
    "max_answer_mb",
    "max_header_kb",
    "max_in_flight_mb",
    "max_pages",
    "max_repairs",
    "max_sweeps",
)


@pytest.mark.parametrize("key", [*GONE, "max_target_mb"])
def test_a_key_that_was_removed_is_told_from_a_slip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    expected = [f"api.{key}: was removed, because the program sets this limit itself now; delete it from the file"]
    assert mistakes(tmp_path, f"[api]\n{key} = 100\n" + TARGET) == expected
    monkeypatch.setenv(f"PULLTASKS_API__{key.upper()}", "100")
    assert mistakes(tmp_path, TARGET) == expected


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = f"timezone = 'Mars'\nspeed = 1\n[api]\npage_size = 0\n[auth]\ntoken = 'hush-hush'\n{TARGET}{TARGET}"
    keys = [mistake.split(":")[0] for mistake in mistakes(tmp_path, text)]
    assert sorted(keys) == ["api.page_size", "auth.token", "speed", "timezone"]


def test_a_missing_file_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "no where.toml"
    with pytest.raises(ConfigError) as caught:
        config.load(file)
    assert str(caught.value) == (
        f"{file}: not found; run `pulltasks init --config '{file}'` to write it, or name another file with --config"
    )
    with pytest.raises(ConfigError, match=r"^pulltasks.toml: not found; run `pulltasks init` to write it"):
        config.require_some(None)
    with pytest.raises(ConfigError, match=r"^pulltasks.toml: not found"):  # it was named, so defaults will not do
        config.load(config.DEFAULT_FILE, need_targets=False)
    assert config.load(need_targets=False).timezone == "UTC"


def test_scalars_come_from_the_environment_above_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_API__PAGE_SIZE", "50")
    monkeypatch.setenv("PULLTASKS_TIMEZONE", "Asia/Shanghai")
    settings = load(tmp_path, "timezone = 'UTC'\n[api]\npage_size = 20\nmax_concurrency = 2\n" + TARGET)
    assert (settings.api.page_size, settings.api.max_concurrency, settings.timezone) == (50, 2, "Asia/Shanghai")


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("PULLTASKS_API__PAGE_SISE", "api.page_sise: there is no such key"),
        ("PULLTASKS_SPEED", "PULLTASKS_SPEED: there is no such setting"),
        ("PULLTASKS_TARGETS", "PULLTASKS_TARGETS: targets are read from the file only"),
    ],
)
def test_a_variable_that_means_nothing_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, words: str
) -> None:
    monkeypatch.setenv(variable, "[]" if variable.endswith("TARGETS") else "1")
    assert any(mistake.startswith(words) for mistake in mistakes(tmp_path, TARGET))


def test_what_kubernetes_sets_for_a_service_of_our_name_is_no_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLTASKS_CONFIG_PORT", "tcp://10.0.0.1:80")
    assert load(tmp_path, TARGET).timezone == "UTC"
    monkeypatch.chdir(tmp_path / "..")
    with pytest.raises(ConfigError, match="not found; run"):
        config.require_some(None)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "speed = 1\n" + TARGET)
    assert "PULLTASKS_CONFIG_PORT" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PULLTASKS_PORT", "8080"), ("PULLTASKS_TIMEZON", "UTC"), ("PULLTASKS_API__SERVICE_PORT", "80")],
)
def test_a_variable_that_kubernetes_does_not_set_like_this_is_a_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    assert len(mistakes(tmp_path, TARGET)) == 1


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("[api]\nrequest_per_second = 1\n", "did you mean requests_per_second?"),
        ("[alert]\nformat = 'json'\n", "did you mean alerts?"),
        ("[schedule]\nxyz = 1\n", "the keys are enabled, hour"),
        ("[auth.other]\nmetod = 'chain'\n", "did you mean method?"),
        ("[alerts]\nwebhok_file = 'x'\n", "did you mean webhook_file?"),
    ],
)
def test_a_key_that_there_is_not_is_told_with_what_may_have_been_meant(tmp_path: Path, toml: str, words: str) -> None:
    assert any(words in mistake for mistake in mistakes(tmp_path, toml + TARGET))
    assert any("did you mean name?" in mistake for mistake in mistakes(tmp_path, TARGET + "nam = 'x'\n"))


def test_mistakes_name_the_variables_that_were_read_beside_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULLTASKS_API__PAGESIZE", "50")
    with pytest.raises(ConfigError, match=r"pulltasks\.toml with PULLTASKS_API__PAGESIZE:"):
        load(tmp_path, TARGET)


def test_named_credentials_stand_beside_the_default_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__OTHER__TOKEN", "hush-hush")
    settings = load(tmp_path, "[auth.other]\nmethod = 'token'\n" + TARGET + "credential = 'other'\n")
    name, credential = settings.credential(settings.targets[0])
    assert (name, settings.auth.method) == ("other", "chain")
    assert (credential.token.key, credential.token.read()) == ("auth.other.token", "hush-hush")


def test_a_relative_lake_lies_beside_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, "[lake]\nroot = 'data/lake'\n" + TARGET).lake.root == tmp_path / "data" / "lake"


@pytest.mark.parametrize("family", ["HUAWEICLOUD_SDK", "CLOUD_SDK"])
def test_both_families_of_key_variables_are_read(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    monkeypatch.setenv(f"OTHER_{family}_AK", "a")
    monkeypatch.setenv(f"OTHER_{family}_SK", "s")
    assert config.access_key_from_environment("OTHER_") == ("a", "s", None)
    assert config.access_key_from_environment("THIRD_") is None


def test_the_example_configuration_is_valid() -> None:
    example = Path(__file__).parent.parent / "pulltasks.example.toml"
    assert config.load(example).targets


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("timezone = 5", "timezone: is not a text; write it between quotes"),
        ("[lake]\nroot = [1]", "lake.root: is not a path; write it between quotes"),
        ('[api]\npage_size = "x"', "api.page_size: is not a whole number"),
        ("[api]\npage_size = 1.5", "api.page_size: is not a whole number"),
        ("[api]\nmax_concurrency = 0", "api.max_concurrency: is below the minimum, 1"),
        ("[api]\nrequests_per_second = -1", "api.requests_per_second: must be above 0"),
        ('[dashboard]\nenabled = "maybe"', "dashboard.enabled: is neither true nor false"),
        ('[alerts]\nformat = "xml"', "alerts.format: is not one of 'json' or 'dingtalk'"),
        ('[[targets]]\nregion = "cn-north-4"', "targets.0.project_id: is missing; add it"),
        ("targets = 5", "targets: is not a list; write [[targets]] above each"),
        ("api = 5", "api: is not a section; write it as [section] with keys below"),
        (
            '[warehouse]\ndisplay_timezone = "Mars/Olympus"',
            "warehouse.display_timezone: 'Mars/Olympus' is not a valid time zone",
        ),
    ],
)
def test_a_mistake_is_told_in_words_of_ours(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        config.load(file, need_targets=False)
    assert words in str(caught.value)
    assert "Input should" not in str(caught.value)


def load_without_targets(tmp_path: Path, text: str):
    (tmp_path / "conf").mkdir(exist_ok=True)
    file = tmp_path / "conf" / "pulltasks.toml"
    file.write_text(text, encoding="utf-8")
    return config.load(file, need_targets=False)


def test_a_home_is_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    settings = load_without_targets(
        tmp_path, '[lake]\nroot = "~/lake"\n[auth]\nmethod = "token"\ntoken_file = "~/token"\n'
    )
    assert settings.lake.root == tmp_path / "home" / "lake"
    assert settings.auth.token.file == tmp_path / "home" / "token"


def test_relative_paths_are_relative_to_the_file_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the same name in the working folder is looked at."""
    monkeypatch.chdir(tmp_path)
    for name in ("lake", "token", "webhook", "password", "key", "copy"):
        (tmp_path / name).write_text("x")
    settings = load_without_targets(
        tmp_path,
        '[lake]\nroot = "lake"\n[auth]\nmethod = "token"\ntoken_file = "token"\n[auth.other]\nmethod = "password"\nuser = "u"\n'
        'domain = "d"\npassword_file = "password"\n[alerts]\nwebhook_file = "webhook"\n'
        '[backup]\nurl = "copy"\naccess_key_file = "key"\nsecret_key_file = "../key"\n',
    )
    folder = tmp_path / "conf"
    assert settings.lake.root == folder / "lake"
    assert settings.auth.token.file == folder / "token"
    assert settings.auth.named["other"].password.file == folder / "password"
    assert settings.alerts.webhook.file == folder / "webhook"
    assert (settings.backup.access_key.file, settings.backup.secret_key.file) == (folder / "key", folder / "../key")
    assert settings.backup.url == str(folder / "copy")


@pytest.mark.parametrize("text", ['[lake]\nroot = ""\n', '[lake]\nroot = "  "\n'])
def test_an_empty_path_is_an_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="is empty; name a folder"):
        load_without_targets(tmp_path, text)


def test_an_empty_variable_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLTASKS_LAKE__ROOT", "")
    with pytest.raises(ConfigError, match=r"lake\.root: is empty"):
        load_without_targets(tmp_path, "")


def test_a_mark_before_the_configuration_is_passed_over(tmp_path: Path) -> None:
    assert load_without_targets(tmp_path, '\ufefftimezone = "Asia/Shanghai"\n').timezone == "Asia/Shanghai"


@pytest.mark.parametrize("zone", ["localtime", "posix/Asia/Shanghai", "right/UTC", "posixrules", "Nowhere/Land"])
def test_a_zone_that_only_one_of_them_knows_is_refused(tmp_path: Path, zone: str) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(f'timezone = "{zone}"\n')
    with pytest.raises(ConfigError, match=r"is not a (valid time zone|time zone that the database knows)"):
        config.load(file, need_targets=False)


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_that_both_know_is_taken(tmp_path: Path, zone: str) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(f'timezone = "{zone}"\n')
    assert config.load(file, need_targets=False).timezone == zone
