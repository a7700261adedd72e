"""Add try counters, and what a person is shown of a sign-in."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('try_counter',
    sa.Column('key', sa.String(length=40), nullable=False),
    sa.Column('empty_at_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_try_counter'))
    )
    with op.batch_alter_table('try_counter', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_try_counter_empty_at_ms'), ['empty_at_ms'], unique=False)

    with op.batch_alter_table('sign_in', schema=None) as batch_op:
        batch_op.add_column(sa.Column('browser', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('used_on', sa.String(length=10), nullable=True))
