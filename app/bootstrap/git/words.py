"""What git's words mean: which trouble they tell of, what to do about it, and what of them may be shown."""

import errno
import re
from collections.abc import Collection

from app.bootstrap.git.addresses import named, setting_of
from app.bootstrap.types.vcs import GitError, Place, Progress, Trouble
from app.kernel.urls import redacted

SHOWN_MOST = 500
# The first that is found counts; what the disk says comes before what the network makes of it.
_TELLS: tuple[tuple[Trouble, str], ...] = (
    (Trouble.NO_SPACE, r"no space left on device|out of disk ?space|disk quota exceeded|file too large"),
    (Trouble.CONFLICT, r"' exists; cannot create|already (?:checked out|used by)|would be overwritten|is a directory"),
    (Trouble.CREDENTIALS, r"authentication failed|could not read (?:username|password)|terminal prompts disabled"),
    (
        Trouble.CREDENTIALS,
        r"permission denied \((?:publickey|password|keyboard)|host key verification failed|invalid credentials",
    ),
    (Trouble.CREDENTIALS, r"returned error: 40[137]|access denied"),
    (Trouble.NOT_FOUND, r"repository '?.*'? not found|returned error: 404|not appear to be a git repository|does not exist"),
    (Trouble.NOT_FOUND, r"not valid: is this a git repository|repository not found|no such file or directory"),
    (Trouble.NO_BRANCH, r"couldn't find remote ref|remote branch .* not found"),
    (Trouble.REJECTED, r"\[rejected\]|\[remote rejected\]|hook declined|non-fast-forward|failed to push some refs"),
    (Trouble.BAD_URL, r"transport '[^']*' not allowed|unsupported protocol|returned error: 30\d|redirect"),
    (
        Trouble.UNREACHABLE,
        r"could ?n[o']t (?:resolve|connect)|could not resolve|failed to connect|connection (?:refused|timed out)",
    ),
    (
        Trouble.UNREACHABLE,
        r"connection (?:reset|closed)|no route to host|network is unreachable|operation (?:timed out|too slow)",
    ),
    (
        Trouble.UNREACHABLE,
        r"returned error: (?:408|429|5\d\d)|rpc failed|early eof|unexpected disconnect|hung up|ssl|tls|certificate",
    ),
    (Trouble.UNREACHABLE, r"empty reply from server|unable to access|could not read from remote|unpack error|invalid index-pack"),
    (Trouble.BUSY, r"\.lock': file exists|another git process|cannot lock ref"),
    (Trouble.NOT_WRITABLE, r"permission denied|read-only file system|unable to create|could not create"),
)
_MAY_PASS = frozenset({Trouble.UNREACHABLE, Trouble.BUSY, Trouble.TIMEOUT, Trouble.NO_SPACE})
_ADVICE: dict[Trouble, tuple[str, str]] = {
    Trouble.NO_SPACE: ("WRITABLE_REPO_DIR", "the disk is full: make room where the clone is"),
    Trouble.CREDENTIALS: (
        "REPO_TOKEN",
        "the remote refuses the credentials: check that {credential} may read (and push to) what {url} names",
    ),
    Trouble.NOT_FOUND: ("REPO_URL", "no repository is there: check {url}, and that the credentials may see it"),
    Trouble.NO_BRANCH: ("REPO_BASE_BRANCH", "the remote has no such branch: check the name of the base branch"),
    Trouble.NO_COMMITS: ("REPO_URL", "the repository has no commits yet: push a first commit to it"),
    Trouble.REJECTED: (
        "REPO_URL",
        "the remote refused the push: fetch, merge what it has and push again, or ask who guards the branch",
    ),
    Trouble.BAD_URL: (
        "REPO_URL",
        "the address leads elsewhere or uses a protocol that is not allowed: name the final address in {url}",
    ),
    Trouble.UNREACHABLE: ("REPO_URL", "the remote cannot be reached: check the network and the host in {url}"),
    Trouble.CONFLICT: ("REPO_BRANCH_PREFIX", "a branch or file with another meaning has that name: rename one of the two"),
    Trouble.BUSY: ("WRITABLE_REPO_DIR", "another git is at work in the clone: it is tried again"),
    Trouble.NOT_WRITABLE: (
        "WRITABLE_REPO_DIR",
        "the clone or the directory above it cannot be written to: check owner and mode; a mount must not end at the clone",
    ),
    Trouble.TIMEOUT: ("REPO_CLONE_DEPTH", "git took too long: check the network, or clone fewer commits"),
    Trouble.BROKEN: (
        "WRITABLE_REPO_DIR",
        "git failed in a way that is not known: look in the log, and move the clone away to have a new one",
    ),
}
_ANONYMOUS = "the remote wants credentials and was given none: put a token into {credential}, since one in an address is not used"
_STEPS = ("Counting objects", "Compressing objects", "Receiving objects", "Resolving deltas", "Writing objects", "Updating files")
_PROGRESS = re.compile(rf"(?:remote: )?({'|'.join(_STEPS)}):\s+(\d{{1,3}})%")
_RACED = re.compile(
    rb"^!\t.*\[remote rejected\] \((?:atomic transaction failed|cannot lock ref|failed to update ref|reference already exists)",
    re.MULTILINE,
)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"]+")


