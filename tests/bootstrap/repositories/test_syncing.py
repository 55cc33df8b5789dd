"""Clones as durable work: what becomes of them, of every kind of trouble, and of a worker that is killed meanwhile."""

import asyncio
import os
import sys

from app.bootstrap import service as bootstrap
from app.bootstrap import syncing
from app.bootstrap.outside import Outside
from app.cli import repository
from app.kernel.settings import ROOT
from app.observability.metrics import CLONE_FAILURES
from tests import boards, make, remotes
from tests.bootstrap.repositories.conftest import opened, settled, stalled, working
from tests.remotes import commit, git, head, url_of

URL = "/api/v1/repositories"
EVENTS = "SELECT type, payload::jsonb AS payload FROM events WHERE type LIKE 'board:repository:%' ORDER BY seq"
COMMANDS = "SELECT state, attempt, waited FROM runtime_commands WHERE type = 'repository.sync' ORDER BY created_at"
LETTERS = "SELECT count(*) FROM runtime_dead_letters"


async def health(client):
    answer = (await client.get("/health")).json()["components"]["vcs"]
    assert (await client.get("/ready")).status_code == 200
    return answer["status"], answer["detail"]


async def started_again(board, **given):
    """The same board after a restart with other settings."""
    settings = boards.settings_for(board.settings.database_url, CALLBOARD_DATA_DIR=str(board.settings.data_dir), **given)
    board.database.outside = Outside(settings)
    return await bootstrap.load(board.database, settings=settings, directory=boards.SEEDS)


async def told(admin):
    return [row["type"].rpartition(":")[2] for row in await admin.fetch(EVENTS)]


async def synced(board):
    (one,) = (await board.person.get(URL)).json()["items"]
    assert (await board.person.post(f"{URL}/{one['id']}/sync")).status_code == 202
    return await settled(board)


async def test_the_repository_of_the_environment_is_cloned_and_kept_up_to_date(urls, admin, bare, tmp_path):
    place = tmp_path / "an odd ünd 'quoted' place" / "clone"
    given = {"REPO_URL": url_of(bare), "WRITABLE_REPO_DIR": str(place), "REPO_CLONE_DEPTH": "5"}
    async with opened(urls[1], tmp_path / "data", **given) as board, working(board, urls[1]):
        one = await settled(board)
        assert (one["is_primary"], one["is_from_environment"], one["clone_depth"]) == (True, True, 5)
        clone = one["clone"]
        assert (clone["state"], clone["base_branch"], clone["directory"]) == ("ready", "trunk", str(place)), clone
        assert clone["head"] == head(bare)
        assert (place / "README.md").read_text() == "Hello\n"
        assert await health(board.client(None)) == ("ok", "1 ready, 0 on their way")
        assert await told(admin) == ["created", "syncing", "synced"]
        # Nothing new is no news; a new commit is.
        again = await synced(board)
        assert again["clone"]["synced_at"] > clone["synced_at"]
        assert again["clone"]["changed_at"] == clone["changed_at"]
        sha = await asyncio.to_thread(commit, bare, {"more.txt": "More\n"})
        assert (await synced(board))["clone"]["head"] == sha
        assert (place / "more.txt").exists()
        assert await told(admin) == ["created", "syncing", "synced", "synced"]
        assert await admin.fetchval(LETTERS) == 0


TROUBLES = {
    "nothing there": ("not_found", "REPO_URL", {"REPO_URL": "file:///nonexistent/a.git"}),
    "no address": ("bad_url", "REPO_URL", {"REPO_URL": "http://[bad/a"}),
    "a command": ("bad_url", "REPO_URL", {"REPO_URL": "ext::sh -c id"}),
    "another branch": ("no_branch", "REPO_BASE_BRANCH", {"REPO_BASE_BRANCH": "nowhere"}),
    "no name of a branch": ("no_branch", "REPO_BASE_BRANCH", {"REPO_BASE_BRANCH": "a..b"}),
    "a file": ("not_a_clone", "WRITABLE_REPO_DIR", {"WRITABLE_REPO_DIR": "file"}),
    "somebody's files": ("not_a_clone", "WRITABLE_REPO_DIR", {"WRITABLE_REPO_DIR": "full"}),
    "below a file": ("not_writable", "WRITABLE_REPO_DIR", {"WRITABLE_REPO_DIR": "file/below"}),
}


