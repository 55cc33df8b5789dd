"""SQL of what keeps a task from going round."""

from app.kernel.writes import Write

# Wake-ups are added to the open window or open one; progress restores all credits, and a run that leads nowhere takes one,
# unless another that the same run led to did so meanwhile.
GUARD = Write(
    "guarded",
    """guarded AS (
        INSERT INTO task_guards (account_id, task_id, credits, wakes, wakes_since, spent_for)
        SELECT $1, r.task_id,
            CASE WHEN r.restores THEN r.full_credits
                 ELSE greatest(least(coalesce(g.credits, r.full_credits), r.full_credits) - w.spends, 0) END,
            least(r.wakes + CASE WHEN w.is_open THEN g.wakes ELSE 0 END, 30000),
            CASE WHEN r.wakes > 0 AND NOT w.is_open THEN callboard_now() ELSE g.wakes_since END,
            greatest(r.spent_for, g.spent_for)
        FROM (SELECT o.task_id, sum(o.wakes)::int AS wakes, sum(o.spends)::int AS spends, bool_or(o.restores) AS restores,
                max(o.full_credits) AS full_credits, max(o.spent_for)::uuid AS spent_for
              FROM json_to_recordset($2::json) AS o (task_id uuid, wakes int, spends int, restores boolean, full_credits int,
                                                     spent_for text) GROUP BY o.task_id) r
        LEFT JOIN task_guards g ON g.account_id = $1 AND g.task_id = r.task_id
        CROSS JOIN LATERAL (SELECT coalesce(g.wakes_since > callboard_now() - interval '1 hour', false) AS is_open,
            CASE WHEN g.spent_for >= r.spent_for THEN 0 ELSE r.spends END AS spends) w
        ORDER BY r.task_id
        ON CONFLICT (account_id, task_id) DO UPDATE SET credits = excluded.credits, wakes = excluded.wakes,
            wakes_since = excluded.wakes_since, spent_for = excluded.spent_for RETURNING 1
    )""",
    is_exact=False,
)

# Where in the log a task last came further, by whomever: its state, its assignees, what it depends on, evidence, links,
# commits, documents, the making and the state of sub-tasks, and all that a person did; no message of an agent, and nothing that
# the board did.
_PROGRESS = """(SELECT max(p.seq) AS seq, max(p.at) AS at FROM (
        (SELECT e.seq, e.at FROM events e
         WHERE e.account_id = $1 AND e.entity_kind = 'task' AND e.entity_id = {task} AND (e.actor_kind = 'person'
             OR e.actor_kind = 'agent' AND (e.payload ->> 'from' IS DISTINCT FROM e.payload ->> 'to'
                 OR e.payload -> 'depends_on' IS NOT NULL
                 OR e.type IN ('board:task:created', 'board:task:assigned', 'board:task:evidence', 'board:task:linked',
                     'board:task:committed', 'board:task:pushed')))
         ORDER BY e.seq DESC LIMIT 1)
        UNION ALL
        (SELECT e.seq, e.at FROM documents d CROSS JOIN LATERAL (
            SELECT o.seq, o.at FROM events o WHERE o.account_id = $1 AND o.entity_kind = 'document' AND o.entity_id = d.id
            ORDER BY o.seq DESC LIMIT 1) e WHERE d.account_id = $1 AND d.task_id = {task})
        UNION ALL
        (SELECT e.seq, e.at FROM tasks c CROSS JOIN LATERAL (
            SELECT o.seq, o.at FROM events o
            WHERE o.account_id = $1 AND o.entity_kind = 'task' AND o.entity_id = c.id AND o.actor_kind <> 'system'
              AND (o.type = 'board:task:created' OR o.payload ->> 'from' IS DISTINCT FROM o.payload ->> 'to')
            ORDER BY o.seq DESC LIMIT 1) e WHERE c.account_id = $1 AND c.parent_id = {task})
    ) p)"""
