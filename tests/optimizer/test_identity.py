import pytest

from optimizer.errors import ForbiddenError
from optimizer.identity import LOCAL, Principal, told_apart_by


def test_a_reader_may_not_write_and_is_told_what_may() -> None:
    reader = Principal(name="token:read-only", role="reader")

    with pytest.raises(ForbiddenError, match=r"allocate changes something.*API_TOKEN"):
        reader.require_writer("allocate")


def test_users_and_operators_may_write() -> None:
    Principal(name="uid:1000", role="user").require_writer("allocate")
    LOCAL.require_writer("allocate")


def test_only_an_operator_passes_where_one_is_needed() -> None:
    LOCAL.require_operator("apply_decision")
    with pytest.raises(ForbiddenError, match=r"apply_decision is for operators, .* a user"):
        Principal(name="uid:1000", role="user").require_operator("apply_decision")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("local", "without a token"),
        ("token:ci", "bearer token 'ci'"),
        ("uid:1000", "user 1000 over the daemon's socket"),
        ("alice", "'alice'"),
    ],
)
def test_a_principal_is_told_apart_by_its_credentials(name: str, told: str) -> None:
    assert told in told_apart_by(name)
