"""Let the readers of a row be found."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
# True when the program of the release before runs on these tables too: only new tables, and columns that may be empty.
# Then a release can be taken back without losing what was written since. A test compares it with what the migration does.
ADDITIVE = False



def upgrade() -> None:
    with op.batch_alter_table('stream_row', schema=None) as batch_op:
        batch_op.create_index('ix_stream_row_row', ['table_name', 'row_uid', 'kind'], unique=False)
