"""Vitess, as PlanetScale runs it: one shard for each request, and no statement that it refuses.

No Vitess is at hand. Its rules are read from its source and documentation, and each SQL text of
Hubbub is parsed and compared with them. `test_rows_visited` does it with what calls run.
"""

import ast
import os
import re
from pathlib import Path

import pymysql
import pytest
from pymysql import err

from store.engine import migrate, mysql_errors, mysql_session, schema_version
from store.tables import TABLES
from tests.conftest import MariaDB
from tests.support import sql_texts, vschema
from tests.support.rare_statements import statements
from tests.support.scattered import ALLOWED, NOT_FOR_ONE_REQUEST, SCATTERED
from tests.support.vitess import findings

ROOT = Path(__file__).parents[2]
# Where calls of agents and people, and requests of any kind, are answered.
REQUESTS = ("bot/operations", "bot/kernel", "bot/identity", "webhooks", "mcp_server")
# These answer for all installations, or run in the background.
NOT_REQUESTS = {
    "webhooks/stored_metrics.py",
    # The worker calls it.
    "bot/identity/people/people_roles.py",
}
VITESS = "8.0.40-Vitess"


# --- The rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "scattered"),
    [
        ("SELECT id FROM tasks WHERE installation_id = :i", set()),
        ("SELECT id FROM tasks WHERE installation_id = :i OR id = :t", {"tasks"}),
        ("SELECT id FROM tasks WHERE id = :t", {"tasks"}),
        ("UPDATE tasks SET note = :n WHERE installation_id = :i AND id IN :ids", set()),
        ("DELETE FROM tasks WHERE state = 'failed'", {"tasks"}),
        # By way of the other table.
        (
            (
                "SELECT t.id FROM tasks t JOIN leases l ON l.installation_id = t.installation_id "
                "AND l.task_id = t.id WHERE t.installation_id = :i"
            ),
            set(),
        ),
        # The other table is not bound to an installation.
        (
            (
                "SELECT t.id FROM tasks t JOIN leases l ON l.task_id = t.id "
                "WHERE t.installation_id = :i"
            ),
            {"leases"},
        ),
        (
            (
                "SELECT t.id FROM tasks t WHERE t.installation_id = :i AND EXISTS "
                "(SELECT 1 FROM leases l WHERE l.installation_id = t.installation_id)"
            ),
            set(),
        ),
        (
            (
                "SELECT t.id FROM tasks t WHERE t.installation_id = :i AND EXISTS "
                "(SELECT 1 FROM leases l WHERE l.task_id = t.id)"
            ),
            {"leases"},
        ),
        (
            "SELECT id FROM tasks WHERE installation_id = :i UNION ALL SELECT id FROM leases",
            {"leases"},
        ),
        # By a lookup.
        ("SELECT actor FROM credentials WHERE id = :id", set()),
        ("SELECT actor FROM credentials WHERE person_id = :p", {"credentials"}),
        # Of no shard.
        ("SELECT value FROM facts WHERE name = :n", set()),
    ],
)
def test_the_shards_of_a_statement(sql: str, scattered: set[str]) -> None:
    assert findings(sql).scattered == scattered


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ('SELECT id AS "from" FROM tasks WHERE installation_id = :i', "double quotes"),
        ("SELECT a || b AS c FROM tasks WHERE installation_id = :i", "reads as OR"),
        ("SELECT GET_LOCK('a', 1) AS l", "GET_LOCK"),
        ("SELECT LAST_INSERT_ID() AS l", "LAST_INSERT_ID"),
        ("SELECT @a AS a", "variable"),
        ("CALL work()", "kind"),
        ("LOCK TABLES tasks WRITE", "kind"),
        ("UPDATE tasks SET installation_id = 3 WHERE installation_id = :i", "a change of"),
        (
            (
                "INSERT INTO tasks (installation_id, id) VALUES (:i, :t) "
                "ON DUPLICATE KEY UPDATE installation_id = tasks.installation_id"
            ),
            "a change of",
        ),
        ("INSERT INTO tasks (id) VALUES (:t)", "without the sharding key"),
        (
            "INSERT INTO tasks (installation_id, id) SELECT installation_id, id FROM leases",
            "INSERT …",
        ),
        ("DELETE FROM tasks WHERE state = 'failed' LIMIT :n", "LIMIT"),
        ("SELECT id FROM tasks WHERE state = 'failed' FOR UPDATE", "FOR UPDATE"),
        ("SELECT ROW_NUMBER() OVER (ORDER BY id) AS n FROM tasks", "window"),
        ("SELECT t.id FROM tasks t JOIN leases l ON l.task_id = t.id", "several shards"),
        (
            "SELECT t.id FROM tasks t JOIN facts f ON f.value = t.id WHERE t.installation_id = :i",
            "two keyspaces",
        ),
        (
            (
                "WITH RECURSIVE q AS (SELECT id FROM agents WHERE installation_id = :i UNION "
                "SELECT a.id FROM agents a JOIN q ON q.id = a.parent_id "
                "WHERE a.installation_id = :i) SELECT id FROM q"
            ),
            "RECURSIVE",
        ),
    ],
)
def test_what_is_refused(sql: str, refused: str) -> None:
    assert refused in " ".join(findings(sql).refused)


