"""`./callboard lint prompts`: whether anything that agents read names what only one installation has."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from app.bootstrap import workspaces_contents as workspaces
from app.delivery import neutrality, render, templating
from app.delivery.neutrality import Rule
from app.delivery.render import Templates
from app.delivery.specimens import specimens
from app.delivery.types.templates import Problem
from app.kernel.settings import ROOT, Settings
from app.kernel.startup import CannotStart

TEXTS = frozenset({".j2", ".md", ".txt", ".yaml", ".yml"})
MANUALS = ROOT / "docs" / "runtime"
WORKSPACES = ROOT / "app" / "bootstrap" / "templates"


def problems(settings: Settings, paths: Sequence[Path], more: Sequence[Path]) -> list[Problem]:
    """What is found in these files, or in all that agents read, rendered prompts included."""
    files = [*([settings.lint_rules] if settings.lint_rules else []), *more]
    try:
        rules = neutrality.rules(*files)
    except neutrality.BadRule as error:
        raise CannotStart(str(error)) from None
    return list(_in_given(paths, rules) if paths else _in_all(settings, rules))


def _in_given(paths: Sequence[Path], rules: tuple[Rule, ...]) -> Iterator[Problem]:
    yield from _in_files(paths, rules)
    for path in paths:
        if (directory := path.expanduser().resolve()).is_dir() and render.files_of(directory):
            yield from _in_prompts(_templates(directory), rules)


def _in_all(settings: Settings, rules: tuple[Rule, ...]) -> Iterator[Problem]:
    templating.ready(settings)
    workspaces.ready(settings)
    own = [settings.templates_dir] if settings.templates_dir else []
    manuals = dict.fromkeys((MANUALS, settings.manuals_dir))
    yield from _in_files([render.DIRECTORY, WORKSPACES, *own, settings.seeds_dir, *manuals], rules)
    yield from _in_prompts(_templates(settings.templates_dir), rules)
    for name, text in workspaces.samples(settings):
        yield from neutrality.found(text, place=f"<{name} of a workspace>", by=rules)


def _templates(directory: Path | None) -> Templates:
    templates, problem = render.compiled({}, directory)
    if templates is None or (problem := render.tried(templates)) is not None:
        raise CannotStart(f"the templates cannot be rendered: {problem}")
    return templates


def _in_files(paths: Sequence[Path], rules: tuple[Rule, ...]) -> Iterator[Problem]:
    for path in (file for given in paths for file in _files(given)):
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CannotStart(f"{path} cannot be read: {error}") from None
        place = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
        yield from neutrality.found(text, place=place, by=rules)


def _files(given: Path) -> list[Path]:
    path = given.expanduser().resolve()
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.suffix in TEXTS and file.is_file())
    if not path.exists():
        raise CannotStart(f"there is no {given}")
    return [path]


def _in_prompts(templates: Templates, rules: tuple[Rule, ...]) -> Iterator[Problem]:
    """Every kind of prompt for every role, each finding once."""
    reader, known = neutrality.Reader(rules), set[tuple[str, str]]()
    for one in specimens():
        prompt = render.render(one.context, token=lambda: "0" * 16, templates=templates)
        for found in reader.found(prompt, place=one.name):
            if (found.rule, found.message) not in known:
                known.add((found.rule, found.message))
                yield found
