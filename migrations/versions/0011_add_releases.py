"""Add releases of the program and the operator's offers of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
ADDITIVE = True

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('release',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.String(length=20), nullable=False),
    sa.Column('sequence', BigInt, nullable=False),
    sa.Column('signature', Json, nullable=False),
    sa.Column('manifest', sa.LargeBinary(), nullable=True),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_release'))
    )
    op.create_table('release_offer',
    sa.Column('node_uid', sa.String(length=36), nullable=True),
    sa.Column('release_id', sa.String(length=64), nullable=False),
    sa.Column('version', sa.String(length=20), nullable=False),
    sa.Column('paused', sa.Boolean(), nullable=False),
    sa.Column('dropped_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_release_offer'))
    )
    with op.batch_alter_table('release_offer', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_release_offer_node_uid'), ['node_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_release_offer_org_uid'), ['org_uid'], unique=False)
