"""Reading a worktree: counts, commits, changes and differences, all bounded."""

import re
from collections.abc import Sequence

from app.bootstrap.git import entries, words
from app.bootstrap.git.store import HEADS, REMOTES, Desk, Store
from app.bootstrap.types.vcs import Change, Commit, Diff, Observed, Tree, Trouble

STATUS_MOST = 1 << 20
PLAIN = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--no-color", "--find-renames")
_STAT = re.compile(rb"(\d+) file|(\d+) insertion|(\d+) deletion")


class _Ends:
    """The branch's tip, the base's, and the commit where they part."""

    def __init__(self, store: Store, tree: Tree) -> None:
        self.refs = store.refs(f"{HEADS}{tree.branch}", f"{HEADS}{tree.base_branch or tree.branch}", REMOTES)
        head = self.refs.get(f"{HEADS}{tree.branch}")
        base = store.base_of(tree, self.refs) or tree.base
        if head is None or base is None:
            raise words.error(Trouble.NO_BRANCH)
        self.head, self.base = head, base

    def parted(self, desk: Desk, tree: Tree) -> str:
        return desk.run.attempt("merge-base", self.base, self.head).text or tree.base or self.base


def observe(store: Store, tree: Tree, *, commits: int, changes: int) -> Observed:
    entry = entries.find(store, tree)
    ends = _Ends(store, tree)
    with store.desk(head=ends.head, work=tree.path, index=f"{entry.place}/index") as desk:
        parted = ends.parted(desk, tree)
        counted = desk.run("rev-list", "--left-right", "--count", f"{ends.base}...{ends.head}").text.split()
        files, insertions, deletions = _stat(desk.run("diff-tree", "-r", "--shortstat", *PLAIN, parted, ends.head).output)
        found, is_cut = _changes(desk, most=changes)
        return Observed(
            head=ends.head,
            base=parted,
            ahead=int(counted[1]),
            behind=int(counted[0]),
            unpushed=_unpushed(desk, ends),
            files=files,
            insertions=insertions,
            deletions=deletions,
            commits=_commits(desk, ends.head, ends.base, most=commits),
            changes=found,
            is_cut=is_cut or int(counted[1]) > commits,
        )


def diff(store: Store, tree: Tree, paths: Sequence[str], *, against_base: bool, most: int) -> Diff:
    entry = entries.find(store, tree)
    ends = _Ends(store, tree)
    with store.desk(head=ends.head, work=tree.path, index=f"{entry.place}/index") as desk:
        # In a copy of the index, so that new files are shown and nothing of the agent's is touched.
        desk.run.attempt("add", "--all", "--intent-to-add")
        since = ends.parted(desk, tree) if against_base else ends.head
        only = ["--", *paths] if paths else ["--"]
        files, _, _ = _stat(desk.run("diff", "--shortstat", *PLAIN, since, *only).output)
        shown = desk.run("diff", "--patch", *PLAIN, since, *only, most=most)
    return Diff(shown.output.decode(errors="replace").replace("\x00", "\ufffd"), files, shown.is_cut)


def described(desk: Desk, *which: str) -> list[Commit]:
    """Commits, newest first."""
    output = desk.run("log", "-z", "--no-show-signature", "--no-color", "--format=%H%x1f%s%x1f%an%x1f%aI", *which).output
    rows = (row.split("\x1f") for row in _text(output).split("\x00") if row)
    return [Commit(sha=row[0], subject=row[1], author=row[-2], at=row[-1]) for row in rows]


def _commits(desk: Desk, head: str, base: str, *, most: int) -> list[Commit]:
    return described(desk, f"--max-count={most}", head, f"^{base}")


def _unpushed(desk: Desk, ends: _Ends) -> int:
    """Commits that no branch of the remote has."""
    known = [f"^{sha}" for name, sha in ends.refs.items() if name.startswith(REMOTES)]
    return int(desk.run("rev-list", "--count", "--stdin", given="\n".join([ends.head, *known, ""]).encode()).text)


def _changes(desk: Desk, *, most: int) -> tuple[list[Change], bool]:
    asked = ("status", "--porcelain=v1", "-z", "--untracked-files=all", "--ignore-submodules=all", "--renames")
    ran = desk.run(*asked, most=STATUS_MOST)
    fields = iter(_text(ran.output).split("\x00")[:-1])
    found: list[Change] = []
    for field in fields:
        letters, path = field[:2], field[3:]
        before = next(fields, None) if letters[0] in "RC" or letters[1] in "RC" else None
        found.append(Change(_letter(letters), path, before))
    return found[:most], ran.is_cut or len(found) > most


def _letter(letters: str) -> str:
    if "U" in letters or letters in {"AA", "DD"}:
        return "U"
    return "D" if letters[1] == "D" else letters.strip()[0]


def _stat(output: bytes) -> tuple[int, int, int]:
    groups = _STAT.findall(output)
    return tuple(sum(int(found[which]) for found in groups if found[which]) for which in range(3))  # type: ignore[return-value]


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
