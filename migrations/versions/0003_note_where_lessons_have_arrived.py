"""Note where lessons have arrived."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('arrival',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('package_id', sa.String(length=64), nullable=False),
    sa.Column('revision', BigInt, nullable=False),
    sa.Column('told_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', 'lesson_uid', name=op.f('pk_arrival'))
    )
    op.create_index(op.f('ix_arrival_lesson_uid'), 'arrival', ['lesson_uid'])
    op.add_column('node_contact', sa.Column('disk_full_ms', BigInt, nullable=True))
    op.add_column('package', sa.Column('sequence', BigInt, nullable=True))
    _fill_sequences()
    _fill_arrivals()


def _fill_sequences() -> None:
    """The catalog says which entry brought out a package. What cannot be read is left without a number."""
    database = op.get_bind()
    rows = database.execute(
        sa.text("SELECT sequence, body FROM catalog_entry WHERE kind IN ('publish', 'supersede') ORDER BY sequence")
    ).all()
    for sequence, body in rows:
        try:
            package_id = json.loads(bytes(body))["body"]["package"]
        except (ValueError, KeyError, TypeError):
            continue
        if isinstance(package_id, str):
            database.execute(
                sa.text("UPDATE package SET sequence = :sequence WHERE id = :id"), {"sequence": sequence, "id": package_id}
            )


def _fill_arrivals() -> None:
    """Boxes have told of arrivals before, as events; the newest revision of each lesson counts."""
    database = op.get_bind()
    rows = database.execute(sa.text(
        "SELECT inbox_state.node_uid, package.lesson_uid, package.id, package.revision, event.made_ms FROM event "
        "JOIN inbox_state ON inbox_state.incarnation = event.source JOIN package ON package.id = event.part "
        "WHERE event.kind = 'arrived' AND event.context = 'system' AND event.quarantined IS NULL "
        "ORDER BY package.revision, event.uid"
    )).all()  # fmt: skip
    newest = {(node_uid, lesson_uid): (package_id, revision, made_ms) for node_uid, lesson_uid, package_id, revision, made_ms in rows}
    for (node_uid, lesson_uid), (package_id, found, told_ms) in newest.items():
        database.execute(
            sa.text("INSERT INTO arrival VALUES (:node_uid, :lesson_uid, :package_id, :revision, :told_ms)"),
            {"node_uid": node_uid, "lesson_uid": lesson_uid, "package_id": package_id, "revision": found, "told_ms": told_ms},
        )  # fmt: skip
