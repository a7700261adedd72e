"""Say that a lesson went again from a box."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
# True when the program of the release before runs on these tables too: only new tables, and columns that may be empty.
# Then a release can be taken back without losing what was written since. A test compares it with what the migration does.
ADDITIVE = True


def upgrade() -> None:
    with op.batch_alter_table('arrival', schema=None) as batch_op:
        batch_op.add_column(sa.Column('dropped_ms', BigInt, nullable=True))
