"""Let a spare box take another's place, and notice two machines that number alike."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None
# An older program would take rows in without their digest, and be taken for two boxes of one name afterwards.
ADDITIVE = False

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column('node', sa.Column('ended_on', sa.String(length=10), nullable=True))
    op.add_column('node', sa.Column('replaces_uid', sa.String(length=36), nullable=True))
    op.add_column('join_code', sa.Column('replaces_uid', sa.String(length=36), nullable=True))
    op.add_column('join_code', sa.Column('used_ms', BigInt, nullable=True))
    op.add_column('inbox_state', sa.Column('digest', sa.String(length=64), nullable=True))
    op.add_column('inbox_state', sa.Column('newest', BigInt, nullable=True))
    op.add_column('inbox_state', sa.Column('told_ms', BigInt, nullable=True))
    op.create_table('replaced_box',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('told', Json, nullable=False),
    sa.Column('joined_steady_s', BigInt, nullable=False),
    sa.Column('asked_steady_s', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid')
    )
