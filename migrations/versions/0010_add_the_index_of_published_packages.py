"""Add the index of published packages, and fill it from the catalog."""

import json
import re

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
# An older program would not fill this index when entries of the catalog come: it is not an addition.
ADDITIVE = False

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('published_package',
    sa.Column('sequence', BigInt, autoincrement=False, nullable=False),
    sa.Column('package_id', sa.String(length=64), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('signature', Json, nullable=True),
    sa.Column('taken_back_at', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('sequence', name=op.f('pk_published_package'))
    )
    with op.batch_alter_table('published_package', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_published_package_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_published_package_package_id'), ['package_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_published_package_taken_back_at'), ['taken_back_at'], unique=False)
    _fill(op.get_bind())


def _fill(connection: sa.Connection) -> None:
    """What the entries that are here say, in their order."""
    entry = sa.table("catalog_entry", sa.column("sequence", BigInt), sa.column("kind", sa.String), sa.column("body", sa.LargeBinary))
    index = sa.table(
        "published_package", sa.column("sequence", BigInt), sa.column("package_id", sa.String), sa.column("lesson_uid", sa.String),
        sa.column("signature", Json), sa.column("taken_back_at", BigInt),
    )  # fmt: skip
    wanted = sa.select(entry.c.sequence, entry.c.kind, entry.c.body).where(entry.c.kind.in_(["publish", "supersede", "withdraw"]))
    after = 0
    while rows := connection.execute(wanted.where(entry.c.sequence > after).order_by(entry.c.sequence).limit(500)).all():
        after = rows[-1].sequence
        for row in rows:
            body = json.loads(bytes(row.body)).get("body")
            if not isinstance(body, dict):
                continue
            package_id, lesson_uid = str(body.get("package")), str(body.get("lesson"))
            if not (re.fullmatch(r"[0-9a-f]{64}", package_id) and re.fullmatch(r"[0-9a-f-]{36}", lesson_uid)):
                continue
            if row.kind == "withdraw":
                standing = (index.c.lesson_uid == lesson_uid, index.c.taken_back_at.is_(None))
                connection.execute(sa.update(index).where(*standing).values(taken_back_at=row.sequence))
            else:
                signature = body.get("signature") if isinstance(body.get("signature"), dict) else None
                connection.execute(sa.insert(index).values(
                    sequence=row.sequence, package_id=package_id, lesson_uid=lesson_uid, signature=signature, taken_back_at=None
                ))  # fmt: skip