async def test_trouble_leaves_the_board_running_and_says_which_key_and_what_to_do(urls, admin, bare, tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes").write_text("mine")
    async with opened(urls[1], tmp_path / "data") as board, working(board, urls[1]):
        for number, (kind, (trouble, setting, given)) in enumerate(TROUBLES.items(), start=1):
            wanted = {"REPO_URL": url_of(bare), "WRITABLE_REPO_DIR": "clone"} | given
            wanted["WRITABLE_REPO_DIR"] = str(tmp_path / wanted["WRITABLE_REPO_DIR"])
            failures = CLONE_FAILURES.labels(trouble)._value.get()
            await started_again(board, **wanted)
            clone = (await settled(board))["clone"]
            assert (clone["state"], clone["trouble"], clone["setting"]) == ("degraded", trouble, setting), kind
            status, detail = await health(board.client(None))
            assert status == "degraded"
            assert f"1 of 1 repository(ies) cannot be cloned or brought up to date: {setting}: {clone['advice']}" in detail
            assert "primary" not in detail
            assert "primary: " in (await health(board.person))[1]
            # A person must act, so there is nothing to retry and no dead letter.
            assert {tuple(row) for row in await admin.fetch(COMMANDS)} == {("succeeded", 1, 0)}
            assert CLONE_FAILURES.labels(trouble)._value.get() == failures + 1
            assert (await told(admin)).count("degraded") == number
        await synced(board)
        assert (await told(admin)).count("degraded") == len(TROUBLES)
        assert await admin.fetchval(LETTERS) == 0
        # Set right, it is cloned.
        await started_again(board, REPO_URL=url_of(bare), WRITABLE_REPO_DIR=str(tmp_path / "clone"))
        assert (await settled(board))["clone"]["state"] == "ready"
        assert (await health(board.client(None)))[0] == "ok"
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "notes").read_text() == "mine"


async def test_the_environments_repository_follows_its_address_even_where_a_person_changed_other_facts(
    urls, admin, bare, tmp_path
):
    other = await asyncio.to_thread(remotes.bare, tmp_path / "other.git", files={"other.txt": "Other\n"})
    async with opened(urls[1], tmp_path / "data", REPO_URL=url_of(bare)) as board, working(board, urls[1]):
        one = await settled(board)
        edited = await board.person.patch(f"{URL}/{one['id']}", json={"branch_prefix": "mine/"})
        assert edited.json()["is_from_environment"]
        again = await started_again(board, REPO_URL=url_of(other), WRITABLE_REPO_DIR=one["clone"]["directory"])
        assert "  repository primary: follows the environment's address" in again.lines
        found = await settled(board)
        assert (found["url"], found["branch_prefix"], found["clone"]["state"]) == (url_of(other), "mine/", "ready")
        assert found["clone"]["head"] == head(other) != one["clone"]["head"]
        assert found["clone"]["remark"].endswith(".before-1")
        # What a person points elsewhere is the environment's no more.
        await board.person.patch(f"{URL}/{one['id']}", json={"clone_depth": 1})
        await admin.execute("UPDATE repositories SET is_from_environment = false")
        kept = await started_again(board, REPO_URL=url_of(bare))
        assert not [line for line in kept.lines if "follows" in line]
        assert (await settled(board))["url"] == url_of(other)


async def test_trouble_that_may_pass_is_tried_again_with_pauses_and_then_left_to_the_sweep(urls, admin, bare, host, tmp_path):
    host.refuses = 503
    given = {"REPO_URL": host.url_of(bare)}
    async with opened(urls[1], tmp_path / "data", **given) as board, working(board, urls[1]):
        clone = (await settled(board))["clone"]
        assert (clone["state"], clone["trouble"], clone["setting"]) == ("degraded", "unreachable", "REPO_URL")
        (row,) = await admin.fetch(COMMANDS)
        assert (row["state"], row["waited"]) == ("succeeded", syncing.TRIES)
        assert (await told(admin)).count("degraded") == 1
        assert await admin.fetchval(LETTERS) == 0


