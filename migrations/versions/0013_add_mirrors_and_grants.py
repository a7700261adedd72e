"""Add mirrors and grants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None
# An older program passes by what the catalog says of boxes that are shut out, and nobody reads it a second time.
ADDITIVE = False

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('held_grant',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('document', Json, nullable=False),
    sa.Column('signature', Json, nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_held_grant'))
    )
    op.create_table('mirror',
    sa.Column('url', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('node_uid', sa.String(length=36), nullable=True),
    sa.Column('name', sa.String(length=63), nullable=False),
    sa.Column('catalog_sequence', BigInt, nullable=False),
    sa.Column('seen_steady_s', BigInt, nullable=False),
    sa.Column('failures', BigInt, nullable=False),
    sa.Column('aside_until_steady_s', BigInt, nullable=False),
    sa.Column('why', sa.String(length=20), nullable=True),
    sa.Column('bytes_got', BigInt, nullable=False),
    sa.Column('got_steady_s', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('url', name=op.f('pk_mirror'))
    )
    op.create_table('shut_out_node',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('sequence', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', name=op.f('pk_shut_out_node'))
    )
