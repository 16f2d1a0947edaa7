"""Whoever reads the database can change nothing in it: each table, view and sequence of the catalogue is tried."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from forging import entry, ground, listening
from psycopg import conninfo, sql

from services.contracts.topics import ORDERS

Connection = psycopg.Connection[Any]

RELATIONS = """
select c.relkind::text, format('%I.%I', n.nspname, c.relname), (
    select quote_ident(a.attname) from pg_attribute a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
      and a.attidentity = '' order by a.attnum limit 1
)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
  and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^(pg_toast|pg_temp)'
order by 2
"""
ON_TABLES = (
    "insert into {0} default values",
    "update {0} set {1} = {1}",
    "delete from {0}",
    "truncate {0}",
    "drop table {0}",
    "alter table {0} add column mine integer",
    "create trigger mine before insert on {0} execute function suppress_redundant_updates_trigger()",
    "create rule mine as on insert to {0} do instead nothing",
    "lock table {0} in exclusive mode",
    "copy {0} from program 'true'",
)
ON_VIEWS = ("insert into {0} ({1}) values (default)", "update {0} set {1} = {1}", "delete from {0}", "drop view {0}")
ON_SEQUENCES = ("select nextval('{0}')", "select setval('{0}', 1)", "drop sequence {0}")
ELSEWHERE = (
    "create table public.mine (a integer)",
    "create function public.mine() returns integer language sql as 'select 1'",
    "create schema mine",
    "create role mine",
    "alter role chloe_reader superuser",
    "grant chloe_service to chloe_reader",
    "set role chloe_service",
    "set session authorization postgres",
    "set session_replication_role = replica",
    "select pg_read_file('/etc/hostname')",
    "select lo_import('/etc/hostname')",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'postgres'",
)
NAMED = ("outbox", "commands", "asset_registry", "asset_class_config", "phase_activation_log", "orders", "stage_state")
"""What must be among the tables that the catalogue lists, or the test would prove little."""


@contextmanager
def somebody(database_url: str, *roles: str) -> Iterator[Connection]:
    """Connect as a person's login that is a member of the given roles."""
    name = f"person_{uuid4().hex}"
    with psycopg.connect(database_url, autocommit=True) as owner:
        owner.execute(f"create role {name} login in role {', '.join(roles)}")
        try:
            with psycopg.connect(conninfo.make_conninfo(database_url, user=name), autocommit=True) as conn:
                yield conn
        finally:
            owner.execute(f"drop owned by {name}")
            owner.execute(f"drop role {name}")


def passed(conn: Connection, statements: list[str]) -> list[str]:
    """Return the statements that the server carries out; each is rolled back."""
    through = []
    for statement in statements:
        try:
            with conn.transaction(force_rollback=True):
                conn.execute(statement)
            through.append(statement)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectNotInPrerequisiteState):
            continue  # the second: a view that nobody can write through
    return through


def relations(database_url: str) -> list[tuple[str, str, str]]:
    """List every table, view and sequence of this database with its first column."""
    with psycopg.connect(database_url) as owner:
        return [tuple(row) for row in owner.execute(RELATIONS)]


def attempts(database_url: str, kinds: str = "rpvmfS") -> list[str]:
    """Write down every statement to try on relations of the given kinds."""
    by_kind = {"v": ON_VIEWS, "m": ON_VIEWS, "S": ON_SEQUENCES}
    found = [one for one in relations(database_url) if one[0] in kinds]
    return [text.format(name, column) for kind, name, column in found for text in by_kind.get(kind, ON_TABLES)]


def contents(database_url: str) -> dict[str, str]:
    """Take the fingerprint of every table."""
    with psycopg.connect(database_url) as owner:
        query = "select md5(coalesce(string_agg(t::text, chr(10) order by t::text), '')) from {} t"
        tables = [name for kind, name, _ in relations(database_url) if kind in "rp"]
        made = {name: owner.execute(sql.SQL(query).format(sql.SQL(name))).fetchone() for name in tables}
    return {name: row[0] for name, row in made.items() if row}


def test_a_reader_can_change_nothing_whatever_the_catalogue_lists(database_url: str) -> None:
    before = contents(database_url)
    assert {f"public.{name}" for name in NAMED} <= before.keys()
    statements = attempts(database_url)
    assert len(statements) > 10 * len(before)
    with somebody(database_url, "chloe_reader") as reader:
        assert passed(reader, statements) == []
        assert passed(reader, list(ELSEWHERE)) == []
        for name in before:
            reader.execute(f"select count(*) from {name}")
    assert contents(database_url) == before


def test_the_owner_is_not_refused_those_statements(database_url: str) -> None:
    """Without this the test above could pass on statements that are refused to anybody."""
    words = ("update", "delete", "lock")
    tables = [name for kind, name, _ in relations(database_url) if kind in "rp"]
    tried = [text for text in attempts(database_url, "rp") if text.startswith(words)]
    assert len(tried) >= 3 * len(tables)
    with psycopg.connect(database_url, autocommit=True) as owner:
        for text in tried:
            with suppress(psycopg.IntegrityError), owner.transaction(force_rollback=True):
                owner.execute(text)


INSERTS = {
    "outbox": "insert into outbox (topic, producer, seq, ts, body) values ('risk.orders', 'risk', 1, now(), '{}')",
    "commands": "insert into commands (id, name, given_by) values (gen_random_uuid(), 'enable', 'me')",
    "asset_registry": "update asset_registry set trading_enabled = true where symbol = 'SOL/USDT'",
    "stage_state": "update stage_state set state = '{}'",
}


@pytest.mark.parametrize("statement", INSERTS.values(), ids=INSERTS)
def test_a_reader_is_refused_the_row_that_would_let_an_asset_trade(database_url: str, statement: str) -> None:
    with somebody(database_url, "chloe_reader") as reader:
        assert passed(reader, [statement]) == []
    with somebody(database_url, "chloe_service") as service:
        assert passed(service, [statement]) == [statement], "refused for its right, not for its words"


@pytest.mark.parametrize("granted", [False, True])
def test_an_order_in_the_outbox_would_be_believed_and_only_the_right_to_write_there_keeps_it_out(
    database_url: str, redis_url: str, granted: bool
) -> None:
    fields = entry(ORDERS, 2, "lie")

    async def case() -> None:
        async with ground(database_url, redis_url, ORDERS, "execution") as on, listening(on):
            await on.truth(1)
            with somebody(database_url, "chloe_reader") as reader:
                if granted:
                    await on.pool.execute(f"grant insert on outbox to {reader.info.user}")
                insert = "insert into outbox values ('risk.orders', 'risk', 2, now(), %s)"
                if granted:
                    reader.execute(insert, [fields["body"]])
                else:
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        reader.execute(insert, [fields["body"]])
            await on.forge(fields)
            if granted:
                assert (await on.heard(2))[-1] == ("risk", 2, fields["body"])
            else:
                assert await on.truth(2) == on.expected

    asyncio.run(case())


def test_services_may_add_to_the_activation_log_and_never_change_it(database_url: str) -> None:
    insert = (
        "insert into phase_activation_log"
        " values (1, gen_random_uuid(), now(), 'phase_1_stocks', 'activated', 'a test', '', false, '{}', '', 'h')"
    )
    with somebody(database_url, "chloe_service") as service:
        service.execute(insert)
        tried = [
            text
            for text in attempts(database_url)
            if "public.phase_activation_log" in text and not text.startswith("insert")
        ]
        assert len(tried) == len(ON_TABLES) - 1
        assert passed(service, tried) == []
        assert passed(service, [text for text in ELSEWHERE if "set role chloe_service" not in text]) == []