async def test_without_git_the_board_runs_and_says_what_is_off(urls, admin, bare, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    async with opened(urls[1], tmp_path / "data", account_slug="bare") as board:
        status, detail = await health(board.client(None))
        assert (status, "REPO_URL is not set" in detail, "git is not installed" in detail) == ("disabled", True, True)
    async with opened(urls[1], tmp_path / "data", REPO_URL=url_of(bare)) as board:
        # Told before anybody has tried.
        for _ in range(2):
            status, detail = await health(board.client(None))
            assert (status, "git is not installed" in detail) == ("degraded", True)
            async with working(board, urls[1]):
                clone = (await settled(board))["clone"]
            assert (clone["state"], clone["trouble"]) == ("degraded", "no_git")
        assert (await board.task())["status"] == "inbox"


async def test_without_a_repository_version_control_is_off_and_its_sweep_sleeps_until_there_is_one(urls, admin, tmp_path):
    asleep = "SELECT NOT is_enabled FROM runtime_schedules WHERE name = 'repositories'"
    given = {"CALLBOARD_REPOSITORY_ORIGINS": "https://git.example"}
    async with opened(urls[1], tmp_path / "data", **given) as board, working(board, urls[1]):
        status, detail = await health(board.client(None))
        assert (status, "REPO_URL is not set" in detail) == ("disabled", True)
        await make.enqueued(board.database, board.account_id, make.order(type="repository.sweep"))
        await make.until(lambda: admin.fetchval(asleep))
    async with opened(urls[1], tmp_path / "data", **given) as board:
        assert (await board.client(None).get("/ready")).status_code == 200
        async with boards.in_own_task(lambda: opened(urls[1], tmp_path / "data", account_slug="second", **given)) as second:
            made = {"name": "a", "url": "https://git.example/a"}
            assert (await second.person.post(URL, json=made)).status_code == 201
    awake = "SELECT is_enabled FROM runtime_schedules s JOIN repositories r USING (account_id) WHERE s.name = 'repositories'"
    assert await admin.fetchval(awake)


async def test_the_sweep_syncs_what_is_degraded_or_was_not_looked_at_for_an_hour(urls, admin, bare, tmp_path):
    given = {"REPO_URL": url_of(bare), "REPO_BASE_BRANCH": "later"}
    async with opened(urls[1], tmp_path / "data", **given) as board, working(board, urls[1]):
        assert (await settled(board))["clone"]["trouble"] == "no_branch"
        sha = await asyncio.to_thread(commit, bare, {"later.txt": "Later\n"}, branch="later")
        await make.enqueued(board.database, board.account_id, make.order(type="repository.sweep"))

        async def is_ready():
            return await admin.fetchval("SELECT head FROM repository_clones WHERE state = 'ready'") == sha

        await make.until(is_ready)
        await settled(board)
        for _ in range(2):
            await make.enqueued(board.database, board.account_id, make.order(type="repository.sweep"))

            async def are_swept():
                return await admin.fetchval(
                    "SELECT bool_and(state = 'succeeded') FROM runtime_commands WHERE type = 'repository.sweep'"
                )

            await make.until(are_swept)
            await settled(board)
            await admin.execute("UPDATE repository_clones SET synced_at = synced_at - interval '61 minutes'")
        assert len(await admin.fetch(COMMANDS)) == 3


async def test_a_later_order_ends_the_sync_of_other_facts_and_its_own_counts(urls, admin, bare, host, tmp_path):
    other = await asyncio.to_thread(remotes.bare, bare.parent / "other.git")
    host.stalls = True
    async with opened(urls[1], tmp_path / "data", REPO_URL=host.url_of(bare)) as board, working(board, urls[1]):
        await stalled(host)

        async def is_told():
            return "progress" in await told(admin)

        # Nothing goes on there any more, so it must be noticed all the same.
        await make.until(is_told)
        host.stalls = False
        (one,) = (await board.person.get(URL)).json()["items"]
        changed = await board.person.patch(f"{URL}/{one['id']}", json={"url": host.url_of(other)})
        assert (changed.status_code, changed.json()["is_from_environment"]) == (200, False)
        clone = (await settled(board))["clone"]
        assert (clone["state"], clone["head"]) == ("ready", head(other))

        async def both_ended():
            return await admin.fetchval(
                "SELECT count(*) = 2 FROM runtime_commands WHERE type = 'repository.sync' AND state = 'succeeded'"
            )

        await make.until(both_ended)


async def test_neither_the_token_nor_a_password_in_the_address_is_written_anywhere(urls, admin, bare, host, tmp_path, capfd):
    host.user, host.token = "ada", "hush-hush-9241"
    given = {"REPO_URL": host.url_of(bare).replace("http://", "http://ada:hush-in-the-address@")}
    async with opened(urls[1], tmp_path / "data", **given) as board, working(board, urls[1]):
        one = await settled(board)
        assert (one["clone"]["trouble"], one["clone"]["setting"]) == ("credentials", "REPO_TOKEN"), one["clone"]
        await started_again(board, **given, REPO_USER="ada", REPO_TOKEN=host.token)
        one = await settled(board)
        assert one["clone"]["state"] == "ready", one["clone"]
        shown = [await health(board.client(None)), await health(board.person), one, (await board.person.get(URL)).text]
        tables = [
            row["relname"]
            for row in await admin.fetch("SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 2200")
        ]
        for table in tables:
            shown += [tuple(row) for row in await admin.fetch(f'SELECT t::text FROM "{table}" t')]
    assert not [one for one in shown if "hush" in str(one)]
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file() and b"hush" in path.read_bytes()]
    assert "hush" not in "".join(capfd.readouterr())


