"""Keep want-lists that sticks bring."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
# An older program neither reads nor writes this table.
ADDITIVE = True

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('courier_want',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('document', Json, nullable=False),
    sa.Column('made_s', BigInt, nullable=False),
    sa.Column('read_ms', BigInt, nullable=False),
    sa.Column('given_back_epoch', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', name=op.f('pk_courier_want'))
    )
