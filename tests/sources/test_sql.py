"""Databases: SQLite, DuckDB, and PostgreSQL where a server is named by NETWRIGHT_TEST_POSTGRESQL."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from netwright.data import readers
from netwright.data.readers.address import address, refuse_password, shown
from netwright.recipe import Read

POSTGRESQL = os.environ.get("NETWRIGHT_TEST_POSTGRESQL", "")  # postgresql://USER:PASSWORD@HOST/DATABASE, freely written
ONE = "one SELECT: sources are read-only"


@pytest.fixture
def sqlite(tmp_path) -> Callable[..., Path]:
    """Make an SQLite file by these statements."""

    def make(*statements: str, name: str = "shop.db") -> Path:
        with closing(sqlite3.connect(tmp_path / name)) as opened:
            for statement in statements:
                opened.execute(statement)
            opened.commit()
        return tmp_path / name

    return make


@pytest.fixture
def shop(sqlite) -> Path:
    return sqlite(
        "CREATE TABLE orders (id INTEGER PRIMARY KEY, price REAL, city TEXT)",
        "INSERT INTO orders VALUES (1, 9.5, 'Rome'), (2, 3, NULL), (7, NULL, 'Bonn')",
    )


# --- SQLite -----------------------------------------------------------------------------------------------------------


def test_the_only_table_of_a_file_is_read(shop, said):
    table = readers.read(shop)
    assert table.frame.rows() == [(1, 9.5, "Rome"), (2, 3.0, None), (7, None, "Bonn")]
    assert table.ids() == ["shop.db:orders:1", "shop.db:orders:2", "shop.db:orders:3"]
    assert (table.name, table.folder, said) == ("shop.db:orders", str(shop.parent), [])


def test_a_query_gives_numbered_rows(shop, said):
    table = readers.read(
        shop, settings=Read(query="SELECT price * 2 AS double FROM orders WHERE id < 7 ORDER BY id DESC")
    )
    assert (table.frame.rows(), table.ids()) == ([(6.0,), (19.0,)], ["shop.db:1", "shop.db:2"])
    assert said == []


def test_an_address_names_a_file(shop, monkeypatch):
    assert len(readers.read(f"sqlite:///{shop}")) == 3
    monkeypatch.chdir(shop.parent)
    table = readers.read("sqlite:///shop.db")
    assert (table.ids()[0], table.folder) == ("shop.db:orders:1", ".")


def test_a_query_without_an_order_is_said(shop, said):
    readers.read(shop, settings=Read(query="SELECT * FROM orders"))
    assert "guarantees no order" in said[0].text


def test_several_tables_are_listed(sqlite, refused):
    text = refused(readers.read, sqlite("CREATE TABLE a (x)", "CREATE TABLE b (y)", "CREATE VIEW v AS SELECT 1"))
    assert "holds 2 tables: a, b" in text and '--read.query "SELECT * FROM a"' in text


def test_a_view_alone_is_read(sqlite):
    assert readers.read(sqlite("CREATE VIEW v AS SELECT 1 AS one")).ids() == ["shop.db:v:1"]


def test_a_database_without_tables_is_refused(sqlite, refused):
    assert "holds no tables" in refused(readers.read, sqlite())


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", 'near "selec": syntax error'),
        ("SELECT * FROM nope", "no such table: nope"),
        ("SELECT * FROM orders WHERE id > 9", "gives no row"),
        ("DELETE FROM orders", ONE),
        ("CREATE TABLE t (x)", ONE),
        ("ATTACH 'other.db' AS other", ONE),
        ("PRAGMA table_info(orders)", ONE),
        ("SELECT 1; DELETE FROM orders", ONE),
        ("", ONE),
    ],
)
def test_queries_that_are_refused(shop, refused, query, says):
    assert says in refused(readers.read, shop, settings=Read(query=query))
    assert len(readers.read(shop)) == 3  # nothing was written


def test_a_join_with_one_name_twice_says_how_to_name_them(shop, refused):
    query = "SELECT a.id, b.id FROM orders a JOIN orders b"
    text = refused(readers.read, shop, settings=Read(query=query))
    assert "the column name 'id' occurs at positions 1, 2" in text and "SELECT a.id AS a_id" in text


def test_texts_that_mean_missing_stand_among_numbers(sqlite, said):
    path = sqlite("CREATE TABLE t (x, y)", "INSERT INTO t VALUES (1.5, 'n/a'), ('n/a', 'ok')")
    assert readers.read(path).frame.rows() == [(1.5, "n/a"), (None, "ok")]
    assert [event.text for event in said] == ["shop.db:t: read as missing in x: 'n/a' 1 times"]


def test_mixed_values_are_read_as_text_and_said(sqlite, said):
    path = sqlite("CREATE TABLE t (x)", "INSERT INTO t VALUES (1), ('two')")
    assert readers.read(path).frame["x"].to_list() == ["1", "two"]
    assert said[0].name == "read.mixed"


def test_bytes_are_left_out_and_said(sqlite, refused, said):
    path = sqlite("CREATE TABLE t (x, y)", "INSERT INTO t VALUES (1, x'00ff')")
    assert readers.read(path).columns == ["x"]
    assert "y is left out, because it holds bytes" in said[0].text
    assert "bytes alone" in refused(readers.read, path, settings=Read(query="SELECT y FROM t ORDER BY 1"))


def test_the_fingerprint_is_of_the_rows(shop, sqlite):
    before = readers.read(shop).fingerprint
    sqlite("CREATE TABLE other (x)", "DROP TABLE other")  # the file's bytes change, its rows do not
    assert readers.read(shop).fingerprint == before
    sqlite("UPDATE orders SET price = 4 WHERE id = 2")
    assert readers.read(shop).fingerprint != before


def test_a_file_that_is_no_database(tmp_path, refused):
    (tmp_path / "a.db").write_text("price,city\n")
    assert "a.db: is neither SQLite nor DuckDB" in refused(readers.read, tmp_path / "a.db")
    (tmp_path / "b.db").write_bytes(b"SQLite format 3\0" + b"?" * 200)
    assert "b.db: cannot be read by SQLite" in refused(readers.read, tmp_path / "b.db")


def test_a_query_that_is_not_looked_at_is_said(tmp_path, said):
    (tmp_path / "a.csv").write_text("a\n1\n")
    readers.read(tmp_path / "a.csv", settings=Read(query="SELECT 1"))
    assert said[0].text == "a.csv: read.query is ignored: only sql sources use it"


# --- DuckDB -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def duck(tmp_path) -> Path:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as opened:
        opened.execute("""CREATE TABLE orders AS SELECT k AS id, (k * 1.5)::DECIMAL(9, 2) AS price,
            DATE '2024-01-01' + k::INTEGER AS day, TIMESTAMPTZ '2024-01-01 12:00:00+02' AS at, k % 2 = 0 AS paid,
            INTERVAL 2 HOURS AS took, [k, 2] AS two, 'ab'::BLOB AS photo FROM range(3) t(k)""")
    return tmp_path / "shop.duckdb"


def test_types_of_duckdb(duck, said):
    table = readers.read(duck)
    assert table.frame.row(1, named=True) == {
        "id": 1,
        "price": 1.5,
        "day": dt.date(2024, 1, 2),
        "at": dt.datetime(2024, 1, 1, 10),
        "paid": False,
        "took": 7200.0,
        "two": [1, 2],
    }
    assert table.ids()[0] == "shop.duckdb:orders:1"
    assert [event.name for event in said] == ["read.zone", "read.turned", "read.blobs"]


def test_sums_of_whole_numbers_are_whole(duck):
    table = readers.read(f"duckdb:///{duck}", settings=Read(query="SELECT sum(id) AS total FROM orders ORDER BY 1"))
    assert table.frame.rows() == [(3,)] and table.frame["total"].dtype.is_integer()


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", "syntax error"),
        ("SELECT * FROM nope", "nope does not exist"),
        ("DELETE FROM orders", ONE),
        ("COPY orders TO 'orders.csv'", ONE),
        ("SELECT 1; SELECT 2", ONE),
        ("", ONE),
        ("SELECT a.id, b.id FROM orders a JOIN orders b ON a.id = b.id", "occurs at positions 1, 2"),
        ("SELECT id FROM orders WHERE id > 9", "gives no row"),
    ],
)
def test_queries_that_duckdb_refuses(duck, refused, query, says):
    assert says in refused(readers.read, duck, settings=Read(query=query))


def test_an_absent_package_is_named(duck, refused, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    assert "pip install 'netwright[sql]'" in refused(readers.read, duck)


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "password", ["secret", "s3c:ret", "s3c/ret", "s3c@ret", "s3c?ret", "s%40cret", "s@c/r:e?t", "a=secret&b"]
)
def test_a_password_is_never_shown(password, refused):
    text = f"postgresql://ann:{password}@localhost:5433/shop?sslmode=require"
    found = address(text)
    assert found is not None and found.has_password
    assert shown(text) == "postgresql://ann@localhost:5433/shop?sslmode=require"
    assert found.connection()["password"] == password.replace("%40", "@")
    for said in (repr(found), str(found), found.name, refused(refuse_password, text, setting="data")):
        assert "cret" not in said and "ret@" not in said


def test_a_password_behind_the_question_mark_is_never_shown():
    found = address("postgres://localhost/shop?user=ann&password=s%40cret")
    assert found is not None and found.has_password and found.plain == "postgresql://localhost/shop?user=ann"


def test_connections():
    plain = address("postgresql+psycopg://ann@[::1]:5433/shop")
    assert plain is not None and not plain.has_password
    assert plain.connection() == {"user": "ann", "host": "::1", "port": "5433", "dbname": "shop"}


def test_addresses_that_are_not_read(refused):
    assert refused(readers.read, "mysql://ann:secret@host/shop").startswith("mysql://...: no source reads")
    assert "three slashes" in refused(readers.read, "sqlite://shop.db")
    assert "there is no such file" in refused(readers.read, "sqlite:///no-such.db")


def test_an_absent_server_is_named_without_the_password(refused):
    pytest.importorskip("psycopg")
    text = refused(readers.read, "postgresql://ann:secret@127.0.0.1:1/shop")
    assert text.startswith("postgresql://ann@127.0.0.1:1/shop: cannot be reached") and "secret" not in text


def test_a_run_keeps_no_password(tmp_path, monkeypatch):
    from netwright.verbs import train

    declared = train.declare(
        "postgresql://ann:secret@localhost/shop", target="paid", model=None, recipe=None, settings=None
    )
    assert declared.data == "postgresql://ann@localhost/shop"
    monkeypatch.chdir(tmp_path)
    assert str(train._free_folder("postgresql://ann:secret@localhost", None)) == "runs/postgresql"


def test_a_recipe_with_a_password_is_refused(refused):
    from netwright.training.resolve import declare

    place = {"data": "postgresql://ann:secret@localhost/shop", "split": {"test_data": "postgresql://a:secret@b/c"}}
    for settings in (place, {"split": place["split"]}):
        text = refused(declare, None, target="paid", model=None, recipe=None, settings=settings)
        assert "PGPASSWORD" in text and "secret" not in text


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> str:
    if not POSTGRESQL:
        pytest.skip("NETWRIGHT_TEST_POSTGRESQL names no server")
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(POSTGRESQL) as opened:
        opened.execute("DROP TABLE IF EXISTS netwright_orders")
        opened.execute("""CREATE TABLE netwright_orders (id integer PRIMARY KEY, price numeric(9, 2), whole numeric,
            day date, at timestamptz, paid boolean, took interval, name text, photo bytea, more jsonb, place inet)""")
        opened.execute("""INSERT INTO netwright_orders SELECT 4 - k, k * 1.5, k, date '2024-01-01' + k,
            '2024-01-01 12:00+02', k % 2 = 0, '2 hours', 'n' || k, 'ab', '{"a": 1}', '10.0.0.1'
            FROM generate_series(1, 3) k""")
    return POSTGRESQL


def test_types_of_postgresql(server, said):
    table = readers.read(server, settings=Read(query="SELECT * FROM netwright_orders ORDER BY id"))
    assert table.frame.row(2, named=True) == {
        "id": 3,
        "price": 1.5,
        "whole": 1,
        "day": dt.date(2024, 1, 2),
        "at": dt.datetime(2024, 1, 1, 10),
        "paid": False,
        "took": 7200.0,
        "name": "n1",
        "more": {"a": 1},
        "place": "10.0.0.1",
    }
    names = {"read.password", "read.zone", "read.turned", "read.blobs"}
    assert {event.name for event in said} <= names


def test_enumerations_of_postgresql_keep_their_order(server):
    import psycopg

    with psycopg.connect(server) as opened:
        opened.execute("DROP TYPE IF EXISTS netwright_size")
        opened.execute("CREATE TYPE netwright_size AS ENUM ('small', 'large', 'huge')")
    query = "SELECT unnest('{large,small}'::netwright_size[]) AS size, '01' AS code ORDER BY size"
    table = readers.read(server, settings=Read(query=query))
    assert table.declared["size"].classes == ("small", "large", "huge") and table.declared["size"].ordered
    assert table.frame["size"].to_list() == ["small", "large"] and table.declared["code"].text


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("selec 1", ONE),
        ("SELECT * FRO netwright_orders", "syntax error"),
        ("SELECT * FROM nope", "does not exist"),
        ("DELETE FROM netwright_orders", ONE),
        ("WITH gone AS (DELETE FROM netwright_orders RETURNING id) SELECT * FROM gone", ONE),
        ("SELECT 1; COMMIT; DROP TABLE netwright_orders", ONE),
        ("SELECT id FROM netwright_orders WHERE id > 9", "gives no row"),
        ("SELECT id, id FROM netwright_orders", "occurs at positions 1, 2"),
    ],
)
def test_queries_that_postgresql_refuses(server, refused, query, says):
    assert says in refused(readers.read, server, settings=Read(query=query))
    assert len(readers.read(server, settings=Read(query="SELECT id FROM netwright_orders ORDER BY id"))) == 3
