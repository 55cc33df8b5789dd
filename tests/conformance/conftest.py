import shutil
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests import boards, make
from tests.conformance.worlds import Stage
from tests.conftest import STRATEGY


@pytest.fixture(scope="module")
async def stage(cluster, template, tmp_path_factory) -> AsyncIterator[Stage]:
    """One board for all cases of a module; each case makes accounts of its own on it."""
    # Seeded documents are of one instant, and so in another order in each account.
    seeds = tmp_path_factory.mktemp("seeds") / "crew"
    shutil.copytree(boards.SEEDS, seeds, ignore=shutil.ignore_patterns("documents"))
    admin, service = cluster
    name = f"t_{uuid4().hex[:12]}"
    await make.execute(admin, f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY {STRATEGY}")
    url = make.url_of(service, database=name)
    async with boards.in_own_task(lambda: boards.opened(url)) as board:
        yield Stage(board, seeds)
    await make.execute(admin, f"DROP DATABASE {name} WITH (FORCE)")
