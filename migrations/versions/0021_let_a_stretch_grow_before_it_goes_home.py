"""Let a stretch grow before it goes home."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None
# True when the program of the release before runs on these tables too: only new tables, and columns that may be empty.
# Then a release can be taken back without losing what was written since. A test compares it with what the migration does.
ADDITIVE = True


def upgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.add_column(sa.Column('grows', sa.String(length=40), nullable=True))
