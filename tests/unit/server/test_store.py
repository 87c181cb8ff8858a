"""The database's own promises."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from controller.store import Store, tables
from controller.store.records import add, many
from tests.support.fleet import Fleet


def test_migrations_lead_to_the_tables(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'fleet.db'}")
    store.migrate()
    with store.transaction() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    store.close()


def test_a_transaction_is_all_or_nothing(fleet: Fleet) -> None:
    def work() -> None:
        with fleet.store.transaction() as tx:
            add(tx, tables.groups, name="farm-a", query=None)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    with fleet.store.transaction() as tx:
        assert many(tx, tables.groups) == []


def test_a_power_cut_forgets_no_generation(fleet: Fleet) -> None:
    with fleet.store.transaction() as tx:
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert tx.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
