"""Worktrees of tasks for people: REST."""

from litestar import Response, get, post
from litestar.params import FromPath

from app.bootstrap import worktrees
from app.bootstrap.vcs_schemas import TaskWorktreeView
from app.kernel.edge import Call, answered, board, caller, identity, mutate, origin
from app.kernel.openapi import described
from app.kernel.wire import Body

WORKTREE = "/api/v1/tasks/{task_id:str}/worktree"


@get(WORKTREE, operation_class=described(view=TaskWorktreeView))
async def worktree(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """The task's branch and worktree, looked at now: commits, what differs, ahead and behind."""
    wanted = identity(task_id, kind="task")
    principal = await caller(request, "task.read")
    return answered(await worktrees.look(board(request).database, principal, origin(request), wanted))


@post(WORKTREE, status_code=200, operation_class=described(view=TaskWorktreeView))
async def want_worktree(request: Call, task_id: FromPath[str]) -> Response[bytes]:
    """Have the task's worktree made now, for instance after it has failed."""
    wanted = identity(task_id, kind="task")
    return await mutate(request, "task.commit", Body, lambda tx, who, body: worktrees.wanted(tx, who, wanted, body))


ROUTES = (worktree, want_worktree)
