"""What this program is called, and which version is installed."""

from importlib.metadata import PackageNotFoundError, version

NAME = "sequential-resource-optimization"


def installed_version() -> str:
    """Version of the installed distribution; `0+source` where it runs without being installed."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "0+source"


VERSION = installed_version()
