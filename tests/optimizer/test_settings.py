from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizer.errors import ConfigurationError
from optimizer.settings import ENVIRONMENT, Loaded, Settings, examine_settings, load_settings


def test_nothing_set_gives_the_defaults_of_the_reference() -> None:
    settings = load_settings(environment={}, config_file=None)

    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.monitoring_interval, settings.history_retention) == (30, 86400)
    assert (settings.cpu_alert_threshold, settings.memory_alert_threshold) == (85, 90)
    assert settings.error_rate_threshold == 0.05
    assert settings.api_token is None


@pytest.mark.parametrize(
    "variable",
    [
        "OPENROUTER_API_KEY",
        "SEQUENTIAL_THINKING_MCP_ENDPOINT",
        "MONITORING_INTERVAL",
        "HISTORY_RETENTION",
        "PORT",
        "LOG_LEVEL",
        "CPU_ALERT_THRESHOLD",
        "MEMORY_ALERT_THRESHOLD",
        "ERROR_RATE_THRESHOLD",
        "HOST",
        "API_TOKEN",
        "READ_ONLY_TOKEN",
        "ALLOWED_HOSTS",
        "ORIGINS",
        "LOG_FILE",
        "DATABASE_URL",
        "OPENROUTER_BASE_URL",
    ],
)
def test_every_documented_variable_is_read(variable: str) -> None:
    assert variable in ENVIRONMENT