# --- Hubbub's statements --------------------------------------------------------------------------


def test_each_text_in_the_source_names_the_installation_or_is_a_named_scatter_query() -> None:
    wrong = [
        f"{place}: {sorted(findings(sql).scattered)} in {sql}"
        for place, texts in sql_texts.texts().items()
        for sql in texts
        if str(place) not in SCATTERED | ALLOWED and findings(sql).scattered
    ]
    assert not wrong, "\n".join(wrong)


def test_vitess_refuses_no_text_in_the_source() -> None:
    wrong = [
        f"{place}: {sorted(findings(sql).refused)} in {sql}"
        for place, texts in sql_texts.texts().items()
        for sql in texts
        if str(place) not in ALLOWED and findings(sql).refused
    ]
    assert not wrong, "\n".join(wrong)


async def test_vitess_refuses_none_of_the_statements_that_depend_on_an_argument() -> None:
    allowed = {"FOR UPDATE in all shards"}
    refused = {sql: findings(sql).refused - allowed for sql in await statements()}
    assert {sql: why for sql, why in refused.items() if why} == {}


def test_no_operation_and_no_server_calls_a_scatter_query() -> None:
    assert NOT_FOR_ONE_REQUEST.keys() <= SCATTERED.keys()
    called = {
        name: path
        for folder in REQUESTS
        for path in sorted((ROOT / folder).rglob("*.py"))
        if str(path.relative_to(ROOT)) not in NOT_REQUESTS
        for name in _called(path)
    }
    named = SCATTERED.keys() - NOT_FOR_ONE_REQUEST.keys()
    scattered = {name.removeprefix("store.").rpartition(".")[0::2] for name in named}
    short = {(module.rpartition(".")[2], function) for module, function in scattered}
    assert {name: path for name, path in called.items() if name in short} == {}


def _called(path: Path) -> set[tuple[str, str]]:
    """What is used of modules, such as `leases.overdue`."""
    return {
        (each.value.id, each.attr)
        for each in ast.walk(ast.parse(path.read_text()))
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name)
    }


# --- The schema -----------------------------------------------------------------------------------


def test_the_vschema_and_the_tables_of_each_keyspace_are_those_of_the_store() -> None:
    made = vschema.files()
    if os.environ.get("HUBBUB_UPDATE_SNAPSHOTS"):
        for name, text in made.items():
            (vschema.FOLDER / name).write_text(text)
    found = {each.name: each.read_text() for each in vschema.FOLDER.iterdir()}
    assert found == made


def test_no_unique_index_spans_shards() -> None:
    unique = {
        f"{table.name} {columns}"
        for table in TABLES.values()
        for columns in [table.key, *(i.columns for i in table.indexes if i.unique)]
        if columns[0] != "installation_id" and table.name not in vschema.UNSHARDED
    }
    # The rowid of SQLite's search; the lookup keeps the other unique.
    assert unique == {"search_texts ('doc',)", "credentials ('id',)"}


