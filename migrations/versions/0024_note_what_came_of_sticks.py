"""Note what came of sticks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
# True when the program of the release before runs on these tables too: only new tables, and columns that may be empty.
# Then a release can be taken back without losing what was written since. A test compares it with what the migration does.
ADDITIVE = True

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('courier_trip',
    sa.Column('job_uid', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('report', Json, nullable=False),
    sa.Column('ended_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('job_uid', name=op.f('pk_courier_trip'))
    )
