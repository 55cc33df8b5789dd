"""Alembic's environment: every room's tables, on the connection that kernel.migrate gives."""

from alembic import context
from sqlmodel import SQLModel

from app.accounts import models as accounts
from app.agents import models as agents
from app.autonomy import models as autonomy
from app.bootstrap import models as bootstrap
from app.delivery import models as delivery
from app.documents import models as documents
from app.events import models as events
from app.kernel import models as kernel
from app.memory import models as memory
from app.messages import models as messages
from app.notifications import models as notifications
from app.runtime.models import control, ledger
from app.tasks import models as tasks
from app.usage import models as usage

ROOMS = (
    kernel,
    events,
    ledger,
    control,
    accounts,
    agents,
    memory,
    autonomy,
    usage,
    tasks,
    messages,
    documents,
    notifications,
    delivery,
    bootstrap,
)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    compare_type=True,
    compare_server_default=False,
)
with context.begin_transaction():
    context.run_migrations()