LAST_PROGRESS = f"SELECT p.seq, p.at FROM {_PROGRESS.format(task='$2')} p"
# A run that ended, unless a person's act caused it: what it is charged to, and whether its task came further since its cause.
RUN = f"""
SELECT n.type, n.task_id, t.status, coalesce(n.cause_id, n.id) AS charged_to, g.credits, g.spent_for,
    coalesce(p.seq > e.seq, p.at >= n.created_at, false) AS has_progress,
    t.xmin = (SELECT o.xmin FROM tasks o WHERE o.account_id = $1 AND o.id = n.task_id) AS is_fresh
FROM notifications n
JOIN tasks t ON t.account_id = $1 AND t.id = n.task_id
LEFT JOIN task_guards g ON g.account_id = $1 AND g.task_id = n.task_id
LEFT JOIN events e ON e.account_id = $1 AND e.event_id = n.event_id
CROSS JOIN LATERAL {_PROGRESS.format(task="n.task_id")} p
WHERE n.account_id = $1 AND n.id = $2 AND n.actor_kind <> 'person' AND t.quarantined_at IS NULL
FOR NO KEY UPDATE OF t
"""
# The notification `$2`, what led its author there, and so on, for `$3` steps.
CHAIN = """
WITH RECURSIVE chain AS (
    SELECT n.id, n.type, n.state, n.actor_kind, n.actor_id, n.recipient_id, n.created_at, n.event_id, n.cause_id, 1 AS step
    FROM notifications n WHERE n.account_id = $1 AND n.id = $2
  UNION ALL
    SELECT n.id, n.type, n.state, n.actor_kind, n.actor_id, n.recipient_id, n.created_at, n.event_id, n.cause_id, c.step + 1
    FROM chain c JOIN notifications n ON n.account_id = $1 AND n.id = c.cause_id WHERE c.step < $3
)
SELECT c.id, c.type, c.state, c.actor_kind, c.actor_id, a.slug AS author, c.recipient_id, r.slug AS recipient, c.created_at,
    e.seq, c.step
FROM chain c
LEFT JOIN agents a ON a.account_id = $1 AND a.id = c.actor_id
LEFT JOIN agents r ON r.account_id = $1 AND r.id = c.recipient_id
LEFT JOIN events e ON e.account_id = $1 AND e.event_id = c.event_id
"""
# At most once until it is lifted: the answer is the new version, if it was now. What nobody has taken ends here; what a
# gateway was asked already comes to its own end.
QUARANTINE = """
WITH quarantined AS (
    UPDATE tasks SET quarantined_at = callboard_now(), quarantine_reason = $3, version = version + 1
    WHERE account_id = $1 AND id = $2 AND quarantined_at IS NULL RETURNING id, version
), caused AS (
    INSERT INTO task_guards (account_id, task_id, credits, cause_id) SELECT $1, q.id, $5, $4 FROM quarantined q
    ON CONFLICT (account_id, task_id) DO UPDATE SET cause_id = excluded.cause_id
), ended AS (
    UPDATE notifications n SET state = 'skipped', reason = 'quarantined', ended_at = callboard_now() FROM quarantined q
    WHERE n.account_id = $1 AND n.task_id = q.id AND n.state = 'queued' AND n.recipient_kind = 'agent'
      AND n.actor_kind <> 'person' AND (n.taken_at IS NULL OR n.command_id IS NULL)
)
SELECT version FROM quarantined
"""
LIFT = Write(
    "lifted",
    """lifted AS (
        UPDATE tasks SET quarantined_at = NULL, quarantine_reason = NULL, version = version + 1
        WHERE account_id = $1 AND id = $2 AND quarantined_at IS NOT NULL RETURNING id
    ), credited AS (
        UPDATE task_guards g SET credits = $3, wakes = 0, wakes_since = NULL, spent_for = NULL, cause_id = NULL
        FROM lifted l WHERE g.account_id = $1 AND g.task_id = l.id
    )""",
)
QUARANTINED = """
SELECT t.quarantined_at, t.quarantine_reason, g.cause_id FROM tasks t
LEFT JOIN task_guards g ON g.account_id = $1 AND g.task_id = t.id WHERE t.account_id = $1 AND t.id = $2
"""
