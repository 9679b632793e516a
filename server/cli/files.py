"""Files that are replaced in one step (I/O)."""

import os
import tempfile
from pathlib import Path


def replace_file(path: Path, text: str, *, keep_mode: bool) -> None:
    """Put a text in the place of a file, so that nobody reads half of it.

    Args:
        path: The file; its folder is made where there is none.
        text: What it holds from now on.
        keep_mode: Whether who may read it stays as it is. Else, and for a new file, it is its owner
            alone.

    Raises:
        OSError: It cannot be written; it is as it was.
    """
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if keep_mode and target.exists() else 0o600
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", delete=False
    ) as draft:
        draft.write(text)
    os.chmod(draft.name, mode)
    os.replace(draft.name, target)
