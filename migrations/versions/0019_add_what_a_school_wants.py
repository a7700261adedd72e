"""Add what a school wants and what it dropped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
# An older program would mark what comes by other rules than `chosen` says, and get again what was dropped.
ADDITIVE = False

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('chosen',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('rules', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_chosen'))
    )
    op.create_table('course_policy',
    sa.Column('site_uid', sa.String(length=36), nullable=False),
    sa.Column('course_uid', sa.String(length=36), nullable=False),
    sa.Column('max_height', BigInt, nullable=True),
    sa.Column('codecs', Json, nullable=True),
    sa.Column('languages', Json, nullable=True),
    sa.Column('wanted', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_course_policy'))
    )
    with op.batch_alter_table('course_policy', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_policy_course_uid'), ['course_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_course_policy_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_course_policy_site_uid'), ['site_uid'], unique=False)

    op.create_table('dropped',
    sa.Column('package_id', sa.String(length=64), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('is_floor', sa.Boolean(), nullable=False),
    sa.Column('why', sa.String(length=20), nullable=False),
    sa.Column('at_ms', BigInt, nullable=False),
    sa.Column('steady_s', BigInt, nullable=False),
    sa.Column('is_unlinked', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('package_id', 'sha256', name=op.f('pk_dropped'))
    )
    with op.batch_alter_table('dropped', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_dropped_lesson_uid'), ['lesson_uid'], unique=False)

    op.create_table('no_room',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('noted_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('lesson_uid', name=op.f('pk_no_room'))
    )
    op.create_table('site_policy',
    sa.Column('max_height', BigInt, nullable=True),
    sa.Column('codecs', Json, nullable=True),
    sa.Column('languages', Json, nullable=True),
    sa.Column('ceiling_kbit_s', BigInt, nullable=True),
    sa.Column('class_ceiling_kbit_s', BigInt, nullable=True),
    sa.Column('windows', sa.String(length=120), nullable=True),
    sa.Column('day_mb', BigInt, nullable=True),
    sa.Column('month_mb', BigInt, nullable=True),
    sa.Column('disk_mb', BigInt, nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_site_policy'))
    )
    with op.batch_alter_table('site_policy', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_site_policy_org_uid'), ['org_uid'], unique=False)

    op.create_table('wish',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('made_steady_s', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('lesson_uid', name=op.f('pk_wish'))
    )
