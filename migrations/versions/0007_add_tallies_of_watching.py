"""Add tallies of watching, and the days of progress."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    op.create_table('watch_tally',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('played_ms', Json, nullable=False),
    sa.PrimaryKeyConstraint('lesson_uid', 'timeline_uid', 'org_uid', name=op.f('pk_watch_tally'))
    )
    # What was watched before counts as watched, without its days and repetitions: to count them again every event
    # would have to be read, and a box would not answer for as long.
    op.add_column('progress', sa.Column('days', Json, nullable=True))
    op.create_index('ix_progress_lesson', 'progress', ['lesson_uid', 'timeline_uid', 'org_uid'])
