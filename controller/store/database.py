"""The database: opening it, bringing it up to date, and transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from controller.store.errors import StorageError

MIGRATIONS = Path(__file__).parent / "migrations"


class Store:
    """One database.

    Args:
        url: SQLAlchemy's, for example `sqlite:///fleet.db`; SQLite is put into WAL mode.
    """

    def __init__(self, url: str) -> None:
        self._engine = create_engine(url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _prepare_sqlite)

    @property
    def engine(self) -> Engine:
        """SQLAlchemy's engine."""
        return self._engine

    def migrate(self) -> None:
        """Bring the tables to this version's state."""
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with self._engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing.

        Raises:
            StorageError: the disk is full, or another program holds the database.
        """
        try:
            with self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            raise StorageError(
                f"the controller's database refuses: {error.orig}",
                where=self._engine.url.database,
                remedy="free some space on its disk, or end the other program that uses it; then try again",
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def _prepare_sqlite(connection: Any, _: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=10000")
    cursor.close()
