"""Know who was shut out before this program came: what the catalog said of it, an older one passed by."""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
# No table changes.
ADDITIVE = True

BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    entry = sa.table("catalog_entry", sa.column("sequence", BigInt), sa.column("kind", sa.String), sa.column("body", sa.LargeBinary))
    shut_out = sa.table("shut_out_node", sa.column("node_uid", sa.String), sa.column("sequence", BigInt))
    connection = op.get_bind()
    known = set(connection.execute(sa.select(shut_out.c.node_uid)).scalars())
    said = sa.select(entry.c.sequence, entry.c.body).where(entry.c.kind == "shut_out").order_by(entry.c.sequence)
    for sequence, raw in connection.execute(said).all():
        body = json.loads(bytes(raw)).get("body")
        node_uid = body.get("node") if isinstance(body, dict) else None
        if isinstance(node_uid, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", node_uid) and node_uid not in known:
            known.add(node_uid)
            connection.execute(sa.insert(shut_out).values(node_uid=node_uid, sequence=sequence))
