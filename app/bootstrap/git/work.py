"""Work in a worktree: what changed, commits, and pushing the branch."""

from collections.abc import Sequence
from contextlib import ExitStack

from app.bootstrap.git import committing, entries, observing, remote, words
from app.bootstrap.git.names import check_tree
from app.bootstrap.git.program import Git
from app.bootstrap.git.remote import Call
from app.bootstrap.git.running import in_thread
from app.bootstrap.git.store import HEADS, REMOTES, Desk, Store
from app.bootstrap.types.vcs import Author, Commit, Diff, GitError, Observed, Place, Pushed, Tree, Trouble
from app.kernel.confined import Escapes, parts

COMMITS_SHOWN = 20
CHANGES_SHOWN = 200
DIFF_MOST = 200_000


async def observe(git: Git, tree: Tree) -> Observed:
    """The branch against its base, and the worktree against the branch."""
    check_tree(git, tree)
    return await in_thread(lambda: observing.observe(Store(git, tree.clone), tree, commits=COMMITS_SHOWN, changes=CHANGES_SHOWN))


async def diff(git: Git, tree: Tree, *, paths: Sequence[str] = (), against_base: bool = False, most: int = DIFF_MOST) -> Diff:
    """What the worktree changes against its branch, or against the base; of these paths, or of all."""
    check_tree(git, tree)
    checked = _paths(paths)
    return await in_thread(lambda: observing.diff(Store(git, tree.clone), tree, checked, against_base=against_base, most=most))


async def commit(git: Git, tree: Tree, *, message: str, author: Author, paths: Sequence[str] = ()) -> Commit | None:
    """Commit these paths, or all that changed; None when there is nothing to commit."""
    check_tree(git, tree)
    checked = _paths(paths)
    return await in_thread(lambda: committing.commit(Store(git, tree.clone), tree, message, author, checked))


async def push(git: Git, place: Place, tree: Tree) -> Pushed:
    """Push the branch to the remote, never by force."""
    check_tree(git, tree)
    name = f"{HEADS}{tree.branch}"
    store, head = await in_thread(_tip, git, tree)
    with ExitStack() as stack:
        desk: Desk = await in_thread(stack.enter_context, store.desk())
        asked = ["push", "--porcelain", "--progress", "--atomic", "--no-verify", "--recurse-submodules=no", place.url]
        to = Call(place, desk.path, desk.variables)
        done = await remote.call(git, to, [*asked, f"{head}:{name}"], seconds=git.limits.pushing)
    flags = [line[:1] for line in done.output.decode(errors="replace").splitlines() if "\t" in line]
    if not flags or "!" in flags:
        raise words.error(Trouble.REJECTED, place)
    await in_thread(_remember, store, tree.branch, head)
    return Pushed(head=head, is_new="=" not in flags)


def _tip(git: Git, tree: Tree) -> tuple[Store, str]:
    store = Store(git, tree.clone)
    entries.find(store, tree)
    head = store.refs(f"{HEADS}{tree.branch}").get(f"{HEADS}{tree.branch}")
    if head is None:
        raise words.error(Trouble.NO_BRANCH)
    return store, head


def _remember(store: Store, branch: str, head: str) -> None:
    name = f"{REMOTES}{branch}"
    before = store.refs(name)
    if before.get(name) != head:
        store.update({name: head}, before=before, why="push")


def _paths(paths: Sequence[str]) -> list[str]:
    for path in paths:
        try:
            steps = parts(path)
        except Escapes as error:
            raise GitError(Trouble.ESCAPES, f"a path is refused: {error}") from None
        if any(step.lower() == ".git" for step in steps):
            raise GitError(Trouble.ESCAPES, "a path is refused: it leads into git's own files")
    return list(paths)
