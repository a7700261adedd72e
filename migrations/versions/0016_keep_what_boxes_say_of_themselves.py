"""Keep what boxes say of themselves."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None
# An older program says nothing of itself; what was said stays.
ADDITIVE = True

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('box_status',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('said', Json, nullable=False),
    sa.Column('told_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', name=op.f('pk_box_status'))
    )
    op.create_table('status_said',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('said', Json, nullable=False),
    sa.Column('said_steady_s', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_status_said'))
    )
