"""The words of the script that sends files, in the page's language; it fills in the places in braces."""

from flask_babel import gettext


def words() -> dict[str, str]:
    """Each sentence under the key by which the script knows it."""
    return _amounts() | _states() | _light_copy()


def _amounts() -> dict[str, str]:
    return {
        "mb": gettext("{n} MB"), "gb": gettext("{n} GB"), "percent": gettext("{n} %"), "of": gettext("{done} of {all}"),
        "rate": gettext("{n} kB a second"), "left": gettext("{time} left"),
        "under_a_minute": gettext("less than a minute"), "minutes": gettext("about {m} min"),
        "hours": gettext("about {h} h {m} min"),
    }  # fmt: skip


def _states() -> dict[str, str]:
    return {
        "looking": gettext("Looking at the file: a first small part of it is sent, so that a wrong file is noticed now."),
        "sending": gettext("The file is being sent."), "sending_tenth": gettext("{n} % has arrived."),
        "waits": gettext("Waits for its turn."), "arrived": gettext("The whole file has arrived."),
        "paused": gettext("Paused. What has arrived is kept."), "pause": gettext("Pause"), "go_on": gettext("Go on"),
        "paused_until": gettext("Paused until {time}. Leave this page open; it goes on by itself."),
        "no_answer": gettext("No connection to the hub at the moment."),
        "busy": gettext("The hub is not ready at the moment."),
        "goes_on": gettext("What has arrived is kept, and it goes on by itself."),
        "load_again": gettext("If this stays so, load this page again."),
        "may_close": gettext("You may close this page: choose the same file again later and it goes on at {n} %."),
        "half_there": gettext(
            "Of '{name}' ({size}), {n} % has arrived. Choose the same file again and it goes on from there. It is kept for"
            " {days} more days."
        ),
        "another_file": gettext(
            "'{name}' is another file. Choose the one of which a part has arrived, or start anew; that drops what has arrived."
        ),
        "too_large": gettext("This file is too large: at most {size}. Choose a smaller one, or save it smaller and try again."),
        "empty": gettext("This file is empty. Choose another one."),
        "unreadable": gettext("This file cannot be read any more. Choose it again."),
        "gone": gettext("What had arrived was kept for its time and is gone. Choose the file again; it starts anew."),
        "cannot": gettext("This file cannot be sent. Load this page again and try once more."),
    }


def _light_copy() -> dict[str, str]:
    return {
        "light_size": gettext("The small copy is about {size} and takes {time} to send."),
        "light_loading": gettext("Getting ready to make the small copy."),
        "light_making": gettext("The small copy is being made on this device: {n} %"),
        "light_sending": gettext("The small copy ({size}) is being sent: {n} %"),
        "light_first": gettext("The small copy goes first; the file goes on after it."),
        "light_arrived": gettext("The small copy has arrived and is being prepared. The file itself goes on."),
        "light_sound_arrived": gettext(
            "The sound has arrived and is being prepared; this device could not read the pictures. The file itself goes on."
        ),
        "light_failed": gettext("This device could not make a small copy. The file itself goes on."),
    }