MADE = re.compile(r"(CREATE|DROP) (UNIQUE |FULLTEXT )?(TABLE|INDEX) |ALTER TABLE |-- ")
DATA = re.compile(r"(INSERT IGNORE INTO|UPDATE|DELETE FROM) ")
NEVER = re.compile(
    r"FOREIGN KEY|REFERENCES|AUTO_INCREMENT|PARTITION BY|TRIGGER|PROCEDURE|FUNCTION|VIEW|TEMPORARY",
)


def test_migrations_are_changes_that_vitess_can_make_online() -> None:
    texts = {
        path.name: path.read_text() for path in (ROOT / "store/migrations/sql").glob("*mysql.sql")
    }
    assert len(texts) > 30
    statements = [(n, each.strip()) for n, text in texts.items() for each in text.split(";\n")]
    wrong = [
        (name, each)
        for name, each in statements
        if each and (NEVER.search(each) or not (MADE.match(each) or DATA.match(each)))
    ]
    assert wrong == []


def test_tables_that_vitess_has_changed_get_the_rows_of_the_migrations_and_the_revision_on_mysql(
    mariadb: MariaDB, migrated_mysql_url: str
) -> None:
    url = mariadb.copy(migrated_mysql_url)
    with migrate.engine(url).connect() as connection:
        assert migrate.has_all_columns(connection)
        for statement in (
            "UPDATE alembic_version SET version_num = '0040'",
            "INSERT INTO facts (name, value) VALUES ('events forgotten 7', '33')",
        ):
            connection.exec_driver_sql(statement)
        migrate.follow(connection, migrate.alembic_config(connection))
        connection.commit()
        found = connection.exec_driver_sql("SELECT * FROM installation_facts").all()
        assert [tuple(row) for row in found] == [(7, "events forgotten", "33")]
        connection.exec_driver_sql("DELETE FROM alembic_version")
        migrate.follow(connection, migrate.alembic_config(connection))
        connection.commit()
        connection.exec_driver_sql("ALTER TABLE facts DROP COLUMN value")
        assert not migrate.has_all_columns(connection)
    assert schema_version.revision(url) == schema_version.newest()


# --- The session and the errors -----------------------------------------------------------------


def test_a_session_of_vitess_gets_only_settings_that_it_takes() -> None:
    server = mysql_session.flavour(VITESS)
    assert (server.is_vitess, server.together) == (True, False)
    for said in (mysql_session.settings(server), mysql_session.migration_settings(VITESS)):
        assert not re.search("ANSI|PIPES|NO_BACKSLASH|time_zone|character_set|storage_engine", said)
    assert "READ-COMMITTED" in mysql_session.settings(server)


# As Vitess words them.
AGAIN = [
    (1317, "vttablet: rpc error: code = Aborted desc = transaction 15: ended at 2026-11-30"),
    (1105, "target: hubbub.-80.primary: primary is not serving, there may be a reparent operation"),
    (1105, "vttablet: rpc error: code = FailedPrecondition desc = wrong tablet type: REPLICA"),
    (1105, "target: hubbub.80-.primary: vttablet: rpc error: code = ClusterEvent desc = operation"),
    (
        1203,
        "vttablet: rpc error: code = ResourceExhausted desc = transaction pool connection limit",
    ),
]


@pytest.mark.parametrize(("code", "text"), AGAIN)
def test_a_transaction_that_vitess_ended_or_had_no_room_for_is_tried_again(
    code: int, text: str
) -> None:
    exc = err.OperationalError(code, text)
    assert mysql_errors.is_conflict(exc)
    assert not mysql_errors.is_refused(exc)


def test_the_same_codes_of_another_server_are_what_they_were() -> None:
    assert not mysql_errors.is_conflict(pymysql.OperationalError(1105, "unknown error"))
    assert mysql_errors.is_refused(
        pymysql.OperationalError(1317, "Query execution was interrupted")
    )
