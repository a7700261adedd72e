"""Add how children sign in and places without a name."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('children_sign_in',
    sa.Column('by_pictures', sa.Boolean(), nullable=True),
    sa.Column('turns_without_card', sa.Boolean(), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_children_sign_in'))
    )
    with op.batch_alter_table('children_sign_in', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_children_sign_in_org_uid'), ['org_uid'], unique=False)

    op.create_table('learner_place',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('code_key', sa.String(length=64), nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_learner_place')),
    sa.UniqueConstraint('code_key', name=op.f('uq_learner_place_code_key'))
    )
    op.create_table('picture_secret',
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('card_uid', sa.String(length=36), nullable=False),
    sa.Column('verifier', sa.String(length=64), nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('person_uid', name=op.f('pk_picture_secret'))
    )