async def test_a_sync_of_what_is_gone_ends_well(urls, admin, bare, tmp_path):
    async with opened(urls[1], tmp_path / "data", REPO_URL=url_of(bare)) as board:
        (one,) = (await board.person.get(URL)).json()["items"]
        assert (await board.person.delete(f"{URL}/{one['id']}")).status_code == 204
        async with working(board, urls[1]):

            async def has_ended():
                return await admin.fetchval("SELECT result ->> 'outcome' FROM runtime_commands WHERE type = 'repository.sync'")

            assert await make.until(has_ended) == "superseded"
        # Taken away it stays away, though the seeds still name it.
        await started_again(board, REPO_URL=url_of(bare))
        assert (await board.person.get(URL)).json()["items"] == []
        assert not (tmp_path / "data" / "repos").exists()


async def test_progress_is_written_and_printed_while_it_goes_on(urls, admin, bare, host, tmp_path, capsys):
    host.stalls = True
    async with opened(urls[1], tmp_path / "data", REPO_URL=host.url_of(bare)) as board, working(board, urls[1]):
        await stalled(host)

        async def is_told():
            return "progress" in await told(admin)

        await make.until(is_told)
        (one,) = (await board.person.get(URL)).json()["items"]
        assert (one["clone"]["state"], one["clone"]["is_pending"]) == ("syncing", True)
        assert one["clone"]["phase"] not in {None, "starting"}
        following = asyncio.create_task(repository.follow(board.database, board.account_id))
        await asyncio.sleep(0)
        host.stalls = False
        host.release()
        clone = (await settled(board))["clone"]
        assert (clone["state"], clone["phase"], clone["percent"]) == ("ready", None, None)
        await following
        assert capsys.readouterr().out.splitlines()[-1] == f"repository primary: ready, trunk at {clone['head'][:10]}"


async def test_a_worker_that_is_killed_in_the_middle_of_a_clone_leaves_it_to_the_next(urls, admin, bare, host, tmp_path):
    host.stalls = True
    given = {"REPO_URL": host.url_of(bare), "CALLBOARD_DATA_DIR": str(tmp_path / "data")}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "DATABASE_URL": urls[1], "CALLBOARD_LOG_LEVEL": "error"}
    async with opened(urls[1], tmp_path / "data", **{key: given[key] for key in ("REPO_URL",)}) as board:
        words = [sys.executable, "-P", "-m", "app", "worker"]
        pipe = asyncio.subprocess.DEVNULL
        doomed = await asyncio.create_subprocess_exec(
            *words, env=environment | given, stdout=pipe, stderr=pipe, start_new_session=True
        )
        try:
            await stalled(host)
        finally:
            doomed.kill()
            await doomed.wait()
        host.stalls = False
        host.release()
        async with working(board, urls[1]):
            clone = (await settled(board))["clone"]
        assert (clone["state"], clone["head"]) == ("ready", head(bare))
        (row,) = await admin.fetch(COMMANDS)
        assert (row["state"], row["attempt"]) == ("succeeded", 2)
        directory = tmp_path / "data" / "repos" / "odd"
        assert git("status", "--porcelain", directory=directory) == ""
        git("fsck", "--strict", directory=directory)
