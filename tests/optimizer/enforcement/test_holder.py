from pathlib import Path

from optimizer.enforcement.groups import Home
from optimizer.enforcement.holder import Holder


def test_a_home_that_another_process_took_away_is_found_again(tmp_path: Path) -> None:
    folder = tmp_path / "home"

    def find() -> Home:
        folder.mkdir(exist_ok=True)
        return Home(2, {"": folder})

    holder = Holder(find_home=find, find_scopes=tuple, memory=lambda: (0.0, 0.0))
    assert holder.home.folders[""].is_dir()

    folder.rmdir()

    assert holder.home.folders[""].is_dir()
