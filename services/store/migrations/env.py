"""Alembic's entry: runs inside the connection and transaction that `migrate` holds."""

from alembic import context

from services.store.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
