"""Note which sign-ins gave way to another child's turn."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column('sign_in', sa.Column('gave_way', sa.Boolean(), nullable=True))
