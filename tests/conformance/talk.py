"""Cases of threads and documents."""

from typing import Any

from tests.conformance.steps import Case, asked, flags, said, task, thread

MINE = (task("engineer"),)
HELLO = {"task_id": "{task}", "content": "Hello"}
NOTE = {"title": "Notes", "content": "text", "type": "note"}
WRITTEN = asked("engineer", "document", keep="document", **NOTE)

MESSAGES = (
    Case(verb="task-message", name="by an assignee", given=MINE, sends=HELLO, says={"content": "Hello"}, then=thread("Hello")),
    Case(
        verb="task-message",
        name="that calls somebody",
        given=MINE,
        sends=HELLO | {"content": "@Writer look"},
        says={"mentions": ["writer"]},
    ),
    Case(
        verb="task-message",
        name="by a stranger",
        who="writer",
        given=MINE,
        sends=HELLO,
        refused="forbidden",
        says={"reason": "not_assigned"},
        then=thread(),
    ),
    Case(
        verb="task-message", name="empty", given=MINE, sends=HELLO | {"content": ""}, refused="validation_failed", field="content"
    ),
    Case(
        verb="task-message",
        name="too long",
        given=MINE,
        sends=HELLO | {"content": "x" * 100_001},
        refused="validation_failed",
        field="content",
    ),
    Case(
        verb="task-message",
        name="no text",
        given=MINE,
        sends=HELLO | {"content": 7},
        refused="validation_failed",
        field="content",
    ),
    Case(verb="task-message", name="without a task", sends={"content": "x"}, refused="validation_failed", field="task_id"),
    Case(verb="task-message", name="one key is one message", given=MINE, sends=HELLO, key="say", then=thread("Hello")),
    Case(
        verb="task-message",
        name="one key for two messages",
        given=MINE,
        sends=HELLO,
        key="say",
        again=HELLO | {"content": "Bye"},
        refused="idempotency_mismatch",
        then=thread("Hello"),
    ),
    Case(
        verb="task-load",
        name="with its thread",
        given=(*MINE, said("one", "two")),
        sends={"task_id": "{task}"},
        says={"omitted": 0},
    ),
    Case(
        verb="task-load",
        name="the newest of its thread",
        given=(*MINE, said("one", "two", "three")),
        sends={"task_id": "{task}", "message_limit": 1},
        says={"omitted": 2},
    ),
    Case(
        verb="task-load",
        name="more than there may be",
        given=(*MINE, said("one")),
        sends={"task_id": "{task}", "message_limit": 9999},
        says={"omitted": 0},
    ),
    Case(
        verb="task-load",
        name="less than one",
        given=MINE,
        sends={"task_id": "{task}", "message_limit": 0},
        refused="validation_failed",
        field="message_limit",
    ),
    Case(verb="task-load", name="nothing", sends={"task_id": "{absent}"}, refused="not_found"),
)

DOCUMENTS = (
    Case(verb="document", name="a new one", sends=NOTE, says={"title": "Notes", "version": 1}),
    Case(
        verb="document",
        name="a new version",
        given=(WRITTEN,),
        sends=NOTE | {"document_id": "{document}", "content": "more"},
        says={"version": 2},
    ),
    Case(
        verb="document",
        name="of another",
        who="writer",
        given=(WRITTEN,),
        sends=NOTE | {"document_id": "{document}"},
        refused="forbidden",
        says={"reason": "not_author"},
    ),
    Case(
        verb="document",
        name="by who may not",
        given=(flags("engineer", can_create_documents=False),),
        sends=NOTE,
        refused="forbidden",
        says={"reason": "capability_denied"},
    ),
    Case(
        verb="document",
        name="without a title",
        sends={"content": "x", "type": "note"},
        refused="validation_failed",
        field="title",
    ),
    Case(
        verb="document",
        name="a slug that is taken",
        given=(asked("engineer", "document", slug="mine", **NOTE),),
        sends=NOTE | {"slug": "mine"},
        refused="duplicate",
    ),
    Case(verb="document-list", name="all", given=(WRITTEN,), says={"limit": 50, "next_cursor": None}),
    Case(verb="document-list", name="a limit beyond the most", sends={"limit": 9999}, says={"limit": 200}),
    Case(verb="document-list", name="a cursor of nobody", sends={"cursor": "x"}, refused="validation_failed", field="cursor"),
    Case(verb="document-get", name="by its id", given=(WRITTEN,), sends={"document_id": "{document}"}, says={"content": "text"}),
    Case(
        verb="document-get",
        name="a slug as people write it",
        given=(asked("engineer", "document", slug="mine", **NOTE),),
        sends={"slug": " Mine "},
        says={"content": "text"},
    ),
    Case(verb="document-get", name="none", sends={"slug": "no-such"}, refused="not_found"),
    Case(verb="document-get", name="neither", refused="validation_failed", field="document_id"),
)

WANTED: dict[str, Any] = {"task_id": "{task}", "recipient_slugs": ["writer"], "message": "Is it ready?"}

REQUESTS = (
    Case(verb="response-request", name="of an assignee", given=MINE, sends=WANTED, says={"suppressed": []}),
    Case(
        verb="response-request",
        name="a slug as people write it",
        given=MINE,
        sends=WANTED | {"recipient_slugs": [" @Writer"]},
        says={"suppressed": []},
    ),
    Case(
        verb="response-request",
        name="twice",
        given=(*MINE, asked("engineer", "response-request", **WANTED)),
        sends=WANTED,
        says={"created": []},
    ),
    Case(verb="response-request", name="one key is one request", given=MINE, sends=WANTED, key="ask", says={"suppressed": []}),
    Case(
        verb="response-request",
        name="of itself",
        given=MINE,
        sends=WANTED | {"recipient_slugs": ["engineer"]},
        refused="validation_failed",
        field="recipient_slugs",
    ),
    Case(
        verb="response-request",
        name="by a stranger",
        who="writer",
        given=MINE,
        sends=WANTED | {"recipient_slugs": ["engineer"]},
        refused="forbidden",
        says={"reason": "not_assigned"},
    ),
    Case(
        verb="response-request",
        name="by who calls nobody",
        given=(*MINE, flags("engineer", can_mention_agents=False)),
        sends=WANTED,
        refused="forbidden",
        says={"reason": "capability_denied", "flag": "can_mention_agents"},
    ),
)

CASES = (*MESSAGES, *DOCUMENTS, *REQUESTS)
