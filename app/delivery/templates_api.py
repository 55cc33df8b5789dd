"""Prompt templates and previews of prompts: REST."""

import secrets

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from app.delivery import templating
from app.delivery.previewing import Previews
from app.delivery.template_schemas import (
    Preview,
    PreviewView,
    TemplateEdit,
    TemplatePage,
    TemplateRemoval,
    TemplateText,
    TemplateVersionPage,
    Version,
)
from app.delivery.types.templates import TemplateName
from app.kernel import paging
from app.kernel.edge import Call, mutate, read
from app.kernel.errors import Missing
from app.kernel.openapi import described
from app.kernel.settings import Settings

TEMPLATES = "/api/v1/prompt-templates"
TEMPLATE = f"{TEMPLATES}/{{name:str}}"
GONE = 204
MANAGE = "account.manage"


@get(TEMPLATES, operation_class=described(view=TemplatePage))
async def listed(request: Call) -> Response[bytes]:
    """All prompt templates: whose is in force, and in which version."""
    return await read(request, MANAGE, lambda tx, _: templating.listed(tx, _settings(request)))


@get(TEMPLATE, operation_class=described(view=TemplateText))
async def one(request: Call, name: FromPath[str]) -> Response[bytes]:
    """A prompt template as it is in force, and the names that it may use."""
    wanted = _name(name)
    return await read(request, MANAGE, lambda tx, _: templating.one(tx, _settings(request), wanted))


@get(f"{TEMPLATE}/versions", operation_class=described(view=TemplateVersionPage))
async def versions(request: Call, name: FromPath[str]) -> Response[bytes]:
    """A page of what the account wrote, newest first."""
    wanted, limit, before = _name(name), paging.limit(request), paging.asked(request, "cursor", Version)
    return await read(request, MANAGE, lambda tx, _: templating.versions(tx, wanted, limit=limit, before=before))


@put(TEMPLATE, operation_class=described(body=TemplateEdit, view=TemplateText))
async def edit(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Write a new version; it is tried on every kind of prompt first, and refused with what is wrong and where."""
    wanted = _name(name)
    return await mutate(
        request, MANAGE, TemplateEdit, lambda tx, who, body: templating.edit(tx, _settings(request), who, wanted, body)
    )


@delete(TEMPLATE, status_code=200, operation_class=described(body=TemplateRemoval, status=GONE))
async def remove(request: Call, name: FromPath[str]) -> Response[bytes]:
    """Give the installation's template back."""
    wanted = _name(name)
    return await mutate(
        request, MANAGE, TemplateRemoval, lambda tx, who, body: templating.remove(tx, who, wanted, body), status=GONE
    )


@post("/api/v1/deliveries/preview", status_code=200, operation_class=described(body=Preview, view=PreviewView))
async def preview(request: Call) -> Response[bytes]:
    """Render a prompt as it would be sent now; nothing is sent, frozen or counted."""
    previews = Previews(_settings(request), request.app.state.verbs, token=lambda: secrets.token_hex(8))
    return await mutate(request, "runtime.read", Preview, lambda tx, _, body: previews.preview(tx, body))


def _settings(request: Call) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


def _name(text: str) -> TemplateName:
    try:
        return TemplateName(text)
    except ValueError:
        raise Missing.thing("prompt template", text[:64]) from None


ROUTES = (listed, one, versions, edit, remove, preview)
