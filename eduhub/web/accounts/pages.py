"""Where the pages of this room exist: signing in, everywhere; by the list of the class, at a box alone."""

from eduhub.web.accounts import access, class_list, own, sign_in, turns

EVERYWHERE = (sign_in.bp, turns.bp, own.bp, access.bp)
AT_A_BOX = (class_list.bp,)
