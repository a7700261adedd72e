"""Add reviews of lessons."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('lesson_review',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('word', sa.String(length=2000), nullable=True),
    sa.Column('words', Json, nullable=True),
    sa.Column('asked_by_uid', sa.String(length=36), nullable=True),
    sa.Column('asked_ms', BigInt, nullable=False),
    sa.Column('answered_by_uid', sa.String(length=36), nullable=True),
    sa.PrimaryKeyConstraint('lesson_uid', name=op.f('pk_lesson_review'))
    )
    op.create_index(op.f('ix_lesson_review_state'), 'lesson_review', ['state'])
    op.add_column('course', sa.Column('asks_review', sa.Boolean(), nullable=True))
