"""Note where bytes went."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None
# An older program counts no bytes, and what it did not count is only missing in the counts.
ADDITIVE = True

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('traffic',
    sa.Column('hour_ms', BigInt, autoincrement=False, nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('via', sa.String(length=10), nullable=False),
    sa.Column('bytes_down', BigInt, nullable=False),
    sa.Column('bytes_up', BigInt, nullable=False),
    sa.Column('busy_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('hour_ms', 'lesson_uid', 'via', name=op.f('pk_traffic'))
    )
