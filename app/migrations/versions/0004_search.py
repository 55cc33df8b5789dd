"""Search: the words of tasks, apart from the cards, and functions that search them within one account."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APP, AUTH = "callboard_app", "callboard_auth"
TENANT = "nullif(current_setting('app.account_id', true), '')::uuid"
EXTENSIONS = ("pg_trgm", "btree_gin")
READ = ("tasks", "task_texts")
# Kilobytes that an insert may leave for a later one to sort in: more of them make that later one slower.
PENDING = {"gin_pending_list_limit": "1024"}

# One word is one word: paths, names of modules and addresses are searched by their parts, on both sides.
TASK_WORDS = r"""
CREATE FUNCTION task_words(title text, description text, blocked_reason text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT setweight(to_tsvector('pg_catalog.english'::regconfig, translate($1, '/._:@\-', '       ')), 'A')
        || setweight(to_tsvector('pg_catalog.english'::regconfig, translate($2, '/._:@\-', '       ')), 'B')
        || setweight(to_tsvector('pg_catalog.english'::regconfig, translate(coalesce($3, ''), '/._:@\-', '       ')), 'C')
$$
"""
# A hyphen before a word excludes that word; any other is a space.
TASK_QUERY = r"""
CREATE FUNCTION task_query(wanted text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT websearch_to_tsquery('pg_catalog.english'::regconfig,
        regexp_replace(translate($1, '/._:@\', '      '), '--+|(?<=\w)-', ' ', 'g'))
$$
"""
# The same query for words of one weight.
TASK_QUERY_IN = r"""
CREATE FUNCTION task_query_in(query tsquery, weight text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT regexp_replace($1::text, $re$'([^']|'')*'$re$, '\&:' || $2, 'g')::tsquery
$$
"""
# What is left of a title without case and punctuation.
TASK_TITLE_KEY = r"""
CREATE FUNCTION task_title_key(title text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT md5(coalesce(nullif(btrim(regexp_replace(lower($1), '[[:space:][:punct:]]+', ' ', 'g')), ''), lower($1)))::uuid
$$
"""
# The newest thousand matches are ranked, so that a word that stands everywhere costs no more than another.
SEARCH_TASKS = f"""
CREATE FUNCTION search_tasks(wanted text, most integer, with_archived boolean, with_coordination boolean)
RETURNS TABLE (task_id uuid, score real, is_complete boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    tenant uuid := {TENANT};
    query tsquery := public.task_query(wanted);
    in_title tsquery;
    in_description tsquery;
    in_reason tsquery;
BEGIN
    -- A query that only excludes words matches all there is.
    IF tenant IS NULL OR querytree(query) IN ('', 'T') THEN
        RETURN;
    END IF;
    in_title := public.task_query_in(query, 'A');
    in_description := public.task_query_in(query, 'B');
    in_reason := public.task_query_in(query, 'C');
    RETURN QUERY
    WITH newest AS MATERIALIZED (
        SELECT x.task_id FROM public.task_texts x
        WHERE x.account_id = tenant AND (with_archived OR NOT x.is_archived) AND x.words @@ query
        ORDER BY x.task_id DESC LIMIT 1001
    )
    SELECT n.task_id,
        (3 * (x.words @@ in_title)::int + 2 * (x.words @@ in_description)::int + (x.words @@ in_reason)::int
            + ts_rank('{{0, 0.333, 0.667, 1}}', x.words, query))::real AS points,
        (SELECT count(*) FROM newest) <= 1000
    FROM newest n
    JOIN public.task_texts x ON x.account_id = tenant AND x.task_id = n.task_id
    JOIN public.tasks t ON t.account_id = tenant AND t.id = n.task_id
    WHERE (with_archived OR t.status <> 'archived') AND (with_coordination OR NOT t.is_coordination)
    ORDER BY points DESC, n.task_id DESC LIMIT most;
END $$
"""
# Of titles as long as `wanted`, those at `threshold` share this much of its trigrams; asking the index for less would have
# it fetch each title that shares a template, to no end. The planner takes comparing titles for cheap, so it is told
# to use the text index.
SIMILAR_TITLES = """
CREATE FUNCTION similar_titles(tenant uuid, wanted text, threshold real) RETURNS TABLE (task_id uuid, nearness real)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, public, pg_temp SET pg_trgm.similarity_threshold = 1
SET enable_seqscan = off SET enable_indexscan = off SET random_page_cost = 1 AS $$
BEGIN
    PERFORM set_config('pg_trgm.similarity_threshold', (2 * threshold / (1 + threshold))::text, true);
    RETURN QUERY
    SELECT x.task_id, public.similarity(x.title, wanted) FROM public.task_texts x
    WHERE x.account_id = tenant AND x.is_open AND x.title OPERATOR(public.%) wanted LIMIT 50;
END $$
"""
# The newest 200 of each state are compared one by one; the others are looked up only when none of these is close.
POSSIBLE_DUPLICATES = f"""
CREATE FUNCTION possible_duplicates(wanted text, threshold real, most integer)
RETURNS TABLE (id uuid, title text, status text, nearness real)
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := {TENANT};
    wanted_key uuid := public.task_title_key(wanted);
    trigrams integer := cardinality(public.show_trgm(wanted));
BEGIN
    -- Whoever writes the same title at this moment commits before the look below, which then sees it.
    PERFORM pg_advisory_xact_lock(hashtextextended('task title ' || tenant || wanted_key, 0));
    RETURN QUERY
    WITH same AS (
        SELECT x.task_id, 1::real AS points FROM public.task_texts x
        WHERE x.account_id = tenant AND x.title_key = wanted_key AND x.is_open
        ORDER BY x.task_id DESC LIMIT most
    ), recent AS (
        SELECT n.id, public.similarity(n.title, wanted) AS points
        FROM unnest(ARRAY['inbox', 'assigned', 'in_progress', 'review', 'blocked']) AS s (status),
            LATERAL (SELECT t.id, t.title FROM public.tasks t WHERE t.account_id = tenant AND t.status = s.status
                     ORDER BY t.id DESC LIMIT 200) AS n
        -- A text has at most one trigram more than characters, so a title that is much shorter need not be compared.
        WHERE length(n.title) + 1 >= threshold * trigrams
    ), near AS (
        SELECT f.task_id, max(f.points) AS points FROM (TABLE same UNION ALL SELECT * FROM recent r WHERE r.points >= threshold) AS f
        GROUP BY f.task_id
    )
    SELECT t.id, t.title::text, t.status::text, f.points FROM near f
    JOIN public.tasks t ON t.account_id = tenant AND t.id = f.task_id
    WHERE NOT t.is_coordination
    ORDER BY f.points DESC, t.id DESC LIMIT most;
    -- A title without trigrams would be compared with every other.
    IF NOT FOUND AND trigrams > 0 THEN
        RETURN QUERY
        SELECT t.id, t.title::text, t.status::text, f.nearness FROM public.similar_titles(tenant, wanted, threshold) AS f
        JOIN public.tasks t ON t.account_id = tenant AND t.id = f.task_id
        WHERE NOT t.is_coordination AND t.status NOT IN ('done', 'archived')
        ORDER BY f.nearness DESC, t.id DESC LIMIT most;
    END IF;
END $$
"""
# What the service calls, by whose right it runs, and who may call it.
PLAIN = (
    ("task_words(text, text, text)", TASK_WORDS, f"{APP}, {AUTH}"),
    ("task_query(text)", TASK_QUERY, f"{APP}, {AUTH}"),
    ("task_query_in(tsquery, text)", TASK_QUERY_IN, AUTH),
    ("task_title_key(text)", TASK_TITLE_KEY, f"{APP}, {AUTH}"),
    ("similar_titles(uuid, text, real)", SIMILAR_TITLES, AUTH),
)
DEFINER = (
    ("search_tasks(text, integer, boolean, boolean)", SEARCH_TASKS),
    ("possible_duplicates(text, real, integer)", POSSIBLE_DUPLICATES),
)


def upgrade() -> None:
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    op.create_table(
        "task_texts",
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("title_key", sa.Uuid(), nullable=False),
        sa.Column("words", postgresql.TSVECTOR(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["account_id", "task_id"], ["tasks.account_id", "tasks.id"], name="task_texts_task_fkey"),
        sa.PrimaryKeyConstraint("account_id", "task_id"),
    )
    for sql in (TASK_WORDS, TASK_TITLE_KEY):
        op.execute(sql)
    _fill()
    op.create_index(
        "task_texts_words_idx",
        "task_texts",
        ["account_id", "is_archived", "words"],
        unique=False,
        postgresql_using="gin",
        postgresql_with=PENDING,
    )
    op.create_index(
        "task_texts_title_idx",
        "task_texts",
        ["account_id", "title"],
        unique=False,
        postgresql_using="gin",
        postgresql_ops={"title": "gin_trgm_ops"},
        postgresql_where=sa.text("is_open"),
        postgresql_with=PENDING,
    )
    op.create_index(
        "task_texts_key_idx",
        "task_texts",
        ["account_id", "title_key", "task_id"],
        unique=False,
        postgresql_where=sa.text("is_open"),
    )
    op.execute("ALTER TABLE task_texts ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE task_texts FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant ON task_texts TO {APP} USING (account_id = (SELECT {TENANT}))")
    op.execute(f"GRANT SELECT, INSERT, UPDATE ON task_texts TO {APP}")
    for table in READ:
        op.execute(f"CREATE POLICY search ON {table} FOR SELECT TO {AUTH} USING (true)")
        op.execute(f"GRANT SELECT ON {table} TO {AUTH}")
    _make_functions()


def _fill() -> None:
    """The words of the tasks that there are; an owner is bound by its own policies, and none of them lets it read."""
    op.execute("ALTER TABLE tasks NO FORCE ROW LEVEL SECURITY")
    op.execute(
        "INSERT INTO task_texts (account_id, task_id, title, title_key, words, is_open, is_archived) "
        "SELECT account_id, id, title, task_title_key(title), task_words(title, description, blocked_reason), "
        "status NOT IN ('done', 'archived'), status = 'archived' FROM tasks"
    )
    op.execute("ALTER TABLE tasks FORCE ROW LEVEL SECURITY")


def _make_functions() -> None:
    for name, sql, callers in PLAIN:
        if sql not in (TASK_WORDS, TASK_TITLE_KEY):
            op.execute(sql)
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {callers}")
    # A new owner needs CREATE for the moment in which it becomes the owner.
    op.execute(f"GRANT CREATE ON SCHEMA public TO {AUTH}")
    for name, sql in DEFINER:
        op.execute(sql)
        op.execute(f"ALTER FUNCTION {name} OWNER TO {AUTH}")
        op.execute(f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name} TO {APP}")
    op.execute(f"REVOKE CREATE ON SCHEMA public FROM {AUTH}")


def downgrade() -> None:
    for name in (*(name for name, _ in DEFINER), *(name for name, *_ in PLAIN)):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP POLICY search ON tasks")
    op.execute(f"REVOKE SELECT ON tasks FROM {AUTH}")
    op.drop_table("task_texts")
    for extension in EXTENSIONS:
        op.execute(f"DROP EXTENSION IF EXISTS {extension}")
