"""Add ladders, turns and quotas."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

# The recipe of everything that 0.1 made: all of the file, with its default sound.
WHOLE = {"edit": None, "sounds": None, "sound_only": False}
WHOLE_ID = "2cb3bd74b2396fe0"
IN_THE_FLOOR = ("audio", "stills", "poster")
# 0.1 kept these beside the renditions; they are made of the renditions at each publishing now.
DERIVED = ("index", "playlist")


def upgrade() -> None:
    op.create_table('damaged_blob',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('found_ms', BigInt, nullable=False),
    sa.Column('mended_ms', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_damaged_blob'))
    )
    op.create_table('holding_moves',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('moves', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_holding_moves'))
    )
    op.create_table('job_turn',
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('priority', BigInt, autoincrement=False, nullable=False),
    sa.Column('turn', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('org_uid', 'kind', 'priority', name=op.f('pk_job_turn'))
    )
    op.create_index('ix_job_turn_next', 'job_turn', ['priority', 'turn'])
    op.create_index('ix_job_turn_last', 'job_turn', ['turn'])
    op.create_table('ladder',
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('recipe', sa.String(length=16), nullable=False),
    sa.Column('wanted', Json, nullable=False),
    sa.Column('duration_ms', BigInt, nullable=True),
    sa.Column('floor_ready', sa.Boolean(), nullable=False),
    sa.Column('then', Json, nullable=True),
    sa.Column('light', sa.Boolean(), nullable=False),
    sa.Column('unused_steady_s', BigInt, nullable=True),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('source_uid', 'recipe', name=op.f('pk_ladder'))
    )
    op.create_table('ladder_step',
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('recipe', sa.String(length=16), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('position', BigInt, nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('job_uid', sa.String(length=36), nullable=True),
    sa.Column('error', Json, nullable=True),
    sa.Column('took_ms', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('source_uid', 'recipe', 'name', name=op.f('pk_ladder_step'))
    )
    op.create_table('package_origin',
    sa.Column('package_id', sa.String(length=64), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('recipe', sa.String(length=16), nullable=False),
    sa.Column('edit_list', Json, nullable=True),
    sa.Column('voices', Json, nullable=False),
    sa.PrimaryKeyConstraint('package_id', name=op.f('pk_package_origin'))
    )
    op.create_index(op.f('ix_package_origin_lesson_uid'), 'package_origin', ['lesson_uid'])
    op.create_table('school_quota',
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('org_uid', name=op.f('pk_school_quota'))
    )
    op.create_table('worker',
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('machine', sa.String(length=200), nullable=False),
    sa.Column('lanes', BigInt, nullable=False),
    sa.Column('started_ms', BigInt, nullable=False),
    sa.Column('seen_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_worker'))
    )
    with op.batch_alter_table('job', schema=None) as batch_op:
        batch_op.add_column(sa.Column('expected_s', BigInt, nullable=True))
        batch_op.add_column(sa.Column('started_ms', BigInt, nullable=True))
        batch_op.add_column(sa.Column('turn_of', sa.String(length=36), nullable=True))
        batch_op.add_column(sa.Column('time_window', sa.String(length=20), nullable=True))
        batch_op.drop_index('ix_job_ready')
    op.execute("UPDATE job SET turn_of = coalesce(org_uid, ''), time_window = ''")
    with op.batch_alter_table('job', schema=None) as batch_op:
        batch_op.alter_column('turn_of', existing_type=sa.String(length=36), nullable=False)
        batch_op.alter_column('time_window', existing_type=sa.String(length=20), nullable=False)
    op.create_index(
        'ix_job_ready', 'job', ['state', 'kind', 'time_window', 'priority', 'turn_of', 'uid', 'not_before_ms']
    )
    op.execute(
        "INSERT INTO job_turn (org_uid, kind, priority, turn) "
        "SELECT DISTINCT turn_of, kind, priority, 0 FROM job WHERE state IN ('waiting', 'running')"
    )

    _give_renditions_a_recipe()
    _name_the_origin_of_packages()
    with op.batch_alter_table('source', schema=None) as batch_op:
        batch_op.add_column(sa.Column('sounds', Json, nullable=True))
        batch_op.add_column(sa.Column('unused_steady_s', BigInt, nullable=True))


def _give_renditions_a_recipe() -> None:
    """Carry the finished renditions of 0.1 over: each source has one ladder, whose steps are done."""
    old = sa.table(
        "rendition", sa.column("source_uid"), sa.column("name"), sa.column("sha256"), sa.column("facts", Json),
        sa.column("made_ms"),
    )
    probes = sa.table("source", sa.column("uid"), sa.column("probe", Json), sa.column("made_ms"))
    connection = op.get_bind()
    rows = [dict(row._mapping) for row in connection.execute(sa.select(old))]
    sources = {row.uid: row for row in connection.execute(sa.select(probes))}
    op.drop_table("rendition")
    made = op.create_table(
        "rendition",
        sa.Column("source_uid", sa.String(length=36), nullable=False),
        sa.Column("recipe", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("facts", Json, nullable=False),
        sa.Column("index_row", Json, nullable=True),
        sa.Column("made_ms", BigInt, nullable=False),
        sa.PrimaryKeyConstraint("source_uid", "recipe", "name", name=op.f("pk_rendition")),
    )
    with_pictures = {row["source_uid"] for row in rows if row["facts"].get("kind") == "video"}
    kept = [
        {**row, "recipe": WHOLE_ID, "step": _step(row, with_pictures), "index_row": None}
        for row in rows if row["facts"].get("kind") not in DERIVED
    ]
    ladders = sorted({row["source_uid"] for row in kept} & set(sources))
    steps = sorted({(row["source_uid"], row["step"]) for row in kept if row["source_uid"] in sources})
    if kept:
        op.bulk_insert(made, kept)
    for uid in ladders:
        found = sources[uid]
        connection.execute(sa.text(
            "INSERT INTO ladder (source_uid, recipe, wanted, duration_ms, floor_ready, light, made_ms) "
            "VALUES (:uid, :recipe, :wanted, :duration_ms, :ready, :light, :made_ms)"
        ).bindparams(sa.bindparam("wanted", type_=Json)), {
            "uid": uid, "recipe": WHOLE_ID, "wanted": WHOLE, "duration_ms": (found.probe or {}).get("duration_ms"),
            "ready": True, "light": False, "made_ms": found.made_ms,
        })
    for uid, name in steps:
        connection.execute(sa.text(
            "INSERT INTO ladder_step (source_uid, recipe, name, position, state) "
            "VALUES (:uid, :recipe, :name, :position, 'done')"
        ), {"uid": uid, "recipe": WHOLE_ID, "name": name, "position": ("floor", "v240", "v360", "v720").index(name)})


def _name_the_origin_of_packages() -> None:
    """A package that holds a track of a source was made of it; only the newest of each lesson is asked about."""
    connection = op.get_bind()
    found = connection.execute(sa.text(
        "SELECT DISTINCT lesson.uid AS lesson, lesson.package_id AS package, rendition.source_uid AS source "
        "FROM lesson JOIN part ON part.package_id = lesson.package_id "
        "JOIN rendition ON rendition.sha256 = part.sha256 "
        "JOIN lesson_source ON lesson_source.lesson_uid = lesson.uid "
        "AND lesson_source.source_uid = rendition.source_uid "
        "WHERE part.kind IN ('video', 'audio')"
    ))
    origins = {row.package: (row.lesson, row.source) for row in found}
    for package, (lesson, source) in sorted(origins.items()):
        connection.execute(sa.text(
            "INSERT INTO package_origin (package_id, lesson_uid, source_uid, recipe, voices) "
            "VALUES (:package, :lesson, :source, :recipe, :voices)"
        ).bindparams(sa.bindparam("voices", type_=Json)), {
            "package": package, "lesson": lesson, "source": source, "recipe": WHOLE_ID, "voices": [],
        })


def _step(row: dict[str, Any], with_pictures: set[str]) -> str:
    # The download is made of v240, and of a recording of sound alone with its sound.
    if row["facts"].get("kind") in IN_THE_FLOOR or row["source_uid"] not in with_pictures:
        return "floor"
    return str(row["name"]) if row["name"] in ("v360", "v720") else "v240"
