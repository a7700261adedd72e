"""Let the readers of a row be found."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None
# An index only finds rows sooner; both engines keep it whoever writes.
ADDITIVE = True


def upgrade() -> None:
    with op.batch_alter_table('stream_row', schema=None) as batch_op:
        batch_op.create_index('ix_stream_row_row', ['table_name', 'row_uid', 'kind'], unique=False)
