"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out here, so that a later change of eduhub/db.py does not change what this migration did.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
BigInt = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table('audit_entry',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('at_ms', BigInt, nullable=False),
    sa.Column('by_uid', sa.String(length=36), nullable=True),
    sa.Column('org_uid', sa.String(length=36), nullable=True),
    sa.Column('action', sa.String(length=60), nullable=False),
    sa.Column('subject_uid', sa.String(length=36), nullable=True),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_audit_entry'))
    )
    with op.batch_alter_table('audit_entry', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_audit_entry_at_ms'), ['at_ms'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_by_uid'), ['by_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_audit_entry_org_uid'), ['org_uid'], unique=False)

    op.create_table('blob',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('stored_ms', BigInt, nullable=False),
    sa.Column('verified_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_blob'))
    )
    op.create_table('catalog_entry',
    sa.Column('sequence', BigInt, autoincrement=False, nullable=False),
    sa.Column('epoch', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('body', sa.LargeBinary(), nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.PrimaryKeyConstraint('sequence', name=op.f('pk_catalog_entry'))
    )
    op.create_table('catalog_state',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('epoch', BigInt, nullable=False),
    sa.Column('sequence', BigInt, nullable=False),
    sa.Column('hash', sa.String(length=64), nullable=False),
    sa.Column('head', Json, nullable=True),
    sa.Column('epoch_statement', Json, nullable=True),
    sa.Column('applied_sequence', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_catalog_state'))
    )
    op.create_table('change',
    sa.Column('seq', BigInt, autoincrement=True, nullable=False),
    sa.Column('table_name', sa.String(length=40), nullable=False),
    sa.Column('row_uid', sa.String(length=36), nullable=False),
    sa.Column('field', sa.String(length=40), nullable=False),
    sa.Column('value', Json, nullable=True),
    sa.Column('value_hash', sa.String(length=32), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('counter', BigInt, nullable=False),
    sa.Column('machine_uid', sa.String(length=36), nullable=False),
    sa.Column('made_here', sa.Boolean(), nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.Column('by_uid', sa.String(length=36), nullable=True),
    sa.PrimaryKeyConstraint('seq', name=op.f('pk_change')),
    sa.UniqueConstraint('table_name', 'row_uid', 'field', 'counter', 'machine_uid', 'value_hash', name='uq_change'),
    sqlite_autoincrement=True
    )
    with op.batch_alter_table('change', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_change_org_uid'), ['org_uid'], unique=False)

    op.create_table('course',
    sa.Column('titles', Json, nullable=False),
    sa.Column('audience', sa.String(length=10), nullable=False),
    sa.Column('listed_org_uids', Json, nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_course'))
    )
    with op.batch_alter_table('course', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_course_org_uid'), ['org_uid'], unique=False)

    op.create_table('credential',
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('verifier', sa.String(length=300), nullable=False),
    sa.Column('machine_uid', sa.String(length=36), nullable=False),
    sa.Column('revoked_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_credential'))
    )
    with op.batch_alter_table('credential', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_credential_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_credential_person_uid'), ['person_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_credential_verifier'), ['verifier'], unique=False)

    op.create_table('enrolment',
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('group_uid', sa.String(length=36), nullable=False),
    sa.Column('starts_on', sa.String(length=10), nullable=False),
    sa.Column('ended_on', sa.String(length=10), nullable=True),
    sa.Column('end_reason', sa.String(length=20), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_enrolment'))
    )
    with op.batch_alter_table('enrolment', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_enrolment_group_uid'), ['group_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_enrolment_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_enrolment_person_uid'), ['person_uid'], unique=False)

    op.create_table('event',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('version', BigInt, nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('actor_uid', sa.String(length=36), nullable=True),
    sa.Column('subject_uids', Json, nullable=False),
    sa.Column('context', sa.String(length=20), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=True),
    sa.Column('timeline_uid', sa.String(length=36), nullable=True),
    sa.Column('part', sa.String(length=64), nullable=True),
    sa.Column('from_ms', BigInt, nullable=True),
    sa.Column('to_ms', BigInt, nullable=True),
    sa.Column('watched_ms', BigInt, nullable=True),
    sa.Column('stalls', BigInt, nullable=True),
    sa.Column('source', sa.String(length=36), nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.Column('body', Json, nullable=False),
    sa.Column('quarantined', sa.String(length=40), nullable=True),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_event'))
    )
    with op.batch_alter_table('event', schema=None) as batch_op:
        batch_op.create_index('ix_event_actor', ['actor_uid', 'lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_event_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index('ix_event_org', ['org_uid', 'kind'], unique=False)

    op.create_table('fetch_state',
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('verified_pieces', BigInt, nullable=False),
    sa.Column('bad_pieces', BigInt, nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('sha256', name=op.f('pk_fetch_state'))
    )
    op.create_table('field_version',
    sa.Column('table_name', sa.String(length=40), nullable=False),
    sa.Column('row_uid', sa.String(length=36), nullable=False),
    sa.Column('field', sa.String(length=40), nullable=False),
    sa.Column('change_seq', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('table_name', 'row_uid', 'field', name=op.f('pk_field_version'))
    )
    op.create_table('group_course',
    sa.Column('group_uid', sa.String(length=36), nullable=False),
    sa.Column('course_uid', sa.String(length=36), nullable=False),
    sa.Column('starts_on', sa.String(length=10), nullable=False),
    sa.Column('ended_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_group_course'))
    )
    with op.batch_alter_table('group_course', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_group_course_course_uid'), ['course_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_group_course_group_uid'), ['group_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_group_course_org_uid'), ['org_uid'], unique=False)

    op.create_table('inbox_state',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('incarnation', sa.String(length=36), nullable=False),
    sa.Column('contiguous', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', 'incarnation', name=op.f('pk_inbox_state'))
    )
    op.create_table('job',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('kind', sa.String(length=60), nullable=False),
    sa.Column('args', Json, nullable=False),
    sa.Column('then', Json, nullable=True),
    sa.Column('org_uid', sa.String(length=36), nullable=True),
    sa.Column('dedupe', sa.String(length=120), nullable=True),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('priority', BigInt, nullable=False),
    sa.Column('not_before_ms', BigInt, nullable=False),
    sa.Column('attempt', BigInt, nullable=False),
    sa.Column('max_attempts', BigInt, nullable=False),
    sa.Column('worker', sa.String(length=80), nullable=True),
    sa.Column('lease_until_ms', BigInt, nullable=True),
    sa.Column('cancel_asked', sa.Boolean(), nullable=False),
    sa.Column('progress_permille', BigInt, nullable=False),
    sa.Column('error_code', sa.String(length=60), nullable=True),
    sa.Column('error_facts', Json, nullable=True),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.Column('ended_ms', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_job')),
    sa.UniqueConstraint('dedupe', name=op.f('uq_job_dedupe'))
    )
    with op.batch_alter_table('job', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_job_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index('ix_job_ready', ['state', 'priority', 'not_before_ms'], unique=False)

    op.create_table('join_code',
    sa.Column('code_hash', sa.String(length=64), nullable=False),
    sa.Column('site_uid', sa.String(length=36), nullable=False),
    sa.Column('node_name', sa.String(length=60), nullable=False),
    sa.Column('made_by_uid', sa.String(length=36), nullable=True),
    sa.Column('expires_steady_s', BigInt, nullable=False),
    sa.Column('used_by_node_uid', sa.String(length=36), nullable=True),
    sa.PrimaryKeyConstraint('code_hash', name=op.f('pk_join_code'))
    )
    op.create_table('learner_group',
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('site_uid', sa.String(length=36), nullable=True),
    sa.Column('stage', sa.String(length=20), nullable=True),
    sa.Column('intake_year', BigInt, nullable=True),
    sa.Column('class_number', BigInt, nullable=True),
    sa.Column('names', Json, nullable=True),
    sa.Column('member_group_uids', Json, nullable=True),
    sa.Column('closed_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_learner_group'))
    )
    with op.batch_alter_table('learner_group', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_learner_group_org_uid'), ['org_uid'], unique=False)

    op.create_table('learner_record',
    sa.Column('grade', BigInt, nullable=True),
    sa.Column('consent_on', sa.String(length=10), nullable=True),
    sa.Column('consent_by_uid', sa.String(length=36), nullable=True),
    sa.Column('pupil_number_hash', sa.String(length=64), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_learner_record'))
    )
    with op.batch_alter_table('learner_record', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_learner_record_org_uid'), ['org_uid'], unique=False)

    op.create_table('lesson',
    sa.Column('course_uid', sa.String(length=36), nullable=False),
    sa.Column('unit_uid', sa.String(length=36), nullable=True),
    sa.Column('position', BigInt, nullable=False),
    sa.Column('titles', Json, nullable=False),
    sa.Column('texts', Json, nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('edit_list', Json, nullable=True),
    sa.Column('revision', BigInt, nullable=False),
    sa.Column('package_id', sa.String(length=64), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_lesson'))
    )
    with op.batch_alter_table('lesson', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lesson_course_uid'), ['course_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_org_uid'), ['org_uid'], unique=False)

    op.create_table('lesson_source',
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('purpose', sa.String(length=10), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('replaced_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_lesson_source'))
    )
    with op.batch_alter_table('lesson_source', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_lesson_source_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_source_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_lesson_source_source_uid'), ['source_uid'], unique=False)

    op.create_table('machine',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('counter', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_machine'))
    )
    op.create_table('node',
    sa.Column('site_uid', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('signing_public', sa.String(length=64), nullable=False),
    sa.Column('sealing_public', sa.String(length=64), nullable=False),
    sa.Column('certificate', Json, nullable=False),
    sa.Column('revoked_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_node'))
    )
    with op.batch_alter_table('node', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_node_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_node_site_uid'), ['site_uid'], unique=False)

    op.create_table('node_contact',
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('last_ms', BigInt, nullable=False),
    sa.Column('version', sa.String(length=20), nullable=False),
    sa.Column('stream_sequence', BigInt, nullable=False),
    sa.Column('catalog_sequence', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('node_uid', name=op.f('pk_node_contact'))
    )
    op.create_table('organisation',
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('parent_uid', sa.String(length=36), nullable=True),
    sa.Column('names', Json, nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_organisation'))
    )
    with op.batch_alter_table('organisation', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_organisation_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_organisation_parent_uid'), ['parent_uid'], unique=False)

    op.create_table('outbox',
    sa.Column('incarnation', sa.String(length=36), nullable=False),
    sa.Column('sequence', BigInt, autoincrement=False, nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('version', BigInt, nullable=False),
    sa.Column('body', Json, nullable=False),
    sa.Column('made_steady_s', BigInt, nullable=False),
    sa.Column('acknowledged_steady_s', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('incarnation', 'sequence', name=op.f('pk_outbox'))
    )
    op.create_table('package',
    sa.Column('id', sa.String(length=64), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('course_uid', sa.String(length=36), nullable=True),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('revision', BigInt, nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('manifest', sa.LargeBinary(), nullable=False),
    sa.Column('signature', Json, nullable=False),
    sa.Column('floor_held', sa.Boolean(), nullable=False),
    sa.Column('superseded_by', sa.String(length=64), nullable=True),
    sa.Column('superseded_steady_s', BigInt, nullable=True),
    sa.Column('withdrawn', sa.Boolean(), nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_package'))
    )
    with op.batch_alter_table('package', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_package_course_uid'), ['course_uid'], unique=False)
        batch_op.create_index('ix_package_lesson', ['lesson_uid', 'revision'], unique=False)

    op.create_table('part',
    sa.Column('package_id', sa.String(length=64), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('bytes', BigInt, nullable=False),
    sa.Column('is_floor', sa.Boolean(), nullable=False),
    sa.Column('wanted', sa.Boolean(), nullable=False),
    sa.Column('held', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('package_id', 'sha256', name=op.f('pk_part'))
    )
    op.create_table('person',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('sign_in_name', sa.String(length=100), nullable=True),
    sa.Column('language', sa.String(length=20), nullable=True),
    sa.Column('picture', sa.String(length=40), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_person'))
    )
    with op.batch_alter_table('person', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_person_org_uid'), ['org_uid'], unique=False)

    op.create_table('pinned_root',
    sa.Column('id', BigInt, nullable=False),
    sa.Column('public', sa.String(length=64), nullable=False),
    sa.Column('hub_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_pinned_root'))
    )
    op.create_table('plan_row',
    sa.Column('group_uid', sa.String(length=36), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('day', sa.String(length=10), nullable=True),
    sa.Column('period', BigInt, nullable=True),
    sa.Column('dropped_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_plan_row'))
    )
    with op.batch_alter_table('plan_row', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_plan_row_group_uid'), ['group_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_plan_row_lesson_uid'), ['lesson_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_plan_row_org_uid'), ['org_uid'], unique=False)

    op.create_table('progress',
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('lesson_uid', sa.String(length=36), nullable=False),
    sa.Column('timeline_uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('spans', Json, nullable=False),
    sa.Column('seen_ms', BigInt, nullable=False),
    sa.Column('watched_ms', BigInt, nullable=False),
    sa.Column('position_ms', BigInt, nullable=False),
    sa.Column('last_event_uid', sa.String(length=36), nullable=False),
    sa.Column('change_seq', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('person_uid', 'lesson_uid', 'timeline_uid', name=op.f('pk_progress'))
    )
    with op.batch_alter_table('progress', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_progress_change_seq'), ['change_seq'], unique=False)
        batch_op.create_index(batch_op.f('ix_progress_org_uid'), ['org_uid'], unique=False)

    op.create_table('rendition',
    sa.Column('source_uid', sa.String(length=36), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('facts', Json, nullable=False),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('source_uid', 'name', name=op.f('pk_rendition'))
    )
    op.create_table('role_grant',
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('scope_kind', sa.String(length=20), nullable=False),
    sa.Column('scope_uid', sa.String(length=36), nullable=True),
    sa.Column('starts_on', sa.String(length=10), nullable=False),
    sa.Column('ended_on', sa.String(length=10), nullable=True),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_role_grant'))
    )
    with op.batch_alter_table('role_grant', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_role_grant_org_uid'), ['org_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_role_grant_person_uid'), ['person_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_role_grant_scope_uid'), ['scope_uid'], unique=False)

    op.create_table('school_calendar',
    sa.Column('time_zone', sa.String(length=60), nullable=False),
    sa.Column('current_school_year', BigInt, nullable=False),
    sa.Column('terms', Json, nullable=False),
    sa.Column('class_hours', Json, nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_school_calendar'))
    )
    with op.batch_alter_table('school_calendar', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_school_calendar_org_uid'), ['org_uid'], unique=False)

    op.create_table('sign_in',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('person_uid', sa.String(length=36), nullable=False),
    sa.Column('credential_uid', sa.String(length=36), nullable=False),
    sa.Column('started_ms', BigInt, nullable=False),
    sa.Column('ended_ms', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_sign_in'))
    )
    with op.batch_alter_table('sign_in', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_sign_in_credential_uid'), ['credential_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_sign_in_person_uid'), ['person_uid'], unique=False)

    op.create_table('site',
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_site'))
    )
    with op.batch_alter_table('site', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_site_org_uid'), ['org_uid'], unique=False)

    op.create_table('source',
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('file_name', sa.String(length=200), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=True),
    sa.Column('bytes', BigInt, nullable=True),
    sa.Column('probe', Json, nullable=True),
    sa.Column('refusal', Json, nullable=True),
    sa.Column('made_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_source'))
    )
    with op.batch_alter_table('source', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_source_org_uid'), ['org_uid'], unique=False)

    op.create_table('stream_page',
    sa.Column('sequence', BigInt, autoincrement=False, nullable=False),
    sa.Column('payload', sa.LargeBinary(), nullable=False),
    sa.Column('signature', Json, nullable=False),
    sa.Column('received_steady_s', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('sequence', name=op.f('pk_stream_page'))
    )
    op.create_table('stream_row',
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('table_name', sa.String(length=40), nullable=False),
    sa.Column('row_uid', sa.String(length=90), nullable=False),
    sa.Column('sequence', BigInt, nullable=False),
    sa.Column('change_seq', BigInt, nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.PrimaryKeyConstraint('org_uid', 'table_name', 'row_uid', name=op.f('pk_stream_row')),
    sa.UniqueConstraint('org_uid', 'sequence', name=op.f('uq_stream_row_org_uid_sequence'))
    )
    op.create_table('stream_state',
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('sequence', BigInt, nullable=False),
    sa.Column('change_seq', BigInt, nullable=False),
    sa.Column('progress_seq', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('org_uid', name=op.f('pk_stream_state'))
    )
    op.create_table('tombstone',
    sa.Column('table_name', sa.String(length=40), nullable=False),
    sa.Column('row_uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.Column('erased_ms', BigInt, nullable=False),
    sa.PrimaryKeyConstraint('table_name', 'row_uid', name=op.f('pk_tombstone'))
    )
    with op.batch_alter_table('tombstone', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_tombstone_org_uid'), ['org_uid'], unique=False)

    op.create_table('trusted_key',
    sa.Column('id', sa.String(length=16), nullable=False),
    sa.Column('public', sa.String(length=64), nullable=False),
    sa.Column('scopes', Json, nullable=False),
    sa.Column('statement', Json, nullable=False),
    sa.Column('revoked_at_sequence', BigInt, nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_trusted_key'))
    )
    op.create_table('unit',
    sa.Column('course_uid', sa.String(length=36), nullable=False),
    sa.Column('titles', Json, nullable=False),
    sa.Column('position', BigInt, nullable=False),
    sa.Column('uid', sa.String(length=36), nullable=False),
    sa.Column('org_uid', sa.String(length=36), nullable=False),
    sa.PrimaryKeyConstraint('uid', name=op.f('pk_unit'))
    )
    with op.batch_alter_table('unit', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_unit_course_uid'), ['course_uid'], unique=False)
        batch_op.create_index(batch_op.f('ix_unit_org_uid'), ['org_uid'], unique=False)

    op.create_table('upstream',
    sa.Column('url', sa.String(length=200), nullable=False),
    sa.Column('priority', BigInt, nullable=False),
    sa.Column('node_uid', sa.String(length=36), nullable=False),
    sa.Column('hub_uid', sa.String(length=36), nullable=False),
    sa.Column('certificate', Json, nullable=False),
    sa.Column('stream_sequence', BigInt, nullable=False),
    sa.Column('stream_epoch', BigInt, nullable=False),
    sa.Column('change_seq_sent', BigInt, nullable=False),
    sa.Column('hub_time_ms', BigInt, nullable=True),
    sa.Column('hub_time_steady_s', BigInt, nullable=True),
    sa.Column('last_contact_ms', BigInt, nullable=True),
    sa.Column('last_error', sa.String(length=60), nullable=True),
    sa.PrimaryKeyConstraint('url', name=op.f('pk_upstream'))
    )
