"""Keeping what nobody committed: a commit beside the branch, under a reference of its own."""

from typing import NamedTuple

from app.bootstrap.git.entries import Entry
from app.bootstrap.git.store import HEADS, Desk, Store
from app.bootstrap.types.vcs import Author, Tree

BOARD = Author("Callboard", "board@localhost")
MESSAGE = b"Uncommitted work of a worktree that was removed\n"


class Rescued(NamedTuple):
    """The reference, if there was something to keep; `is_whole` unless a repository of somebody's own stands in the worktree."""

    name: str | None
    is_whole: bool = True


def rescue(store: Store, tree: Tree, entry: Entry, name: str) -> Rescued:
    refs = store.refs(HEADS, name)
    head = refs.get(f"{HEADS}{entry.branch}") if entry.branch else entry.head
    if head is None:
        head = refs.get(f"{HEADS}{tree.branch}")
    if head is None:
        return Rescued(None)
    with store.desk(head=head, work=tree.path, index=f"{entry.place}/index") as desk:
        is_whole = not stage(desk)
        written = desk.run("write-tree").text
        if written == desk.run("rev-parse", f"{head}^{{tree}}").text:
            if entry.branch or head in refs.values():
                return Rescued(None, is_whole)
            kept = head
        else:
            parents = [word for sha in dict.fromkeys([head, *filter(None, [refs.get(name)])]) for word in ("-p", sha)]
            kept = desk.run("commit-tree", *parents, "-F", "-", written, given=MESSAGE, variables=signed(BOARD)).text
    store.update({name: kept}, before=refs, why="rescue")
    return Rescued(name, is_whole)


def stage(desk: Desk) -> list[str]:
    """Put all that changed into the copy of the index, but for repositories inside, which are answered.

    Git would keep nothing of such a one but the name of its commit.
    """
    listed = desk.run("ls-files", "--others", "--exclude-standard", "-z").output
    own = [path for path in listed.decode(errors="surrogateescape").split("\x00") if path.endswith("/")]
    given = "\x00".join([".", *(f":(exclude,literal){path}" for path in own)]).encode(errors="surrogateescape")
    desk.run(
        "add", "--all", "--pathspec-from-file=-", "--pathspec-file-nul", given=given, variables={"GIT_LITERAL_PATHSPECS": "0"}
    )
    return own


def signed(author: Author) -> dict[str, str]:
    """Who wrote and who committed, as git reads it from its environment."""
    return {
        "GIT_AUTHOR_NAME": _plain(author.name) or "agent",
        "GIT_AUTHOR_EMAIL": _plain(author.email) or "agent@localhost",
        "GIT_COMMITTER_NAME": BOARD.name,
        "GIT_COMMITTER_EMAIL": BOARD.email,
    }


def _plain(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text if letter not in "<>")
    return " ".join(shown.split()).strip(" .,:;\"'\\")[:200]
