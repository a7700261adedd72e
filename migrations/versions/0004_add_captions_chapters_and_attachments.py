"""Add captions, chapters and attachments."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('lesson_attachment',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('title', sa.String(length=200), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('audience', sa.String(length=10), nullable=False),
    sa.Column('dropped_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_lesson_attachment'))
    )
    with op.batch_alter_table('lesson_attachment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lesson_attachment_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_attachment_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_attachment_source_uid'), ['source_uid'], unique=False)

    op.create_table('lesson_captions',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('pieces', sa.String(length=64), nullable=True),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('cues', BigInt, nullable=False),
    sa.Column('dropped_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_lesson_captions'))
    )
    with op.batch_alter_table('lesson_captions', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lesson_captions_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_captions_org_uid'), ['org_uid'], unique=False)

    op.create_table('lesson_chapters',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('chapters', Json, nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_lesson_chapters'))
    )
    with op.batch_alter_table('lesson_chapters', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lesson_chapters_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_chapters_org_uid'), ['org_uid'], unique=False)
