"""Let streams be brought on by what changed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None
# An older program would erase without noting the counter, and move a stream without its day.
ADDITIVE = False

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('progress_end',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('change_seq', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_progress_end'))
    )
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_enrolment_ended_on'), ['ended_on'], unique=False)

    with op.batch_alter_table('progress', schema=None) as batch_op:
        batch_op.create_index('ix_progress_person', ['person_uid', 'change_seq'], unique=False)

    with op.batch_alter_table('role_grant', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_role_grant_ended_on'), ['ended_on'], unique=False)

    with op.batch_alter_table('stream_state', schema=None) as batch_op:
        batch_op.add_column(sa.Column('erased_counter', BigInt, nullable=True))
        batch_op.add_column(sa.Column('day', sa.String(length=10), nullable=True))

    with op.batch_alter_table('tombstone', schema=None) as batch_op:
        batch_op.add_column(sa.Column('counter', BigInt, nullable=True))
        batch_op.create_index(batch_op.f('ix_tombstone_counter'), ['counter'], unique=False)