def test_a_stronger_source_wins_field_by_field(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text(
        "port = 1\nmonitoring_interval = 1\nhistory_retention = 3600\nlog_level='error'"
    )

    settings = load_settings(
        config_file=file,
        environment={"PORT": "2", "MONITORING_INTERVAL": "2", "HISTORY_RETENTION": "7200"},
        optimization_config={"monitoring_interval": 3, "history_retention": 10800},
        arguments={"history_retention": 14400, "host": None},
    )

    assert (settings.log_level, settings.port) == ("error", 2)
    assert (settings.monitoring_interval, settings.history_retention) == (3, 14400)


def test_tables_of_two_sources_are_merged_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text("[alert_thresholds]\ncpu_usage = 70\nload_1m = 8\n")

    settings = load_settings(
        config_file=file,
        environment={},
        optimization_config={"alert_thresholds": {"cpu_usage": 85}},
    )

    assert settings.alert_thresholds == {"cpu_usage": 85, "load_1m": 8}


@pytest.mark.parametrize(
    ("environment", "fragments"),
    [
        ({"PORT": "99999"}, ["PORT", "99999", "65535", "8000"]),
        ({"PORT": "web"}, ["PORT", "web", "integer"]),
        ({"LOG_LEVEL": "loud"}, ["LOG_LEVEL", "loud", "'warning'"]),
        ({"MONITORING_INTERVAL": "nan"}, ["MONITORING_INTERVAL", "finite"]),
        ({"MONITORING_INTERVAL": "0"}, ["MONITORING_INTERVAL", "0.1"]),
        ({"CPU_ALERT_THRESHOLD": "-1"}, ["CPU_ALERT_THRESHOLD", "greater than 0"]),
    ],
)
def test_a_bad_variable_is_named_with_what_is_allowed(
    environment: dict[str, str], fragments: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as error:
        load_settings(environment=environment)

    for fragment in fragments:
        assert fragment in str(error.value)


def test_unknown_keys_are_refused_in_the_file_and_in_optimization_config(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text("prot = 1")

    with pytest.raises(ConfigurationError, match=r"sro\.toml: prot: .*no such key"):
        load_settings(config_file=file, environment={})
    with pytest.raises(ConfigurationError, match=r"monitoring_intervall.*no such key"):
        load_settings(environment={}, optimization_config={"monitoring_intervall": 1})


def test_two_equal_tokens_are_refused_without_showing_them() -> None:
    with pytest.raises(ConfigurationError, match="READ_ONLY_TOKEN: equals API_TOKEN") as error:
        load_settings(environment={"API_TOKEN": "canary-1", "READ_ONLY_TOKEN": "canary-1"})

    assert "canary-1" not in str(error.value)


@given(token=st.text(min_size=1).filter(lambda text: "\x00" not in text))
def test_a_token_never_shows_in_the_settings_text(token: str) -> None:
    settings = Settings.model_validate({"api_token": f"canary-{token}"})

    assert f"canary-{token}" not in repr(settings)


def test_an_unreadable_file_says_which_and_why(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text("port = ")

    with pytest.raises(ConfigurationError, match=r"sro\.toml: cannot be read"):
        load_settings(config_file=file, environment={})


def test_the_store_is_a_file_in_the_data_directory_unless_a_url_is_given(tmp_path: Path) -> None:
    in_folder = load_settings(environment={"DATA_DIR": str(tmp_path)})
    elsewhere = load_settings(environment={"DATABASE_URL": "sqlite:////x.db"})

    assert in_folder.store_url == f"sqlite:///{tmp_path}/sro.db"
    assert elsewhere.store_url == "sqlite:////x.db"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("prot = 1", "prot: .*did you mean port"),
        ("[pools.gpu]\ncapcity = 1", r"pools\.gpu\.capcity: .*did you mean capacity"),
        ("[candidates.servers.x]\nurl='http://x'\nenvv={}", "did you mean env"),
        ("[forecasting]\nmodel = []", "did you mean models"),
        ("xyzzy = 1", "docs/configuration.md"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(text: str, hint: str, tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text(text)

    with pytest.raises(ConfigurationError, match=hint):
        load_settings(config_file=file, environment={})


def test_a_pool_may_be_its_capacity_alone(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text('[pools]\nbrowser = 4\ngithub_api = "5000/h"\n[pools.gpu]\ncapacity = 2')

    pools = load_settings(config_file=file, environment={}).pools

    assert {name: pool.capacity for name, pool in pools.items()} == {
        "browser": 4,
        "github_api": "5000/h",
        "gpu": 2,
    }


def test_examining_tells_everything_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text("prot = 1\nlog_level = 'loud'\n[weights]\na = 0\n")

    problems = examine_settings(config_file=file, environment={"PORT": "-1"})

    assert isinstance(problems, tuple)
    assert {problem.setting for problem in problems} == {
        "PORT",
        "sro.toml: prot",
        "sro.toml: log_level",
        "sro.toml: weights.a",
    }


def test_every_value_knows_where_it_is_from(tmp_path: Path) -> None:
    file = tmp_path / "sro.toml"
    file.write_text("port = 1\nlog_level = 'error'\n")

    loaded = examine_settings(
        config_file=file, environment={"PORT": "2"}, arguments={"host": "::1"}
    )

    assert isinstance(loaded, Loaded)
    assert loaded.origins == {"port": "environment", "log_level": "sro.toml", "host": "argument"}
    assert loaded.file == file


@pytest.mark.parametrize(
    ("written", "limit"), [("1 GB", 10**9), ("512 MiB", 2**29), ("20000000", 2 * 10**7)]
)
def test_the_storage_limit_may_have_a_unit(written: str, limit: int) -> None:
    assert load_settings(environment={"STORAGE_LIMIT": written}).storage_limit == limit


@pytest.mark.parametrize("written", ["1 MB", "much", "nan GB"])
def test_a_storage_limit_that_is_too_small_or_no_amount_is_refused(written: str) -> None:
    with pytest.raises(ConfigurationError, match="STORAGE_LIMIT"):
        load_settings(environment={"STORAGE_LIMIT": written})


def test_a_candidate_is_a_command_or_a_url() -> None:
    for server in ({}, {"command": "x", "url": "http://x"}):
        with pytest.raises(ConfigurationError, match="one of them"):
            load_settings(arguments={"candidates": {"servers": {"a": server}}}, environment={})
