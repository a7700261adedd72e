"""Keep certificates of boxes."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None
# An older program neither reads nor writes this table.
ADDITIVE = True

BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('box_certificate',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=253), nullable=False),
    sa.Column('csr', sa.Text(), nullable=False),
    sa.Column('chain', sa.Text(), nullable=True),
    sa.Column('not_after_ms', BigInt, nullable=True),
    sa.Column('due_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid')
    )
