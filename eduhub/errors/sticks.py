"""The errors of a courier's stick. See the table in `__init__.py`."""

from eduhub.errors.base import N_, EduHubError


class NoCourier(EduHubError):
    code, status = "courier.not_one", 422
    happened = N_("There is nothing of EduHub on this stick, or something else is in its place.")
    kept = N_("Nothing was changed.")
    next_step = N_("Plug in the right stick. A new one is filled at the county.")


class AnotherHubsStick(EduHubError):
    code, status = "courier.another_hub", 409
    happened = N_("This stick belongs to another county.")
    kept = N_("Nothing was changed, here or on the stick.")
    next_step = N_("Plug in a stick of your own county, or an empty one.")


class OlderStick(EduHubError):
    code, status = "courier.older", 409
    happened = N_("This stick was filled before the county was restored from a backup.")
    kept = N_("Nothing was changed.")
    next_step = N_("Have it filled again at the county.")


class StickReadOnly(EduHubError):
    code, status = "courier.read_only", 409
    happened = N_("This stick cannot be written to.")
    kept = N_("What was taken from it is kept.")
    next_step = N_("Look for a small switch on its side, or take another stick.")


class StickFull(EduHubError):
    code, status = "courier.full", 507
    happened = N_("The stick is full.")
    kept = N_("What is on it is whole.")
    next_step = N_("Make room on it, or take a larger one.")


class StickGone(EduHubError):
    code, status, retry = "courier.gone", 503, True
    happened = N_("The stick was pulled out, or cannot be read.")
    kept = N_("Everything that had been copied whole is kept.")
    next_step = N_("Plug it in and start again. It goes on where it was.")


class StickBusy(EduHubError):
    code, status, retry = "courier.busy", 409, True
    happened = N_("This stick is being read or written just now.")
    kept = N_("Nothing was changed.")
    next_step = N_("Wait until that has ended, then try again.")


class BoxBusy(EduHubError):
    code, status, retry = "courier.box_busy", 409, True
    happened = N_("The box is fetching lessons over its link just now.")
    kept = N_("Nothing was changed.")
    next_step = N_("Leave the stick plugged in. It is tried again.")


class NoStickFile(EduHubError):
    code, status = "courier.no_file", 422
    happened = N_("This is no file of EduHub for a stick, or it is not whole.")
    kept = N_("Nothing was changed.")
    next_step = N_("Download it again, and choose the file whose name ends in .tar.")


class StickFileTooLarge(EduHubError):
    code, status = "courier.file_too_large", 413
    happened = N_("This is more than a school's box sends home: at most %(limit_mb)s MB are taken.")
    kept = N_("Nothing was changed.")
    next_step = N_("Choose the file that was downloaded at the school's box.")


class StickFileCut(EduHubError):
    code, status, retry = "courier.file_cut_short", 400, True
    happened = N_("The connection ended before the whole file had arrived.")
    kept = N_("Nothing was changed, and nothing of the file was kept.")
    next_step = N_("Stay near the box, and send the file again.")


class StickFileNeedsRoom(EduHubError):
    code, status = "courier.file_needs_room", 507
    happened = N_("There is no room for this file: it takes %(needed)s MB while it is taken in, and %(free)s MB are free.")
    kept = N_("Nothing was changed.")
    next_step = N_("Have a smaller file made at the county, or make room on the disk.")


class StickFileBusy(EduHubError):
    code, status, retry = "courier.file_busy", 409, True
    happened = N_("Another file is being sent here just now.")
    kept = N_("Nothing was changed.")
    next_step = N_("Wait until that has ended, then send this one again.")
