"""Which keys the configuration of a clone may hold: agents may write to it, so nothing in it may name a program or a place."""

import re

# In lower case, as git compares sections and keys; what stands between them is a name of anything.
_ALLOWED = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|ignorecase|precomposeunicode|symlinks|autocrlf|eol|safecrlf"
    r"|abbrev|quotepath|whitespace|longpaths|preloadindex|commentchar|sharedrepository|compression)"
    r"|extensions\.(objectformat|worktreeconfig|refstorage)"
    r"|remote\.[^\n]+\.(url|pushurl|fetch|push|prune|tagopt)"
    r"|branch\.[^\n]+\.(remote|pushremote|merge|rebase|description)"
    r"|(user|author|committer)\.(name|email)|user\.useconfigonly"
    r"|pull\.(rebase|ff)|push\.(default|followtags|autosetupremote)|fetch\.(prune|prunetags|writecommitgraph)"
    r"|merge\.(conflictstyle|ff|renames|log|stat)|rebase\.(autostash|autosquash|stat|updaterefs)|rerere\.(enabled|autoupdate)"
    r"|diff\.(algorithm|renames|colormoved|mnemonicprefix|noprefix|context)|status\.[a-z]+|color\.[a-z]+|column\.[a-z]+"
    r"|advice\.[a-z]+|init\.defaultbranch|gc\.[a-z]+|log\.(date|decorate|abbrevcommit)|index\.(version|threads)"
)


def unsafe_key(keys: list[str]) -> str | None:
    """The first key that may not stand there."""
    return next((key for key in keys if not is_allowed(key)), None)


def is_allowed(key: str) -> bool:
    return bool(_ALLOWED.fullmatch(key.lower()))


def listed(output: bytes) -> dict[str, str]:
    """What `git config --list -z` answers; of a key that is there twice, the last value."""
    rows = (row.partition("\n") for row in output.decode(errors="replace").split("\x00") if row)
    return {key: value for key, _, value in rows}