def trouble_in(said: bytes) -> Trouble:
    """What stood in the way, by what git said on its standard error."""
    words = said.decode(errors="replace").lower()
    return next((trouble for trouble, tells in _TELLS if re.search(tells, words)), Trouble.BROKEN)


def error(trouble: Trouble, place: Place | None = None, *, is_anonymous: bool = False) -> GitError:
    """The error with our own advice, which repeats nothing that git or anybody else said; `is_anonymous`: no token was sent."""
    setting, advice = _ADVICE[trouble]
    if is_anonymous and trouble is Trouble.CREDENTIALS:
        advice = _ANONYMOUS
    credential = (
        "REPO_TOKEN"
        if place and place.is_from_environment
        else "the variable that CALLBOARD_REPOSITORY_ORIGINS binds the origin to"
    )
    told = advice.format(url=named(place), credential=credential)
    return GitError(trouble, told, setting=setting_of(place, setting), may_pass=trouble in _MAY_PASS)


def killed() -> GitError:
    """The error of a git that somebody else ended, which says nothing of the clone."""
    return GitError(Trouble.BROKEN, "git was ended from outside, perhaps for lack of memory: try again", may_pass=True)


def has_raced(output: bytes) -> bool:
    """Whether the remote refused a push, as told in columns, only because another push was changing the branch."""
    return _RACED.search(output) is not None


def placed(told: GitError, place: Place) -> GitError:
    """The same error with the key to look at, where the place knows one."""
    setting, _ = _ADVICE.get(told.trouble, ("WRITABLE_REPO_DIR", ""))
    return GitError(told.trouble, told.advice, setting=told.setting or setting_of(place, setting), may_pass=told.may_pass)


def shown(said: bytes, *, secrets: Collection[str] = ()) -> str:
    """The end of what git said, without addresses' credentials, secrets and control characters, for the log."""
    told = (line for line in re.split(r"[\r\n]", said.decode(errors="replace")) if not _PROGRESS.match(line))
    text = "".join(letter if letter.isprintable() else " " for letter in " ".join(told))
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "***")
    return _URL.sub(lambda found: redacted(found.group()), text).strip()[-SHOWN_MOST:]


class Lines:
    """Git's progress as it comes, piece by piece; each step and percentage once."""

    def __init__(self) -> None:
        self._rest = ""
        self._last: Progress | None = None

    def read(self, piece: bytes) -> list[Progress]:
        *lines, rest = re.split(r"[\r\n]", self._rest + piece.decode(errors="replace"))
        self._rest = rest[-SHOWN_MOST:]
        found = []
        for line in lines:
            match = _PROGRESS.match(line)
            progress = Progress(match[1].lower(), min(int(match[2]), 100)) if match else None
            if progress and progress != self._last:
                self._last = progress
                found.append(progress)
        return found


def trouble_of(error: OSError) -> Trouble:
    """What stood in the way, by what the disk said."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Trouble.NO_SPACE
    is_closed = isinstance(error, PermissionError) or error.errno in {errno.EROFS, errno.EBUSY, errno.EXDEV}
    return Trouble.NOT_WRITABLE if is_closed else Trouble.BROKEN
