"""What kind of machine this is, for wheels: the Python, the system and the processor.

This module must not know releases.
"""

import platform
import sys
import sysconfig


def target() -> str:
    """This machine's name among the targets of a release, as `cp311-linux_x86_64`."""
    version = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    system = "musllinux" if "musl" in str(sysconfig.get_config_var("SOABI")) else platform.system().lower()
    return f"{version}-{system}_{platform.machine().lower()}"
