from collections.abc import Iterator

import pytest

from tests.docker.gateways import Machine


@pytest.fixture
def machine(tmp_path) -> Iterator[Machine]:
    one = Machine(tmp_path / "machine")
    yield one
    one.clean()
