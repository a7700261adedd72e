"""The last part of the table of errors: what whoever runs a machine meets (backup, versions, demo). See the package."""

from eduhub.errors.base import N_, EduHubError

# --- backup -------------------------------------------------------------------------


class BackupRefused(EduHubError):
    code, status = "ops.backup_refused", 409
    happened = N_("This backup cannot be used: %(reason)s.")
    kept = N_("Nothing was changed.")
    next_step = N_("Choose another backup, or an empty data folder to restore into.")


# --- releases -----------------------------------------------------------------------


class ReleaseRefused(EduHubError):
    code, status = "ops.release_refused", 409
    happened = N_("This version cannot be put in here: %(reason)s.")
    kept = N_("The version that runs goes on; nothing was changed.")
    next_step = N_("The operator of the hub can offer another version.")


class ReleaseNeedsRoom(EduHubError):
    code, status = "ops.release_needs_room", 507
    happened = N_("The new version needs %(megabytes)s MB more room on the disk.")
    kept = N_("The version that runs goes on; nothing was changed.")
    next_step = N_("Make room. It is tried again by itself.")


class NewerTables(EduHubError):
    code, status = "ops.newer_tables", 500
    happened = N_("The data on this machine was last used by a newer version of EduHub, which this one cannot stand in for.")
    kept = N_("Nothing was changed.")
    next_step = N_("Start the newer version again.")


# --- demo ---------------------------------------------------------------------------


class DemoRefused(EduHubError):
    code, status = "ops.demo_refused", 409
    happened = N_("The demo was not loaded: %(reason)s.")
    kept = N_("Nothing was changed.")
    next_step = N_("Use another data folder for the demo (EDUHUB_DATA_DIR).")
