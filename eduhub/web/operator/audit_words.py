"""What an action of the audit list is called on a page. Must not know any table."""

from flask_babel import gettext

from eduhub.accounts import audit
from eduhub.errors import N_

WORDS = {
    "accounts.add_adult": N_("added a teacher or an admin"),
    "accounts.add_child": N_("added a child"),
    "accounts.card_lost": N_("ended a lost card"),
    "accounts.change_password": N_("changed the own password"),
    "accounts.change_person": N_("changed a person"),
    "accounts.choose_pictures": N_("chose pictures to sign in with"),
    "accounts.end_all_sign_ins": N_("signed somebody out everywhere"),
    "accounts.end_box_word": N_("ended a word for the school's box"),
    "accounts.end_role": N_("ended a role"),
    "accounts.end_sign_in": N_("signed out elsewhere"),
    "accounts.erase_child": N_("erased a child"),
    "accounts.export_child": N_("took out what is kept of a child"),
    "accounts.forget_pictures": N_("had a child's pictures forgotten"),
    "accounts.issue_card": N_("made a card"),
    "accounts.make_box_word": N_("made a word for the school's box"),
    "accounts.reset_password": N_("made a word that is good once"),
    "accounts.use_box_word": N_("signed in at the school's box with a word of the county"),
    "course.order": N_("changed the order of a course"),
    "course.review_off": N_("let the teachers of a course publish"),
    "course.review_on": N_("had the lessons of a course reviewed"),
    "courses.add": N_("made a course"),
    "courses.add_unit": N_("added a unit"),
    "courses.end_course": N_("ended a course of a class"),
    "courses.give_course": N_("gave a course to a class"),
    "history.undo": N_("undid a change"),
    "jobs.again": N_("had a job done again"),
    "courier.fill": N_("filled a stick for a box"),
    "courier.take": N_("took lessons from a stick"),
    "courier.read": N_("took home what was on a stick"),
    "courier.pack": N_("had a file for a stick made for a box"),
    "courier.take_home": N_("sent what a box sends home"),
    "courier.take_file": N_("took lessons from a file"),
    "courier.give_home": N_("downloaded what the box sends home"),
    "jobs.stop": N_("stopped a job"),
    "lesson.add": N_("added a lesson"),
    "lesson.add_voice": N_("added a voice to a lesson"),
    "lesson.attach": N_("changed the attachments of a lesson"),
    "lesson.captions": N_("changed the captions of a lesson"),
    "lesson.chapters": N_("changed the chapters of a lesson"),
    "lesson.drop_voice": N_("took a voice out of a lesson"),
    "lesson.hand_in": N_("handed a lesson in for review"),
    "lesson.publish": N_("published a lesson"),
    "lesson.send_back": N_("sent a lesson back"),
    "lesson.send_video": N_("sent a video"),
    "lesson.trim": N_("trimmed a lesson"),
    "lesson.withdraw": N_("took a lesson back"),
    "lesson.words": N_("changed the words of a lesson"),
    "media.choose_sounds": N_("chose the voices of a recording"),
    "media.give_room": N_("changed a school's room"),
    "media.stop": N_("stopped preparing a recording"),
    "media.try_again": N_("had a recording prepared again"),
    "plan.add": N_("planned a lesson"),
    "plan.carry_on": N_("carried the plan on"),
    "plan.drop": N_("took a lesson out of the plan"),
    "plan.move": N_("moved a lesson in the plan"),
    "schools.add_group": N_("made a class"),
    "schools.add_organisation": N_("made a school or a region"),
    "schools.box_policy": N_("chose what the school's box fetches"),
    "schools.change_calendar": N_("changed the school's calendar"),
    "schools.children_sign_in": N_("chose how children sign in"),
    "schools.consent": N_("wrote down a consent"),
    "schools.consent_ended": N_("took a consent back"),
    "schools.enrol": N_("put a child into a class"),
    "schools.leave": N_("took a child out of the school"),
    "schools.move_child": N_("moved a child to another class"),
    "schools.withdraw": N_("took a child out of a class"),
    "sync.change_offer": N_("changed what version a place is offered"),
    "sync.join_box": N_("a box joined with its code"),
    "sync.lose_box": N_("shut out a box that was lost, and ended its school's cards"),
    "sync.new_code": N_("made a code for a box"),
    "sync.offer_version": N_("offered a version of EduHub"),
    "sync.replace_box": N_("made a code for a spare box"),
    "sync.report_stolen": N_("reported a box stolen, and shut it out"),
    "sync.revoke_box": N_("shut out a box"),
    "sync.two_machines": N_("two machines use the keys of one box"),
    "user.add": N_("added a person at the machine"),
    audit.PUT_ASIDE: N_("put aside what a box had sent"),
}


def word_of(action: str) -> str:
    """The action in the page's language; its own name where an older or a later release wrote one that has no word here."""
    more = audit.more_of(action)
    plain = action.partition(".more.")[0] if more is not None else action
    known = audit.PUT_ASIDE if plain.startswith(audit.PUT_ASIDE) else plain
    if known not in WORDS:
        return action
    word = str(gettext(WORDS[known]))
    return word if more is None else gettext("%(what)s: %(count)s more times on that day", what=word, count=more)
