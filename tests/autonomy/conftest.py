"""A board with three admins and a member beside its owner."""

import pytest

from tests.autonomy import desk

PEOPLE = {"ada": "admin", "bob": "admin", "cleo": "admin", "mia": "member"}


@pytest.fixture
async def crew(board):
    for name, role in PEOPLE.items():
        await desk.hire(board, name, role)
    return board
