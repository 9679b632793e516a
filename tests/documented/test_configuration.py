import tomllib

import pytest

from docs.configuration import PAGE, bad_port, page
from optimizer.settings import Settings
from tests.documented.blocks import code_blocks


def test_the_configuration_page_is_what_the_settings_say_run_make_docs() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(bad_port())


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_described(name: str) -> None:
    assert Settings.model_fields[name].description


def test_the_example_file_is_accepted() -> None:
    [example] = code_blocks(PAGE, language="toml")

    settings = Settings.model_validate(tomllib.loads(example.source))

    assert settings.port == 9000
    assert settings.pools["browser"].capacity == 4
